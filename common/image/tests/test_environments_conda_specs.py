"""Environments from floating specs on a conda base: create, update, clone, and what is refused."""

from environments import Scratch

SPEC = (
    "name: e\nchannels:\n  - conda-forge\n"
    "dependencies:\n  - python=3.13\n  - idna<3.6\n  - pip:\n    - humanize<4.11\n"
)


class SpecsTest(Scratch):
    conda_base = True

    def test_update_installs_conda_lines_first_then_all_pip_lines(self) -> None:
        self.run_script(
            "env-create", "u", self.write("u/u.yml", SPEC.replace("name: e", "name: u"))
        )
        self.assertEqual(self.version("u", "idna"), "3.4")
        self.write("u/more.conda", "# c\nlibecho  # why\n")
        self.write("u/more.pip", "docopt\nidna\n")
        self.run_script("env-update", "u", "more.conda", "more.pip")
        self.assertEqual(
            [call for call in self.calls() if " u" in call and not call.startswith("config")],
            [
                "env create -y -n u --no-default-packages -f",
                "install -y -n u -c conda-forge --file",
            ],
        )
        self.assertTrue((self.prefix("u") / "lib" / "libecho.txt").is_file())
        self.assertEqual(self.version("u", "docopt"), "0.6.2")
        self.assertEqual(self.version("u", "idna"), "3.4")

    def test_lines_that_cannot_hold_together(self) -> None:
        self.run_script(
            "env-create", "c", self.write("c/c.yml", SPEC.replace("name: e", "name: c"))
        )
        said = self.run_script("env-update", "c", self.write("c.pip", "\nidna>=3.6\n"), status=1)
        self.assertIn("c.pip:2: idna>=3.6", said)
        self.assertIn("conda package idna-3.4-pyhd8ed1ab_0", said)
        self.assertEqual(self.version("c", "idna"), "3.4")
        # An earlier conda line is part of every later solve.
        said = self.run_script("env-update", "c", self.write("c.conda", "idna>=3.6\n"), status=1)
        self.assertIn("LibMambaUnsatisfiableError", said)
        said = self.run_script("env-update", "c", self.write("d.conda", "no-such\n"), status=1)
        self.assertIn("PackagesNotFoundInChannelsError", said)

    def test_default_python_and_conda_over_pip(self) -> None:
        self.run_script("env-create", "d")
        self.assertIn("env create -y -n d --no-default-packages -f", self.calls())
        self.run_script("env-update", "d", self.write("d.pip", "six\n"))
        said = self.run_script("env-update", "d", self.write("six.conda", "six\n"), status=1)
        self.assertIn("conda installed six-1.16.0-pyhd8ed1ab_0 over the pip package six", said)

    def test_existing_environment_is_not_wiped(self) -> None:
        self.prefix("husk").mkdir(parents=True)
        (self.prefix("husk") / "mine").write_text("kept")
        spec = self.write("h.yml", "dependencies:\n  - python\n")
        self.run_script("env-create", "husk", spec, status=2)
        self.assertTrue((self.prefix("husk") / "mine").exists())

    def test_unknown_package_leaves_no_environment_and_shows_no_credentials(self) -> None:
        spec = self.write("x.yml", "dependencies:\n  - python\n  - no-such\n")
        said = self.run_script("env-create", "x", spec, status=1)
        self.assertIn("PackagesNotFoundInChannelsError", said)
        self.assertIn(self.channels.url().removeprefix("http://"), said)
        self.assertNotIn("user:word", said)
        self.assertFalse(self.prefix("x").exists())
