"""Turns numbers into bench/results.md."""

import datetime
import os
import re

from measure import DAEMONS
from server import RELEASE

# From here on `bench/lifecycle` writes, and behind it a person: what a miss comes from. Each is kept when the others are written anew.
LIFE = "## The life of an account\n"
PAGES = "## The pages\n"
ATTACKS = "## Orders while the Panel is attacked\n"
NOTES = "## What costs the time\n"


def machine(server):
    """What the numbers depend on. No names of machines and no paths."""

    def read(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    packages = ("opterius", "nginx", "php[0-9]*-fpm", "pdns-server", "systemd", "passwd")
    versions = server.run("dpkg-query", "-W", "-f", "${Package} ${Version}, ", *packages).rstrip(", ")
    model = re.search(r"^model name\s*: (.*)$", read("/proc/cpuinfo"), re.M)
    memory = int(re.search(r"^MemTotal: *(\d+)", read("/proc/meminfo"), re.M)[1])
    return {
        "CPU": f"{model[1] if model else 'unknown'}, {os.cpu_count()} cores",
        "Memory": f"{memory / 1024 / 1024:.0f} GiB",
        "Kernel": os.uname().release,
        "Server": "Debian " + server.run("sh", "-c", ". /etc/os-release; echo $(cat /etc/debian_version), $VERSION_CODENAME").strip() + ", in a systemd-nspawn container on overlayfs",
        "Versions": versions,
    }


def table(head, lines):
    head = [str(cell) for cell in head]
    rows = [head, ["---", "---"] if head == ["", ""] else ["---"] + ["---:"] * (len(head) - 1), *[[str(cell) for cell in line] for line in lines]]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows) + "\n"


def ms(number):
    return f"{number:.0f} ms" if number >= 10 else f"{number:.1f} ms"


def verdict(met):
    return "met" if met else "**missed**"


def thousands(number):
    return f"{number:,}"


def plural(number, what):
    return f"{thousands(number)} {what}" + ("" if number == 1 else "s")


