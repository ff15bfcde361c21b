"""The measurements of the pages: an Activity of a million rows, and how soon the Panel answers each page."""

import hashlib
import http.client
import json
import os
import random
import re
import sqlite3
import ssl
import sys
import time
import urllib.parse
import uuid

from measure import spread
from server import ROOT, Failed, call

DATABASE = "/var/lib/opterius-panel/panel.db"
MICROSECONDS = 1_000_000

# What happens to accounts, with how it ends and how often.
HAPPENS = [
    ("account.create", "ok", 30),
    ("account.create.outcome", "ok", 28),
    ("account.create.outcome", "failed", 2),
    ("account.suspend", "ok", 12),
    ("account.unsuspend", "ok", 10),
    ("account.package", "ok", 8),
    ("account.sign_in", "ok", 8),
    ("account.create", "refused", 2),
]


def fill(server, count):
    """An Activity of `count` rows."""
    services = ("opterius-panel.socket", "opterius-panel", "opterius-agent.socket", "opterius-agent")
    server.run("systemctl", "stop", *services)
    # The server would tell that this is another Activity.
    server.run("rm", "-f", "/var/lib/opterius-agent/activity-heads.jsonl")
    call(sys.executable, "-B", __file__, server.root(), str(count))
    os.sync()
    server.run("systemctl", "start", *services)
    server.wait_until_ready()


