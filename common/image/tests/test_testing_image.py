"""The tester: what it says of images and servers that are not as they should be."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, "/opt/common-scripts")

from platform_env import hub_stand_in, image_files, servers
from platform_env.plan import Plan
from platform_env.results import Report
from platform_env.servers import Server
from platform_env.stale_home import USER


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        os.chown(self.home, -1, 100)
        self.home.chmod(0o2775)

    def said_of(self, name: str) -> str:
        """What a test of the home says."""
        report = Report()
        home = os.environ["HOME"]
        self.addCleanup(os.environ.__setitem__, "HOME", home)
        os.environ["HOME"] = str(self.home)
        image_files.test_files(Plan(only=[name]), report)
        return report.results[0].message

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
            command = ["jupyterhub-singleuser"]
            self.assertEqual(self.problem(command, ["jupyter-healthcheck"], variables), "")


if __name__ == "__main__":
    unittest.main()
