#!/usr/bin/env python3
"""A Panel for tests: HTTPS on a free port of 127.0.0.1, with the API and the account semantics of the real one.

Usage: panel.py CERTIFICATE KEY [PIN,BACKUP-PIN]

Prints {"port": N} and then answers one JSON command a line on stdin with one JSON line on stdout:
  {"do": "script", "rules": [{"on": "POST /api/accounts", "fault": "drop_before", ...}, ...]}
  {"do": "set", "state": {...}}        merges into the state below
  {"do": "report"}                     the state, and every request so far
  {"do": "reset"}                      as if it had just been started
  {"do": "staff", "method": "POST", "path": "/api/accounts/…/suspend", "body": {...}}
                                       what the host's own staff does in the Panel; answers {"status", "body"}
It ends when stdin does. A rule is used "times" times (once if nothing is said, with 0 for ever), by the first requests
that it fits; in "on", `*` stands for anything: "POST /api/accounts/*/suspend", "* *". The faults:
  drop_before   the connection ends without an answer and without the request being looked at
  drop_after    the same, but the request has been carried out
  late          as drop_before, and the request is carried out after the next GET has been answered
  hang_before   no answer until the client goes away, nothing carried out
  hang_after    the same, but the request has been carried out
  delay         carried out at once, and answered after the rule's "seconds"
  half          half of the promised bytes
  truncate      half of the JSON, with a Content-Length that agrees
  html          an HTML page with the rule's "status", nothing carried out
  redirect      302 to a path that no test may ever see requested
  reply         the rule's "status", "body" and "headers", nothing carried out
  echo          500 with the request's own body and Authorization header, in several encodings
  async         202; the operation ends with the rule's "end" after "polls" questions about account or operation
  ends          the operation comes to the rule's "end" (rolled_back, needs_attention) while the client waits
"""

import base64
import copy
import fnmatch
import json
import re
import ssl
import sys
import threading
import time
import unicodedata
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "t" * 43
SCOPES = [
    "self.read", "self.rotate", "self.sign_in", "accounts.read", "accounts.create", "accounts.suspend",
    "accounts.package", "accounts.password", "accounts.terminate", "accounts.restore", "accounts.repair",
    "accounts.record", "accounts.sign_in", "packages.read", "operations.read", "operations.retry",
]
LIMITS = ["disk_mib", "files", "bandwidth_gib", "php_workers", "php_memory_mib", "cpu_percent", "memory_mib",
          "processes", "sub_sites", "databases", "mailboxes"]
MIB, GIB = 1024 ** 2, 1024 ** 3
DAY = 86_400 * 1_000_000
RESERVED_USERNAMES = {"admin", "root", "test", "mail", "mysql", "www", "ftp", "info", "api", "opterius"}
PUBLIC_SUFFIXES = {"co.uk", "org.uk", "com.au", "co.jp"}
TARGETS = {"overview", "usage", "addresses", "operations"}

STARTER = {"disk_mib": 10240, "bandwidth_gib": 100, "php_workers": 5, "php_memory_mib": 256, "memory_mib": 0}

# What a test may set. `accounts` and `terminated` hold accounts as the API shows them, and in fields that begin with
# `_` what the Panel keeps to itself.
state = {
    "token": TOKEN,
    # A rotated token's new text, until it is first used.
    "next_token": None,
    "expires_at": None,
    "scopes": SCOPES,
    "ref_prefix": "whmcs:i:",
    # The installations ("URL in DIRECTORY") that may change something with the token; the first one becomes it.
    "callers": [],
    "version": "0.1.0",
    "api_version": 1,
    "clock_skew": 0,
    "packages": [
        {"id": "01890000-0000-7000-8000-000000000001", "name": "Starter", "limits": STARTER, "created_at": 1},
    ],
    "packages_per_page": 100,
    "accounts_per_page": 500,
    "servers": [
        {"id": "s1", "name": "web1", "hostname": "web1.test", "reachable": True, "max_accounts": 0},
    ],
    "shared_parent_domains": [],
    "terminated_kept_days": 30,
    "accounts": [],
    "terminated": [],
    "operations": [],
    # By username: the password that an account has, what it uses, and what of it is not as it should be.
    "passwords": {},
    "usage": {},
    "drift": {},
    "sign_ins": [],
    # Every new token and every sign-in's code: nothing of these belongs into a log.
    "handed_out": [],
    "username_suffix": "",
    # How an operation ends that is tried again.
    "retry_ends": "committed",
}
as_started = copy.deepcopy(state)
rules = []
requests = []
late = []
pending = []
lock = threading.RLock()
pins = sys.argv[3] if len(sys.argv) > 3 else ""


def now():
    return int((time.time() + state["clock_skew"]) * 1e6)


