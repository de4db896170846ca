"""home-setup: what a new home gets, and an old one does not."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HOOK = Path("/usr/local/bin/before-notebook.d/10-default-home-contents.sh")


class HomeSetup(unittest.TestCase):
    def setUp(self):
        root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, root)
        self.home = root / "home"
        self.contents = root / "contents"
        self.home.mkdir()
        (self.contents / "notes/deep").mkdir(parents=True)
        (self.contents / "notes/deep/read me.txt").write_text("hello")
        (self.contents / "notes/.gitkeep").touch()
        (self.contents / ".vimrc").write_text("ours")
        (self.contents / "run").write_text("#!/bin/sh\n")
        (self.contents / "run").chmod(0o755)
        (self.contents / "link").symlink_to("notes")

    def run_setup(self):
        return subprocess.run(
            ["/opt/common-scripts/home-setup", "--contents", self.contents],
            env={**os.environ, "HOME": str(self.home)},
            capture_output=True,
            text=True,
        )

    def test_empty_home_is_filled(self):
        self.assertEqual(self.run_setup().returncode, 0)
        self.assertEqual((self.home / "notes/deep/read me.txt").read_text(), "hello")
        self.assertEqual(str((self.home / "link").readlink()), "notes")
        self.assertTrue(os.access(self.home / "run", os.X_OK))
        self.assertFalse((self.home / "notes/.gitkeep").exists())

    def test_home_of_a_new_volume_is_filled_and_nothing_overwritten(self):
        (self.home / "lost+found").mkdir(mode=0)
        self.addCleanup((self.home / "lost+found").chmod, 0o700)
        (self.home / "work").mkdir()
        (self.home / ".vimrc").write_text("theirs")
        self.assertEqual(self.run_setup().returncode, 0)
        self.assertEqual((self.home / ".vimrc").read_text(), "theirs")
        self.assertTrue((self.home / "run").exists())

    def test_used_home_is_left_alone(self):
        (self.home / "mine.txt").touch()
        self.assertEqual(self.run_setup().returncode, 0)
        self.assertEqual([entry.name for entry in self.home.iterdir()], ["mine.txt"])

    def test_image_without_contents(self):
        shutil.rmtree(self.contents)
        self.assertEqual(self.run_setup().returncode, 0)
        self.assertEqual(list(self.home.iterdir()), [])

    @unittest.skipIf(os.geteuid() == 0, "root writes everywhere")
    def test_home_that_cannot_be_filled_is_told(self):
        self.home.chmod(0o555)
        self.addCleanup(self.home.chmod, 0o755)
        done = self.run_setup()
        self.assertEqual(done.returncode, 1)
        self.assertIn("the home could not be filled", done.stderr)

    def test_hook_is_installed(self):
        self.assertTrue(HOOK.exists())


if __name__ == "__main__":
    unittest.main()
