"""Puts many accounts on a server at once, as copies of one that was really created.

A create proves each account through nginx, PHP and DNS, which for 10,000 of them takes most of an hour. This writes what they leave
behind: users, homes, entries, logs, pools, zones, the Agent's records and the Panel's rows, each copied from the account `seed00000` with
its names, ids and numbers replaced. Whatever form those have today, copies have it too. Not copied: the Activity, of which every row
holds the hash of the one before, and the Agent's journals, which it forgets once they are acknowledged.

usage: seed.py ROOT COUNT    with the server's daemons stopped; afterwards it has COUNT accounts, seed00000 included
"""

import json
import os
import re
import sqlite3
import sys
import uuid

FIRST = "seed00000"
STATIC = "<!doctype html><title>static</title>".ljust(1024, ".")
HOUR = 3600 * 1000 * 1000


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def id_before(first, number):
    """A UUID v7 in whose time the first account was not there yet: lists stay in the order of creation."""
    made = uuid.UUID(first).int
    milliseconds = (made >> 80) - 3600 * 1000 + number
    return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (made & (0xFFF << 64)) | (2 << 62) | uuid.uuid4().int & ((1 << 62) - 1)))


class Copy:
    """What becomes of a text of the first account in one of its copies."""

    def __init__(self, first, number):
        self.username = f"seed{number:05d}"
        self.account = id_before(first["account"], number)
        self.operation = id_before(first["operation"], number)
        self.uid = first["uid"] - number
        pairs = {
            FIRST: self.username,
            first["account"]: self.account,
            first["operation"]: self.operation,
            str(first["uid"]): str(self.uid),
        }
        self.pattern = re.compile("|".join(rf"\b{re.escape(key)}\b" for key in pairs))
        self.pairs = pairs

    def of(self, text):
        return self.pattern.sub(lambda found: self.pairs[found[0]], text) if isinstance(text, str) else text


def clone(source, target, copy, first):
    """A file, link or directory with all below it: content, owner and mode, with the names and ids in it replaced."""
    found = os.lstat(source)
    if os.path.islink(source):
        os.symlink(copy.of(os.readlink(source)), target)
        return
    if os.path.isdir(source):
        os.mkdir(target)
        for name in os.listdir(source):
            clone(os.path.join(source, name), os.path.join(target, copy.of(name)), copy, first)
    else:
        with open(target, "x", encoding="utf-8") as file:
            file.write(copy.of(read(source)))
    replaced = lambda number: copy.uid if number == first["uid"] else number
    os.chown(target, replaced(found.st_uid), replaced(found.st_gid))
    os.chmod(target, found.st_mode & 0o7777)


def insert(database, table, row):
    row = dict(row)
    names = ", ".join(row)
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def rows(database, table, where, *values):
    return [dict(row) for row in database.execute(f"SELECT * FROM {table} WHERE {where}", values)]


def opened(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("BEGIN IMMEDIATE")
    return database


def closed(database):
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # As the last connection it takes the files beside the database away, which would otherwise be root's.
    database.close()


def seed_users(copies):
    for name in ("passwd", "shadow", "group", "gshadow"):
        lines = [line for line in read(f"/etc/{name}").splitlines() if line.startswith(FIRST + ":")]
        with open(f"/etc/{name}", "a", encoding="utf-8") as file:
            file.writelines(copy.of(line) + "\n" for copy in copies for line in lines)


def seed_files(copies, first):
    static = f"/home/{FIRST}/{FIRST}.test/public_html/static.html"
    page = os.lstat(os.path.dirname(static))
    with open(static, "w", encoding="utf-8") as file:
        file.write(STATIC)
    os.chown(static, page.st_uid, page.st_gid)
    os.chmod(static, 0o640)
    trees = [
        f"/home/{FIRST}",
        f"/var/log/opterius/accounts/{FIRST}",
        f"/var/lib/opterius/entries/{first['account']}",
        f"/var/lib/opterius/sites/{FIRST}.test",
        f"/var/lib/opterius-phpd/pools/{first['account']}",
    ]
    record = f"/var/lib/opterius-agent/accounts/{first['account']}.json"
    for copy in copies:
        for tree in trees:
            clone(tree, copy.of(tree), copy, first)
        text = json.loads(copy.of(read(record)))
        # Long enough ago that no start takes it for something that a power cut may have lost.
        text["committed_at"] -= HOUR
        target = copy.of(record)
        with open(target, "x", encoding="utf-8") as file:
            json.dump(text, file, indent=2)
        os.chmod(target, 0o600)


def seed_zones(copies):
    database = opened("/var/lib/powerdns/opterius.sqlite3")
    [domain] = rows(database, "domains", "name = ?", f"{FIRST}.test")
    beside = {table: rows(database, table, "domain_id = ?", domain["id"]) for table in ("records", "domainmetadata")}
    for copy in copies:
        fresh = {name: copy.of(value) for name, value in domain.items() if name != "id"}
        insert(database, "domains", fresh)
        [number] = database.execute("SELECT last_insert_rowid()").fetchone()
        for table, lines in beside.items():
            for line in lines:
                insert(database, table, {name: copy.of(value) for name, value in line.items() if name != "id"} | {"domain_id": number})
    closed(database)


def seed_rows(copies, first):
    database = opened("/var/lib/opterius-panel/panel.db")
    account = first["account"]
    tables = [
        ("account", rows(database, "account", "id = ?", account)),
        ("claimed_name", rows(database, "claimed_name", "account_id = ?", account)),
        ("operation", rows(database, "operation", "account_id = ?", account)),
    ]
    for copy in copies:
        for table, lines in tables:
            for line in lines:
                fresh = {name: copy.of(value) for name, value in line.items()}
                for name in ("created_at", "started_at", "finished_at"):
                    if name in fresh:
                        fresh[name] -= HOUR
                if "uid" in fresh:
                    fresh["uid"] = copy.uid
                insert(database, table, fresh)
    closed(database)


def main(root, count):
    # Links in the server mean the server's own files, so everything is looked up from its root.
    os.chroot(root)
    os.chdir("/")
    database = opened("/var/lib/opterius-panel/panel.db")
    [row] = rows(database, "account", "username = ? AND status = 'active'", FIRST)
    database.close()
    first = {"account": row["id"], "operation": row["last_operation_id"], "uid": row["uid"]}
    copies = [Copy(first, number) for number in range(1, count)]
    seed_users(copies)
    seed_files(copies, first)
    seed_zones(copies)
    seed_rows(copies, first)


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1], int(sys.argv[2]))