def when(micros):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(micros // 1_000_000))


class Problem(Exception):
    STATUS = {
        "invalid_request": 422, "package_not_found": 404, "package_retired": 409, "not_found": 404, "username_taken": 409, "domain_taken": 409,
        "external_ref_mismatch": 409, "external_ref_taken": 409, "limits_below_use": 409, "operation_running": 409,
        "server_full": 409, "unauthorized": 401, "forbidden": 403, "other_caller": 403, "method_not_allowed": 405,
        "account_gone": 410, "unsupported_media_type": 415, "too_many_requests": 429, "server_unreachable": 503,
        "server_not_configured": 503, "provisioning_failed": 502, "needs_attention": 500, "internal": 500,
    }
    TITLE = {
        "invalid_request": "The request is not valid", "package_not_found": "Package not found",
        "username_taken": "The username is taken", "domain_taken": "The domain is taken",
        "account_gone": "The account is gone", "limits_below_use": "More is used than that",
        "needs_attention": "The account needs attention", "server_unreachable": "The server could not be reached",
        "provisioning_failed": "The account could not be provisioned",
        "operation_running": "Another operation is running",
    }
    RETRYABLE = {"server_unreachable", "server_not_configured", "provisioning_failed", "operation_running",
                 "too_many_requests", "internal"}

    def __init__(self, code, detail, hint=None, **more):
        super().__init__(detail)
        self.status = self.STATUS[code]
        self.body = {"type": "about:blank", "status": self.status, "code": code,
                     "title": self.TITLE.get(code, code.replace("_", " ").capitalize()), "detail": detail,
                     "retryable": code in self.RETRYABLE}
        if hint is not None:
            self.body["hint"] = hint
        self.body.update({name: value for name, value in more.items() if value is not None})

    @staticmethod
    def invalid(errors):
        if len(errors) == 1:
            text, field = errors[0]["detail"], errors[0]["field"] or None
            detail = text if text.endswith((".", "!", "?")) else text + "."
            return Problem("invalid_request", detail, field=field, errors=errors)
        names = ", ".join(error["field"] for error in errors)
        return Problem("invalid_request", f"{len(errors)} fields are not valid: {names}.", errors=errors)


class Fields:
    """The fields of a body or a query, read one by one; what is wrong is told all at once."""

    def __init__(self, given):
        self.rest = dict(given)
        self.errors = []

    def refuse(self, field, code, detail):
        self.errors.append({"field": field, "code": code, "detail": detail})

    def has(self, field):
        return self.rest.get(field) is not None

    def optional(self, field, parse=lambda text: text):
        value = self.rest.pop(field, None)
        if value is None:
            return None
        if not isinstance(value, str):
            return self.refuse(field, "wrong_type", f"`{field}` must be a text")
        if value == "":
            return self.refuse(field, "empty", f"`{field}` is empty")
        try:
            return parse(value)
        except ValueError as error:
            return self.refuse(field, "invalid", str(error))

    def required(self, field, parse=lambda text: text):
        if not self.has(field):
            self.rest.pop(field, None)
            return self.refuse(field, "missing", f"`{field}` is missing")
        return self.optional(field, parse)

    def truth(self, field, default):
        value = self.rest.pop(field, None)
        value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(field, "wrong_type", f"`{field}` must be true or false")
        return default

    def overrides(self, field):
        given = self.rest.pop(field, None) or {}
        if not isinstance(given, dict):
            self.refuse(field, "wrong_type", f"`{field}` must be an object of limits, and is another thing")
            return {}
        for name, value in given.items():
            if name not in LIMITS:
                self.refuse(field, "unknown", f"there is no limit `{name}`")
            elif value is not None and (type(value) is not int or not 0 <= value <= 1_000_000_000):
                self.refuse(name, "wrong_type", f"`{name}` must be a whole number from 0 (unlimited)")
        return given

    def page_size(self, most, default=100):
        def parse(text):
            if not text.isdigit() or not 1 <= int(text) <= most:
                raise ValueError(f"`limit` must be a number from 1 to {most}")
            return int(text)
        return self.optional("limit", parse) or default

    def finish(self):
        for name in self.rest:
            self.refuse(name, "unknown", f"there is no field `{name}` here")
        if self.errors:
            raise Problem.invalid(self.errors)


def username_rule(text):
    if re.fullmatch("[a-z][a-z0-9]{2,31}", text) is None:
        raise ValueError(f"`{text}` is not a username: use 3 to 32 lower-case letters and digits, starting with a letter")
    if text in RESERVED_USERNAMES:
        raise ValueError(f"`{text}` is reserved for the system: choose another username")
    return text


def domain_rule(text):
    form = f"`{text}` is not a domain name: use a name such as `example.com`, of letters, digits, hyphens and dots"
    labels = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower()).split(".")
    labels = [label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels]
    name = ".".join(labels)
    if len(labels) < 2 or len(name) < 4:
        raise ValueError(form)
    if not all(re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels):
        raise ValueError(form)
    if len(name) > 98:
        raise ValueError(f"`{name}` is too long: a domain may have at most 98 characters in its A-label (xn--) form")
    if not labels[-1][0].isalpha():
        raise ValueError(f"`{name}` can never be looked up as a host name: use a registered domain")
    if labels[0] == "www":
        raise ValueError(f"`{name}` starts with `www.`: leave it out, every site answers to its name with `www.` as well")
    if name in PUBLIC_SUFFIXES:
        raise ValueError(f"`{name}` is a public suffix, below which anybody may register names: order a name below it")
    return name


def password_rule(text):
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError("the password holds a control character such as a line break: leave it out")
    if len(text) < 8:
        raise ValueError("the password is too short: use at least 8 characters")
    if len(text) > 128 or len(text.encode()) > 500:
        raise ValueError("the password is too long: use at most 128 characters and 500 bytes of UTF-8")
    return text


def package_rule(text):
    if len(text) > 64:
        raise ValueError(f"`{text[:60]}` is not a package name: use 1 to 64 characters")
    if text.strip() != text:
        raise ValueError(f"`{text}` is not a package name: it starts or ends with white space")
    return text


def email_rule(text):
    local, _, domain = text.partition("@")
    if (re.fullmatch(r"[^\s@<>\"',;:\\()\[\]`${}]+@[^\s@<>\"',;:\\()\[\]`${}]+", text) is None or len(text) > 254
            or len(local) > 64 or "." not in domain.strip(".") or domain != domain.strip(".")):
        raise ValueError(f"`{text[:60]}` is not an e-mail address: use one such as `name@example.com`")
    return text


def ref_rule(text):
    if re.fullmatch("[A-Za-z0-9._:-]{1,100}", text) is None:
        raise ValueError(f"`{text[:60]}` is not an external_ref: use 1 to 100 letters, digits and `. _ : -`")
    return text


def client_ref_rule(text):
    if re.fullmatch("[A-Za-z0-9._:-]{1,100}", text) is None:
        raise ValueError(f"`{text[:60]}` is not a client_ref: use 1 to 100 letters, digits and `. _ : -`")
    return text


def date_rule(text):
    wrong = ValueError(f"`{text[:60]}` is not a day: use one such as 2026-12-31")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text) is None or text < "1970":
        raise wrong
    try:
        time.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise wrong from None
    return text


def reason_rule(text):
    if not 1 <= len(text) <= 500 or text.strip() != text or any(
            unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in text):
        raise ValueError(f"`{text[:60]}` is not a reason: use 1 to 500 characters that can be seen, on one line, "
                         "without white space at either end")
    return text


def hold_rule(text):
    if text not in ("billing", "abuse"):
        raise ValueError(f"`{text}` is not a hold: use `billing` or `abuse`")
    return text


def days_rule(text):
    if not text.isdigit():
        raise ValueError(f"`{text}` is not a number of days: use one from 0 to 365")
    if int(text) > 365:
        raise ValueError(f"{text} days are too many: use a whole number from 0 to 365")
    return int(text)


def status_rule(text):
    if text not in ("provisioning", "active", "suspended", "needs_attention", "terminated"):
        raise ValueError(f"`{text}` is not a status")
    return text


class Caller:
    """Who asks: the token, or the host's own staff."""

    def __init__(self, staff, origin=None):
        self.staff = staff
        self.origin = origin

    @property
    def prefix(self):
        return "" if self.staff else state["ref_prefix"]

    def sees(self, thing):
        return self.staff or (thing.get("_prefix", state["ref_prefix"]) == state["ref_prefix"]
                              and thing.get("external_ref") is not None)

    def owns(self, thing, ref):
        return thing.get("external_ref") == ref and (self.staff or self.sees(thing))


def view(account):
    """What the API shows of an account."""
    shown = {name: value for name, value in account.items() if not name.startswith("_")}
    if account["status"] != "terminated":
        shown["drift"] = state["drift"].get(account["username"])
        shown["restorable_until"] = shown["terminated_at"] = None
    return shown


def terminated_view(account):
    return {name: account[name] for name in
            ("id", "username", "domain", "external_ref", "terminated_at", "restorable_until", "status")}


def operation_view(found):
    return {name: value for name, value in found.items() if not name.startswith("_")}


def brief(found):
    return {"id": found["id"], "kind": found["kind"], "outcome": found["outcome"]}


def numbers(limits):
    return {name: (limits or {}).get(name, 0) for name in LIMITS}


def limits_of(account):
    package = next((p for p in state["packages"] if p["id"] == account["package"]["id"]), {"limits": {}})
    return {**numbers(package["limits"]), **account["overrides"]}


def refresh(account):
    """Status and notice as the holds say."""
    account["status"] = "suspended" if account["holds"] else "active"
    held = ", ".join(f"{hold['hold']} ({hold['reason']})" for hold in account["holds"])
    account["notice"] = f"The account is suspended: {held}." if held else None


