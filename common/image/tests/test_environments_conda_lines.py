"""Lines that only conda can judge, conda's answers to them, and what conda itself imports."""

from pathlib import Path

from environments import Scratch
from platform_env.environments import specs

CASE = Path(__file__).parent / "cases" / "conda-build-wildcard" / "x.conda"


class LinesTest(Scratch):
    conda_base = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        test = cls()
        spec = "channels:\n  - conda-forge\ndependencies:\n  - python\n  - idna<3.6\n"
        test.run_script("env-create", "e", test.write("e/e.yml", spec))

    def test_defect_13_any_version_and_a_build(self) -> None:
        self.assertEqual(len(specs.read(CASE).conda), 6)
        for variant in ("mkl", "openblas"):
            name = f"b-{variant}"
            text = f"dependencies:\n  - python=*\n  - blas=*=*{variant}\n"
            self.run_script("env-create", name, self.write(f"{name}.yml", text))
            self.assertIn(f"- blas=2.131={variant}[", self.run_script("env-export", name))

    def test_defect_11_nodefaults_is_not_a_channel(self) -> None:
        spec = "channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n  - python\n"
        self.run_script("env-create", "n", self.write("n.yml", spec))
        text = self.run_script("env-export", "n")
        self.assertIn("channels:\n  - conda-forge\ndependencies:\n", text)
        self.assertNotIn("nodefaults", str(self.record("n")))

    def test_a_channel_before_the_name(self) -> None:
        spec = "channels:\n  - conda-forge\ndependencies:\n  - python\n  - conda-forge::idna\n"
        self.run_script("env-create", "c", self.write("c.yml", spec))
        channel = self.write("channel.yml", "channels:\n  - private\n")
        tool = self.write("tool.conda", "private::secret-tool=1\n")
        self.run_script("env-update", "c", channel, tool)
        text = self.run_script("env-export", "c")
        self.assertRegex(text, r"  - idna=.*  # via c\.yml, secret-tool\n")
        self.assertRegex(text, r"  - private::secret-tool=1\.0=.*  # via tool\.conda\n")
        unknown = self.write("unknown.conda", "six\n\nconda-forge::no-such\n")
        said = self.run_script("env-update", "c", unknown, status=1)
        self.assertIn(f"  {unknown}:3: conda-forge::no-such\n", said)

    def test_one_solve_for_all_files(self) -> None:
        self.run_script("env-create", "one")
        before = len(self.calls())
        files = [self.write("1.conda", "libecho\n"), self.write("2.conda", "six\n")]
        files.append(self.write("3.yml", "dependencies:\n  - idna=3.4\n"))
        self.run_script("env-update", "one", *files)
        installs = [it for it in self.calls()[before:] if it.startswith("install")]
        self.assertEqual(len(installs), 1)
        self.assertEqual(self.version("one", "idna"), "3.4")
        # Nothing new for conda.
        pip = self.write("4.pip", "certifi\n")
        before = len(self.calls())
        self.run_script("env-update", "one", *files, pip)
        self.assertFalse([it for it in self.calls()[before:] if it.startswith("install")])
        self.assertTrue(self.has("one", "certifi"))

    def test_defect_12_unknown_packages(self) -> None:
        wanted = self.write("e/unknown.conda", "six\n\nno-such>=1\nneither  # why\n")
        said = self.run_script("env-update", "e", wanted, status=1)
        for line in (f"  {wanted}:3: no-such>=1\n", f"  {wanted}:4: neither\n", "add the channel"):
            self.assertIn(line, said)
        for text in ("PackagesNotFoundInChannelsError", "Current channels:", "  - no-such"):
            self.assertEqual(said.count(text), 1, said)
        self.assertNotIn(": six", said)
        self.assertNotIn("user:word", said)

    def test_defect_12_conflicts(self) -> None:
        wanted = self.write("e/conflict.conda", "six\nidna>=3.6\n")
        said = self.run_script("env-update", "e", wanted, status=1)
        self.assertIn(f"  {wanted}:2: idna>=3.6\n", said)
        self.assertIn("e.yml:5: idna<3.6\n", said)
        self.assertIn("hold together", said)
        self.assertEqual(said.count("Encountered problems"), 1)

    def test_a_home_is_left_as_it_was(self) -> None:
        """A hub's volume hides what a build leaves there; see home_files."""
        new, used = (self.root / name for name in ("new", "used"))
        new.mkdir()
        (used / ".conda").mkdir(parents=True)
        (used / ".conda" / "environments.txt").write_text("/opt/mine\n")
        for environment, home in (("new-home", new), ("used-home", used)):
            self.run_script("env-create", environment, HOME=str(home))
        self.assertEqual(list(new.rglob("*")), [])
        self.assertEqual((used / ".conda" / "environments.txt").read_text(), "/opt/mine\n")

    def test_a_stale_home_changes_nothing(self) -> None:
        home = self.root / "home"
        version = self.prefix("e").glob("lib/python3.*").__next__().name
        site = home / ".local" / "lib" / version / "site-packages"
        site.mkdir(parents=True)
        for folder in (site, home):
            for module in ("usercustomize", "sitecustomize", "yaml"):
                (folder / f"{module}.py").write_text("raise SystemExit('stale')\n")
        env = {"HOME": str(home), "PYTHONPATH": str(home), "CONDA_PREFIX": str(home)}
        self.run_script("env-create", "h", **env)
        self.run_script("env-export", "h", **env)
