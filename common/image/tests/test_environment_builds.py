"""Packages that are built: undeclared build requirements, wheels that are not wanted, and what
people are told meanwhile. Needs no network."""

import hashlib
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import loopback
from environments import SCRIPTS, Scratch
from platform_env.environments.progress import BACKTRACKING, INTERVAL, Progress
from platform_env.environments.specs import Line


class BuildsTest(Scratch):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = loopback.Server(cls.root / "served")
        cls.addClassCleanup(cls.server.stop)
        cls.server.add_backend("1.0")
        cls.server.add_wheel("pip", "26.0")
        cls.server.add_wheel("apple", "1.0")
        cls.apple = cls.server.add_source("apple", "1.0")
        cls.server.add_source("plum", "1.0", imports=["salt"])
        for version in ("1.0", "1.1"):
            cls.server.add_wheel("salt", version)
        cls.env |= {**cls.server.variables, "UV_CACHE_DIR": str(cls.root / "cache")}

    def setUp(self) -> None:
        for folder in (self.prefix("jam"), self.specs / "jam"):
            shutil.rmtree(folder, ignore_errors=True)
        self.run_script("env-create", "jam")

    def failed(self, script: str, *arguments: str | Path, **env: str) -> str:
        """Returns what a script says that ends with status 1; the traceback is the backend's."""
        command = [SCRIPTS / script, *arguments]
        done = subprocess.run(command, env=self.env | env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def thaw(self, text: str) -> None:
        """Makes the environment from a frozen spec, with an empty cache."""
        shutil.rmtree(self.prefix("jam"))
        self.write("jam/jam-frozen.yml", text)
        with tempfile.TemporaryDirectory() as cache:
            env = {"USE_FROZEN": "1", "UV_CACHE_DIR": cache}
            self.run_script("env-create", "jam", **env)

    def test_undeclared_build_requirement(self) -> None:
        plums = self.write("jam/jam.pip", "plum\n")
        said = self.failed("env-update", "jam", plums)
        self.assertIn("building plum 1.0 from its sources", said)
        self.assertIn("fix: write the line `plum: salt` into <environment>.build\n", said)
        self.assertNotIn("tool.uv", said)
        self.write("jam/jam.build", "# Its setup imports it.\nplum: salt<1.1\napple: yeast\n")
        self.run_script("env-update", "jam", plums)
        text = self.run_script("env-export", "jam")
        self.assertIn("# build: salt==1.0 --hash=sha256:", text)
        self.assertIn("\n# build-for: plum: salt\nname: jam\n", text)
        self.thaw(text)
        self.assertEqual(self.run_script("env-export", "jam"), text)
        shutil.rmtree(self.prefix("jam"))
        self.write("jam/jam-frozen.yml", text.replace("# build-for: plum: salt\n", ""))
        said = self.failed("env-create", "jam", USE_FROZEN="1")
        self.assertIn("No module named 'salt'", said)

    def test_a_bad_line_of_build_requirements(self) -> None:
        self.write("jam/jam.build", "plum salt\n")
        said = self.run_script("env-update", "jam", self.write("jam/jam.pip", "plum\n"), status=2)
        self.assertIn("jam.build:1: `plum salt` does not name a package and a requirement", said)

    def test_a_wheel_that_is_not_wanted(self) -> None:
        self.run_script("env-update", "jam", self.write("jam/first.pip", "apple\n"))
        digest = hashlib.sha256(self.apple.read_bytes()).hexdigest()
        self.assertNotIn(digest, self.run_script("env-export", "jam"))
        second = self.write("jam/second.pip", "--no-binary Apple\napple\n")
        self.run_script("env-update", "jam", second)
        text = self.run_script("env-export", "jam")
        self.assertIn(f"- apple==1.0 --hash=sha256:{digest}", text)
        self.assertIn("# build: yeast==1.0", text)
        self.thaw(text)
        self.assertEqual(self.run_script("env-export", "jam"), text)

    def test_nothing_but_the_list_is_needed(self) -> None:
        """Neither a note nor a line of the log of uv is left of a resolution that succeeds."""
        said = self.run_script("env-update", "jam", self.write("jam/a.pip", "absent\n"), status=1)
        self.assertNotIn("DEBUG", said)
        self.assertIn("jam/a.pip:1: absent", said)


class ProgressTest(unittest.TestCase):
    def setUp(self) -> None:
        self.said: list[str] = []
        self.now = 0.0
        lines = [Line("/e/a.pip", 3, "numpy<2"), Line("/e/b.pip", 1, "scipy")]
        self.progress = Progress(lines, self.said.append, lambda: self.now)

    def select(self, name: str, version: int) -> None:
        self.progress.read(f"DEBUG Selecting: {name}=={version} [compatible] (a.whl)\n")

    def test_a_quick_resolution_is_quiet(self) -> None:
        for name in ("numpy", "scipy"):
            self.select(name, 1)
        self.progress.read("DEBUG Searching for a compatible version of numpy (*)\n")
        self.assertEqual(self.said, [])

    def test_the_time_and_the_package(self) -> None:
        self.select("numpy", 2)
        self.now = INTERVAL + 1
        self.select("scipy", 1)
        self.select("scipy", 2)
        told = "still solving after 21 s: 2 versions of 2 packages tried, now scipy==1"
        self.assertEqual(self.said, [told])

    def test_the_line_that_is_backtracked_on(self) -> None:
        for version in range(BACKTRACKING):
            self.select("NumPy", version)
            self.select("numpy", version)
            self.select("other", version)
        told = f"backtracking: tried {BACKTRACKING} versions of numpy, because of:"
        self.assertEqual(self.said[0], f"{told}\n  /e/a.pip:3: numpy<2")
        self.assertIn("other, which no line limits; a line such as `other>=VERSION`", self.said[1])

    def test_a_package_without_a_wheel(self) -> None:
        self.progress.read("DEBUG Preparing metadata for: bls-py==0.1.2\n")
        self.assertIn("bls-py==0.1.2 has no wheel for this Python: building it", self.said[0])


if __name__ == "__main__":
    unittest.main()
