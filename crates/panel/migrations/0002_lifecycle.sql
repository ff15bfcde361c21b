-- The whole life of an account. As in 0001: TEXT and BIGINT only, and what must be unique is a constraint.

-- Until when a terminated account can be restored; nothing if nothing of it was kept.
ALTER TABLE account ADD COLUMN kept_until BIGINT;
-- When the password hash in the Spec of a terminated account is to be forgotten; nothing once it is.
ALTER TABLE account ADD COLUMN forget_at BIGINT;
CREATE INDEX account_forget ON account (forget_at) WHERE forget_at IS NOT NULL;
CREATE INDEX account_external_ref ON account (owner, external_ref, id);

-- Who holds a suspended account, and why. The rows stay when an account is terminated, so that a restore brings them back.
CREATE TABLE account_hold (
    account_id TEXT NOT NULL REFERENCES account (id),
    hold       TEXT NOT NULL CHECK (hold IN ('billing', 'abuse')),
    reason     TEXT NOT NULL,
    since      BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    PRIMARY KEY (account_id, hold)
);

-- Limits of one account that its package does not decide.
CREATE TABLE account_override (
    account_id TEXT NOT NULL REFERENCES account (id),
    name       TEXT NOT NULL,
    value      BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);

-- What the Panel's own rows of the account say once the operation is committed; taken away with the outcome.
ALTER TABLE operation ADD COLUMN memo TEXT;
-- Whether a person ended it where it stood, and what was not as it should be then.
ALTER TABLE operation ADD COLUMN abandoned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operation ADD COLUMN remains TEXT NOT NULL DEFAULT '[]';