def write(chosen, found):
    sizes = list(found)
    least, most = sizes[0], sizes[-1]
    there = [f"{thousands(size)} accounts" for size in sizes]
    text = "# Results of `bench/create`\n\nWritten by `bench/create`; `## The life of an account` by `bench/lifecycle`, and the last section by hand.\n\n"
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    about = {"Date": today, **chosen.machine}
    fsyncs = [found[size]["fsync"] for size in sizes]
    about["Disk"] = "fsync of 4 KB: p50 " + ", ".join(ms(one["p50"]) for one in fsyncs) + "; p99 " + ", ".join(ms(one["p99"]) for one in fsyncs)
    about["Load before each size"] = ", ".join(f"{found[size]['load']:.2f}" for size in sizes)
    about["What else ran"] = chosen.note or "nothing that we know of"
    about["Repeat with"] = repeat(chosen, "bench/create")
    text += table(("", ""), about.items())

    text += "## Creating an account\n\n"
    text += f"From the first byte of a new TLS connection to the end of the 201; {chosen.creates} orders one after the other, three before them not counted.\n\n"
    creates = [found[size]["create"]["whole"] for size in sizes]
    lines = [[f"whole, {share}", *[ms(one[share]) for one in creates]] for share in ("p50", "p95", "p99", "max")]
    bursts = [found[size]["burst"] for size in sizes]
    lines.append([f"{chosen.burst} at once, until the last is done", *[f"{one['seconds']:.1f} s" for one in bursts]])
    lines.append([f"{chosen.burst} at once, failed", *[one["failed"] for one in bursts]])
    lines.append([f"{chosen.burst} at once, answered 202 after 20 s, and done later", *[one["late"] for one in bursts]])
    lines += [[f"{chosen.burst} at once, one order, {share}", *[ms(one["whole"][share]) for one in bursts]] for share in ("p50", "p99")]
    removals = [found[size]["remove"]["whole"] for size in sizes]
    lines += [[f"removal, {share}", *[ms(one[share]) for one in removals]] for share in ("p50", "p99")]
    text += table(("", *there), lines)

    aims = [("create, p50 under 150 ms", [verdict(one["p50"] < 150) for one in creates])]
    growth = creates[-1]["p50"] / creates[0]["p50"]
    aims.append((f"p50 with {thousands(most)} accounts at most 2.5 times that with {thousands(least)}",
                 ["–"] * (len(sizes) - 1) + [f"{growth:.1f} times, {verdict(growth <= 2.5)}"]))  # fmt: skip
    aims.append((f"{chosen.burst} at once in under 10 s, none failed", [verdict(one["seconds"] < 10 and not one["failed"]) for one in bursts]))
    if "memory" in found[most]:
        total = lambda size: sum(numbers[0] for numbers in found[size]["memory"].values())
        each = (total(most) - total(least)) / max(1, most - least)
        kernel = found[most].get("kernel", 0) / max(1, most)
        aims.append(("an idle account costs under 50 kB", ["–"] * (len(sizes) - 1) + [f"{each + kernel:.1f} kB, {verdict(each + kernel < 50)}"]))
    text += "### The aims\n\n" + table(("aim", *there), [(aim, *cells) for aim, cells in aims])
    text += "For comparison: HestiaCP in such a container on such a machine took 5.7 s with 0 accounts and 11.8 s with 1,000.\n\n"

    for verb, title in (("create", "Where a create spends its time"), ("remove", "Where a removal spends its time")):
        text += f"### {title}\n\nThe median of each step, as its operation tells it, and its share of the p50.\n\n"
        names = sorted(found[least][verb]["steps"], key=lambda name: -found[most][verb]["steps"].get(name, 0))
        beside = {"create": ("dns zone", "verify dns"), "remove": ("dns zone",)}[verb]
        lines = []
        for name in names:
            cells = []
            for size in sizes:
                step, whole = found[size][verb]["steps"].get(name, 0), found[size][verb]["whole"]["p50"]
                cells.append(ms(step) + ("" if name in beside else f", {100 * step / whole:.0f} %"))
            lines.append((f"{name} (beside the others)" if name in beside else name, *cells))
        text += table(("step", *there), lines)
    text += "`everything else` is TLS, the Panel with its database and the password's hash, and the Agent's journal.\n\n"

    if "memory" in found[most]:
        text += "## Memory\n\nPSS, after a restart, before anything was asked; RSS in brackets.\n\n"
        cell = lambda numbers: f"{numbers[0] / 1024:.1f} MB ({numbers[1] / 1024:.1f})"
        lines = [(name, *[cell(found[size]["memory"][name]) for size in sizes]) for name in found[least]["memory"]]
        lines.append(("together", *[f"{total(size) / 1024:.1f} MB" for size in sizes]))
        text += table(("", *there), lines)
        lines = [("an idle account, daemons", f"{each:.1f} kB")]
        if "kernel" in found[most]:
            lines.append(("an idle account, kernel (what a stop of phpd with all sockets gives back)", f"{kernel:.1f} kB"))
        for size in sizes:
            if "php" in found[size]:
                one = found[size]["php"]["awake"]
                lines.append((f"one awake PHP with its sandbox, {thousands(size)} accounts ({one['processes']:.0f} processes)",
                              f"{one['pss'] / 1024:.1f} MB ({one['rss'] / 1024:.1f})"))  # fmt: skip
        text += table(("", "memory"), lines)

    if any("php" in found[size] for size in sizes):
        text += "## The first request of a sleeping site, and the next\n\n"
        lines = []
        for size in sizes:
            if "php" in found[size]:
                cold, warm = found[size]["php"]["cold"], found[size]["php"]["warm"]
                lines.append((f"{thousands(size)} accounts, {cold['n']} sites", *[ms(one[share]) for one in (cold, warm) for share in ("p50", "p99")]))
        text += table(("", "first, p50", "first, p99", "next, p50", "next, p99"), lines)

    if "starts" in found[most]:
        starts = found[most]["starts"]
        text += f"## Starts with {thousands(most)} accounts\n\n"
        lines = [(f"restart of {unit} until it is ready", f"{seconds:.2f} s") for unit, seconds in starts.items()]
        for command, title in (("reboot", "reboot in good order"), ("crash", "kill -9 of everything, and boot")):
            lines.append((f"{title}: a site answers again, with PHP, after", f"{found[most][command]['site']:.1f} s"))
            lines.append((f"{title}: Panel and Agent are ready after", f"{found[most][command]['ready']:.1f} s"))
        text += table(("", "time"), lines)

    served = [size for size in sizes if "requests" in found[size]]
    if served:
        text += "## Requests\n\n"
        text += (
            f"wrk on the same cores, one thread, {chosen.seconds} s, the median of {chosen.repeats}, in turns. Static: 1 KB, 32 connections, a random "
            "site each time; PHP: `hello`, 8 connections, one site awake. The plain form is one server block a site without links checked, "
            "probe, suspension or connection limit. Lowest and highest run in brackets.\n\n"
        )
        lines = []
        for size in served:
            for name, run in found[size]["requests"]["runs"].items():
                kind, way = name.split(" ")
                lines.append((f"{kind}, {plural(max(1, size), 'site')}, {way}", f"{run['rps']:,.0f} ({run['lowest']:,.0f}–{run['highest']:,.0f})",
                              f"{run['p50']:.2f} ms", f"{run['p99']:.2f} ms"))  # fmt: skip
        text += table(("", "requests/s", "p50", "p99"), lines)
        lines = []
        for size in served:
            requests = found[size]["requests"]
            lines.append((plural(max(1, size), "site"), f"{requests['catch-all rss'] / 1024:.1f} MB", f"{requests['plain rss'] / 1024:.1f} MB",
                          f"{requests['plain test']:.2f} s"))  # fmt: skip
        text += table(("", "nginx process, RSS, catch-all", "plain blocks", "`nginx -t` with plain blocks"), lines)

    fills = [found[size]["fill"] for size in sizes if found[size]["fill"].get("doctor")]
    if fills:
        text += f"The accounts that were there before were copied from a real one. `opterius doctor` then said: {fills[-1]['doctor']}\n\n"
    return text


