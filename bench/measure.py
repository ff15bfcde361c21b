"""The measurements. Each takes a server and answers plain numbers: milliseconds, kB, requests per second."""

import glob
import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from seed import FIRST, STATIC
from server import SANDBOX, UNITS, Failed, call

SEED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seed.py")


def percentile(numbers, share):
    """The nearest rank: a number that was really measured."""
    ordered = sorted(numbers)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def spread(numbers):
    return {"n": len(numbers)} | {f"p{share}": percentile(numbers, share) for share in (50, 95, 99)} | {"max": max(numbers)}


def fill(server, count):
    """COUNT accounts on a fresh server, proven by the Panel, the doctor and a visitor."""
    if not count:
        return {}
    status, answer, _ = server.create(FIRST)
    if status != 201:
        raise Failed(f"the first account: {status} {answer}")
    begun = time.monotonic()
    services = [*UNITS, "pdns"]
    server.run("systemctl", "stop", "opterius-panel.socket", "opterius-agent.socket", *services)
    call(sys.executable, "-B", SEED, server.root(), str(count))
    # What was written here at once would otherwise go to the disk while creates are measured.
    os.sync()
    server.run("systemctl", "start", "opterius-panel.socket", "opterius-agent.socket", *services)
    server.wait_until_ready()
    took = time.monotonic() - begun
    doctor = server.run("opterius", "doctor").strip().splitlines()[-1]
    for number in {0, count // 2, count - 1}:
        name = f"seed{number:05d}"
        status, page, _ = server.visit(f"{name}.test")
        if status != 200 or f"{name}.test" not in page:
            raise Failed(f"the seeded site {name}.test answers {status}: {page}")
        shown = server.run("opterius", "account", "show", name)
        answer = server.run("dig", "+short", f"@{server.ip}", f"www.{name}.test", "A").strip()
        if "active" not in shown or answer != server.ip:
            raise Failed(f"the seeded account {name}: {shown} {answer}")
    return {"seconds": took, "doctor": doctor}


def fsync(server, count=200):
    """What one write of 4 KB that reaches the disk costs on the server's own file system."""
    path = server.root() + "/var/lib/opterius-agent/fsync"
    took = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"." * 4096)
            begun = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    os.unlink(path)
    return spread(took)


# ---- creates and removals ----


def steps_of(server, operation):
    status, answer = server.panel("GET", f"/api/operations/{operation}")
    if status != 200:
        raise Failed(f"operation {operation}: {status} {answer}")
    return {step["name"]: step["duration_us"] / 1000 for step in answer["data"]["steps"]}


# One after the other; the zone is made beside them, and removed here from no sum.
ON_THE_PATH = ("preflight", "linux user", "password", "home", "logs", "php pool", "site", "verify site")


def creates(server, names, warm_up=3):
    """Orders one after the other, each on a connection of its own. The first few, which find caches cold, are not counted."""
    took, steps, accounts = [], [], []
    for index, name in enumerate(names):
        status, answer, milliseconds = server.create(name)
        if status != 201:
            raise Failed(f"create {name}: {status} {answer}")
        accounts.append(answer["data"]["id"])
        if index >= warm_up:
            took.append(milliseconds)
            step = steps_of(server, answer["data"]["operation"]["id"])
            step["everything else"] = milliseconds - sum(step.get(name, 0) for name in ON_THE_PATH)
            steps.append(step)
    names = list(steps[0])
    return {"whole": spread(took), "steps": {name: statistics.median(step.get(name, 0) for step in steps) for name in names}}, accounts


