-- Refused requests of one minute that have no row of their own in the Activity: of whom, and why. `refused_caller` is not written to any more, and is
-- emptied step by step. As in 0001: TEXT and BIGINT only, and what must be unique is a constraint.

CREATE TABLE refused_request (
    -- Minutes since 1970.
    minute BIGINT NOT NULL,
    -- As the Activity names them: `token:whmcs`, or a range of addresses, `address:2001:db8::/48`.
    actor  TEXT NOT NULL,
    -- The code of the refusal.
    code   TEXT NOT NULL,
    times  BIGINT NOT NULL,
    PRIMARY KEY (minute, actor, code)
);

-- The last of what was removed from the beginning of the Activity, signed; the row that says so is in the Activity. One row at most.
CREATE TABLE activity_removal (
    first_row    BIGINT NOT NULL,
    last_row     BIGINT PRIMARY KEY,
    -- Of the last row that was removed: what the next one continues.
    hash         TEXT NOT NULL,
    at           BIGINT NOT NULL,
    -- Ed25519, hexadecimal: the public key, and its signature of the sentence in the Activity.
    key          TEXT NOT NULL,
    signature    TEXT NOT NULL,
    activity_row BIGINT NOT NULL
);
