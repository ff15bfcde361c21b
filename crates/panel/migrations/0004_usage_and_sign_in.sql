-- What accounts use, and signing in without a password. As in 0001: TEXT and BIGINT only, and what must be unique is a constraint.

-- What the account's server said last. The disk is measured now and then, traffic is counted all the time, so each may be known alone.
CREATE TABLE account_usage (
    account_id    TEXT PRIMARY KEY REFERENCES account (id),
    disk_bytes    BIGINT,
    files         BIGINT,
    measured_at   BIGINT,
    traffic_bytes BIGINT,
    -- The calendar month (UTC) of the traffic, `2026-10`: in the next one it says nothing any more.
    traffic_month TEXT
);

-- Links that sign somebody in, once. Used ones are deleted.
CREATE TABLE sign_in (
    -- SHA-256 of the code, hexadecimal. The code itself is nowhere.
    hash       TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    -- The account whose customer it signs in; nothing for the staff of a token.
    account_id TEXT REFERENCES account (id),
    -- Who made it; nothing for the administrator.
    token_id   TEXT REFERENCES token (id) ON DELETE CASCADE,
    actor      TEXT NOT NULL,
    target     TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_in_account ON sign_in (account_id);
CREATE INDEX sign_in_token ON sign_in (token_id);
CREATE INDEX sign_in_expires ON sign_in (expires_at);

-- Browsers that are signed in.
CREATE TABLE session (
    -- SHA-256 of the cookie's value, hexadecimal. The value itself is nowhere.
    hash          TEXT PRIMARY KEY,
    owner         TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('customer', 'staff', 'administrator')),
    -- Of a customer: the one account that they see.
    account_id    TEXT REFERENCES account (id),
    -- The token that let them in, and that the session ends with; nothing if the administrator did.
    token_id      TEXT REFERENCES token (id) ON DELETE CASCADE,
    -- Of an administrator.
    administrator TEXT REFERENCES administrator (username) ON DELETE CASCADE,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    CHECK ((kind = 'customer') = (account_id IS NOT NULL)),
    CHECK ((kind = 'administrator') = (administrator IS NOT NULL))
);
CREATE INDEX session_account ON session (account_id);
CREATE INDEX session_token ON session (token_id);
CREATE INDEX session_expires ON session (expires_at);
