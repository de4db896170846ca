"""The environment scripts on the embedded base, with real packages from the index."""

import os
import stat
import subprocess
from pathlib import Path

from environments import Scratch

# docopt has no wheel.
DOCOPT_HASH = "49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491"


class EmbeddedTest(Scratch):
    def frozen_file(self, environment: str, text: str) -> None:
        self.write(f"{environment}/{environment}-frozen.yml", text)

    def create(self, environment: str, spec: str, **env: str) -> None:
        path = self.write(f"{environment}/{environment}.pip", spec)
        self.run_script("env-create", environment, **env)
        self.run_script("env-update", environment, path.name, **env)


class FreezeTest(EmbeddedTest):
    """Floating, frozen and cloned: the same bytes. One environment for the whole class.

    What fails when it was altered is in test_environment_altered.py.
    """

    name = "database-tools"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.repository = cls.root / "repo"
        cls.commit = make_repository(cls.repository)
        (cls.common / "common.pip").write_text("idna\n")
        folder = cls.specs / "database-tools"
        folder.mkdir()
        (folder / "my env.yml").write_text(
            "name: database-tools\nchannels:\n  - conda-forge\n"
            "dependencies:\n  - python=3.13\n  - pip\n  - pip:\n    - humanize<4.12\n"
        )
        (folder / "foo.v2.pip").write_text(
            f"docopt\nlocalpkg @ git+{cls.repository.as_uri()}@main\nhumanize[tests]\n"
        )

        cls().build()
        cls.text = cls().run_script("env-export", cls.name)

    def build(self) -> None:
        self.run_script("env-create", self.name, "my env.yml")
        self.run_script("install-common", self.name)
        self.run_script("env-update", self.name, "foo.v2.pip")

    def test_text(self) -> None:
        text = self.text
        lines = text.splitlines()
        self.assertEqual(lines[0], "# frozen: 1")
        self.assertEqual(lines[2], "# base: local python-3.13")
        self.assertRegex(lines[3], r"^# build: setuptools==\S+ --hash=sha256:[0-9a-f]{64}$")
        self.assertRegex(text, r"\n  - python=3\.13\.\d+\n  - pip:\n    - --no-require-hashes\n")
        self.assertIn(f"- docopt==0.6.2 --hash=sha256:{DOCOPT_HASH}  # via foo.v2.pip\n", text)
        self.assertRegex(text, r"- idna==\S+ --hash=sha256:\w{64}  # via common.pip, localpkg\n")
        self.assertRegex(text, r"- humanize==4\.11\S+ --hash=\S+  # via foo.v2.pip, my env.yml\n")
        self.assertRegex(text, r"- pip==\S+ --hash=sha256:\w{64}  # via my env.yml\n")
        self.assertRegex(text, r"- iniconfig==\S+ --hash=sha256:\w{64}  # via pytest\n")

    def test_origin_lost(self) -> None:
        """The repository and the commit are kept."""
        line = f"localpkg @ git+{self.repository.as_uri()}@{self.commit}"
        self.assertTrue(self.text.endswith(f"    - {line}  # via foo.v2.pip\n"), self.text)

    def test_files(self) -> None:
        for folder, _, files in os.walk(self.prefix(self.name)):
            for path in [Path(folder), *(Path(folder, file) for file in files)]:
                if not path.is_symlink():
                    status = path.stat()
                    self.assertTrue(status.st_mode & stat.S_IWGRP, path)
                    self.assertFalse(status.st_mode & stat.S_IWOTH, path)
                    self.assertEqual(status.st_gid, 100, path)
        cached = self.prefix(self.name).glob(
            "lib/python3.*/site-packages/docopt*/../__pycache__/docopt*"
        )
        self.assertTrue(list(cached), "bytecode")

    def test_clone(self) -> None:
        self.run_script("env-clone", self.name, "py3.8-x")
        self.assertEqual(self.export("py3.8-x"), self.text)

    def export(self, environment: str) -> str:
        """Returns the frozen spec of a copy, under the name of the first."""
        text = self.run_script("env-export", environment)
        return text.replace(f"name: {environment}", f"name: {self.name}")

    def test_frozen(self) -> None:
        """With the floating specs gone, and again from what was built so."""
        self.frozen_file("other", self.text.replace(f"name: {self.name}", "name: other"))
        out = self.run_script("env-create", "other", "whatever.yml", USE_FROZEN="1")
        self.assertEqual(out, "")
        self.run_script("env-update", "other", "missing.pip", USE_FROZEN="1")
        self.run_script("install-common", "other", USE_FROZEN="1")
        self.assertEqual(self.export("other"), self.text)
        self.run_script("env-clone", "other", "third")
        self.assertEqual(self.export("third"), self.text)

    def test_flag_stays(self) -> None:
        """At run time a frozen environment takes updates, and keeps what it has."""
        self.frozen_file("mine", self.text.replace(f"name: {self.name}", "name: mine"))
        self.run_script("env-create", "mine", USE_FROZEN="1")
        self.run_script("env-update", "mine", self.write("mine.pip", "wheel\n"))
        self.assertTrue(self.has("mine", "wheel"))
        self.assertTrue(self.has("mine", "docopt"))
        self.assertTrue(self.has("mine", "pytest"), "what an extra brought stays")
        self.assertIn("# via mine.pip", self.run_script("env-export", "mine"))

    def test_an_edited_list_replaces_what_was_frozen_for_it(self) -> None:
        self.frozen_file("edited", self.text.replace("name: database-tools", "name: edited"))
        self.run_script("env-create", "edited", USE_FROZEN="1")
        elsewhere = self.root / "foo.v2.pip"
        elsewhere.write_text("six\n")
        self.run_script("env-update", "edited", elsewhere)
        self.assertTrue(self.has("edited", "docopt"), "another file of the same name")
        self.run_script("env-update", "edited", self.write("edited/foo.v2.pip", "humanize\n"))
        self.assertFalse(self.has("edited", "docopt"))
        self.assertTrue(self.has("edited", "idna"), "of common.pip")
        self.assertTrue(self.has("edited", "pip"), "of the spec that made it")