def repeat(chosen, command):
    return f"`{command}{'' if chosen.release == RELEASE else f' --release {chosen.release}'}`, as root on Debian 12"


def about(chosen, command, before, beside="nothing that we know of"):
    """What the numbers of a section depend on: with how things stood `before`, and what ran `beside` it if nobody says so."""
    lines = {
        "Date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        **{name: chosen.machine[name] for name in ("CPU", "Server", "Versions")},
        **before,
        "What else ran": chosen.note or beside,
        "Repeat with": repeat(chosen, command),
    }
    return table(("", ""), lines.items())


def life(chosen, found):
    """The section of `bench/lifecycle`."""
    sizes = list(found)
    there = [f"{thousands(size)} accounts" for size in sizes]
    text = LIFE + "\n"
    disk = "fsync of 4 KB: p50 " + ", ".join(ms(found[size]["fsync"]["p50"]) for size in sizes)
    load = ", ".join(f"{found[size]['load']:.2f}" for size in sizes)
    text += about(chosen, "bench/lifecycle", {"Disk": disk, "Load before each size": load})
    text += (
        f"{chosen.lives} accounts one after the other, each request on a TLS connection of its own, from its first byte. *Seen* is when a visitor, who "
        "asks for a static page every millisecond, gets the first 503 or 200; *answered* is when the Panel has answered, which is when "
        "everything of the operation is done.\n\n"
    )
    names = {
        "suspend seen": "suspend, seen",
        "suspend": "suspend, answered",
        "unsuspend seen": "unsuspend, seen",
        "unsuspend": "unsuspend, answered",
        "php after": "the first PHP page after an unsuspend",
        "plan": "plan",
        "terminate": "terminate, answered",
    }
    lines = [(f"{title}, {share}", *[ms(found[size]["lives"][key][share]) for size in sizes]) for key, title in names.items() for share in ("p50", "p99")]
    text += table(("", *there), lines)
    aims = [("suspend seen", "suspend seen within 30 ms, p50", 30), ("terminate", "terminate answered within 200 ms, p50", 200), ("plan", "plan within 50 ms, p50", 50)]
    text += table(("aim", *there), [(title, *[verdict(found[size]["lives"][key]["p50"] <= limit) for size in sizes]) for key, title, limit in aims])
    text += "For comparison: HestiaCP at 1,000 accounts took 4.2 s for a suspension and 10.8 s for a deletion.\n\n"
    text += "### Where a change spends its time\n\nThe median of each step that takes a millisecond or more, as its operation tells it. Steps beside each other overlap.\n\n"
    lines = []
    for change in ("suspend", "unsuspend", "terminate"):
        steps = [found[size]["lives"]["steps"][change] for size in sizes]
        for name in sorted(steps[-1], key=lambda name: -steps[-1][name]):
            if max(one.get(name, 0) for one in steps) >= 1:
                lines.append((f"{change}: {name}", *[ms(one.get(name, 0)) for one in steps]))
    text += table(("step", *there), lines)
    text += "### Neighbours\n\n"
    text += (
        f"wrk reads one account's PHP page for {chosen.seconds} s, 4 connections, on the same cores: when nothing else goes on, and while two clients "
        "make, suspend and terminate accounts all the time. No request failed.\n\n"
    )
    lines = []
    for size in sizes:
        one = found[size]["neighbours"]
        for key, title in (("quiet", "quiet"), ("busy", f"during {one['lives']} lives of others")):
            lines.append((f"{thousands(size)} accounts, {title}", f"{one[key]['rps']:,.0f}", ms(one[key]["p50"]), ms(one[key]["p99"])))
    return text + table(("", "requests/s", "p50", "p99"), lines)


