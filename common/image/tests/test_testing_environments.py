"""env-test and test-environments: nothing passes because nothing was tested."""

import unittest

from stand_in import Installation, notebook


class Nothing(unittest.TestCase):
    def test_an_image_without_environments(self):
        made = Installation()
        self.addCleanup(made.remove)
        done = made.run("test-environments")
        self.assertEqual(done.status, 1)
        self.assertEqual(done.names("failed"), ["tests environments"])
        self.assertIn("nothing to test", done.message("environments"))


class EnvTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        for environment in ("bare", "empty", "full", "odd", "tools"):
            cls.made.add(environment)
        own = cls.made.conda / "envs/tools/bin/own-program"
        own.write_text("#!/bin/sh\nexit 7\n")
        own.chmod(0o755)
        own.with_name("not-executable").write_text("")
        commands = "own-program  # of the environment\nls\nnot-executable\ncd\n/bin/ls\nls -l\n"
        cls.made.add_files("tools", {"tests/commands": commands})
        cls.made.add_files("empty", {"tests/imports": "\n# 'nothing\n", "tests/notebooks": ""})
        cls.made.add_files(
            "full",
            {
                "tests/imports": "# isn't it\njson  # a comment's quote\n\nmissing_one\nos.path\n",
                "tests/notebooks": "a b.ipynb  # also found\nnothing-*.ipynb\n../more/*.ipynb\n",
                "tests/a b.ipynb": notebook("1"),
                "tests/.ipynb_checkpoints/a b-checkpoint.ipynb": notebook("1 / 0"),
                "more/extra.ipynb": notebook("1"),
                "tests/test": '#!/bin/sh\n[ "$CONDA_DEFAULT_ENV" = full ] && ls && kill -TERM $$\n',
            },
        )
        (cls.made.specs / "full/tests/test").chmod(0o755)
        cls.made.add_files("odd", {"tests/test": "#!/bin/sh\n"})
        cls.made.run("kernel-setup")
        cls.full = cls.made.run("env-test", "full")

    def test_nothing_tested(self):
        done = self.made.run("env-test", "bare")
        self.assertEqual(done.status, 1)
        self.assertEqual(done.names("failed"), ["tests tests"])
        self.assertIn(f"add {self.made.specs}/bare/tests/imports", done.message("tests"))

    def test_nothing_tested_by_empty_lists(self):
        done = self.made.run("env-test", "empty")
        self.assertEqual(done.status, 1)
        self.assertEqual(done.names("failed"), ["tests imports", "tests notebooks"])

    def test_everything_runs_once(self):
        done = self.full
        more = self.made.specs / "full/more/extra.ipynb"
        passed = ["consistency pip check", "import json", "import os.path", "notebook a b.ipynb"]
        self.assertEqual(done.status, 1)
        self.assertEqual(done.names("passed"), [*passed[:3], f"notebook {more}", passed[3]])
        failed = ["import missing_one", "notebook nothing-*.ipynb", "script test"]
        self.assertEqual(done.names("failed"), failed)
        self.assertEqual(
            done.message("test"), "a b.ipynb\nimports\nnotebooks\ntest\nkilled by SIGTERM"
        )

    def test_words_split(self):
        """An entry is a line: with spaces, without the words of comments."""
        names = [result["name"] for result in self.full.recorded]
        self.assertIn("a b.ipynb", names)
        self.assertEqual([name for name in names if "comment" in name or "'" in name], [])

    def test_line_that_matches_nothing_names_file_and_line(self):
        origin = f"{self.made.specs}/full/tests/notebooks:2: no notebook is there"
        self.assertIn(origin, self.full.message("nothing-*.ipynb"))

    def test_programs_are_found_and_not_run(self):
        done = self.made.run("env-test", "tools")
        passed = ["command ls", "command own-program", "consistency pip check"]
        self.assertEqual(sorted(done.names("passed")), passed)
        failed = ["command /bin/ls", "command cd", "command ls -l", "command not-executable"]
        self.assertEqual(sorted(done.names("failed")), failed)
        said = done.message("not-executable")
        place = f"{self.made.conda}/envs/tools/bin"
        self.assertRegex(said, f"no program 'not-executable' on PATH: .*{place}")
        self.assertNotIn("status", said)
        self.assertIn("without a path", done.message("/bin/ls"))

    def test_script_that_is_not_executable(self):
        done = self.made.run("env-test", "odd")
        self.assertEqual(done.names("failed"), ["script test"])
        self.assertIn("is not executable: chmod +x it", done.message("test"))

    def test_script_that_cannot_run(self):
        script = self.made.specs / "odd/tests/test"
        self.addCleanup(script.chmod, 0o644)
        self.addCleanup(script.write_text, "#!/bin/sh\n")
        script.write_text("#!/no/such/shell\n")
        script.chmod(0o755)
        done = self.made.run("env-test", "odd")
        self.assertEqual(done.names("failed"), ["script test"])
        self.assertIn("cannot be run", done.message("test"))

    def test_lines_of_the_record(self):
        done = self.made.run("env-test", "odd")
        keys = {"environment", "kind", "name", "outcome", "seconds", "message", "again"}
        for result in done.recorded:
            self.assertEqual(set(result), keys)
            self.assertEqual(result["environment"], "odd")
            self.assertEqual(result["outcome"] == "passed", result["message"] == "")

    def test_inconsistent_packages(self):
        """A broken environment is told, and its other tests run."""
        site = next((self.made.conda / "envs/odd").glob("lib/python3*/site-packages"))
        info = site / "needy-1.0.dist-info"
        info.mkdir()
        self.addCleanup(info.rmdir)
        metadata = "Metadata-Version: 2.1\nName: needy\nVersion: 1.0\nRequires-Dist: lacking>=2\n"
        for name, text in {"METADATA": metadata, "RECORD": "", "INSTALLER": "uv\n"}.items():
            (info / name).write_text(text)
            self.addCleanup((info / name).unlink)
        done = self.made.run("env-test", "odd")
        self.assertEqual(done.names("failed"), ["consistency pip check", "script test"])
        self.assertIn("lacking", done.message("pip check"))


