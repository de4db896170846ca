"""test-imports: every package in a process of its own, every failure told."""

import unittest

from stand_in import Installation

MODULES = {
    "raises_oserror": "raise OSError('libfoo.so.1: cannot open shared object file')",
    "exits_quietly": "raise SystemExit(0)",
    "leaves_quietly": "import os; os._exit(0)",
    "crashes": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "marks": "import sys; sys.marked = True",
    "needs_mark": "import sys; assert not hasattr(sys, 'marked')",
    "looks_around": "import os; assert os.listdir() == [], os.listdir()",
    "activated": "import os; assert os.environ['CONDA_DEFAULT_ENV'] == 'sky'",
}


class Imports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.made.add("sky")
        for name, source in MODULES.items():
            cls.made.add_module("sky", name, source)
        cls.made.run("kernel-setup")
        cls.done = cls.made.run("test-imports", "sky", *MODULES, "os.path", "json.no", "marks")

    def test_import_error_only(self):
        """Whatever happens in an import is that package's failure, and no other's."""
        failed = ["crashes", "exits_quietly", "json.no", "leaves_quietly", "raises_oserror"]
        passed = ["activated", "looks_around", "marks", "needs_mark", "os.path"]
        self.assertEqual(self.done.names("failed"), [f"import {name}" for name in failed])
        self.assertEqual(self.done.names("passed"), [f"import {name}" for name in passed])
        self.assertEqual(self.done.status, 1)

    def test_messages_say_what_happened(self):
        message = "OSError: libfoo.so.1: cannot open shared object file"
        self.assertEqual(self.done.message("raises_oserror").splitlines()[-1], message)
        self.assertEqual(self.done.message("crashes"), "killed by SIGSEGV")
        self.assertEqual(
            self.done.message("leaves_quietly"), "ended with status 0 before it was done"
        )
        self.assertIn("SystemExit: 0", self.done.message("exits_quietly"))
        self.assertIn("No module named 'json.no'", self.done.message("json.no"))

    def test_failures_come_last_with_the_command_that_reproduces_them(self):
        last = self.done.stdout.partition("\n\n")[2]
        self.assertIn("FAILED  sky: import crashes\n    killed by SIGSEGV\n", last)
        self.assertIn("again: /opt/common-scripts/test-imports sky crashes\n", last)
        self.assertRegex(last, r"\n5 passed, 5 failed in .* s\n$")

    def test_count_as_status(self):
        """256 failures are a failure."""
        names = [f"missing_{number}" for number in range(256)]
        done = self.made.run("test-imports", "sky", *names)
        self.assertEqual(done.status, 1)
        self.assertEqual(len(done.names("failed")), 256)

    def test_a_package_that_is_no_module_name(self):
        done = self.made.run("test-imports", "sky", "scikit-learn", "json")
        self.assertEqual(done.status, 1)
        self.assertIn("is not a module's name", done.message("scikit-learn"))
        self.assertEqual(done.names("passed"), ["import json"])

    def test_unknown_environment_is_a_wrong_request(self):
        done = self.made.run("test-imports", "sea", "json")
        self.assertEqual(done.status, 2)
        self.assertIn("unknown environment 'sea'; there are: base, ", done.stderr)

    def test_base_is_tested_with_its_kernel(self):
        done = self.made.run("test-imports", "base", "json")
        self.assertEqual(done.status, 0, done.stderr)

    def test_environment_without_a_kernel(self):
        self.made.add("new")
        done = self.made.run("test-imports", "new", "json")
        self.assertEqual(done.status, 1)
        self.assertIn("run kernel-setup", done.stderr)

    def test_without_a_folder_for_results_it_only_prints(self):
        done = self.made.run("test-imports", "sky", "json", TEST_RESULTS="")
        self.assertEqual(done.status, 0)
        self.assertFalse(self.made.results.exists())
        self.assertIn("passed  sky: import json", done.stdout)


if __name__ == "__main__":
    unittest.main()