def pages(chosen, found):
    """The section of `bench/pages`."""
    text = PAGES + "\n"
    text += about(chosen, "bench/pages", {"Load before": f"{found['load']:.2f}"})
    text += (
        f"{thousands(chosen.accounts)} accounts, {thousands(chosen.activity)} rows in the Activity and a tenth of that of operations. Each page is opened {chosen.times} times on one "
        "TLS connection, as a browser does, and read to its end; what a browser does with it comes on top.\n\n"
    )
    lines = [(page, ms(took["p50"]), ms(took["p95"]), ms(took["max"]), f"{size / 1024:.0f} kB") for page, (took, size) in found["pages"].items()]
    text += table(("page", "p50", "p95", "max", "size"), lines)
    slow = [page for page, (took, _) in found["pages"].items() if took["p95"] > 100]
    missed = ", ".join(slow)
    text += f"`opterius activity verify` walked the whole Activity in {found['verify']:.1f} s.\n\n"
    return text + table(("aim", ""), [("every page within 100 ms, p95", f"**missed** by {missed}" if slow else "met")])


def attacks(chosen, found):
    """The section of `bench/attacks`."""
    text = ATTACKS + "\n"
    text += about(chosen, "bench/attacks", {"Load before": f"{found['load']:.2f}"}, "the attacker, on the same cores")
    text += (
        f"{chosen.orders} orders one after the other of a token that nothing is wrong with, each on a TLS connection of its own, while `e2e/attacker` does what the line "
        "says. Behind it, what the Panel did: TLS connections that it took, refused and closed, and its answers by their status.\n\n"
    )
    lines = []
    for what, took, did in found["attacks"]:
        answers = ", ".join(f"{name} {thousands(count)}" for name, count in sorted(did.items(), key=lambda one: (one[0].isdigit(), one[0])))
        lines.append((what, ms(took["p50"]), ms(took["p95"]), ms(took["max"]), len(took["failures"]), answers or "–"))
    text += table(("attack", "p50", "p95", "max", "failed", "the Panel's answers"), lines)
    slow = [what for what, took, _ in found["attacks"] if took["p95"] > 1000 or took["failures"]]
    return text + table(("aim", ""), [("every order ends, within 1 s, p95", f"**missed** under: {'; '.join(slow)}" if slow else "met")])