def server_of(account):
    return next((s for s in state["servers"] if s["id"] == account["server"]["id"]), None)


def reach(server):
    """Nothing can be begun on a server that does not answer."""
    if server is not None and not server["reachable"]:
        raise Problem("server_unreachable", f"The server `{server['name']}` could not be reached, so nothing was begun: "
                      "connection refused.", "Look at `systemctl status opterius-agent` on the server, then try again.")


def choose_server(choice):
    servers = state["servers"]
    found = next((s for s in servers if choice in (s["id"], s["name"])), None)
    if choice in (None, "default"):
        found = servers[0] if servers else None
    if found is None:
        raise Problem("not_found", f"There is no server `{choice or 'default'}`.")
    return found


def full(server):
    most = server.get("max_accounts") or 0
    count = sum(1 for a in state["accounts"] if a["server"]["id"] == server["id"])
    if most == 0 or count < most:
        return None
    return Problem("server_full", f"The server `{server['name']}` takes {most} accounts and has as many, so nothing was "
                   "begun.", "Order on another server, or let it take more with `opterius server set "
                   f"{server['name']} --max-accounts`.")


def find_package(name, package_id):
    wanted, column = (package_id, "id") if package_id is not None else (name, "name")
    found = next((p for p in state["packages"] if p[column] == wanted), None)
    if found is None:
        raise Problem("package_not_found",
                      f"Package not found: there is no package `{wanted}`; upper and lower case count.",
                      "Create the package on the server, or choose one that is there in the product's module settings.")
    return found


def offered(package):
    if package.get("retired"):
        detail = f"The package `{package['name']}` is retired: accounts that have it keep it, and no other gets it."
        raise Problem("package_retired", detail, "Choose another package, or have it back on its page in the Panel or with "
                      f"`opterius package unretire \"{package['name']}\"`.", field="package",
                      errors=[{"field": "package", "code": "retired", "detail": detail}])
    return package


def package_choice(fields, needed=True):
    if fields.has("package") and fields.has("package_id"):
        fields.rest.pop("package"), fields.rest.pop("package_id")
        fields.refuse("package_id", "invalid", "give `package` or `package_id`, not both")
        return None, None
    if fields.has("package_id"):
        fields.rest.pop("package", None)
        return None, fields.required("package_id")
    fields.rest.pop("package_id", None)
    return (fields.required if needed else fields.optional)("package", package_rule), None


def whose(caller, holder):
    if caller.sees(holder):
        ref = f" (`{holder['external_ref']}`)" if holder["external_ref"] else ""
        return f"the account {holder['id']}{ref}"
    return None


def conflict(caller, field, holder):
    if caller.sees(holder):
        return {"field": field, "account_id": holder["id"], "external_ref": holder["external_ref"]}
    return {"field": field}


def username_problem(caller, username, own=None):
    holder = next((a for a in state["accounts"] if a["username"] == username and a["id"] != own), None)
    if holder is None:
        return None
    by = whose(caller, holder) or "another account on this server"
    return Problem("username_taken", f"The username `{username}` is already used by {by}.",
                   "Give this service another username and order it again.", field="username",
                   conflict=conflict(caller, "username", holder))


def domain_problem(caller, domain, own=None):
    for holder in state["accounts"]:
        if holder["id"] == own:
            continue
        there, known = holder["domain"], whose(caller, holder)
        more = {"field": "domain", "conflict": conflict(caller, "domain", holder)}
        if there == domain:
            return Problem("domain_taken", f"The domain `{domain}` already belongs to "
                           f"{known or 'another account on this server'}.",
                           "Order another domain, or remove the account that has this one if nobody uses it.", **more)
        below, above = domain.endswith("." + there), there.endswith("." + domain)
        shared = state["shared_parent_domains"]
        if (below and there not in shared) or (above and domain not in shared):
            other = f"`{there}`, which belongs to {known}" if known else "a site of another account on this server"
            relation = "is below" if below else "is the parent of"
            return Problem("domain_taken", f"The domain `{domain}` {relation} {other}, and names of different customers "
                           "must not contain each other.", "Order another domain.", **more)
    return None


def check_names(caller, username, domain, own=None):
    for problem in (username_problem(caller, username, own), domain_problem(caller, domain, own)):
        if problem is not None:
            raise problem


def gone(account):
    at, until = account["terminated_at"], account["restorable_until"]
    rest, hint = " Nothing of it was kept.", "It cannot be restored: order a new account."
    if until is not None and until > now():
        rest = ""
        hint = f"It can be restored until {when(until)} with POST /api/accounts/{account['id']}/restore or `opterius account restore`."
    elif until is not None:
        rest, hint = f" It could be restored until {when(until)}.", "Its files are deleted: order a new account."
    return Problem("account_gone", f"The account `{account['username']}` ({account['domain']}) was terminated at "
                   f"{when(at)}.{rest}", hint, account_id=account["id"], terminated_at=at, restorable_until=until)


def any_account(caller, reference):
    """The live account, else the one that was terminated last."""
    for account in state["accounts"] + list(reversed(state["terminated"])):
        if reference.startswith("ref:"):
            if caller.owns(account, reference[4:]):
                return account
        elif account["id"] == reference and caller.sees(account):
            return account
    raise Problem("not_found", f"There is no account `{reference.removeprefix('ref:')}`.")


def live_account(caller, reference):
    account = any_account(caller, reference)
    if account["status"] == "terminated":
        raise gone(account)
    return account


UNDONE = {
    "create": "Everything was undone.", "password": "The password was not changed.",
    "suspend": "The account was not suspended.", "unsuspend": "The hold was not lifted.",
    "package": "The package was not changed.", "terminate": "The account was not terminated.",
    "restore": "The account was not restored.", "repair": "The account was left as it was.",
}


def open_operation(account):
    last = (account.get("operation") or {}).get("id")
    found = next((o for o in state["operations"] if o["id"] == last), None)
    return found if found is not None and found["outcome"] in ("running", "needs_attention") else None


def stand_still(account):
    """Nothing is begun while another operation of the account is open."""
    found = open_operation(account)
    if found is None:
        return
    if found["outcome"] == "needs_attention":
        raise Problem("needs_attention", f"The last operation of the account `{account['username']}` could be neither "
                      "finished nor undone.", f"`opterius operation retry {found['id']}` tries at once.",
                      operation_id=found["id"])
    raise Problem("operation_running", f"Another operation of the account `{account['username']}` ({found['kind']}) is "
                  "still going on; nothing was begun.", "Ask again when it is done.", operation_id=found["id"])


def begin(account, kind, request):
    found = {
        "id": str(uuid.uuid4()), "account_id": account["id"], "kind": kind, "username": account["username"],
        "domain": account["domain"], "external_ref": account["external_ref"], "outcome": "running",
        "started_at": now(), "finished_at": None, "request_id": request["request_id"], "steps": [],
        "abandoned": False, "left": [], "error": None, "_prefix": account["_prefix"],
    }
    state["operations"].append(found)
    account["operation"] = brief(found)
    account["generation"] += 1
    return found


