#!/usr/bin/env python3
"""A Panel for tests: HTTPS on a free port of 127.0.0.1, with the account semantics of the real API.

Usage: panel.py CERTIFICATE KEY

Prints {"port": N} and then answers one JSON command a line on stdin with one JSON line on stdout:
  {"do": "script", "rules": [{"on": "POST /api/accounts", "fault": "drop_before", ...}, ...]}
  {"do": "set", "state": {...}}        merges into the state below
  {"do": "report"}                     the state, and every request so far
It ends when stdin does. A rule is used once, by the first request that it fits. The faults:
  drop_before   the connection ends without an answer and without the request being looked at
  drop_after    the same, but the request has been carried out
  late          as drop_before, and the request is carried out after the next GET has been answered
  hang_before   no answer until the client goes away, nothing carried out
  hang_after    the same, but the request has been carried out
  half          half of the promised bytes
  truncate      half of the JSON, with a Content-Length that agrees
  html          an HTML page with the rule's "status", nothing carried out
  redirect      302 to a path that no test may ever see requested
  reply         the rule's "status" and "body", nothing carried out
  echo          500 with the request's own body and Authorization header, in several encodings
  async         202; the operation ends with the rule's "end" after "polls" questions about the account
"""

import base64
import json
import ssl
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "t" * 43
SCOPES = ["self.read", "accounts.read", "accounts.create", "packages.read", "operations.read"]
PACKAGE = {
    "id": "01890000-0000-7000-8000-000000000001",
    "name": "Starter",
    "limits": {"disk_mib": 10240, "bandwidth_gib": 100, "php_workers": 5, "php_memory_mib": 256, "memory_mib": 0},
    "accounts": 0,
    "created_at": 1,
}

lock = threading.RLock()
state = {
    "token": TOKEN,
    "scopes": SCOPES,
    "api_version": 1,
    "clock_skew": 0,
    "packages": [PACKAGE],
    "packages_per_page": 100,
    "servers": [{"id": "s1", "name": "web1", "hostname": "web1.test", "reachable": True}],
    "accounts": [],
    "operations": [],
    "passwords": {},
    "username_suffix": "",
}
rules = []
requests = []
late = []
pending = []


class Problem(Exception):
    def __init__(self, status, code, detail, **more):
        super().__init__(detail)
        self.status = status
        self.body = {"type": "about:blank", "status": status, "code": code, "title": code, "detail": detail, **more}


def operation(account, request_id, outcome, error=None):
    found = {
        "id": str(uuid.uuid4()), "account_id": account["id"], "kind": "create", "username": account["username"],
        "domain": account["domain"], "external_ref": account["external_ref"], "outcome": outcome, "started_at": 1,
        "finished_at": None, "request_id": request_id, "steps": [], "error": error,
    }
    state["operations"].append(found)
    return found


def brief(found):
    return {"id": found["id"], "kind": found["kind"], "outcome": found["outcome"]}


def create(order, request_id, outcome="committed"):
    """Returns (status, data) for an order, as the API documents it."""
    unknown = set(order) - {"username", "domain", "password", "package", "package_id", "email", "server",
                            "external_ref"}
    if unknown:
        raise Problem(422, "invalid_request", "The request has fields that are not known: " + ", ".join(unknown))
    key, column = ("package_id", "id") if "package_id" in order else ("package", "name")
    package = next((p for p in state["packages"] if p[column] == order[key]), None)
    if package is None:
        raise Problem(404, "package_not_found", f"Package not found: no package is called `{order[key]}`.")
    domain = order["domain"].lower()
    for account in state["accounts"]:
        if account["external_ref"] == order["external_ref"]:
            if (account["username"], account["domain"]) != (order["username"] + state["username_suffix"], domain):
                raise Problem(409, "external_ref_mismatch", "This reference belongs to another account.")
            if account["status"] == "suspended":
                raise Problem(409, "account_suspended", "The account is suspended.")
            if account["status"] == "provisioning":
                running = account["operation"]["id"]
                return 202, next(o for o in state["operations"] if o["id"] == running)
            state["passwords"][account["username"]] = order["password"]
            return 200, account
        if account["username"] == order["username"]:
            raise Problem(409, "username_taken", f"The username `{order['username']}` is taken on this server.")
        if account["domain"] == domain:
            raise Problem(409, "domain_taken", f"The domain {domain} belongs to another account.")
    account = {
        "id": str(uuid.uuid4()), "owner": "host", "external_ref": order["external_ref"],
        "username": order["username"] + state["username_suffix"], "domain": domain, "email": order.get("email"),
        "package": {"id": package["id"], "name": package["name"]}, "server": state["servers"][0],
        "status": "active" if outcome == "committed" else "provisioning", "ipv4": ["192.0.2.1"], "ipv6": [],
        "nameservers": [], "uid": 20001, "created_at": 1, "limits": package["limits"], "enforcement": {},
    }
    done = operation(account, request_id, outcome)
    account["operation"] = brief(done)
    state["accounts"].append(account)
    state["passwords"][account["username"]] = order["password"]
    return (201, account) if outcome == "committed" else (202, done)


