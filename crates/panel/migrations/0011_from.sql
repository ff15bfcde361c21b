-- From where something was asked for. A row without it has it neither in the JSON that its hash covers. As in 0001: TEXT and BIGINT only.

ALTER TABLE activity ADD COLUMN address TEXT;
