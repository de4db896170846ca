"""The tester: requests of a mission's own script, and files that tests may write."""

import os
import socket
import sys
import tempfile
import unittest
from pathlib import Path

from stand_in import SCRIPTS, Installation, notebook

sys.path.insert(0, str(SCRIPTS))

from platform_env.testing import disk, entry_point, foreign, limits, mission_tests
from platform_env.testing.tested import IMAGE_USER, Scratch

ASSERTS = notebook("import os\nassert os.environ['GREETING'] == 'hello'")
MARKS = notebook(
    "import os, pathlib",
    "for place in (pathlib.Path.home(), pathlib.Path(os.environ['TMPDIR'])):\n"
    "    assert not (place / 'mark').exists()\n"
    "    (place / 'mark').touch()",
)


class OwnScript(unittest.TestCase):
    """environments/test of a mission."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.made.add("sky", {"tests/imports": "json\nmissing_one\n", "tests/a.ipynb": ASSERTS})
        cls.made.add("sea", {"tests/1.ipynb": MARKS, "tests/2.ipynb": MARKS})
        cls.made.run("kernel-setup")

    def run_with(self, *lines: str, **plan: object):
        script = self.made.specs / "test"
        script.write_text("\n".join(["#!/bin/bash", *lines, ""]))
        script.chmod(0o755)
        return self.made.test(**plan)

    def titles(self, done) -> list[str]:
        return [f"{it['environment']} {it['kind']} {it['name']}".strip() for it in done.recorded]

    def test_what_it_asks_for_runs_in_its_environment(self) -> None:
        asks = f"{SCRIPTS}/test-environments --env sky > {self.made.root}/said; echo $? >> said"
        done = self.run_with("export GREETING=hello", f"cd {self.made.root}", asks)
        said = (self.made.root / "said").read_text()
        self.assertIn("passed  sky: notebook a.ipynb", said)
        self.assertIn("1 failed\n1\n", said)
        # What it did not ask for runs after it, and its own status is one more result.
        titles = self.titles(done)
        script = f"mission {self.made.specs}/test"
        self.assertLess(titles.index("sky notebook a.ipynb"), titles.index(script))
        self.assertLess(titles.index(script), titles.index("sea notebook 1.ipynb"))
        self.assertEqual(len(titles), len(set(titles)), "a test ran twice")
        self.assertEqual(done.names("failed"), ["import missing_one"])

    def test_what_it_leaves_out_runs_all_the_same(self) -> None:
        done = self.run_with("echo 'own check'", "exit 3", kinds=["import", "mission"])
        script = f"mission {self.made.specs}/test"
        self.assertEqual(done.names("failed"), ["import missing_one", script])
        self.assertEqual(done.names("passed"), ["import json"])
        message = done.message(f"{self.made.specs}/test")
        self.assertEqual(message, "own check\nended with status 3")

    def test_wrong_requests_are_answered(self) -> None:
        for request in ('{"plan": {"jobs": 1e99}, "variables": {}}', "[", '{"plan": []}', "{}"):
            ask = (
                f"{sys.executable} -c 'import os, socket, sys\n"
                'it = socket.socket(socket.AF_UNIX); it.connect(os.environ["TEST_SOCKET"])\n'
                'it.sendall(sys.argv[1].encode() + b"\\n"); print(it.recv(10000).decode())\' '
                f"'{request}'; exit 3"
            )
            done = self.run_with(ask, only=[f"{self.made.specs}/test"])
            message = done.message(f"{self.made.specs}/test")
            self.assertIn("test-environments: error: ", message, request)

    def test_each_test_has_a_home_of_its_own(self) -> None:
        done = self.made.run("test-environments", "--env", "sea", "--notebooks")
        self.assertEqual(done.names("passed"), ["notebook 1.ipynb", "notebook 2.ipynb"])


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_only_plain_files_are_read(self) -> None:
        plain = self.folder / "plain"
        plain.write_text("text")
        self.assertEqual(foreign.read(plain), "text")
        (self.folder / "link").symlink_to(plain)
        os.mkfifo(self.folder / "pipe")
        with (self.folder / "sparse").open("wb") as sparse:
            sparse.truncate(3 << 30)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.folder / "socket"))
        for name in ("link", "pipe", "sparse", "socket", "missing", "."):
            with self.subTest(name), self.assertRaises(OSError):
                foreign.read(self.folder / name)

    def test_what_is_left_on_the_disk_is_counted(self) -> None:
        (self.folder / "old").write_bytes(b"x" * 300_000)
        watch = disk.Watch([self.folder], 200_000)
        watch._next = 0
        self.assertEqual(watch.message(), "")
        (self.folder / "link").symlink_to("/usr")
        (self.folder / "deep/er").mkdir(parents=True)
        (self.folder / "deep/er/new").write_bytes(b"x" * 300_000)
        watch._next = 0
        self.assertIn("more than TEST_DISK=0.0002g of the disk", watch.message())

    def test_what_cannot_be_counted_is_too_much(self) -> None:
        start = os.getcwd()  # noqa: PTH109 -- fd-relative below
        self.addCleanup(os.chdir, start)
        os.chdir(self.folder)
        for _ in range(20):
            os.mkdir("d" * 250)  # noqa: PTH102 -- the whole path is too long
            os.chdir("d" * 250)
        self.assertEqual(disk.used([self.folder]), float("inf"))

    def test_scratch_goes_with_the_test(self) -> None:
        scratch = Scratch()
        variables = scratch.variables()
        for name in ("HOME", "TMPDIR"):
            self.assertTrue(Path(variables[name]).is_dir())
        self.assertTrue(variables["MPLCONFIGDIR"].startswith(variables["HOME"]))
        (scratch.home / "file").touch()
        scratch.remove()
        self.assertFalse(scratch.home.exists())

    def test_own_script_is_told_from_the_link_to_ours(self) -> None:
        script = self.folder / "test"
        self.assertFalse(mission_tests._is_own(script))
        script.symlink_to(SCRIPTS / "test-environments")
        self.assertFalse(mission_tests._is_own(script))
        script.unlink()
        script.symlink_to("/nowhere")
        self.assertTrue(mission_tests._is_own(script))


class EntryPoint(unittest.TestCase):
    def test_environment_of_its_hooks(self) -> None:
        command = ["/bin/sh", "-c", 'echo noise; export LINES_2="a\nb"; exec "$@"', "sh"]
        variables = entry_point.variables(command, IMAGE_USER)
        self.assertEqual(variables["LINES_2"], "a\nb")

    def test_one_that_fails(self) -> None:
        for command, says in (
            (["/bin/sh", "-c", "echo a hook fails >&2; exit 3"], "a hook fails\n.* status 3"),
            (["/bin/true"], "entry point ended with status 0"),
            (["no-such-program"], "no-such-program cannot be run"),
        ):
            with self.assertRaisesRegex(entry_point.EntryPointError, says):
                entry_point.variables(command, IMAGE_USER)


class Limits(unittest.TestCase):
    def test_one_setting_stretches_all(self) -> None:
        self.addCleanup(os.environ.pop, "PATIENCE", None)
        for value, seconds in (("2.5", 250), ("", 100), ("nan", 100), ("-1", 100), ("x", 100)):
            os.environ["PATIENCE"] = value
            self.assertEqual(limits.stretched(100), seconds, value)
        os.environ["PATIENCE"] = "2"
        self.assertEqual(limits.advice(), "PATIENCE=4 doubles all limits")


if __name__ == "__main__":
    unittest.main()