def advance():
    """Ends the operations that have been asked about often enough."""
    for job in list(pending):
        job["polls"] -= 1
        if job["polls"] >= 0:
            continue
        pending.remove(job)
        found = next(o for o in state["operations"] if o["id"] == job["operation"])
        account = next(a for a in state["accounts"] if a["id"] == found["account_id"])
        found["outcome"] = job["end"]
        account["operation"] = brief(found)
        if job["end"] == "committed":
            account["status"] = "active"
            continue
        found["error"] = Problem(
            502, "provisioning_failed", "The step dns zone failed; everything was undone.", operation_id=found["id"],
        ).body
        state["accounts"].remove(account)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        request = {
            "method": self.command, "path": url.path, "query": dict(urllib.parse.parse_qsl(url.query)),
            "request_id": self.headers.get("X-Request-Id"), "authorization": self.headers.get("Authorization"),
            "body": json.loads(raw) if raw else None,
        }
        with lock:
            requests.append(request)
            on = f"{self.command} {url.path}"
            rule = next((r for r in rules if r["on"] == on), None)
            if rule:
                rules.remove(rule)
        getattr(self, rule["fault"] if rule else "plain")(request, rule or {})

    def plain(self, request, _rule):
        self.answer(*self.carry_out(request))
        if request["method"] == "GET":
            with lock:
                overdue, late[:] = list(late), []
            for old in overdue:
                self.carry_out(old)

    def drop_before(self, _request, _rule):
        pass

    def drop_after(self, request, _rule):
        self.carry_out(request)

    def late(self, request, _rule):
        with lock:
            late.append(request)

    def hang_before(self, _request, _rule):
        self.wait_for_the_client_to_leave()

    def hang_after(self, request, _rule):
        self.carry_out(request)
        self.wait_for_the_client_to_leave()

    def half(self, request, _rule):
        status, body = self.carry_out(request)
        self.answer(status, body, keep=0.5, promise=1.0)

    def truncate(self, request, _rule):
        status, body = self.carry_out(request)
        self.answer(status, body, keep=0.5, promise=0.5)

    def html(self, _request, rule):
        self.send(rule["status"], b"<html><body><h1>nginx</h1></body></html>", "text/html")

    def redirect(self, _request, _rule):
        self.send(302, b"", "text/html", {"Location": "/elsewhere"})

    def reply(self, _request, rule):
        self.answer(rule["status"], rule["body"])

    def echo(self, request, _rule):
        text = json.dumps(request["body"]) + "\n" + json.dumps(request["body"], ensure_ascii=False)
        text += "\n" + urllib.parse.urlencode(request["body"] or {}) + "\n" + request["authorization"]
        text += "\n" + base64.b64encode(str((request["body"] or {}).get("password")).encode()).decode()
        self.send(500, text.encode(), "text/plain")

    def async_(self, request, rule):
        with lock:
            status, found = create(request["body"], request["request_id"], "running")
            pending.append({"operation": found["id"], "polls": rule["polls"], "end": rule["end"]})
            body = {"data": dict(found)}
        self.answer(status, body)

    def carry_out(self, request):
        with lock:
            try:
                return self.route(request)
            except Problem as problem:
                return problem.status, {**problem.body, "request_id": request["request_id"], "retryable": False}

    def route(self, request):
        if request["authorization"] != "Bearer " + state["token"]:
            raise Problem(401, "unauthorized", "The token is not known.")
        query = request["query"]
        on = f"{request['method']} {request['path']}"
        if on == "GET /api/self":
            return 200, {"data": {
                "version": "0.1.0", "api_version": state["api_version"], "installation": "i",
                "server_time_at": int((time.time() + state["clock_skew"]) * 1e6),
                "caller": {"kind": "token", "name": "whmcs", "owner": "host", "scopes": state["scopes"],
                           "ref_prefix": "whmcs:i:", "expires_at": None},
                "packages": len(state["packages"]), "servers": state["servers"],
            }}
        if on == "GET /api/packages":
            if "packages.read" not in state["scopes"]:
                raise Problem(403, "forbidden", "This token lacks the scope packages.read.")
            start, size = int(query.get("cursor", 0)), state["packages_per_page"]
            end = start + size
            more = str(end) if end < len(state["packages"]) else None
            return 200, {"data": state["packages"][start:end],
                         "page": {"next": more, "total": len(state["packages"]), "snapshot": "1"}}
        if on == "POST /api/accounts":
            status, data = create(request["body"], request["request_id"])
            return status, {"data": data}
        if on == "GET /api/accounts":
            advance()
            found = [a for a in state["accounts"] if a["external_ref"] == query["external_ref"]]
            return 200, {"data": found, "page": {"next": None, "total": len(found), "snapshot": "1"}}
        if on == "GET /api/operations":
            found = [o for o in reversed(state["operations"]) if o["external_ref"] == query["external_ref"]]
            found = found[:int(query["limit"])]
            return 200, {"data": found, "page": {"next": None, "total": len(found), "snapshot": "1"}}
        raise Problem(404, "not_found", "There is nothing here.")

    def answer(self, status, body, keep=1.0, promise=1.0):
        raw = json.dumps(body).encode()
        kind = "application/json" if status < 400 else "application/problem+json"
        self.send(status, raw[:int(len(raw) * keep)], kind, length=int(len(raw) * promise))

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


setattr(Handler, "async", Handler.async_)


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
            if command["do"] == "script":
                rules[:] = command["rules"]
            elif command["do"] == "set":
                state.update(command["state"])
            reply = {"state": state, "requests": requests} if command["do"] == "report" else {}
            print(json.dumps(reply), flush=True)


main()
