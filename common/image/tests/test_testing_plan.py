"""Selections of tests: from outside by a file, by hand by flags; and what is run first."""

import json
import unittest

from stand_in import Installation, notebook

TESTS = {
    "tests/imports": "json\nmissing_one\n",
    "tests/a.ipynb": notebook("1"),
    "tests/b.ipynb": notebook("1"),
    "tests/c.ipynb": notebook("1 / 0"),
}

ALL = {"environments": [], "only": [], "kinds": [], "tests": [], "times": {}}


class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.made.add("sky", TESTS)
        cls.made.add("sea", {"tests/imports": "json\n"})
        cls.made.run("kernel-setup")

    def planned(self, script: str, *arguments: str, **parts: object):
        plan = self.made.root / "plan.json"
        plan.write_text(json.dumps(ALL | {"jobs": None, "timeout": None} | parts))
        return self.made.run(script, *arguments, TEST_PLAN=str(plan))

    def names(self, done):
        return [f"{it['environment']} {it['kind']} {it['name']}" for it in done.recorded]

    def test_single_tests_of_several_environments(self):
        tests = [["sky", "notebook", "c.ipynb"], ["sea", "import", "json"]]
        done = self.planned("test-environments", tests=tests)
        self.assertEqual(
            sorted(self.names(done)), ["sea import json", "sky notebook c.ipynb"], done.stderr
        )
        self.assertEqual(done.status, 1)

    def test_scripts_that_others_call_keep_to_it(self):
        """As those that a mission's own entry point calls."""
        only = {"kinds": ["import"], "environments": ["sky"], "only": ["j*"]}
        done = self.planned("test-imports", "sky", "json", "missing_one", **only)
        self.assertEqual((done.status, self.names(done)), (0, ["sky import json"]))
        done = self.planned("test-notebooks", "sky", "c.ipynb", **only)
        self.assertEqual((done.status, self.names(done)), (0, []))

    def test_longest_notebooks_first_and_unknown_ones_before(self):
        times = {"sky": {"a.ipynb": 1.5, "b.ipynb": 9}}
        done = self.planned("env-test", "sky", kinds=["notebook"], times=times, jobs=1)
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


if __name__ == "__main__":
    unittest.main()
