"""Selections of tests: from outside by a file, by hand by flags; and what is run first."""

import sys
import unittest
from pathlib import Path

from stand_in import SCRIPTS, Installation, notebook

sys.path.insert(0, str(SCRIPTS))

from platform_env.testing import plan

TESTS = {
    "tests/imports": "json\nmissing_one\n",
    "tests/a.ipynb": notebook("1"),
    "tests/b.ipynb": notebook("1"),
    "tests/c.ipynb": notebook("1 / 0"),
}


class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.made.add("sky", TESTS)
        cls.made.add("sea", {"tests/imports": "json\n"})
        cls.made.run("kernel-setup")

    def planned(self, **parts: object):
        return self.made.test(**parts)

    def names(self, done):
        return [f"{it['environment']} {it['kind']} {it['name']}" for it in done.recorded]

    def test_single_tests_of_several_environments(self):
        tests = [["sky", "notebook", "c.ipynb"], ["sea", "import", "json"]]
        done = self.planned(tests=tests)
        self.assertEqual(
            sorted(self.names(done)), ["sea import json", "sky notebook c.ipynb"], done.stderr
        )
        self.assertEqual(done.status, 1)

    def test_longest_notebooks_first_and_unknown_ones_before(self):
        times = {"sky": {"a.ipynb": 1.5, "b.ipynb": 9}}
        only = {"environments": ["sky"], "kinds": ["notebook"]}
        done = self.planned(times=times, jobs=1, **only)
        names = [it["name"] for it in done.recorded]
        self.assertEqual(names, ["c.ipynb", "b.ipynb", "a.ipynb"])

    def test_flags_by_hand(self):
        done = self.made.run("test-environments", "--env", "sky", "--imports", "--only", "json")
        self.assertEqual((done.status, self.names(done)), (0, ["sky import json"]))
        done = self.made.run("env-test", "sky", "--notebooks", "--only", "[ab].ipynb")
        self.assertEqual(len(done.recorded), 2)
        self.assertEqual(done.status, 0)

    def test_nothing_selected_by_hand_is_a_wrong_request(self):
        done = self.made.run("test-environments", "--only", "nothing-like-it")
        self.assertEqual(done.status, 2)
        self.assertIn("no test matches that selection", done.stderr)


class PlanFile(unittest.TestCase):
    def test_what_image_test_writes(self):
        """`a_plan_is_what_the_scripts_read` in xtask/src/testing/selection.rs writes the same
        file."""
        told = plan.read(Path(__file__).with_name("plan.json"))
        expected = plan.Plan(
            environments=["sky"],
            only=["*.ipynb"],
            kinds=["notebook"],
            tests={("sky", "notebook", "a.ipynb")},
            without={("sky", "notebook", "b.ipynb")},
            jobs=3,
            timeout=60,
            passed={("sky", "import", "json")},
            times={("sky", "a.ipynb"): 2.5},
            variables=told.variables,
            disk=1000,
            network="none",
            entry_point=["start.sh"],
            command=["lab"],
            health=["check"],
            dependencies=True,
            carried=["sea"],
            from_outside=True,
        )
        self.assertEqual(told, expected)
        self.assertTrue(told.wants("sky", "notebook", "a.ipynb"))
        self.assertFalse(told.wants("sky", "notebook", "b.ipynb"))


if __name__ == "__main__":
    unittest.main()
