"""The measurements of attacks on the Panel: how long another token's orders take while one goes on."""

import json
import os
import subprocess

from measure import spread
from server import ROOT, Failed

ATTACKER = os.path.join(ROOT, "e2e", "attacker")

# What is attacked, how it is called in the results, and from which addresses: networks of 64 bits of one of 48, or one address.
NETWORKS = "2001:db8:bad::1"
ATTACKS = [
    ("idle", None, "1,100 idle HTTP/2 connections from one address"),
    ("idle", NETWORKS, "1,100 idle HTTP/2 connections, each from a /64 of its own"),
    ("slow", None, "500 posts at a byte a second from one address"),
    ("slow", NETWORKS, "500 posts at a byte a second, each from a /64 of its own"),
    ("unread", None, "500 connections that read no answer, from one address"),
    ("sign-ins", None, "200 sign-ins at a time under ever new names from one address"),
    ("sign-ins", NETWORKS, "200 sign-ins at a time under ever new names, each from a /64 of its own"),
    ("guesses", NETWORKS, "wrong tokens, each from the next /64"),
    ("refusals", None, "a token's posts that are refused, 8 at a time"),
    ("orders", None, "120 orders at a time of one token"),
]


class Attack:
    """One attack, while it goes on."""

    def __init__(self, server, kind, first, token):
        # A program of this machine in the server's network namespace.
        command = ["nsenter", "-t", server.root().split("/")[2], "-n", ATTACKER, kind] + (["--from", first] if first else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(token + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "begun":
            raise Failed(f"the attack {kind} did not begin")

    def end(self):
        """Ends it. Answers what the Panel did to it."""
        out, _ = self.process.communicate(timeout=30)
        return json.loads(out)


def orders(server, names):
    """Orders one after the other. Answers their milliseconds, and what was answered to those that failed."""
    took, failures = [], []
    for name in names:
        try:
            status, answer, milliseconds = server.create(name)
        except OSError as error:
            status, answer, milliseconds = 0, str(error), None
        done = status == 201 or (status == 202 and answer["data"]["outcome"] == "committed")
        if done:
            took.append(milliseconds)
        else:
            failures.append(f"{status} {answer}"[:300])
    if not took:
        raise Failed(f"no order came through: {failures[:3]}")
    return spread(took) | {"failures": failures}


def under_attack(server, count, say):
    """The orders of another token, in peace and under each attack: what was attacked, how they went, and what the Panel did to the attacker."""
    token = json.loads(server.run("opterius", "token", "create", "--for", "whmcs", "--name", "greedy", "--json"))["token"]
    orders(server, [f"warm{number}" for number in range(3)])
    found = [("nothing", orders(server, [f"peace{number:03d}" for number in range(count)]), {})]
    for at, (kind, first, what) in enumerate(ATTACKS):
        say(what)
        attack = Attack(server, kind, first, token)
        try:
            took = orders(server, [f"calm{at:02d}x{number:03d}" for number in range(count)])
        finally:
            did = attack.end()
        found.append((what, took, did))
        say(f"  p50 {took['p50']:.0f} ms, p95 {took['p95']:.0f} ms, max {took['max']:.0f} ms, failed {took['failures']}; {did}")
    return found
