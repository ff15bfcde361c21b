-- What a billing system keeps with an account, and from where it calls. As in 0001: TEXT and BIGINT only, and what must be unique is a constraint.

-- The caller's own name for the client that the account is for, a token's prefix in front.
ALTER TABLE account ADD COLUMN client_ref TEXT;
-- When the client pays next: a date, as in 2026-12-31.
ALTER TABLE account ADD COLUMN next_due_on TEXT;
CREATE INDEX account_client_ref ON account (owner, client_ref, id) WHERE client_ref IS NOT NULL;

-- How many accounts a server takes; 0 for any number.
ALTER TABLE server ADD COLUMN max_accounts BIGINT NOT NULL DEFAULT 0;

-- The text that a rotated token had before, which opens until the new one was used.
ALTER TABLE token ADD COLUMN former_hash TEXT;
CREATE UNIQUE INDEX token_former_hash ON token (former_hash) WHERE former_hash IS NOT NULL;

-- The installations that changed something with a token, or wanted to: where they say they are.
CREATE TABLE token_caller (
    token_id   TEXT NOT NULL REFERENCES token (id),
    url        TEXT NOT NULL,
    directory  TEXT NOT NULL,
    allowed    BIGINT NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (token_id, url, directory)
);
