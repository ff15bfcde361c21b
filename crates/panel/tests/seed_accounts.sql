-- Adds 10,000 active accounts (`seed00001` … `seed10000`) to a Panel that has at least one active account, whose package, server and Spec they
-- share. Only the Panel knows them: for measuring lists, look-ups and orders beside many accounts. Needs SQLite 3.38.
INSERT INTO account (id, owner, external_ref, username, domain, email, package_id, server_id, status, generation, uid, spec, created_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000),
     model AS (SELECT * FROM account WHERE status = 'active' ORDER BY id LIMIT 1)
SELECT
    printf('0193a5e0-7c1e-7000-8000-%012d', i), owner, printf('seed:s%05d', i), printf('seed%05d', i), printf('seed%05d.example', i), NULL,
    package_id, server_id, 'active', 1, 20000 + i,
    json_set(
        spec,
        '$.account_id', printf('0193a5e0-7c1e-7000-8000-%012d', i),
        '$.username', printf('seed%05d', i),
        '$.sites[0].hosts[0]', printf('seed%05d.example', i),
        '$.uid', 20000 + i
    ),
    created_at
FROM n, model;

INSERT INTO claimed_name (name, kind, account_id, registrable)
SELECT 'user:' || username, 'user', id, NULL FROM account WHERE username GLOB 'seed[0-9]*'
UNION ALL
SELECT 'domain:' || domain, 'domain', id, domain FROM account WHERE username GLOB 'seed[0-9]*';
