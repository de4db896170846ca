"""The tester: its messages about images and servers with defects."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, "/opt/common-scripts")

from platform_env.environments import home_files, image_tests
from platform_env.testing import hub_stand_in, hub_tests, image_files, servers
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report
from platform_env.testing.servers import Server
from platform_env.testing.stale_home import USER


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        os.chown(self.home, -1, 100)
        self.home.chmod(0o2775)

    def said_of(self, name: str) -> str:
        """Returns the message of a test of the home."""
        report = Report()
        home = os.environ["HOME"]
        self.addCleanup(os.environ.__setitem__, "HOME", home)
        os.environ["HOME"] = str(self.home)
        image_files.test_files(Plan(only=[name]), report)
        return report.results[0].message

    def test_all_of_the_list_are_run(self):
        """`cargo xtask` waits for each test that image_tests.json lists."""
        report = Report()
        image_files.test_files(Plan(), report)
        self.assertEqual([(it.kind, it.name) for it in report.results], image_tests.PREPARE)
        of_servers = {("server", hub_tests.OWN), ("server", hub_tests.SINGLEUSER)}
        self.assertEqual({*of_servers, ("shell", "login")}, set(image_tests.HUB))

    def test_folders_that_the_group_cannot_write_in(self):
        self.assertEqual(self.said_of("HOME"), "")
        for number in range(12):
            closed = self.home / f"closed-{number}"
            closed.mkdir()
            # Whether it gets the set-group-ID bit of the folder above depends on the file system.
            closed.chmod(0o755)
        message = self.said_of("HOME")
        self.assertIn("is drwxr-xr-x, owner 1000, group 100\n", message)
        self.assertIn("and 2 more\nusers of group 100 cannot write there", message)

    def test_kernels_hidden(self):
        """A hub's volume hides what is in the image's home."""
        self.assertEqual(self.said_of("kernelspecs"), "")
        kernel = self.home / ".local/share/jupyter/kernels/mine"
        kernel.mkdir(parents=True)
        (kernel / "kernel.json").write_text("{}")
        self.assertIn(f"{kernel}\na hub's volume hides them", self.said_of("kernelspecs"))

    def test_files_that_a_volume_hides(self):
        (self.home / ".bashrc").write_text("a")
        (self.home / "here").mkdir()
        (self.home / "link").symlink_to("here")
        recorded = self.home.parent / f"{self.home.name}.json"
        self.addCleanup(recorded.unlink)
        recorded.write_text(json.dumps(home_files.record(self.home)))
        self.enterContext(mock.patch.object(home_files, "RECORD", recorded))
        self.assertEqual(self.said_of("files"), "")
        (self.home / ".bashrc").write_text("b")
        (self.home / "here/new/deep").mkdir(parents=True)
        (self.home / "here/new/deep/x").touch()
        (self.home / "link").unlink()
        (self.home / "link").symlink_to("/tmp")
        os.mkfifo(self.home / "pipe")
        said = self.said_of("files").splitlines()
        names = [".bashrc (changed)", "link (changed)", "pipe", "here/new"]
        self.assertEqual(sorted(said[:-1]), sorted(f"{self.home}/{it}" for it in names))
        self.assertIn("default-home-contents", said[-1])
        recorded.write_text("{")
        self.assertIn("cannot be read", self.said_of("files"))

    def test_this_image_has_a_record(self):
        self.assertEqual(home_files.problem(Path.home()), "")


class Servers(unittest.TestCase):
    def problem(self, command: list[str], health: list[str], variables: dict[str, str]) -> str:
        runtime = servers.runtime({"HOME": str(Path.home()), **os.environ, **variables})
        server = Server(command, variables, USER, runtime)
        self.addCleanup(server.stop)
        return server.problem(health)

    def test_one_that_ends(self):
        message = self.problem(["bash", "-c", "echo a library is missing; exit 3"], [], {})
        self.assertEqual(message, "a library is missing\nthe server ended with status 3")

    def test_one_that_is_not_there(self):
        message = self.problem(["no-such-server"], [], {})
        self.assertEqual(message, "no-such-server cannot be run: No such file or directory")

    def test_one_of_a_hub(self):
        with hub_stand_in.running() as variables:
            command, health = ["jupyterhub-singleuser"], ["/etc/jupyter/docker_healthcheck.py"]
            self.assertEqual(self.problem(command, health, variables), "")

    def test_hooks_that_failed(self):
        hooks = "/usr/local/bin/before-notebook.d"
        said = [
            f"start.sh: ERROR: {hooks}/a.sh failed with status 3, continuing",
            "ls: cannot access '/data': No such file or directory",
            f"{hooks}/b has failed, continuing execution",
            "jupyter: the extension x has failed",
        ]
        runtime = servers.runtime({"HOME": str(Path.home()), **os.environ})
        for lines, expected in (
            (said, [f"{hooks}/a.sh failed with status 3", said[1], f"{hooks}/b has failed"]),
            (said[1::2], []),
        ):
            server = Server(["printf", "%s\\n", *lines], {}, USER, runtime)
            self.addCleanup(server.stop)
            server.problem([])
            self.assertEqual(server.failed_hooks().splitlines()[:-1], expected)


if __name__ == "__main__":
    unittest.main()