def burst(server, names):
    """All orders at the same moment."""
    gate, results = threading.Barrier(len(names) + 1), []

    def order(name):
        gate.wait()
        try:
            results.append(server.create(name))
        except OSError as error:
            results.append((0, str(error), 0))

    threads = [threading.Thread(target=order, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    gate.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    late = [answer["data"] for status, answer, _ in results if status == 202]
    failed = [str(result)[:300] for result in results if result[0] not in (201, 202) or (result[0] == 202 and result[1]["data"]["outcome"] != "committed")]
    accounts = [answer["data"]["id"] for status, answer, _ in results if status == 201]
    accounts += [operation["account_id"] for operation in late if operation["outcome"] == "committed"]
    whole = spread([milliseconds for status, _, milliseconds in results if status in (201, 202)])
    return {"seconds": took, "failed": len(failed), "failures": failed[:3], "late": len(late), "whole": whole}, accounts


def removals(server, accounts):
    """Terminates through the Agent's contract, as the Panel would: the Spec `absent`, one generation further."""
    took, steps = [], []
    for account in accounts:
        status, answer = server.agent("GET", f"/accounts/{account}")
        if status != 200:
            raise Failed(f"account {account}: {status} {answer}")
        spec = answer["spec"] | {"state": "absent", "generation": answer["spec"]["generation"] + 1}
        change = {
            "operation_id": str(uuid.UUID(int=(time.time_ns() // 1_000_000 << 80) | (7 << 76) | (2 << 62) | uuid.uuid4().int & ((1 << 62) - 1))),
            "request_id": str(uuid.uuid4()),
            "wait_ms": 60_000,
            "spec": spec,
        }
        begun = time.perf_counter()
        status, answer = server.agent("POST", "/accounts/apply", change)
        took.append((time.perf_counter() - begun) * 1000)
        if status != 200 or answer["outcome"] != "committed":
            raise Failed(f"remove {account}: {status} {answer}")
        steps.append({step["name"]: step["duration_us"] / 1000 for step in answer["steps"]})
        server.agent("POST", f"/operations/{change['operation_id']}/acknowledge")
    return {"whole": spread(took), "steps": {name: statistics.median(step.get(name, 0) for step in steps) for name in steps[0]}}


# ---- memory ----

DAEMONS = {
    "opterius-panel": "Panel",
    "opterius-agent": "Agent",
    "opterius-phpd": "phpd",
    "nginx": "nginx, master and workers",
    "pdns_server": "PowerDNS",
    "systemd": "systemd, which keeps the PHP sockets over a restart of phpd",
}


def pss(process):
    """(PSS, RSS) in kB; nothing of a process that has ended."""
    try:
        with open(f"{process}/smaps_rollup", encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return tuple(int(re.search(rf"^{key}: *(\d+) kB", text, re.M)[1]) for key in ("Pss", "Rss"))


def processes(server):
    """(directory in /proc, name, uid) of every process of the server."""
    for process in glob.glob(server.root() + "/proc/[0-9]*"):
        try:
            with open(f"{process}/status", encoding="utf-8") as file:
                status = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield process, re.search(r"^Name:\t(.*)$", status, re.M)[1], int(re.search(r"^Uid:\t(\d+)", status, re.M)[1])


def memory(server):
    found = {title: [0, 0] for title in DAEMONS.values()}
    for process, name, uid in processes(server):
        # systemd's name is also that of the users' managers.
        if name in DAEMONS and (name != "systemd" or process.endswith("/proc/1")):
            for index, number in enumerate(pss(process)):
                found[DAEMONS[name]][index] += number
    return found


def awake(server, uid):
    """The memory of one account's PHP with its sandbox."""
    numbers = [pss(process) for process, _, owner in processes(server) if owner == uid]
    return {"processes": len(numbers), "pss": sum(one for one, _ in numbers), "rss": sum(one for _, one in numbers)}


def slab():
    with open("/proc/meminfo", encoding="utf-8") as file:
        return int(re.search(r"^Slab: *(\d+) kB", file.read(), re.M)[1])


def kernel_sockets(server):
    """kB of kernel memory that a stop of phpd with all its sockets gives back: sockets, files, and their names on a tmpfs."""
    before = slab()
    server.run("systemctl", "stop", "opterius-phpd")
    server.run("sh", "-c", "rm -rf /run/opterius/php/*")
    time.sleep(2)
    freed = before - slab()
    server.run("systemctl", "start", "opterius-phpd")
    return freed


# ---- PHP asleep and awake ----


def cold_and_warm(server, numbers):
    cold, warm, memories = [], [], []
    for number in numbers:
        host = f"seed{number:05d}.test"
        for into in (cold, warm):
            status, _, milliseconds = server.visit(host)
            if status != 200:
                raise Failed(f"{host} answers {status}")
            into.append(milliseconds)
        uid = int(server.run("id", "-u", f"seed{number:05d}"))
        memories.append(awake(server, uid))
    return {
        "cold": spread(cold),
        "warm": spread(warm),
        "awake": {key: statistics.median(memory[key] for memory in memories) for key in memories[0]},
    }


# ---- starts ----


def starts(server, repeats):
    """Seconds from the order to restart until systemd was told that the daemon is ready."""
    found = {}
    for unit in UNITS:
        took = []
        for _ in range(repeats):
            begun = time.perf_counter()
            server.run("systemctl", "restart", unit)
            if unit == "opterius-agent":
                while not server.agent("GET", "/health")[1]["ready"]:
                    time.sleep(0.01)
            took.append(time.perf_counter() - begun)
        found[unit] = statistics.median(took)
    server.wait_until_ready()
    return found


def reboot(server, command, host):
    """Seconds for which a visitor of a site that ran PHP got no answer, and until the Panel reached its Agent."""
    begun = time.monotonic()
    rebooting = subprocess.Popen([SANDBOX, command, server.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    last, gone, back = begun, False, None
    while back is None:
        if time.monotonic() - begun > 180:
            raise Failed(f"{host} does not answer three minutes after a {command}")
        try:
            good = server.visit(host, timeout=2)[0] == 200
        except (OSError, http.client.HTTPException):
            good = False
        if good and gone:
            back = time.monotonic()
        elif good:
            last = time.monotonic()
        else:
            gone = True
        time.sleep(0.02)
    _, errors = rebooting.communicate()
    if rebooting.returncode != 0:
        raise Failed(f"{command}: {errors.decode()}")
    server.wait_until_ready()
    return {"site": back - last, "ready": time.monotonic() - last}


# ---- requests ----

# What a panel that writes a server block for each site writes, without this one's safeguards; the same log, files and sockets.
BLOCK = """server {{
    listen 8080; server_name {site} www.{site};
    root /home/{user}/{site}/public_html; index index.php index.html;
    location / {{ try_files $uri $uri/ /index.php?$query_string; }}
    location ~ \\.php$ {{
        try_files $uri =404;
        include /etc/nginx/opterius/fastcgi.conf;
        fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
        fastcgi_param SCRIPT_NAME $fastcgi_script_name;
        fastcgi_param DOCUMENT_ROOT $realpath_root;
        fastcgi_pass unix:/run/opterius/php/{account}/main.sock;
    }}
}}
"""

# Every request of a random site, as visitors are spread over them.
LUA = """local sites = %d
request = function()
    return wrk.format("GET", "%s", { ["Host"] = string.format("seed%%05d.test", math.random(0, sites - 1)) })
end
"""


def wrk(server, port, path, sites, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % (sites, path))
        script.flush()
        said = call("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, f"http://{server.ip}:{port}/")
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", said)
    if wrong:
        raise Failed(f"port {port} {path}: {wrong[0]}")
    units = {"us": 0.001, "ms": 1, "s": 1000}

    def latency(share):
        found = re.search(rf"^ *{share}% *([\d.]+)(us|ms|s)$", said, re.M)
        return float(found[1]) * units[found[2]]

    return {"rps": float(re.search(r"Requests/sec: *([\d.]+)", said)[1]), "p50": latency(50), "p99": latency(99)}


def workers_pss(server):
    return max(pss(process)[1] for process, name, _ in processes(server) if name == "nginx")


def wait_for_port(server, port):
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((server.ip, port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def requests(server, count, seconds, repeats, only=("static", "php")):
    """Static files and PHP through the catch-all and through a plain block for each site, in turns; the median of each, and of PHP how many
    requests/s the catch-all answers for one of the plain block, as the median of the pairs of runs."""
    root = server.root()
    docroot = f"{root}/home/{FIRST}/{FIRST}.test/public_html"
    owner = os.stat(f"{docroot}/index.php")
    for name, content in (("static.html", STATIC), ("hello.php", "<?php echo 'hello';\n")):
        with open(f"{docroot}/{name}", "w", encoding="utf-8") as file:
            file.write(content)
        os.chown(f"{docroot}/{name}", owner.st_uid, owner.st_gid)
        os.chmod(f"{docroot}/{name}", 0o640)
    catch_all_rss = workers_pss(server)

    links = f"{root}/var/lib/opterius/sites"
    blocks = [f"server_names_hash_max_size {max(512, count * 8)};\n", "server_names_hash_bucket_size 128;\n"]
    for number in range(count):
        user = f"seed{number:05d}"
        account = os.readlink(f"{links}/{user}.test").split("/")[2]
        blocks.append(BLOCK.format(site=f"{user}.test", user=user, account=account))
    # An nginx of their own: a fastcgi_pass with a variable looks through all others of its nginx, so that 10,000 blocks beside the catch-all
    # would cost each of its requests 0.13 ms (measured).
    with open(f"{root}/etc/nginx/opterius/nginx.conf", encoding="utf-8") as file:
        plain, replaced = re.subn(r"^    server \{\n.*?^    \}\n", "    include /etc/nginx/bench-blocks.conf;\n", file.read(), flags=re.M | re.S)
    if replaced != 1:
        raise Failed("nginx.conf is not as it was")
    for name, text in (("bench-blocks.conf", "".join(blocks)), ("bench.conf", plain.replace("/run/nginx.pid", "/run/nginx-bench.pid"))):
        with open(f"{root}/etc/nginx/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    begun = time.perf_counter()
    server.run("nginx", "-t", "-c", "/etc/nginx/bench.conf")
    test = time.perf_counter() - begun
    server.run("systemd-run", "--quiet", "--unit", "bench-nginx", "--property=LimitNOFILE=131072", "nginx", "-c", "/etc/nginx/bench.conf", "-g", "daemon off;")
    wait_for_port(server, 8080)
    plain_rss = workers_pss(server)

    kinds = [kind for kind in (("static", "/static.html", count, 32), ("php", "/hello.php", 1, 8)) if kind[0] in only]
    found = {f"{kind} {way}": [] for kind, *_ in kinds for way in ("catch-all", "plain")}
    for kind, path, sites, connections in kinds:
        for _ in range(repeats):
            for way, port in (("catch-all", 80), ("plain", 8080)):
                found[f"{kind} {way}"].append(wrk(server, port, path, sites, connections, seconds))
    server.run("systemctl", "stop", "bench-nginx")
    middle = lambda runs: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    runs = {name: middle(of) | {"lowest": min(run["rps"] for run in of), "highest": max(run["rps"] for run in of)} for name, of in found.items()}
    pairs = zip(found["php catch-all"], found["php plain"], strict=True)
    ratio = statistics.median(ours["rps"] / plain["rps"] for ours, plain in pairs)
    return {"runs": runs, "php ratio": ratio, "catch-all rss": catch_all_rss, "plain rss": plain_rss, "plain test": test}
