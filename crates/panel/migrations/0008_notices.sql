-- What the host's staff are told by mail. As in 0001: TEXT and BIGINT only, and what must be unique is a constraint.

-- The server that takes the mails. Without one nothing is told.
CREATE TABLE mail_server (
    owner      TEXT PRIMARY KEY,
    host       TEXT NOT NULL,
    port       BIGINT NOT NULL,
    encryption TEXT NOT NULL CHECK (encryption IN ('tls', 'starttls', 'none')),
    username   TEXT,
    -- As it is, since the mail server wants to see it.
    password   TEXT,
    sender     TEXT NOT NULL,
    recipients TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- One thing that staff are told.
CREATE TABLE notice (
    id          TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('attention', 'unreachable', 'answers', 'drift')),
    -- The id of the operation, server or account that it is about, and when that happened: the same thing is told once.
    about       TEXT NOT NULL,
    happened_at BIGINT NOT NULL,
    facts       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
    queued_at   BIGINT NOT NULL,
    -- When it is to be sent, or tried again.
    due_at      BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    ended_at    BIGINT,
    -- What was in the way when it was tried last.
    why         TEXT,
    UNIQUE (owner, kind, about, happened_at)
);
CREATE INDEX notice_waiting ON notice (owner, due_at) WHERE state = 'waiting';
CREATE INDEX notice_about ON notice (owner, about, id);
