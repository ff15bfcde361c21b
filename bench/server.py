"""A throw-away server, set up as a host would, and the ways to reach it."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SANDBOX = os.path.join(ROOT, "sandbox", "sandbox")

RELEASE = "trixie"
UNITS = ("opterius-phpd", "opterius-agent", "opterius-panel")


class Failed(Exception):
    """Something that a measurement rests on is not as it must be."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("local", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(*arguments, text=None):
    done = subprocess.run(arguments, input=text or "", capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def packages(given, *debian):
    """The directory of the packages: what was given, or as `./try` builds them, which is a release build without failpoints."""
    script = ". sandbox/requirements; require_root; require_npm; require_rust\n"
    script += f'require_packages {" ".join(debian)} python3 "${{build_packages[@]}}" "${{sandbox_packages[@]}}"\n'
    built = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "opterius", "debs-try")
    if not given:
        script += f"packaging/build-debs '{built}' >&2\n"
    subprocess.run(["bash", "-euc", script], cwd=ROOT, check=True)
    return given or built


class Server:
    def __init__(self, name, debs, release):
        self.name, self.init = name, None
        call(SANDBOX, "down", name)
        call(SANDBOX, "up", name, "--release", release, "--debs", debs, "--hostname", "server1.opterius.test")
        self.ip = call(SANDBOX, "ip", name).strip()
        setup = self.run(
            "opterius", "setup", "--json", "--hostname", "server1.opterius.test", "--ipv4", self.ip,
            "--nameserver", "ns1.opterius.test", "--nameserver", "ns2.opterius.test",
        )  # fmt: skip
        self.admin_password = json.loads(setup.strip().splitlines()[-1])["admin_password"]
        self.run("opterius", "package", "create", "Starter", "--disk-mib", "10240", "--json")
        self.token = json.loads(self.run("opterius", "token", "create", "--for", "whmcs", "--name", "bench", "--json"))["token"]

    def run(self, *command):
        return call(SANDBOX, "run", self.name, *command)

    def root(self):
        """The server's file system as this machine sees it; another one after each boot."""
        if not self.init or not os.path.exists(f"/proc/{self.init}/root/run/opterius"):
            self.init = call(SANDBOX, "init", self.name).strip()
        return f"/proc/{self.init}/root"

    def down(self):
        call(SANDBOX, "down", self.name)

    def create(self, name):
        """One order: the status, the answer, and the milliseconds from before the connection until the account is there."""
        order = {"username": name, "domain": f"{name}.test", "password": f"Pass word {name}", "package": "Starter", "external_ref": name}
        begun = time.perf_counter()
        status, answer = self.panel("POST", "/api/accounts", order)
        if status == 202:
            answer = self.outcome(answer["data"]["id"])
        return status, answer, (time.perf_counter() - begun) * 1000

    def outcome(self, operation):
        """Asks, as a billing system does after a 202, until the operation is over."""
        while True:
            _, answer = self.panel("GET", f"/api/operations/{operation}")
            if answer["data"]["outcome"] != "running":
                return answer
            time.sleep(0.2)

    def panel(self, method, path, body=None):
        """One call of the Panel's API, on a TLS connection of its own, as WHMCS makes it. The token stays off command lines."""
        # The server is our own and its certificate self-signed; checking a pin would cost this client, not the server.
        tls = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(self.ip, 8443, context=tls, timeout=120)
        return self.exchange(connection, method, path, body, {"Authorization": f"Bearer {self.token}"})

    def agent(self, method, path, body=None):
        return self.exchange(UnixConnection(self.root() + "/run/opterius/agent.sock"), method, path, body, {})

    @staticmethod
    def exchange(connection, method, path, body, headers):
        try:
            if body is not None:
                body = json.dumps(body)
                headers["Content-Type"] = "application/json"
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            return response.status, json.loads(answer) if answer else None
        finally:
            connection.close()

    def visit(self, host, path="/", timeout=30):
        """What nginx answers: the status, the page, and the milliseconds."""
        begun = time.perf_counter()
        connection = http.client.HTTPConnection(self.ip, 80, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            page = response.read().decode()
            return response.status, page, (time.perf_counter() - begun) * 1000
        finally:
            connection.close()

    def wait_until_ready(self):
        """Until the Panel reaches an Agent that has finished its recovery."""
        deadline = time.monotonic() + 120
        while True:
            try:
                if self.panel("GET", "/api/self")[0] == 200 and self.agent("GET", "/health")[1]["ready"]:
                    return
            except (OSError, http.client.HTTPException, KeyError, TypeError):
                pass
            if time.monotonic() > deadline:
                raise Failed("the Panel and its Agent are not ready after two minutes")
            time.sleep(0.05)
