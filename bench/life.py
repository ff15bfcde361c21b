"""The measurements of an account's life: how soon a visitor sees a suspension and its end, a termination, a plan, and what neighbours notice."""

import http.client
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time

from measure import spread
from seed import FIRST, STATIC
from server import Failed


def put(server, username, name, content):
    """A file in an account's document root, as its owner would put it there."""
    docroot = f"{server.root()}/home/{username}/{username}.test/public_html"
    owner = os.stat(docroot)
    with open(f"{docroot}/{name}", "w", encoding="utf-8") as file:
        file.write(content)
    os.chown(f"{docroot}/{name}", owner.st_uid, owner.st_gid)
    os.chmod(f"{docroot}/{name}", 0o640)


def done(server, method, path, body=None):
    """One change on a connection of its own: the milliseconds until it was answered, and the data of the answer."""
    begun = time.perf_counter()
    status, answer = server.panel(method, path, body)
    took = (time.perf_counter() - begun) * 1000
    if status == 202:
        answer = server.outcome(answer["data"]["id"])
        took = (time.perf_counter() - begun) * 1000
    if status not in (200, 201, 202) or answer["data"].get("outcome", "committed") != "committed":
        raise Failed(f"{method} {path}: {status} {answer}")
    return took, answer["data"]


class Visitor:
    """Asks for a page every millisecond, on one connection, until it is answered with another status."""

    def __init__(self, server, host, path, wanted):
        self.seen, self.failure = None, None
        self.asking = threading.Event()
        self.thread = threading.Thread(target=self.ask, args=(server, host, path, wanted))
        self.thread.start()
        # Whoever is waited for has asked once already: connecting is no part of what is measured.
        self.asking.wait()

    def ask(self, server, host, path, wanted):
        deadline = time.monotonic() + 60
        connection = http.client.HTTPConnection(server.ip, 80, timeout=30)
        try:
            while time.monotonic() < deadline:
                try:
                    connection.request("GET", path, headers={"Host": host})
                    response = connection.getresponse()
                    response.read()
                except http.client.RemoteDisconnected:
                    # nginx closes a connection after a thousand requests.
                    connection.close()
                    continue
                if response.status == wanted:
                    self.seen = time.perf_counter()
                    return
                self.asking.set()
                time.sleep(0.001)
            self.failure = f"{host}{path} never answered {wanted}"
        except OSError as error:
            self.failure = f"{host}{path}: {error}"
        finally:
            self.asking.set()
            connection.close()

    def wait(self, begun):
        self.thread.join()
        if self.failure:
            raise Failed(self.failure)
        return (self.seen - begun) * 1000


def visible(server, name, change, wanted):
    """Milliseconds from before the request until a visitor sees its effect, and until it was answered."""
    visitor = Visitor(server, f"{name}.test", "/static.html", wanted)
    begun = time.perf_counter()
    body = {"reason": "not paid"} if change == "suspend" else {}
    answered, _ = done(server, "POST", f"/api/accounts/ref:{name}/{change}", body)
    return visitor.wait(begun), answered


def steps(server, name):
    """The steps of the newest operation of an account, in ms."""
    status, answer = server.panel("GET", f"/api/operations?external_ref={name}&limit=1")
    if status != 200:
        raise Failed(f"the operations of {name}: {status} {answer}")
    return {step["name"]: step["duration_us"] / 1000 for step in answer["data"][0]["steps"]}


def lives(server, names, warm_up=2):
    """Accounts one after the other: suspended, unsuspended, planned and terminated, each change on a connection of its own."""
    took = {key: [] for key in ("suspend seen", "suspend", "unsuspend seen", "unsuspend", "php after", "plan", "terminate")}
    spent = {change: [] for change in ("suspend", "unsuspend", "terminate")}
    for index, name in enumerate(names):
        status, answer, _ = server.create(name)
        if status not in (201, 202):
            raise Failed(f"create {name}: {status} {answer}")
        put(server, name, "static.html", STATIC)
        # Its PHP has run, as that of any site that somebody visits.
        server.visit(f"{name}.test")
        one = {}
        one["suspend seen"], one["suspend"] = visible(server, name, "suspend", 503)
        parts = {"suspend": steps(server, name)}
        one["unsuspend seen"], one["unsuspend"] = visible(server, name, "unsuspend", 200)
        parts["unsuspend"] = steps(server, name)
        status, _, one["php after"] = server.visit(f"{name}.test")
        if status != 200:
            raise Failed(f"{name}.test answers {status} after its suspension")
        one["plan"], plan = done(server, "GET", f"/api/accounts/ref:{name}/plan")
        if not plan["empty"]:
            raise Failed(f"the plan of {name} is not empty: {plan}")
        one["terminate"], _ = done(server, "DELETE", f"/api/accounts/ref:{name}")
        parts["terminate"] = steps(server, name)
        if index >= warm_up:
            for key, milliseconds in one.items():
                took[key].append(milliseconds)
            for change, durations in parts.items():
                spent[change].append(durations)
    medians = {
        change: {name: statistics.median(one.get(name, 0) for one in every) for name in every[0]} for change, every in spent.items()
    }
    return {key: spread(numbers) for key, numbers in took.items()} | {"steps": medians}


# Of one neighbour, and with every answer that is not 200 told apart. wrk itself counts those.
LUA = """request = function() return wrk.format("GET", "/hello.php", { ["Host"] = "%s.test" }) end"""


def read(server, seconds):
    """wrk reads a neighbour's PHP page, 4 connections: percentiles in ms."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % FIRST)
        script.flush()
        wrk = ["wrk", "-t1", "-c4", f"-d{seconds}s", "--latency", "-s", script.name, f"http://{server.ip}/"]
        said = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", said)
    if wrong:
        raise Failed(f"a request of the neighbour failed: {wrong[0]}")
    units = {"us": 0.001, "ms": 1, "s": 1000}

    def latency(share):
        found = re.search(rf"^ *{share}% *([\d.]+)(us|ms|s)$", said, re.M)
        return float(found[1]) * units[found[2]]

    return {"rps": float(re.search(r"Requests/sec: *([\d.]+)", said)[1]), "p50": latency(50), "p99": latency(99)}


def neighbours(server, seconds, clients=2):
    """A neighbour's page when nothing else goes on, and while accounts are made, suspended and terminated all the time."""
    put(server, FIRST, "hello.php", "<?php echo 'hello';\n")
    server.visit(f"{FIRST}.test", "/hello.php")
    quiet = read(server, seconds)
    over, failures, counts = threading.Event(), [], []

    def come_and_go(client):
        number = 0
        while not over.is_set():
            name = f"brief{client}x{number}"
            try:
                status, answer, _ = server.create(name)
                if status not in (201, 202):
                    raise Failed(f"create {name}: {status} {answer}")
                done(server, "POST", f"/api/accounts/ref:{name}/suspend", {"reason": "not paid"})
                done(server, "DELETE", f"/api/accounts/ref:{name}?keep_days=0")
            except (OSError, Failed) as failure:
                failures.append(str(failure))
                return
            number += 1
        counts.append(number)

    threads = [threading.Thread(target=come_and_go, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    try:
        busy = read(server, seconds)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if failures:
        raise Failed(failures[0])
    return {"quiet": quiet, "busy": busy, "lives": sum(counts)}
