-- Packages that accounts keep and no other account gets. As in 0001: TEXT and BIGINT only.

ALTER TABLE package ADD COLUMN retired_at BIGINT;
