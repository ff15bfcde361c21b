-- Whether an account may use more of the disk than was counted. As in 0001: TEXT and BIGINT only.

ALTER TABLE account_usage ADD COLUMN at_least BIGINT NOT NULL DEFAULT 0;
