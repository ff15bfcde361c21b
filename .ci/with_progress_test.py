"""Tests of `with_progress` in sandbox/requirements."""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent

# What cargo writes where it draws its bar without a terminal: each drawing ends with a carriage return.
BUILDS = r"""
exec 3>&1 >&2
printf '   Compiling libc v0.2.186\n    Building [==>          ] 100/380: libc                \r'
sleep 1.1
printf '    Building [=====>       ] 240/380: serde, tokio(build)         \r'
printf 'warning: unused variable: x\n'
"""


class WithProgress(unittest.TestCase):
    def ran(self, ends):
        with tempfile.NamedTemporaryFile("w") as script:
            script.write(BUILDS + ends)
            script.flush()
            # Told each time, and not each half minute.
            program = 'set -euo pipefail; . sandbox/requirements; eval "$(declare -f tell_progress | sed s/every=30/every=0/)"; with_progress bash "$1"'
            return subprocess.run(["bash", "-c", program, "bash", script.name], cwd=ROOT, capture_output=True, text=True)

    def test_of_a_build_that_succeeds_only_numbers_are_told_and_its_output_is_its_own(self):
        ran = self.ran("echo made.deb >&3\n")
        self.assertEqual((ran.returncode, ran.stdout), (0, "made.deb\n"))
        told = [line.strip() for line in ran.stderr.splitlines()]
        self.assertEqual(told, ["compiled 100 of 380 crates", "compiled 240 of 380 crates, less than a minute to go"])

    def test_a_build_that_fails_shows_all_that_it_said_and_ends_as_it_did(self):
        ran = self.ran("echo error: no\nexit 101\n")
        self.assertEqual((ran.returncode, ran.stdout), (101, ""))
        for line in ("   Compiling libc v0.2.186", "warning: unused variable: x", "error: no"):
            self.assertIn(line, ran.stderr.splitlines())
        self.assertNotIn("Building", ran.stderr)


if __name__ == "__main__":
    unittest.main()