def happened(root, count):
    """Rows in the Activity until there are `count`, each with the hash of the one before, spread over the last year."""
    # SQLite follows the link that /proc's root is, back to this machine.
    os.chroot(root)
    database = sqlite3.connect(DATABASE, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    # Of ten things that happen one is an operation, which is some kilobytes with its steps.
    cursor = database.execute("SELECT * FROM operation WHERE outcome = 'committed' ORDER BY id LIMIT 1")
    operation = dict(zip((column for column, *_ in cursor.description), cursor.fetchone()))
    year = 365 * 24 * 3600
    begins = uuid.UUID(operation["id"]).int - (year * 1000 << 80)
    moments = {name: operation[name] - year * MICROSECONDS for name in ("started_at", "finished_at")}
    older = (tuple((operation | moments | {"id": str(uuid.UUID(int=begins + (number << 80)))}).values()) for number in range(count // 10))
    database.executemany(f"INSERT INTO operation VALUES ({', '.join('?' * len(operation))})", older)
    accounts = [row for row in database.execute("SELECT id, username, last_operation_id FROM account WHERE status = 'active'")]
    # The first rows are real ones, and are told again behind those from before.
    real = database.execute("SELECT owner, at, actor, action, account_id, operation_id, request_id, outcome, detail FROM activity ORDER BY id").fetchall()
    database.execute("DELETE FROM activity")
    dice = random.Random(1)
    chosen = dice.choices(HAPPENS, [weight for *_, weight in HAPPENS], k=max(0, count - len(real)))
    actors = [f"token:shop {number}" for number in range(20)] + ["administrator:admin", "administrator:ada"]
    begun = real[0][1] - 365 * 24 * 3600 * MICROSECONDS
    step = (real[0][1] - begun) // max(1, len(chosen))

    def rows():
        for number, (action, outcome, _) in enumerate(chosen):
            account, username, operation = dice.choice(accounts)
            yield ("host", begun + number * step, dice.choice(actors), action, account, operation, f"bench-{number}", outcome, f"{action} of {username}.")
        yield from real

    # As Rust writes JSON, which is what the hash is of: no blanks, the fields in the order of the alphabet.
    names = ("owner", "at", "actor", "action", "account_id", "operation_id", "request_id", "outcome", "detail")
    prev = "0" * 64

    def chained():
        nonlocal prev
        for number, values in enumerate(rows(), start=1):
            row = dict(zip(names, values)) | {"id": number, "prev": prev}
            text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            before, prev = prev, hashlib.sha256(text.encode()).hexdigest()
            yield (number, *values, before, prev)

    database.executemany(f"INSERT INTO activity (id, {', '.join(names)}, prev, hash) VALUES ({', '.join('?' * 12)})", chained())
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # As the last connection it takes the files beside the database away, which would otherwise be root's.
    database.close()


class Browser:
    """Somebody of the host, signed in, on one connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPSConnection(server.ip, 8443, context=ssl._create_unverified_context(), timeout=60)
        form = urllib.parse.urlencode({"name": "admin", "password": server.admin_password})
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        self.connection.request("POST", "/enter", form, kind)
        answer = self.connection.getresponse()
        answer.read()
        cookie = answer.getheader("Set-Cookie")
        if answer.status != 303 or not cookie:
            raise Failed(f"signing in: {answer.status}")
        self.headers = {"Cookie": cookie.split(";")[0]}

    def open(self, path):
        """The page, and the milliseconds until it was read."""
        begun = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        page = answer.read().decode()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise Failed(f"{path}: {answer.status} {page[:500]}")
        return page, took


def addresses(server):
    """Every page that the browser tests open, as an address, and lists as people look through them."""
    with open(os.path.join(ROOT, "e2e", "browser", "pages.json"), encoding="utf-8") as file:
        pages = json.load(file)["pages"]
    one = lambda sql: server.run("sqlite3", "-readonly", DATABASE, sql).strip()
    account = one("SELECT id FROM account WHERE status = 'active' ORDER BY id DESC LIMIT 1")
    ids = {
        "/accounts/{id}": account,
        "/account/{id}": account,
        "/accounts/{id}/package": account,
        "/accounts/{id}/php": account,
        "/packages/{id}": one("SELECT id FROM package LIMIT 1"),
        "/operations/{id}": one("SELECT id FROM operation ORDER BY id LIMIT 1"),
        "/activity/{id}": one("SELECT MAX(id) / 2 FROM activity"),
        "/servers/{id}": one("SELECT id FROM server LIMIT 1"),
        "/people/{id}": "admin",
    }
    found = {}
    for page in pages:
        route = page["route"]
        if "{" in route and route not in ids:
            raise Failed(f"{route}: no id of such a thing is known; give it one in bench/browse.py")
        found[f"`{route}`"] = re.sub(r"\{.*?\}", lambda _: ids[route], route)
    busy = one("SELECT account_id FROM activity WHERE account_id IS NOT NULL GROUP BY account_id ORDER BY COUNT(*) DESC LIMIT 1")
    found |= {
        "`/accounts`, the last page": "/accounts?page=100000",
        "`/accounts`, by domain": "/accounts?sort=domain",
        "`/accounts`, `seed09` searched": "/accounts?q=seed09",
        "`/accounts`, nothing found": "/accounts?q=nobody.example",
        "`/accounts`, suspended ones": "/accounts?state=suspended",
        "`/activity`, half-way back": f"/activity?before={ids['/activity/{id}']}",
        "`/activity`, failed ones": "/activity?outcome=failed",
        "`/activity`, one action": "/activity?action=account.package",
        "`/activity`, one account": f"/activity?account={busy}",
        "`/activity`, one person": "/activity?actor=ada",
        "`/activity`, an actor and an outcome": "/activity?actor=shop&outcome=refused",
    }
    return found


def pages(server, times):
    """How long each page takes, the first time aside, and its size."""
    browser = Browser(server)
    found = {}
    for name, path in addresses(server).items():
        page, _ = browser.open(path)
        found[name] = spread([browser.open(path)[1] for _ in range(times)]), len(page.encode())
    return found


def verify(server):
    """Seconds that a check of the whole Activity takes."""
    begun = time.perf_counter()
    server.run("opterius", "activity", "verify")
    return time.perf_counter() - begun


if __name__ == "__main__":
    happened(sys.argv[1], int(sys.argv[2]))