class TestEnvironments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.made.add("a-bad", {"tests/imports": "missing_one\n"})
        cls.made.add("b-good", {"tests/imports": "json\n"})
        cls.made.add("without-folder")
        (cls.made.specs / "without-folder").rmdir()
        cls.made.add_files("without-environment", {"tests/imports": "json\n"})
        cls.made.run("kernel-setup")
        cls.done = cls.made.run("test-environments")

    def test_first_bad_stops(self):
        """All environments are tested, whichever fails."""
        outcomes = {
            (result["environment"], result["kind"]): result["outcome"]
            for result in self.done.recorded
        }
        self.assertEqual(outcomes["a-bad", "import"], "failed")
        self.assertEqual(outcomes["b-good", "import"], "passed")
        self.assertEqual(self.done.status, 1)

    def test_folder_and_environment_belong_together(self):
        messages = {
            result["environment"]: result["message"]
            for result in self.done.recorded
            if result["name"] == "environment"
        }
        self.assertEqual(set(messages), {"without-environment", "without-folder"})
        self.assertIn("no step creates it", messages["without-environment"])
        self.assertIn("add one, with tests", messages["without-folder"])

    def test_base_needs_no_tests_but_those_it_has_run(self):
        self.assertNotIn("base", {result["environment"] for result in self.done.recorded})
        self.made.add_files("base", {"tests/imports": "json\n"})
        self.addCleanup((self.made.specs / "base/tests/imports").unlink)
        done = self.made.run("test-environments")
        tested = [(it["environment"], it["kind"]) for it in done.recorded]
        self.assertIn(("base", "import"), tested)

    def test_kernel_missing_is_one_failure(self):
        self.made.add("c-new", {"tests/imports": "json\n"})
        done = self.made.run("env-test", "c-new")
        self.assertEqual(done.names("failed"), ["tests kernel"])
        self.assertIn("run kernel-setup", done.message("kernel"))


if __name__ == "__main__":
    unittest.main()
