"""Serves two Panels (`cargo run --example served`), and has Schemathesis ask each whatever the OpenAPI document allows and forbids.

usage: run.py SERVED [SECONDS [SEED]]   the program, how many seconds both runs take beside each other (75), and with which seed (1)

Inputs follow from the seed; how many there are, from the seconds and the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# More for an operation in one round than there is time for: the seconds end the run, not the number.
EXAMPLES = 60


def schemathesis(known, seconds, seed, output, directory):
    arguments = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml",
        "run", f"{known['url']}/api/openapi.json", "--seed", str(seed), "--max-time", str(seconds), "--max-examples", str(EXAMPLES),
    ]
    if known["token"]:
        arguments += ["--header", f"Authorization: Bearer {known['token']}"]
    else:
        # Whoever is root behind the socket needs no token.
        arguments += ["--generation-with-security-parameters", "false", "--exclude-checks", "ignored_auth,missing_required_header"]
    environment = os.environ | {"OPTERIUS_KNOWN": json.dumps(known), "OPTERIUS_SEED": str(seed), "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(arguments, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


def main():
    served, seconds, seed = sys.argv[1], int((sys.argv[2:] or [75])[0]), int((sys.argv[3:] or [1])[0])
    failed = []
    with subprocess.Popen([served], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as panels, tempfile.TemporaryDirectory() as outputs:
        try:
            known = json.loads(panels.stdout.readline())
            runs = {}
            for who in ("administrator", "whmcs"):
                output = open(Path(outputs) / who, "w+b")
                runs[who] = (schemathesis(known[who], seconds, seed, output, outputs), output)
            for who, (run, output) in runs.items():
                status = run.wait(seconds + 60)
                output.seek(0)
                print(f"-- as {who}", flush=True)
                sys.stdout.buffer.write(output.read())
                sys.stdout.flush()
                if status:
                    failed.append(who)
        finally:
            panels.stdin.close()
            panels.wait(60)
    sys.exit(f"the Panel is not as its document says, asked by: {', '.join(failed)}" if failed else 0)


main()