class UpdateTest(EmbeddedTest):
    """Effects that updates may and may not have on an environment."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        path = cls.specs / "first.pip"
        path.write_text("# the first\nhumanize<4.11\nrequests<2.32\n")
        cls().run_script("env-create", "e")
        cls().run_script("env-update", "e", path)

    def test_downgrade_silently(self) -> None:
        before = self.record("e")
        path = self.write("second.pip", "\nhumanize>=4.12\n")
        said = self.run_script("env-update", "e", path, status=1)
        self.assertIn("first.pip:2: humanize<4.11", said)
        self.assertIn("second.pip:2: humanize>=4.12", said)
        self.assertEqual(self.record("e"), before)
        self.assertTrue(self.version("e", "humanize").startswith("4.10"))

    def test_downgrade_of_a_dependency(self) -> None:
        path = self.write("third.pip", "urllib3>=3\nurllib3<2\n")
        said = self.run_script("env-update", "e", path, status=1)
        self.assertIn("third.pip:1: urllib3>=3", said)

    def test_transitive_versions_move(self) -> None:
        old = self.version("e", "idna")
        self.run_script("env-update", "e", self.write("idna.pip", "idna<3.7\n"))
        self.assertNotEqual(self.version("e", "idna"), old)
        self.assertIn("idna.pip", self.run_script("env-export", "e"))
        self.assertEqual(self.version("e", "requests").split(".")[:2], ["2", "31"])

    def test_constraints_hold(self) -> None:
        path = self.write("limited.pip", "-c limits.txt\ncertifi\n")
        self.write("limits.txt", "certifi<2025\n")
        self.run_script("env-update", "e", path)
        self.assertTrue(self.version("e", "certifi").startswith("2024"))

    def test_constraints_of_several_environments(self) -> None:
        self.write("common-hints.pip", "certifi<2025\n")
        path = self.write("e/shared.pip", "-c ../common-hints.pip\ncertifi\n")
        self.run_script("env-update", "e", path)
        self.assertTrue(self.version("e", "certifi").startswith("2024"))
        later = self.write("e/later.pip", "certifi>=2025\n")
        said = self.run_script("env-update", "e", later, status=1)
        self.assertRegex(said, r"later\.pip:1: certifi>=2025")
        self.assertRegex(said, r"environments/common-hints\.pip:1: certifi<2025")

    def test_unknown_package(self) -> None:
        path = self.write("unknown.pip", "# c\nno-such-package-of-ours==1\n")
        said = self.run_script("env-update", "e", path, status=1)
        self.assertIn("unknown.pip:2: no-such-package-of-ours==1", said)

    def test_a_wrong_name(self) -> None:
        before = self.record("e")
        path = self.write("wrong.pip", "human1ze\n")
        said = self.run_script("env-update", "e", path, status=1)
        self.assertIn("wrong.pip:1: human1ze", said)
        self.assertIn("human1ze: did you mean humanize?", said)
        self.assertEqual(self.record("e"), before)

    def test_hash_of_a_list_is_kept(self) -> None:
        path = self.write("hashed.pip", "six==1.16.0 --hash=sha256:" + "0" * 64 + "\n")
        said = self.run_script("env-update", "e", path, status=1)
        self.assertIn("six", said)

    def test_no_consistency_check(self) -> None:
        self.run_script("env-clone", "e", "broken")
        self.uv("broken", "install", "--no-deps", "jinja2")
        path = self.write("six.pip", "six\n")
        said = self.run_script("env-update", "broken", path, status=1)
        self.assertRegex(said, r"broken is inconsistent:\n.*jinja2.* requires .*markupsafe")

    def test_export_names_what_differs(self) -> None:
        self.run_script("env-clone", "e", "differs")
        self.uv("differs", "install", "--no-deps", "toml")
        said = self.run_script("env-export", "differs", status=1)
        self.assertIn("toml 0.10.2 is installed and was not recorded", said)
        self.uv("differs", "uninstall", "toml", "humanize", "idna")
        self.uv("differs", "install", "--no-deps", "idna==3.4")
        said = self.run_script("env-export", "differs", status=1)
        self.assertRegex(said, r"humanize \S+ was recorded and is not installed")
        self.assertRegex(said, r"idna was recorded as \S+, and 3\.4 is installed")

    def uv(self, environment: str, *arguments: str) -> None:
        python = self.prefix(environment) / "bin" / "python"
        command = ["uv", "pip", arguments[0], "--quiet", "--python", python, *arguments[1:]]
        subprocess.run(command, check=True, env=self.env)


class RequestTest(EmbeddedTest):
    """Wrong requests: status 2, a message with file, line and remedy, and nothing changed."""

    def test_string_flag(self) -> None:
        for value in ("yes", "true", "2", ""):
            said = self.run_script("env-create", "x", status=2, USE_FROZEN=value)
            self.assertIn("write 0 (floating) or 1 (frozen)", said)

    def test_names(self) -> None:
        for name in ("../x", "X", "-x", "a b", ".x", ""):
            self.run_script("env-create", "--", name, status=2)

    def test_help(self) -> None:
        for script in ("env-create", "env-clone", "env-update", "install-common", "env-export"):
            self.assertIn("usage:", self.run_script(script, "--help"))

    def test_name_contains_base(self) -> None:
        self.assertIn("base exists already", self.run_script("env-create", "base", status=2))
        self.assertIn("unknown environment", self.run_script("env-export", "database", status=2))

    def test_conda_packages_need_conda(self) -> None:
        for text, line, says in (
            ("dependencies:\n  - python\n  - numpy\n", 3, "`numpy` is a conda package"),
            ("dependencies:\n  - python=3.11\n", 2, "is not the base's Python"),
            ("dependencies:\n  - python=3.13=h1_0\n", 2, "cannot be read without conda"),
        ):
            path = self.write("x y.yml", text)
            said = self.run_script("env-create", "x", path, status=2)
            self.assertIn(f"{path}:{line}: ", said)
            self.assertIn(says, said)
            self.assertFalse(self.prefix("x").exists())

    def test_existing_environments_and_husks(self) -> None:
        self.prefix("husk").mkdir(parents=True)
        said = self.run_script("env-create", "husk", status=2)
        self.assertIn("without a Python in it", said)
        self.run_script("env-update", "husk", self.write("x.pip", "six"), status=2)
        self.assertIn(
            "environment none does not exist", self.run_script("env-clone", "none", "x", status=2)
        )

    def test_missing_spec(self) -> None:
        said = self.run_script("env-create", "x", "missing.yml", status=2)
        self.assertIn("missing.yml:1: the file does not exist", said)

    def test_failed_create_leaves_nothing(self) -> None:
        path = self.write("x.yml", "dependencies:\n  - pip:\n    - no-such-package-of-ours\n")
        self.run_script("env-create", "x", path, status=1)
        self.assertFalse(self.prefix("x").exists())

    def test_frozen_for_elsewhere(self) -> None:
        good = (
            "# frozen: 1\n# platform: PLATFORM\n# base: local python-3.13\nname: x\n"
            "channels:\n  - c\ndependencies:\n  - python=3.13.5\n"
        )
        machine = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
        other = "linux/arm64" if machine == "linux/amd64" else "linux/amd64"
        good = good.replace("PLATFORM", machine)
        pinned = "[subdir=linux-64,fn=p.conda,sha256=" + "a" * 64 + "]"
        for text, says in (
            (good.replace(machine, "linux/s390x"), ":2: unsupported platform `linux/s390x`"),
            (good.replace(machine, other), f":2: frozen for {other}"),
            (good.replace("python-3.13", "python-3.12"), ":3: frozen on `local python-3.12`"),
            (good.replace("local python-3.13", "sha256:0"), ":3: frozen on `sha256:0`"),
            (good.replace("name: x", "name: y"), "the frozen spec of y, not of x"),
            (good.replace("3.13.5", "3.12.1"), "frozen with python 3.12.1"),
            (good.replace("3.13.5", "3.13.5=h1_0" + pinned), "frozen on a conda base"),
        ):
            with self.subTest(says):
                self.frozen_file("x", text)
                self.assertIn(says, self.run_script("env-create", "x", status=2, USE_FROZEN="1"))
        said = self.run_script("env-create", "unfrozen", status=2, USE_FROZEN="1")
        self.assertIn("freeze unfrozen first", said)


class BaseTest(EmbeddedTest):
    def test_hashed_lists_are_installed_in_both_modes(self) -> None:
        line = "six==1.17.0 --hash=sha256:"
        good = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
        self.run_script("env-update", "base", self.write("b.pip", line + good), USE_FROZEN="1")
        found = self.conda_dir.glob("lib/python3.*/site-packages/six-1.17.0.dist-info")
        self.assertTrue(list(found))
        said = self.run_script("env-update", "base", self.write("b.pip", line + "0" * 64), status=1)
        self.assertIn("six", said)
        # env-clone base: what base holds, recorded
        self.run_script("env-clone", "base", "copy")
        self.assertRegex(self.run_script("env-export", "copy"), r"six==1\.17\.0 --hash=sha256:")


class SettingsTest(EmbeddedTest):
    def test_settings_of_the_shell_change_nothing(self) -> None:
        noise = {
            "UV_NO_DEPS": "1",
            "UV_TARGET": "/tmp/elsewhere",
            "PIP_NO_DEPS": "1",
            "UV_RESOLUTION": "lowest",
        }
        self.create("quiet", "jinja2\n", **noise)
        self.assertTrue(self.has("quiet", "jinja2"))
        self.assertTrue(self.has("quiet", "markupsafe"))

    def test_index_of_pip_conf_is_used(self) -> None:
        config = self.write("pip.conf", "[global]\nindex-url = http://127.0.0.1:9/simple\n")
        said = self.run_script("env-create", "x", status=1, PIP_CONFIG_FILE=str(config))
        self.assertIn("127.0.0.1:9", said)


def make_repository(folder: Path) -> str:
    """Makes a small package in a git repository; returns its commit."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "localpkg"\nversion = "1.2"\ndependencies = ["idna"]\n'
        '[tool.setuptools]\npy-modules = ["localpkg"]\n'
    )
    (folder / "localpkg.py").write_text("answer = 42\n")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=one"], check=True)
    result = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return result.stdout.strip()
