-- Where somebody lately signed in well: an address, or an IPv6 network of 64 bits. Whoever comes from there under that name is served before strangers.
CREATE TABLE sign_in_place (
    owner         TEXT NOT NULL,
    administrator TEXT NOT NULL REFERENCES administrator (username) ON DELETE CASCADE,
    place         TEXT NOT NULL,
    at            BIGINT NOT NULL,
    PRIMARY KEY (administrator, place)
);
