-- Finding accounts among ten thousand. As in 0001: what only makes reading quicker is an index.

-- Holds whatever a list is searched, filtered and counted by, so that neither reads a Spec.
CREATE INDEX account_found ON account (owner, username, id, status, domain, email, external_ref, package_id, server_id);
CREATE INDEX account_by_domain ON account (owner, domain, id);