def end(found, outcome, apply, undo):
    account = next(a for a in state["accounts"] + state["terminated"] if a["id"] == found["account_id"])
    found["outcome"], found["finished_at"] = outcome, now()
    account["operation"] = brief(found)
    if account["status"] == "needs_attention":
        refresh(account)
    if outcome == "committed":
        found["error"], found["left"] = None, []
        found["steps"] = [{"name": "site", "direction": "forward", "state": "done", "started_at": found["started_at"],
                           "duration_us": 1000, "detail": None}]
        return apply()
    failed = {"name": "dns zone", "direction": "forward", "state": "failed", "started_at": found["started_at"],
              "duration_us": 1000, "detail": "the DNS server does not answer"}
    found["steps"] = [failed]
    if outcome == "rolled_back":
        found["error"] = Problem(
            "provisioning_failed", f"The dns zone step failed: the DNS server does not answer. {UNDONE[found['kind']]}",
            "Look at `journalctl -u opterius-agent -n 100` on the server, then try again.", operation_id=found["id"],
        ).body
        return undo()
    found["finished_at"], found["left"] = None, ["dns zone"]
    found["error"] = Problem(
        "needs_attention", f"The account `{account['username']}` could be neither finished nor undone. The dns zone step "
        "failed: the DNS server does not answer. Still there: dns zone. Its names stay reserved while the server goes "
        "on trying.", f"`opterius operation retry {found['id']}` tries at once.", operation_id=found["id"],
    ).body
    account["status"] = "needs_attention"
    pending.append({"operation": found["id"], "polls": None, "apply": apply, "undo": undo})


def carry(account, kind, request, apply, answer, undo=lambda: None, done=200):
    """One operation of an account, and the answer to it."""
    found = begin(account, kind, request)
    rule = request.get("rule") or {}
    if rule.get("fault") == "async" or request["prefers_async"]:
        pending.append({"operation": found["id"], "polls": rule.get("polls", 0), "end": rule.get("end", "committed"),
                        "apply": apply, "undo": undo})
        return 202, {"data": operation_view(found)}
    end(found, rule.get("end", "committed"), apply, undo)
    if found["error"] is not None:
        return found["error"]["status"], {**found["error"], "request_id": request["request_id"]}
    return done, {"data": answer()}


def advance():
    """Ends the operations that have been asked about often enough."""
    for job in list(pending):
        if job["polls"] is None:
            continue
        job["polls"] -= 1
        if job["polls"] >= 0:
            continue
        pending.remove(job)
        found = next(o for o in state["operations"] if o["id"] == job["operation"])
        end(found, job["end"], job["apply"], job["undo"])


