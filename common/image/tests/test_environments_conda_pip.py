"""pip requirements beside conda packages whose metadata disagrees with conda, end to end."""

import subprocess
from hashlib import sha256

from environments import SCRIPTS, Scratch
from loopback import Server

SPEC = """name: e
channels:
  - conda-forge
dependencies:
  - python
  - py-opencv
  - platform-private-lib
  - demanding
  - contradicting
  - eggy
  - odd-version
  - pip:
    - needy
    - platform-private-lib>=1
    - odd-version
    - eggy<2
"""


class BesideCondaTest(Scratch):
    conda_base = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.index = Server(cls.root / "index")
        cls.addClassCleanup(cls.index.stop)
        cls.index.add_wheel("needy", "1.0", requires=["opencv-python>=4"])
        cls.humanize = cls.index.add_wheel("humanize", "4.0")
        cls.env |= cls.index.variables
        test = cls()
        test.run_script("env-create", "e", test.write("e/e.yml", SPEC))
        test.write("e/tests/imports", "json\n")
        cls.text = test.run_script("env-export", "e")

    def consistency(self, environment: str) -> str:
        """Returns the output of image-test's consistency test."""
        command = [str(SCRIPTS / "env-test"), environment, "--only", "pip check"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True).stdout

    def test_conda_packages_satisfy_pip_requirements(self) -> None:
        """No index is asked for what conda brought; PyPI lacks some of it."""
        asked = {path for path in self.index.requests if path.startswith("/simple/")}
        self.assertLessEqual(asked, {"/simple/needy/", "/simple/humanize/"})
        self.assertEqual(sorted(self.record("e")["packages"]), ["needy"])
        self.assertRegex(self.text, r"\n  - py-opencv=.*\]  # via e.yml, needy; provides opencv-py")

    def test_what_only_conda_packages_disagree_about(self) -> None:
        """It stops neither the floating build nor the frozen one, the clone or the tests."""
        self.assertIn("passed  e: consistency pip check", self.consistency("e"))
        self.run_script("env-clone", "e", "copy")
        self.write("f/f-frozen.yml", self.text.replace("name: e", "name: f"))
        self.write("f/tests/imports", "json\n")
        self.run_script("env-create", "f", USE_FROZEN="1")
        self.assertIn("passed  f: consistency pip check", self.consistency("f"))
        again = self.run_script("env-export", "f")
        self.assertEqual(again.replace("name: f", "name: e"), self.text)

    def test_what_a_pip_package_takes_part_in(self) -> None:
        """`demanding` of conda requires another version than pip installs."""
        self.run_script("env-clone", "e", "worse")
        path = self.write("humanize.pip", "humanize\n")
        said = self.run_script("env-update", "worse", path, status=1)
        self.assertIn("worse is inconsistent:\ndemanding 1.0 (conda package demanding-1.0-", said)
        self.assertIn("requires humanize<1, found humanize 4.0\n", said)
        self.write("worse/tests/imports", "json\n")
        self.assertIn("FAILED  worse: consistency pip check", self.consistency("worse"))

    def test_pip_over_conda_is_not_frozen(self) -> None:
        """The frozen spec would have the conda package that was tested in no image."""
        self.run_script("env-clone", "e", "over")
        wheel = self.index.add_wheel("idna", "99.5")
        python = self.prefix("over") / "bin" / "python"
        command = ["uv", "pip", "install", "--quiet", "--no-index", "--python", python, wheel]
        subprocess.run(command, env=self.env, check=True)
        said = self.run_script("env-export", "over", status=1)
        self.assertRegex(said, r"  idna 99\.5 is installed over conda package idna-\S+ and was not")
        self.run_script("env-clone", "over", "without")
        self.assertNotEqual(self.version("without", "idna"), "99.5")

    def test_base_list(self) -> None:
        """A list that conda satisfies in part installs the rest; conda's packages stay."""
        there = f"pyyaml==6.0.4 --hash=sha256:{'0' * 64}\n"
        line = f"humanize==4.0 --hash=sha256:{sha256(self.humanize.read_bytes()).hexdigest()}\n"
        self.run_script("env-update", "base", self.write("b.pip", there + line))
        self.assertTrue(list(self.conda_dir.glob("lib/python3.*/site-packages/humanize-4.0.*")))
        over = there.replace("6.0.4", "6.0.3")
        said = self.run_script("env-update", "base", self.write("c.pip", over), status=2)
        self.assertIn(
            "c.pip:1: `pyyaml==6.0.3` would overwrite pyyaml 6.0.4 of conda package", said
        )