def compare(chosen, found):
    """The table of `bench/compare`: `found` by the name of the packages and the release. What could not be measured is a dash."""
    columns = [(name, release) for release in chosen.releases for name, _ in chosen.sets]

    def cells(form, *where):
        for column in columns:
            value = found.get(column)
            for key in where:
                value = value.get(key) if value else None
            yield "–" if value is None else form(value)

    def pair(form, *where):
        return [" / ".join(both) for both in zip(cells(form, "few", *where), cells(form, "many", *where), strict=True)]

    sizes = f"{thousands(chosen.few)} / {thousands(chosen.many)}"
    at_many = f"at {thousands(chosen.many)}"
    lines = [
        (f"create, p50, at {sizes} accounts", *pair(ms, "create", "whole", "p50")),
        (f"{chosen.burst} creates at once, until the last is done, {at_many}", *cells(lambda burst: f"{burst['seconds']:.1f} s, {burst['failed']} failed", "many", "burst")),
        *((f"{change}, answered, p50, {at_many}", *cells(ms, "many", "lives", change, "p50")) for change in ("suspend", "unsuspend", "terminate")),
        (f"PHP requests/s, catch-all against a plain block, at {plural(max(1, chosen.few), 'site')} / {thousands(chosen.many)}", *pair("{:.2f}".format, "requests", "php ratio")),
        (f"memory of the daemons at rest, PSS, at {sizes}", *pair(lambda of: f"{sum(numbers[0] for numbers in of.values()) / 1024:.0f} MB", "memory")),
        ("the first request of a sleeping site, p50, " + at_many, *cells(ms, "many", "php", "cold", "p50")),
        ("load before it", *pair("{:.1f}".format, "load")),
    ]
    text = table(("measure", *[f"{name}, {release}" for name, release in columns]), lines)
    for title, where in (("create", ("create", "steps")), ("suspend", ("lives", "steps", "suspend")), ("unsuspend", ("lives", "steps", "unsuspend")), ("terminate", ("lives", "steps", "terminate"))):  # fmt: skip
        names = {step for steps in cells(lambda steps: steps, "many", *where) if steps != "–" for step in steps}
        lines = [(f"{title}: {step}", *pair(ms, *where, step)) for step in sorted(names)]
        text += table((f"the steps of a {title}, at {sizes}", *[""] * len(columns)), lines) if lines else ""
    lines = [(title, *pair(lambda numbers: f"{numbers[0] / 1024:.1f} MB", "memory", title)) for title in DAEMONS.values()]
    return text + table((f"PSS, at {sizes}", *[""] * len(columns)), lines)


def put(section, path):
    """Writes a section in its place, which is before the notes."""
    with open(path, encoding="utf-8") as file:
        old = file.read()
    title = section.splitlines()[0]
    if title + "\n" not in old:
        old = old.replace(NOTES, section + NOTES)
    else:
        begins = old.index(title + "\n")
        old = old[:begins] + section + old[old.index("\n## ", begins) + 1 :]
    with open(path, "w", encoding="utf-8") as file:
        file.write(old)


def with_notes(text, path):
    """`text` with what others wrote behind it."""
    rest = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            old = file.read()
        rest = next((old[old.index(kept) :] for kept in (LIFE, PAGES, ATTACKS, NOTES) if kept in old), "")
    return text + (rest or NOTES + "\nNobody has looked yet.\n")
