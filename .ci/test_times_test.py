"""Tests of `test-times`:   python3 .ci/test_times_test.py"""

import importlib.machinery
import importlib.util
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
# It has no ending, since it is a command; and nothing compiled is to be left in the tree.
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("test_times", str(HERE / "test-times"))
test_times = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_times", loader))
loader.exec_module(test_times)

JUNIT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="1" errors="0" time="9.9">
  <testsuite name="opterius-e2e::orders" tests="2" disabled="0" errors="0" failures="1">
    <testcase name="an_order" classname="opterius-e2e::orders" timestamp="2026-01-01T00:00:00+00:00" time="41.5"><failure message="no"/></testcase>
    <testcase name="another" classname="opterius-e2e::orders" timestamp="2026-01-01T00:00:00+00:00" time="3.25"/>
  </testsuite>
  <testsuite name="opterius-model" tests="1" disabled="0" errors="0" failures="0">
    <testcase name="names::one" classname="opterius-model" timestamp="2026-01-01T00:00:00+00:00" time="0.01"/>
  </testsuite>
</testsuites>
"""
BUDGETS = "# why\nstep 60 unit tests\nstep 5 the whole chain  # on servers\nbinary 40 opterius-e2e::orders\nbinary 1 opterius-model\n"
STEPS = "12.4 passed unit tests\n44.0 FAILED the whole chain\n3 passed a new one\n"


class TestTimes(unittest.TestCase):
    def page(self):
        return test_times.report(test_times.read_steps(STEPS), test_times.read_junit(JUNIT), test_times.read_budgets(BUDGETS))

    def test_steps_binaries_and_the_slowest_tests_are_told_longest_first(self):
        page, _ = self.page()
        self.assertIn("      12      60  unit tests\n", page)
        self.assertIn("      44       5  the whole chain (FAILED)\n", page)
        self.assertIn("      59       -  all steps, one after the other\n", page)
        self.assertLess(page.index("orders an_order"), page.index("orders another"))
        self.assertLess(page.index("orders another"), page.index("names::one"))

    def test_what_crosses_its_budget_and_what_has_none_is_warned_of_by_name(self):
        self.assertEqual(self.page()[1], [
            'the step "the whole chain" took 44 s of its 5 s',
            'the step "a new one" has no budget',
            'the binary "opterius-e2e::orders" took 45 s of its 40 s',
        ])

    def test_a_line_that_is_no_budget_is_named(self):
        for line in ("step ten unit tests", "test 10 unit tests", "step 10"):
            with self.assertRaisesRegex(ValueError, f"line 2 .*{line}"):
                test_times.read_budgets(f"step 1 x\n{line}\n")

    def test_budgets_of_the_tree_can_be_read_and_name_only_what_is_there(self):
        budgets = test_times.read_budgets((HERE / "../.config/test-budgets").read_text())
        script = (HERE / "../test").read_text()
        for kind, name in budgets:
            if kind == "step":
                self.assertIn(name, script)
            elif name.startswith("opterius-e2e::"):
                self.assertTrue((HERE / f"../e2e/tests/{name.split('::')[1]}.rs").exists(), name)

    def test_a_crossed_budget_is_no_failure_and_the_page_is_kept(self):
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            (directory / "steps").write_text(STEPS)
            (directory / "sandbox.xml").write_text(JUNIT)
            (directory / "budgets").write_text(BUDGETS)
            printed = subprocess.run([HERE / "test-times", directory, directory / "budgets"], check=True, capture_output=True, text=True).stdout
            self.assertIn("WARNING: ", printed)
            self.assertEqual((directory / "times.txt").read_text(), printed)


if __name__ == "__main__":
    unittest.main()
