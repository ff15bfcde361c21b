-- The people of the host, who work with the Panel in a browser. As in 0001: TEXT and BIGINT only, and what must be unique is a constraint.

ALTER TABLE administrator ADD COLUMN role TEXT NOT NULL DEFAULT 'administrator' CHECK (role IN ('administrator', 'support', 'read_only'));
-- The secret that their app makes codes from, base32; nothing if they sign in with the password alone.
ALTER TABLE administrator ADD COLUMN totp_secret TEXT;
-- The last period of 30 seconds whose code was used: none is good twice.
ALTER TABLE administrator ADD COLUMN totp_used BIGINT NOT NULL DEFAULT 0;
-- The language that they chose; nothing for what their browser asks for.
ALTER TABLE administrator ADD COLUMN language TEXT;

-- Codes for the day on which the app is lost, each good once.
CREATE TABLE recovery_code (
    administrator TEXT NOT NULL REFERENCES administrator (username) ON DELETE CASCADE,
    -- SHA-256 of the code, hexadecimal. The code itself is nowhere.
    hash          TEXT NOT NULL,
    PRIMARY KEY (administrator, hash)
);

-- How the list of sessions names one, so that it can be ended: its hash is nobody's business.
ALTER TABLE session ADD COLUMN id TEXT;
CREATE UNIQUE INDEX session_id ON session (id) WHERE id IS NOT NULL;
-- 0 while the second factor is still to come.
ALTER TABLE session ADD COLUMN whole BIGINT NOT NULL DEFAULT 1;
-- From where, and with what.
ALTER TABLE session ADD COLUMN address TEXT;
ALTER TABLE session ADD COLUMN browser TEXT;
CREATE INDEX session_administrator ON session (administrator) WHERE administrator IS NOT NULL;
