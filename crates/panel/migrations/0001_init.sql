-- Columns are TEXT and BIGINT only: an id is a UUID in canonical form, a moment is UTC microseconds since 1970, a truth is 0 or 1, JSON is
-- TEXT. Every rule of uniqueness is a constraint, so that races are decided here and nowhere else. Migrations only add.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE server (
    id          TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    name        TEXT NOT NULL,
    is_default  BIGINT NOT NULL,
    hostname    TEXT,
    ipv4        TEXT NOT NULL,
    ipv6        TEXT NOT NULL,
    nameservers TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (owner, name)
);
CREATE UNIQUE INDEX server_one_default ON server (owner) WHERE is_default = 1;

CREATE TABLE package (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    limits     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (owner, name)
);

-- An account whose create came to nothing stays as `failed`, for the history of its operation: its names are free, and it has no Spec,
-- no package and no place in any list.
CREATE TABLE account (
    id                TEXT PRIMARY KEY,
    owner             TEXT NOT NULL,
    external_ref      TEXT,
    username          TEXT NOT NULL,
    domain            TEXT NOT NULL,
    email             TEXT,
    package_id        TEXT REFERENCES package (id),
    server_id         TEXT NOT NULL REFERENCES server (id),
    status            TEXT NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended', 'terminated', 'failed', 'needs_attention')),
    generation        BIGINT NOT NULL,
    uid               BIGINT,
    spec              TEXT,
    last_operation_id TEXT,
    created_at        BIGINT NOT NULL,
    terminated_at     BIGINT,
    CHECK (status = 'failed' OR spec IS NOT NULL)
);
CREATE UNIQUE INDEX account_live_external_ref ON account (owner, external_ref) WHERE status NOT IN ('terminated', 'failed');
CREATE INDEX account_username ON account (username);
CREATE INDEX account_domain ON account (domain);
CREATE INDEX account_package ON account (package_id);
CREATE INDEX account_server ON account (server_id);
-- Holds whatever a list is counted by, so that counting reads no rows.
CREATE INDEX account_listed ON account (owner, id, created_at, status, external_ref) WHERE status NOT IN ('terminated', 'failed');

-- One row for every name that only one account may have: `user:alice`, `domain:example.com`.
CREATE TABLE claimed_name (
    name        TEXT PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('user', 'domain')),
    account_id  TEXT NOT NULL REFERENCES account (id),
    registrable TEXT
);
CREATE INDEX claimed_name_account ON claimed_name (account_id);
CREATE INDEX claimed_name_registrable ON claimed_name (registrable);

-- Below these names different customers may hold sites, as in `client.hoster.example`.
CREATE TABLE shared_parent_domain (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL
);

CREATE TABLE operation (
    id           TEXT PRIMARY KEY,
    owner        TEXT NOT NULL,
    account_id   TEXT NOT NULL REFERENCES account (id),
    server_id    TEXT NOT NULL REFERENCES server (id),
    kind         TEXT NOT NULL,
    username     TEXT NOT NULL,
    domain       TEXT NOT NULL,
    external_ref TEXT,
    actor        TEXT NOT NULL,
    request_id   TEXT NOT NULL,
    outcome      TEXT NOT NULL CHECK (outcome IN ('running', 'committed', 'rolled_back', 'needs_attention', 'not_sent')),
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    -- The Spec it makes true; taken away with the outcome, so that no old password hash stays.
    spec         TEXT,
    steps        TEXT NOT NULL,
    error        TEXT,
    acknowledged BIGINT NOT NULL
);
-- One writer per account.
CREATE UNIQUE INDEX operation_one_open_per_account ON operation (account_id) WHERE outcome IN ('running', 'needs_attention');
CREATE INDEX operation_open ON operation (id) WHERE outcome IN ('running', 'needs_attention');
CREATE INDEX operation_unacknowledged ON operation (id) WHERE acknowledged = 0;
CREATE INDEX operation_account ON operation (account_id, id);
CREATE INDEX operation_external_ref ON operation (owner, external_ref, id);

CREATE TABLE token (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    -- SHA-256 of the token, hexadecimal. The token itself is nowhere.
    hash       TEXT NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    ref_prefix TEXT,
    expires_at BIGINT,
    addresses  TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (owner, name)
);

CREATE TABLE administrator (
    username      TEXT PRIMARY KEY,
    owner         TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    BIGINT NOT NULL
);

-- Append-only. `hash` covers the row's canonical JSON, `prev` included, from the first row on.
CREATE TABLE activity (
    id           BIGINT PRIMARY KEY,
    owner        TEXT NOT NULL,
    at           BIGINT NOT NULL,
    actor        TEXT NOT NULL,
    action       TEXT NOT NULL,
    account_id   TEXT,
    operation_id TEXT,
    request_id   TEXT,
    outcome      TEXT NOT NULL CHECK (outcome IN ('ok', 'refused', 'failed')),
    detail       TEXT NOT NULL,
    prev         TEXT NOT NULL UNIQUE,
    hash         TEXT NOT NULL
);
CREATE INDEX activity_listed ON activity (owner, id);
CREATE INDEX activity_account ON activity (owner, account_id, id);
CREATE INDEX activity_action ON activity (owner, action, id);
CREATE INDEX activity_outcome ON activity (owner, outcome, id);

-- How often an address was turned away (401, 403, 429) in one minute.
CREATE TABLE refused_caller (
    minute   BIGINT NOT NULL,
    address  TEXT NOT NULL,
    status   BIGINT NOT NULL,
    times    BIGINT NOT NULL,
    recorded BIGINT NOT NULL,
    PRIMARY KEY (minute, address, status)
);
CREATE INDEX refused_caller_unrecorded ON refused_caller (minute) WHERE recorded = 0;