class Api:
    """One method an endpoint: the caller, the request, its fields and what the path names; returns (status, body)."""

    @staticmethod
    def self_read(caller, request, fields):
        fields.finish()
        allowed = caller.staff or not state["callers"] or caller.origin is None or caller.origin in state["callers"]
        return 200, {"data": {
            "version": state["version"], "api_version": state["api_version"], "installation": "i",
            "server_time_at": now(), "packages": len(state["packages"]),
            "caller": {"kind": "token", "name": "whmcs", "owner": "host", "scopes": state["scopes"],
                       "ref_prefix": state["ref_prefix"], "expires_at": state["expires_at"],
                       "calls_from": caller.origin, "allowed": allowed},
            "servers": [{key: server.get(key) for key in ("id", "name", "hostname", "reachable")}
                        for server in state["servers"]],
        }}

    @staticmethod
    def rotate(caller, request, fields):
        fields.finish()
        state["next_token"] = base64.urlsafe_b64encode(uuid.uuid4().bytes + uuid.uuid4().bytes).decode().rstrip("=")
        state["handed_out"].append(state["next_token"])
        return 201, {"data": {
            "id": "01890000-0000-7000-8000-00000000000f", "name": "whmcs", "token": state["next_token"],
            "scopes": state["scopes"], "ref_prefix": state["ref_prefix"], "expires_at": state["expires_at"],
            "addresses": None, "created_at": 1,
            "access_hash": "o1." + state["next_token"] + ("." + pins if pins else ""),
        }}

    @staticmethod
    def self_sign_in(caller, request, fields):
        fields.finish()
        return Api.signed_in(request, None, None)

    @staticmethod
    def account_sign_in(caller, request, fields, reference):
        target = fields.optional("target")
        if target is not None and target not in TARGETS:
            fields.refuse("target", "invalid", f"`{target}` is not a page of an account: use one of "
                          + ", ".join(sorted(TARGETS)))
        fields.finish()
        return Api.signed_in(request, live_account(caller, reference)["id"], target or "overview")

    @staticmethod
    def signed_in(request, account, target):
        made = {"code": uuid.uuid4().hex, "account_id": account, "target": target,
                "expires_at": now() + 60_000_000, "used": False}
        state["sign_ins"].append(made)
        state["handed_out"].append(made["code"])
        url = f"https://{request['headers'].get('host', '127.0.0.1')}/sign-in/{made['code']}"
        return 201, {"data": {"url": url, "expires_at": made["expires_at"]}}

    @staticmethod
    def packages(caller, request, fields):
        start, size = int(fields.optional("cursor") or 0), state["packages_per_page"]
        fields.finish()
        stop = start + size
        more = str(stop) if stop < len(state["packages"]) else None
        counted = [{"accounts": sum(1 for a in state["accounts"] if a["package"]["id"] == package["id"]), **package}
                   for package in state["packages"][start:stop]]
        return 200, {"data": counted, "page": {"next": more, "total": len(state["packages"]), "snapshot": "1"}}

    @staticmethod
    def availability(caller, request, fields):
        domain_given, username_given = fields.optional("domain"), fields.optional("username")
        name, package_id = package_choice(fields, needed=False)
        server_given = fields.optional("server")
        fields.finish()

        def problem(found):
            return None if found is None else {"code": found.body["code"], "detail": found.body["detail"]}

        def checked(given, rule, taken):
            if given is None:
                return None
            try:
                name = rule(given)
                found = taken(caller, name)
            except ValueError as error:
                name, found = None, Problem.invalid([{"field": "", "code": "invalid", "detail": str(error)}])
            name = name if found is None else None
            return {"given": given, "name": name, "available": found is None, "problem": problem(found)}

        domain = checked(domain_given, domain_rule, domain_problem)
        username = checked(username_given, username_rule, username_problem)
        package = None
        if name is not None or package_id is not None:
            try:
                package = {"name": offered(find_package(name, package_id))["name"], "problem": None}
            except Problem as error:
                package = {"name": None, "problem": problem(error)}
        try:
            chosen = choose_server(server_given)
            unreachable = None if chosen["reachable"] else Problem(
                "server_unreachable", f"The server `{chosen['name']}` could not be reached, so nothing was begun: its Agent "
                "does not answer.")
            server = {"id": chosen["id"], "name": chosen["name"], "reachable": chosen["reachable"],
                      "problem": problem(full(chosen) or unreachable)}
        except Problem as error:
            server = {"id": None, "name": None, "reachable": False, "problem": problem(error)}
        parts = [part for part in (domain, username, package, server) if part is not None]
        free = username["name"] if username is not None else None
        return 200, {"data": {
            "orderable": all(part["problem"] is None for part in parts), "domain": domain, "username": username,
            "suggestion": free or Api.suggestion(caller, username_given, domain_given), "package": package,
            "server": server,
        }}

    @staticmethod
    def suggestion(caller, username, domain):
        label = (domain or "").removeprefix("www.").split(".")[0]
        for source in (username or "", label, "account"):
            stem = re.sub("[^a-z0-9]", "", source.lower()).lstrip("0123456789")[:16]
            for number in [""] + [str(number) for number in range(2, 1000)] if stem else []:
                candidate = stem[:16 - len(number)] + number
                try:
                    if username_problem(caller, username_rule(candidate)) is None:
                        return candidate
                except ValueError:
                    continue
        return None

    @staticmethod
    def create(caller, request, fields):
        username = fields.required("username", username_rule)
        domain = fields.required("domain", domain_rule)
        password = fields.required("password", password_rule)
        name, package_id = package_choice(fields)
        email = fields.optional("email", email_rule)
        server_given = fields.optional("server")
        ref = (fields.optional if caller.staff else fields.required)("external_ref", ref_rule)
        client_ref = fields.optional("client_ref", client_ref_rule)
        next_due_on = fields.optional("next_due_on", date_rule)
        fields.finish()
        there = next((a for a in state["accounts"] if ref is not None and caller.owns(a, ref)), None)
        if there is not None:
            return Api.same_order(caller, request, there, username + state["username_suffix"], domain, password,
                                  name, package_id)
        package, server = offered(find_package(name, package_id)), choose_server(server_given)
        username += state["username_suffix"]
        check_names(caller, username, domain)
        if full(server) is not None:
            raise full(server)
        reach(server)
        if request["plan"]:
            return 200, Api.planned("create", [("account", f"{username} ({domain}) would be made")])
        account = {
            "id": str(uuid.uuid4()), "owner": "host", "external_ref": ref, "username": username, "domain": domain,
            "email": email, "client_ref": client_ref, "next_due_on": next_due_on,
            "package": {"id": package["id"], "name": package["name"]},
            "server": {key: server.get(key, "") for key in ("id", "name", "hostname")},
            "status": "provisioning", "holds": [], "notice": None, "ipv4": ["192.0.2.1"], "ipv6": [],
            "nameservers": ["ns1.web1.test", "ns2.web1.test"], "uid": 59999 - len(state["accounts"]),
            "php_version": "newest", "php_runs": "8.4", "created_at": now(), "terminated_at": None, "restorable_until": None,
            "generation": 0, "overrides": {}, "limits": {}, "enforcement": {limit: "enforced" for limit in LIMITS},
            "operation": None, "drift": None, "_prefix": caller.prefix,
        }
        account["limits"] = limits_of(account)
        state["accounts"].append(account)
        state["passwords"][username] = password
        former = next((a for a in reversed(state["terminated"]) if ref is not None and caller.owns(a, ref)
                       and (a["restorable_until"] or 0) > now()), None)
        previous = {} if former is None else {"previous": {
            key: former[key] for key in ("id", "terminated_at", "restorable_until")}}
        return carry(account, "create", request, lambda: refresh(account), lambda: {**view(account), **previous},
                     undo=lambda: state["accounts"].remove(account), done=201)

    @staticmethod
    def same_order(caller, request, account, username, domain, password, name, package_id):
        """The same reference is the same account, if it is the same order; its password becomes the one given."""
        package = find_package(name, package_id)
        pairs = [("username", account["username"], username), ("domain", account["domain"], domain)]
        if account["package"]["id"] != package["id"]:
            pairs.append(("package", account["package"]["name"], name or package_id))
        differences = [f"its {what} is `{there}`, and this order says `{here}`" for what, there, here in pairs
                       if there != here]
        if differences:
            raise Problem("external_ref_mismatch", f"An account for `{account['external_ref']}` exists already, with "
                          f"other data: {'; '.join(differences)}.", "Make the service say what the account has, or order "
                          "under another external_ref.", field="external_ref",
                          conflict=conflict(caller, "external_ref", account))
        found = open_operation(account)
        if found is not None and found["outcome"] == "running":
            return 202, {"data": operation_view(found)}
        stand_still(account)
        return Api.put_password(account, request, password)

    @staticmethod
    def put_password(account, request, password):
        reach(server_of(account))
        return carry(account, "password", request,
                     lambda: state["passwords"].update({account["username"]: password}), lambda: view(account))

    @staticmethod
    def accounts(caller, request, fields):
        username = fields.optional("username", username_rule)
        domain = fields.optional("domain", domain_rule)
        ref = fields.optional("external_ref", ref_rule)
        client_ref = fields.optional("client_ref", client_ref_rule)
        status = fields.optional("status", status_rule)
        cursor = fields.optional("cursor")
        size = min(fields.page_size(500), state["accounts_per_page"])
        fields.finish()
        advance()
        snapshot, after = cursor.split(".") if cursor else (str(now()), None)
        rows = state["terminated"] if status == "terminated" else state["accounts"]
        rows = [a for a in rows if caller.sees(a) and a["created_at"] <= int(snapshot)
                and all(wanted is None or a.get(key) == wanted for key, wanted in (
                    ("username", username), ("domain", domain), ("external_ref", ref), ("client_ref", client_ref),
                    ("status", status)))]
        start = next((at + 1 for at, a in enumerate(rows) if a["id"] == after), 0)
        page = rows[start:start + size]
        more = f"{snapshot}.{page[-1]['id']}" if start + size < len(rows) else None
        return 200, {"data": [view(a) for a in page],
                     "page": {"next": more, "total": len(rows), "snapshot": snapshot}}

    @staticmethod
    def account(caller, request, fields, reference):
        fields.finish()
        advance()
        return 200, {"data": view(live_account(caller, reference))}

    @staticmethod
    def record(caller, request, fields, reference):
        given = {name for name in ("email", "client_ref", "next_due_on") if name in fields.rest}
        values = {"email": fields.optional("email", email_rule),
                  "client_ref": fields.optional("client_ref", client_ref_rule),
                  "next_due_on": fields.optional("next_due_on", date_rule)}
        fields.finish()
        account = live_account(caller, reference)
        account.update({name: values[name] for name in given})
        return 200, {"data": view(account)}

    @staticmethod
    def hold_of(caller, asked):
        own = "abuse" if caller.staff else "billing"
        if asked is not None and asked != own and not caller.staff:
            raise Problem("forbidden", f"The token `whmcs` sets and lifts the hold `{own}` only.",
                          "The other hold is for the host's staff: use the `opterius` command on the server.")
        return asked or own

    @staticmethod
    def suspend(caller, request, fields, reference):
        reason = fields.required("reason", reason_rule)
        hold = fields.optional("hold", hold_rule)
        fields.finish()
        hold, account = Api.hold_of(caller, hold), live_account(caller, reference)
        stand_still(account)
        there = next((h for h in account["holds"] if h["hold"] == hold), None)
        if request["plan"]:
            changes = [] if there else [("account", f"hold {hold}: {reason}")]
            return 200, Api.planned("suspend", changes)
        if there is not None:
            there["reason"] = reason
            refresh(account)
            return 200, {"data": view(account)}
        reach(server_of(account))

        def apply():
            by = "administrator" if caller.staff else "token:whmcs"
            account["holds"].append({"hold": hold, "reason": reason, "since": now(), "by": by})
            refresh(account)
        return carry(account, "suspend", request, apply, lambda: view(account))

    @staticmethod
    def unsuspend(caller, request, fields, reference):
        hold = fields.optional("hold", hold_rule)
        fields.finish()
        hold, account = Api.hold_of(caller, hold), live_account(caller, reference)
        stand_still(account)

        def answer():
            shown = view(account)
            shown["notice"] = shown["notice"] and shown["notice"].replace("is suspended", "stays suspended", 1)
            return shown

        def apply():
            account["holds"] = [h for h in account["holds"] if h["hold"] != hold]
            refresh(account)
        held = any(h["hold"] == hold for h in account["holds"])
        if request["plan"]:
            return 200, Api.planned("unsuspend", [("account", f"hold {hold}: lifted")] if held else [])
        if not held:
            return 200, {"data": answer()}
        reach(server_of(account))
        return carry(account, "unsuspend", request, apply, answer)

    @staticmethod
    def terminate(caller, request, fields, reference):
        keep = fields.optional("keep_days", days_rule)
        fields.finish()
        account = any_account(caller, reference)
        if account["status"] == "terminated":
            if request["plan"]:
                return 200, Api.planned("terminate", [])
            return 200, {"data": terminated_view(account)}
        stand_still(account)
        if request["plan"]:
            return 200, Api.planned("terminate", [("account", f"status: {account['status']} to terminated")])
        reach(server_of(account))

        def apply():
            days = state["terminated_kept_days"] if keep is None else keep
            account.update(status="terminated", terminated_at=now(), notice=None,
                           restorable_until=now() + days * DAY if days else None,
                           _password=state["passwords"].pop(account["username"], None), _holds=account["holds"])
            account["holds"] = []
            state["accounts"].remove(account)
            state["terminated"].append(account)
        return carry(account, "terminate", request, apply, lambda: terminated_view(account))

    @staticmethod
    def restore(caller, request, fields, reference):
        username = fields.optional("username", username_rule)
        domain = fields.optional("domain", domain_rule)
        fields.finish()
        account = any_account(caller, reference)
        stand_still(account)
        if account["status"] != "terminated":
            for field, there, wanted in (("username", account["username"], username),
                                         ("domain", account["domain"], domain)):
                if wanted not in (None, there):
                    raise Problem.invalid([{"field": field, "code": "invalid", "detail": f"the account is there as "
                                            f"`{there}`: only a terminated account is restored under another name"}])
            return 200, {"data": view(account)}
        if (account["restorable_until"] or 0) <= now():
            raise gone(account)
        other = next((a for a in state["accounts"] if account["external_ref"] is not None
                      and caller.owns(a, account["external_ref"])), None)
        if other is not None:
            raise Problem("external_ref_taken", f"The external_ref `{account['external_ref']}` belongs to the account "
                          f"{other['id']} (`{other['username']}`) by now.",
                          "Terminate that account first, if this one is to take its place.",
                          conflict=conflict(caller, "external_ref", other), field="external_ref")
        username, domain = username or account["username"], domain or account["domain"]
        check_names(caller, username, domain, account["id"])
        if request["plan"]:
            return 200, Api.planned("restore", [("account", "status: terminated to active")])
        reach(server_of(account))

        def apply():
            state["terminated"].remove(account)
            state["accounts"].append(account)
            account.update(username=username, domain=domain, holds=account.pop("_holds", []), terminated_at=None,
                           restorable_until=None)
            state["passwords"][username] = account.pop("_password", None)
            refresh(account)
        return carry(account, "restore", request, apply, lambda: view(account))

    @staticmethod
    def package(caller, request, fields, reference):
        name, package_id = package_choice(fields)
        overrides = fields.overrides("limits")
        keep, force = fields.truth("keep_overrides", True), fields.truth("force", False)
        fields.finish()
        account = live_account(caller, reference)
        stand_still(account)
        package = find_package(name, package_id)
        former = account["overrides"]
        wanted = dict(former) if keep else {}
        for limit, number in overrides.items():
            wanted[limit] = number
        wanted = {limit: number for limit, number in wanted.items() if number is not None}
        dropped = {} if keep else {limit: number for limit, number in former.items() if limit not in overrides}
        limits = {**numbers(package["limits"]), **wanted}

        def answer():
            return {**view(account), "dropped_overrides": dropped}
        if account["package"]["id"] == package["id"] and wanted == former and limits == account["limits"]:
            return (200, Api.planned("package", [])) if request["plan"] else (200, {"data": answer()})
        if account["package"]["id"] != package["id"]:
            offered(package)
        below = [] if force else Api.below_use(account, limits, wanted, package)
        if below:
            raise Problem("limits_below_use", f"The account `{account['username']}` uses more than that. "
                          + " ".join(error["detail"] for error in below), "Free that much first, choose a larger package, "
                          "or send `force` to set the limits anyway.", errors=below,
                          field=below[0]["field"] if len(below) == 1 else None)
        if request["plan"]:
            return 200, Api.planned("package", [("limits", f"{limit}: {account['limits'].get(limit, 0)} to {number}")
                                                for limit, number in limits.items()
                                                if number != account["limits"].get(limit, 0)])
        reach(server_of(account))

        def apply():
            account["package"] = {"id": package["id"], "name": package["name"]}
            account["overrides"], account["limits"] = wanted, limits
        return carry(account, "package", request, apply, answer)

    @staticmethod
    def below_use(account, limits, overrides, package):
        used = Api.measured(account)
        amounts = {"disk_mib": (-(-used["disk_bytes"] // MIB), " MiB"), "files": (used["files"], ""),
                   "bandwidth_gib": (-(-used["traffic_bytes"] // GIB), " GiB"), "processes": (used["processes"], "")}
        errors = []
        for limit, (amount, unit) in amounts.items():
            before, after = account["limits"].get(limit, 0), limits[limit]
            lowered = after != 0 and (before == 0 or after < before)
            if lowered and amount > after:
                whose_limit = "its override" if limit in overrides else package["name"]
                errors.append({"field": limit, "code": "below_use",
                               "detail": f"{limit}: {amount}{unit} are used, and {whose_limit} allows {after}."})
        return errors

    @staticmethod
    def password(caller, request, fields, reference):
        password = fields.required("password", password_rule)
        fields.finish()
        account = live_account(caller, reference)
        stand_still(account)
        if request["plan"]:
            return 200, Api.planned("password", [("linux user", "the password would be changed")])
        return Api.put_password(account, request, password)

    @staticmethod
    def plan(caller, request, fields, reference):
        fields.finish()
        account = live_account(caller, reference)
        return 200, Api.planned("repair", [], state["drift"].get(account["username"]))

    @staticmethod
    def planned(action, changes, drift=None):
        found = {
            "changes": [{"resource": resource, "change": change} for resource, change in changes],
            "conflicts": [], "missing": [],
        }
        for part in found:
            found[part] += (drift or {}).get(part, [])
        return {"data": {"action": action, **found, "empty": not any(found.values())}}

    @staticmethod
    def repair(caller, request, fields, reference):
        fields.finish()
        account = live_account(caller, reference)
        stand_still(account)
        drift = state["drift"].get(account["username"])
        if request["plan"]:
            return 200, Api.planned("repair", [], drift)
        reach(server_of(account))
        return carry(account, "repair", request, lambda: state["drift"].pop(account["username"], None),
                     lambda: view(account))

    @staticmethod
    def measured(account):
        nothing = {"disk_bytes": 0, "files": 0, "traffic_bytes": 0, "processes": 0}
        known = state["usage"].get(account["username"], {})
        return {name: known.get(name) or zero for name, zero in nothing.items()} | {"disk_at_least": known.get("disk_at_least", False)}

    @staticmethod
    def usage(caller, request, fields, reference):
        fields.finish()
        account = live_account(caller, reference)
        reach(server_of(account))
        return 200, {"data": {"account_id": account["id"], "measured_at": now(), **Api.measured(account),
                              "limits": numbers(account["limits"])}}

    @staticmethod
    def usages(caller, request, fields):
        server = fields.optional("server")
        cursor = fields.optional("cursor")
        size = min(fields.page_size(10_000, 10_000), state["accounts_per_page"])
        fields.finish()
        server = choose_server(server) if server is not None else None
        snapshot, after = cursor.split(".") if cursor else (str(now()), None)
        rows = [a for a in state["accounts"] if caller.sees(a) and a["status"] in ("active", "suspended")
                and a["created_at"] <= int(snapshot) and (server is None or a["server"]["id"] == server["id"])]
        start = next((at + 1 for at, a in enumerate(rows) if a["id"] == after), 0)
        page = rows[start:start + size]

        def one(account):
            known = state["usage"].get(account["username"], {})
            return {
                **{key: account[key] for key in ("external_ref", "username", "domain", "status")},
                "account_id": account["id"], "limits": numbers(account["limits"]),
                "disk_bytes": known.get("disk_bytes"), "disk_at_least": known.get("disk_at_least", False),
                "traffic_bytes": known.get("traffic_bytes"),
                "measured_at": known.get("measured_at", now()) if known.get("disk_bytes") is not None else None,
            }
        more = f"{snapshot}.{page[-1]['id']}" if start + size < len(rows) else None
        return 200, {"data": [one(a) for a in page],
                     "page": {"next": more, "total": len(rows), "snapshot": snapshot}}

    @staticmethod
    def operations(caller, request, fields):
        ref, account = fields.optional("external_ref", ref_rule), fields.optional("account")
        cursor = fields.optional("cursor")
        size = fields.page_size(500)
        fields.finish()
        found = [o for o in reversed(state["operations"]) if caller.sees(o) and ref in (None, o["external_ref"])
                 and account in (None, o["account_id"])]
        start = next((at + 1 for at, o in enumerate(found) if o["id"] == cursor), 0)
        page = found[start:start + size]
        more = page[-1]["id"] if start + size < len(found) else None
        return 200, {"data": [operation_view(o) for o in page],
                     "page": {"next": more, "total": len(found), "snapshot": str(now())}}

    @staticmethod
    def find_operation(caller, number):
        found = next((o for o in state["operations"] if o["id"] == number and caller.sees(o)), None)
        if found is None:
            raise Problem("not_found", f"There is no operation `{number}`.")
        return found

    @staticmethod
    def operation(caller, request, fields, number):
        fields.finish()
        advance()
        return 200, {"data": operation_view(Api.find_operation(caller, number))}

    @staticmethod
    def retry(caller, request, fields, number):
        fields.finish()
        found = Api.find_operation(caller, number)
        job = next((j for j in pending if j["operation"] == number and j["polls"] is None), None)
        if found["outcome"] == "needs_attention" and job is not None:
            pending.remove(job)
            end(found, state["retry_ends"], job["apply"], job["undo"])
        status = 202 if found["outcome"] in ("running", "needs_attention") else 200
        return status, {"data": operation_view(found)}


ROUTES = [
    ("GET", "/api/self", "self.read", Api.self_read),
    ("POST", "/api/self/token", "self.rotate", Api.rotate),
    ("POST", "/api/self/sign-in", "self.sign_in", Api.self_sign_in),
    ("GET", "/api/packages", "packages.read", Api.packages),
    ("GET", "/api/availability", "accounts.create", Api.availability),
    ("GET", "/api/usage", "accounts.read", Api.usages),
    ("POST", "/api/accounts", "accounts.create", Api.create),
    ("GET", "/api/accounts", "accounts.read", Api.accounts),
    ("GET", "/api/accounts/{}", "accounts.read", Api.account),
    ("PATCH", "/api/accounts/{}", "accounts.record", Api.record),
    ("DELETE", "/api/accounts/{}", "accounts.terminate", Api.terminate),
    ("POST", "/api/accounts/{}/suspend", "accounts.suspend", Api.suspend),
    ("POST", "/api/accounts/{}/unsuspend", "accounts.suspend", Api.unsuspend),
    ("POST", "/api/accounts/{}/restore", "accounts.restore", Api.restore),
    ("POST", "/api/accounts/{}/repair", "accounts.repair", Api.repair),
    ("POST", "/api/accounts/{}/sign-in", "accounts.sign_in", Api.account_sign_in),
    ("PUT", "/api/accounts/{}/package", "accounts.package", Api.package),
    ("PUT", "/api/accounts/{}/password", "accounts.password", Api.password),
    ("GET", "/api/accounts/{}/plan", "accounts.read", Api.plan),
    ("GET", "/api/accounts/{}/usage", "accounts.read", Api.usage),
    ("GET", "/api/operations", "operations.read", Api.operations),
    ("GET", "/api/operations/{}", "operations.read", Api.operation),
    ("POST", "/api/operations/{}/retry", "operations.retry", Api.retry),
]


NEED_A_BODY = {Api.create, Api.suspend, Api.package, Api.password, Api.record, Api.account_sign_in, Api.self_sign_in}


def calls_from(header):
    """Which installation asks; two ways to write its address are one."""
    if header is None:
        return None
    sent = sorted(urllib.parse.parse_qsl(header))
    detail = "`Opterius-Caller` must be `url=…&directory=…`, each once and percent-encoded"
    if [name for name, _ in sent] == ["directory", "url"]:
        (_, directory), (_, url) = sent
        parts = re.fullmatch(r"(https?)://([^/\s]+)(/\S*)?", url, re.IGNORECASE)
        if parts is not None and directory != "":
            address = f"{parts[1].lower()}://{parts[2].lower()}{parts[3] or ''}".rstrip("/")
            return f"{address} in {directory.rstrip('/') or '/'}"
        detail = f"`{url}` is not the address of an installation: use one such as `https://billing.example.com`"
    raise Problem.invalid([{"field": "Opterius-Caller", "code": "invalid", "detail": detail}])


def admit(request, scope):
    """Who asks, if they may."""
    token = (request["authorization"] or "").removeprefix("Bearer ")
    if state["next_token"] is not None and token == state["next_token"]:
        state["token"], state["next_token"] = token, None
    if token != state["token"] or not (request["authorization"] or "").startswith("Bearer "):
        raise Problem("unauthorized", "The token is not valid.",
                      "Make a token with `opterius token create`, and put it where the old one is.")
    if state["expires_at"] is not None and state["expires_at"] <= now():
        raise Problem("unauthorized", "The token `whmcs` has expired.",
                      "Make a new token with `opterius token create`, and put it where this one is.")
    if scope not in state["scopes"]:
        raise Problem("forbidden", f"The token `whmcs` may not do this: it has no scope `{scope}`.",
                      "Use a token with that scope, or do it on the server with the `opterius` command.")
    origin = calls_from(request["headers"].get("opterius-caller"))
    if request["method"] != "GET" and origin is not None:
        if not state["callers"]:
            state["callers"].append(origin)
        if origin not in state["callers"]:
            raise Problem(
                "other_caller", f"This installation ({origin}) is not the one that uses the token `whmcs` "
                f"({'; '.join(state['callers'])}): it may be a copy, so nothing was changed.",
                "If it is no copy but has moved, allow it with `opterius token allow 'whmcs'`.")
    return Caller(False, origin)


def route(request):
    known = False
    for method, pattern, scope, handle in ROUTES:
        match = re.fullmatch(pattern.replace("{}", "([^/]+)"), request["path"])
        known = known or match is not None
        if match is None or method != request["method"]:
            continue
        caller = Caller(True) if request.get("staff") else admit(request, scope)
        query, body = dict(request["query"]), request["body"]
        if method in ("POST", "PUT", "PATCH") and handle is not Api.rotate:
            is_json = request["headers"].get("content-type", "").startswith("application/json")
            if not is_json and (body is not None or request["malformed"] or handle in NEED_A_BODY):
                raise Problem("unsupported_media_type", "The body must be JSON.",
                              "Send it with `Content-Type: application/json`.")
            if request["malformed"] or (is_json and body is None):
                raise Problem.invalid([{"field": "", "code": "invalid", "detail": "the body is not JSON"}])
            if body is not None and not isinstance(body, dict):
                raise Problem.invalid([{"field": "", "code": "wrong_type", "detail": "the body must be a JSON object"}])
        request["plan"] = query.pop("plan", "false") == "true" if method != "GET" else False
        fields = Fields(query if method in ("GET", "DELETE") else body or {})
        return handle(caller, request, fields, *match.groups())
    if known:
        raise Problem("method_not_allowed", f"{request['method']} is not possible here.")
    raise Problem("not_found", "There is nothing here.", "`/api/docs` lists what there is.")


def carry_out(request):
    with lock:
        try:
            return route(request)
        except Problem as problem:
            return problem.status, {**problem.body, "request_id": request["request_id"]}


def staff(command):
    """The host's own staff in the Panel: every right, no reference prefix, and the hold `abuse`."""
    status, body = carry_out({
        "method": command["method"], "path": command["path"], "query": {}, "body": command.get("body"),
        "headers": {"content-type": "application/json"} if command.get("body") is not None else {},
        "request_id": str(uuid.uuid4()), "authorization": None,
        "malformed": False, "prefers_async": False, "staff": True, "rule": command.get("rule"),
    })
    return {"status": status, "body": body}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def serve(self):
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        try:
            body, malformed = json.loads(raw) if raw else None, False
        except ValueError:
            body, malformed = None, True
        request = {
            "method": self.command, "path": urllib.parse.unquote(url.path),
            "query": dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)),
            "request_id": self.headers.get("X-Request-Id"), "authorization": self.headers.get("Authorization"),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body, "malformed": malformed,
            "prefers_async": "respond-async" in self.headers.get("Prefer", ""),
        }
        with lock:
            requests.append(dict(request))
            on = f"{request['method']} {request['path']}"
            rule = next((r for r in rules if fnmatch.fnmatchcase(on, r["on"])), None)
            if rule and rule.get("times", 1) != 0:
                rule["times"] = rule.get("times", 1) - 1
                if rule["times"] == 0:
                    rules.remove(rule)
        if self.command == "GET" and request["path"].startswith("/sign-in/"):
            return self.sign_in(request["path"].removeprefix("/sign-in/"))
        getattr(self, "fault_" + rule["fault"] if rule else "plain")(request, rule or {})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def sign_in(self, code):
        """What a browser meets behind a sign-in link: it works once."""
        with lock:
            found = next((s for s in state["sign_ins"] if s["code"] == code), None)
            good = found is not None and not found["used"] and found["expires_at"] > now()
            if good:
                found["used"] = True
        if good:
            to = f"/account/{found['account_id']}#{found['target']}" if found["account_id"] else "/accounts"
            return self.send(303, b"", "text/html", {"Location": to})
        self.send(410, b"<html><body>This link is used up.</body></html>", "text/html")

    def plain(self, request, _rule):
        self.answer(*carry_out(request))
        if request["method"] == "GET":
            with lock:
                overdue, late[:] = list(late), []
            for old in overdue:
                carry_out(old)

    def fault_drop_before(self, _request, _rule):
        pass

    def fault_drop_after(self, request, _rule):
        carry_out(request)

    def fault_late(self, request, _rule):
        with lock:
            late.append(request)

    def fault_hang_before(self, _request, _rule):
        self.wait_for_the_client_to_leave()

    def fault_hang_after(self, request, _rule):
        carry_out(request)
        self.wait_for_the_client_to_leave()

    def fault_delay(self, request, rule):
        answer = carry_out(request)
        time.sleep(rule["seconds"])
        self.answer(*answer)

    def fault_half(self, request, _rule):
        status, body = carry_out(request)
        self.answer(status, body, keep=0.5, promise=1.0)

    def fault_truncate(self, request, _rule):
        status, body = carry_out(request)
        self.answer(status, body, keep=0.5, promise=0.5)

    def fault_html(self, _request, rule):
        self.send(rule.get("status", 502), b"<html><body><h1>nginx</h1></body></html>", "text/html")

    def fault_redirect(self, _request, _rule):
        self.send(302, b"", "text/html", {"Location": "/elsewhere"})

    def fault_reply(self, _request, rule):
        self.answer(rule["status"], rule["body"], headers=rule.get("headers"))

    def fault_echo(self, request, _rule):
        text = json.dumps(request["body"]) + "\n" + json.dumps(request["body"], ensure_ascii=False)
        text += "\n" + urllib.parse.urlencode(request["body"] or {}) + "\n" + request["authorization"]
        text += "\n" + base64.b64encode(str((request["body"] or {}).get("password")).encode()).decode()
        self.send(500, text.encode(), "text/plain")

    def fault_async(self, request, rule):
        self.answer(*carry_out({**request, "rule": rule}))

    fault_ends = fault_async

    def answer(self, status, body, keep=1.0, promise=1.0, headers=None):
        raw = json.dumps(body).encode()
        kind = "application/json" if status < 400 else "application/problem+json"
        self.send(status, raw[:int(len(raw) * keep)], kind, headers, length=int(len(raw) * promise))

    def send(self, status, raw, kind, headers=None, length=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw) if length is None else length))
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def wait_for_the_client_to_leave(self):
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate, key):
        super().__init__(("127.0.0.1", 0), Handler)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's own thread, so that one bad client holds up nobody.
        try:
            with self.tls.wrap_socket(request, server_side=True) as connection:
                self.RequestHandlerClass(connection, client_address, self)
        except OSError:
            pass


def main():
    server = Server(sys.argv[1], sys.argv[2])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        with lock:
            reply = {}
            if command["do"] == "script":
                rules[:] = command["rules"]
            elif command["do"] == "set":
                state.update(command["state"])
            elif command["do"] == "reset":
                state.clear()
                state.update(copy.deepcopy(as_started))
                for former in (rules, requests, late, pending):
                    former.clear()
            elif command["do"] == "staff":
                reply = staff(command)
            elif command["do"] == "report":
                reply = {"state": state, "requests": requests}
            print(json.dumps(reply), flush=True)


main()
