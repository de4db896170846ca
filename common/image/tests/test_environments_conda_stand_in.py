"""The stand-in for conda, compared with what conda 26.7 does: statuses, names of errors, traps.

Sources: conda's own code (named per group) and its documentation. No conda ran for this.
"""

import json
import subprocess
from pathlib import Path

from environments import Scratch

SIX = "six-1.16.0-pyhd8ed1ab_0.conda"
IDNA = "idna-3.4-pyhd8ed1ab_0.conda"


class StandIn(Scratch):
    conda_base = True

    def succeed(self, *arguments: str | Path, **env: str) -> str:
        result = self.conda(*arguments, **env)
        self.assertEqual(result.returncode, 0, f"{arguments}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def records(self, environment: str) -> dict[str, dict]:
        prefix = self.conda_dir if environment == "base" else self.prefix(environment)
        files = (prefix / "conda-meta").glob("*.json")
        return {data["name"]: data for data in (json.loads(file.read_text()) for file in files)}

    def names(self, environment: str) -> set[str]:
        return set(self.records(environment))

    def meta(self, environment: str, name: str) -> dict:
        return self.records(environment)[name]

    def explicit(self, *lines: str) -> Path:
        return self.write("explicit.txt", "\n".join(["@EXPLICIT", *lines, ""]))


class Refusals(StandIn):
    """conda/cli/*.py, conda/exceptions.py (names, return_code), argparse (2)."""

    def test_command_lines(self) -> None:
        garbage = self.write("list.pip", "numpy==1.0 --hash=sha256:0\n[[\n")
        for command, status, says in (
            ("frob", 2, "invalid choice: 'frob'"),
            ("create --frob -n x", 2, "unrecognized arguments: --frob"),
            ("install -n x --clone base", 2, "unrecognized arguments"),
            ("env create -c conda-forge -n x", 2, "unrecognized arguments"),
            ("create", 2, "ArgumentError: one of the arguments -n/--name -p/--prefix is required"),
            ("create -n x -p /x", 2, "not allowed with argument"),
            ("create -n x --clone base six", 2, "TooManyArgumentsError"),
            (f"create -n x --clone base --file {garbage}", 2, "TooManyArgumentsError"),
            ("create -y -n x --clone nowhere", 1, "EnvironmentLocationNotFound"),
            ("create -y -n base six", 1, "CondaValueError"),
            ("create -y -n a/b six", 1, "CondaValueError"),
            ("create -y -n x --file nowhere.txt", 1, "EnvironmentFileNotFound"),
            (f"env create -n x -f {garbage}", 1, "EnvironmentSpecPluginNotDetected"),
            ("create -y -n x ===", 1, "InvalidMatchSpec"),
            ("create -y -n x no-such", 1, "PackagesNotFoundInChannelsError"),
            ("create -y -n x idna>=3.6 idna<3.6", 1, "UnsatisfiableError"),
            ("create -y -n x -c nodefaults six", 1, "UnavailableInvalidChannel: HTTP 404"),
            ("install -y -n nowhere six", 1, "EnvironmentLocationNotFound"),
            ("install -y -n base", 1, "CondaValueError: too few arguments"),
            ("list -n nowhere", 1, "EnvironmentLocationNotFound"),
            ("run -n base", 2, "ArgumentError"),
            ("config --show no_such_setting --json", 2, "ArgumentError"),
            ("activate base", 1, "CondaError: Run 'conda init' before 'conda activate'"),
            ("shell.tcl activate base", 1, "not a supported shell"),
            ("shell.posix activate nowhere", 1, "EnvironmentNameNotFound"),
        ):
            with self.subTest(command):
                result = self.conda(*command.split())
                self.assertEqual(result.returncode, status, result.stderr)
                self.assertIn(says, result.stderr)
                self.assertNotIn("Traceback", result.stderr)
                self.assertFalse(self.prefix("x").exists())

    def test_what_the_stand_in_does_not_copy_is_never_ignored(self) -> None:
        for command, env in (
            ("create -y -n x --no-deps six", {}),
            ("install -n base --dry-run six", {}),
            ("list -n base --export", {}),
            ("create -y -n x six", {"CONDA_CHANNEL_PRIORITY": "disabled"}),
            ("info", {"CONDARC": str(self.write("condarc", "offline: true\n"))}),
        ):
            with self.subTest(command):
                result = self.conda(*command.split(), **env)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn("is not supported by this stand-in", result.stderr)

    def test_credentials_that_are_missing_or_wrong(self) -> None:
        host = self.channels.server.host
        for alias in (f"http://{host}/closed", f"http://a:b@{host}/closed"):
            result = self.conda("create", "-y", "-n", "x", "six", CONDA_CHANNEL_ALIAS=alias)
            self.assertEqual(result.returncode, 1)
            self.assertIn("HTTP 401", result.stderr)

    def test_all_channels_are_printed_with_credentials(self) -> None:
        result = self.conda("create", "-y", "-n", "x", "no-such")
        self.assertIn("user:word@", result.stderr)


class ExistingEnvironments(StandIn):
    """conda/cli/main_create.py, conda/reporters.py: an empty stdin is the default answer."""

    def test_create_over_one_exits_with_0_and_changes_nothing(self) -> None:
        self.succeed("create", "-y", "-n", "kept", "idna")
        (self.prefix("husk")).mkdir(parents=True)
        for name in ("kept", "husk"):
            result = self.conda("create", "-n", name, "six")
            self.assertEqual(result.returncode, 0)
            self.assertIn("Exiting.", result.stderr)
        self.assertIn("idna", self.names("kept"))
        self.assertEqual(self.names("husk"), set())

    def test_env_create_over_one_wipes_it(self) -> None:
        self.succeed("create", "-y", "-n", "wiped", "idna")
        (self.prefix("wiped") / "mine").write_text("lost")
        file = self.write("environment.yml", "dependencies:\n  - six\n")
        self.succeed("env", "create", "-n", "wiped", "-f", file)
        self.assertFalse((self.prefix("wiped") / "mine").exists())
        self.assertNotIn("idna", self.names("wiped"))

    def test_install_without_yes_proceeds(self) -> None:
        self.succeed("create", "-y", "-n", "asked", "idna")
        self.succeed("install", "-n", "asked", "six")
        self.assertIn("six", self.names("asked"))


class Explicit(StandIn):
    """conda/misc.py: nothing is solved; URL and hash decide."""

    def url(self, file: str = SIX) -> str:
        return f"{self.channels.alias()}/conda-forge/noarch/{file}"

    def lines(self, *files: str) -> Path:
        """Writes a list with Python, but without what Python depends on."""
        python = self.meta("base", "python")
        url = f"{self.channels.alias()}/conda-forge/linux-64/{python['fn']}"
        lines = [f"{self.url(file)}#sha256:{self.channels.sha256(file)}" for file in files]
        return self.explicit(f"{url}#sha256:{python['sha256']}", *lines)

    def test_list_without_its_dependencies_installs(self) -> None:
        file = self.lines(SIX)
        self.succeed("create", "-y", "-n", "bare", "--no-default-packages", "--file", file)
        self.assertEqual(self.names("bare"), {"python", "six"})
        self.assertEqual(self.meta("bare", "python")["depends"], ["ca-certificates", "tzdata"])
        result = self.conda("create", "-y", "-n", "x", "--file", self.explicit(self.url()))
        self.assertIn("LinkError", result.stderr)  # a noarch package without any Python

    def test_wrong_hash_missing_file_and_no_url(self) -> None:
        for line, says in (
            (f"{self.url()}#sha256:{'0' * 64}", "ChecksumMismatchError"),
            (self.url("six-9-h0_0.conda"), "HTTP 404"),
            ("no url", "ParseError"),
        ):
            with self.subTest(line):
                result = self.conda("create", "-y", "-n", "x", "--file", self.explicit(line))
                self.assertEqual(result.returncode, 1)
                self.assertIn(says, result.stderr)

    def test_withdrawn_file_installs_from_a_warm_cache_only(self) -> None:
        file = self.lines(IDNA)
        cache = self.cold_cache()
        self.succeed("create", "-y", "-n", "first", "--file", file, **cache)
        self.channels.withdraw(IDNA)
        self.succeed("create", "-y", "-n", "warm", "--file", file, **cache)
        result = self.conda("create", "-y", "-n", "cold", "--file", file, **self.cold_cache())
        self.assertEqual(result.returncode, 1)
        self.assertIn("HTTP 404", result.stderr)

    def test_depends_are_the_channels_after_a_solve_and_the_packages_own_without(self) -> None:
        self.succeed("create", "-y", "-n", "solved", "patched", **self.cold_cache())
        self.assertEqual(self.meta("solved", "patched")["depends"], ["python", "idna"])
        file = self.lines(self.meta("solved", "patched")["fn"])
        self.succeed("create", "-y", "-n", "listed", "--file", file, **self.cold_cache())
        depends = self.meta("listed", "patched")["depends"]
        self.assertEqual(depends, ["python", "idna", "libecho"])


class Clones(StandIn):
    """conda/misc.py, clone_env: stray files, conda itself, bare URLs."""

    def test_clone_of_base(self) -> None:
        (self.conda_dir / "share").mkdir(exist_ok=True)
        (self.conda_dir / "share" / "stray").write_text(f"{self.conda_dir}/bin")
        self.assertTrue((self.conda_dir / "conda-meta" / "pinned").is_file())
        self.succeed("create", "-y", "-n", "twin", "--clone", "base")
        twin = self.prefix("twin")
        self.assertIn("conda", self.names("twin"))
        self.assertEqual((twin / "share" / "stray").read_text(), f"{twin}/bin")
        self.assertFalse((twin / "conda-meta" / "pinned").exists())
        root = subprocess.check_output([twin / "bin" / "conda", "info", "--base"], text=True)
        self.assertEqual(root.strip(), str(twin))

    def test_clone_from_a_cold_cache_sends_no_credentials(self) -> None:
        self.succeed("create", "-y", "-n", "source", "six")
        self.channels.requests.clear()
        result = self.conda("create", "-y", "-n", "c", "--clone", "source", **self.cold_cache())
        self.assertEqual(result.returncode, 1)
        self.assertIn("HTTP 401", result.stderr)
        self.assertEqual({it["authorization"] for it in self.channels.requests}, {""})


class Histories(StandIn):
    """conda/history.py, conda/core/path_actions.py; docs: conda-meta/history, pinned."""

    def test_lines(self) -> None:
        self.succeed("create", "-y", "-n", "h", "six", "blas=*=openblas")
        text = (self.prefix("h") / "conda-meta" / "history").read_text()
        self.assertRegex(text, r"^==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==\n# cmd: .*conda create ")
        self.assertIn("# conda version: 26.7", text)
        self.assertIn(f"+conda-forge/noarch::{SIX.removesuffix('.conda')}\n", text)
        self.assertIn("# update specs: ['six', 'blas=*=openblas']\n", text)

    def test_later_installs_keep_earlier_requests(self) -> None:
        self.succeed("create", "-y", "-n", "k", "idna<3.6")
        self.succeed("install", "-y", "-n", "k", "patched")
        self.assertEqual(self.meta("k", "idna")["version"], "3.4")
        self.succeed("install", "-y", "-n", "k", "idna")
        self.succeed("install", "-y", "-n", "k", "idna>=3.6")
        self.assertEqual(self.meta("k", "idna")["version"], "3.6")

    def test_pinned(self) -> None:
        self.succeed("create", "-y", "-n", "p", "python")
        (self.prefix("p") / "conda-meta" / "pinned").write_text("# c\nidna <3.6\n")
        self.succeed("install", "-y", "-n", "p", "idna")
        self.assertEqual(self.meta("p", "idna")["version"], "3.4")
        result = self.conda("install", "-y", "-n", "p", "idna>=3.6")
        self.assertEqual(result.returncode, 1)
        self.assertIn("SpecsConfigurationConflictError", result.stderr)

    def test_records_hold_no_credentials(self) -> None:
        self.succeed("create", "-y", "-n", "r", "six")
        record = self.meta("r", "six")
        self.assertEqual(record["channel"], f"{self.channels.url()}/noarch")
        self.assertEqual(record["url"], f"{self.channels.url()}/noarch/{SIX}")
        self.assertEqual(record["sha256"], self.channels.sha256(SIX))
        self.assertEqual((record["fn"], record["requested_spec"]), (SIX, "six"))
        for file in (self.prefix("r") / "conda-meta").iterdir():
            self.assertNotIn("user:word", file.read_text())


class Shells(StandIn):
    """conda/activate.py, conda/cli/main_run.py, and how bin/conda starts."""

    def test_programs_start_without_isolation(self) -> None:
        for program in ("bin/conda", "condabin/conda"):
            first = (self.conda_dir / program).read_text().splitlines()[0]
            self.assertEqual(first, f"#!{self.conda_dir}/bin/python")
        hostile = self.root / "hostile"
        hostile.mkdir()
        (hostile / "sitecustomize.py").write_text("raise SystemExit('planted')\n")
        result = self.conda("--version", PYTHONPATH=str(hostile))
        self.assertIn("planted", result.stderr)

    def test_a_stale_home_breaks_conda_unless_it_is_ignored(self) -> None:
        library = next(self.conda_dir.glob("lib/python3*")).name
        stale = self.root / "home/.local/lib" / library / "site-packages"
        stale.mkdir(parents=True)
        (stale / "conda.py").write_text("raise ImportError('a stale conda')\n")
        home = str(self.root / "home")
        broken = self.conda("--version", HOME=home, PYTHONNOUSERSITE="")
        self.assertEqual(broken.returncode, 1)
        self.assertIn("a stale conda", broken.stderr)
        works = self.conda("--version", HOME=home, PYTHONNOUSERSITE="1")
        self.assertEqual((works.returncode, works.stderr), (0, ""))

    def bash(self, script: str) -> str:
        hook = f'eval "$({self.conda_dir}/bin/conda shell.bash hook)"\n'
        command = ["bash", "-ec", hook + script]
        return subprocess.check_output(command, env=self.env, text=True).strip()

    def test_activation_runs_the_scripts_of_packages(self) -> None:
        self.succeed("create", "-y", "-n", "a", "python", "activating", "echo-tool")
        said = self.bash('conda activate a; echo "$ACTIVATING $CONDA_DEFAULT_ENV"; echo-tool')
        self.assertEqual(said, "yes a\necho")
        script = 'conda activate a; conda deactivate; echo "${ACTIVATING-no} $CONDA_PREFIX"'
        said = self.bash(script)
        self.assertEqual(said, f"no {self.conda_dir}")
        said = self.succeed("run", "-n", "a", "sh", "-c", "echo $ACTIVATING $CONDA_PREFIX")
        self.assertEqual(said.strip(), f"yes {self.prefix('a')}")
        self.assertEqual(self.conda("run", "-n", "a", "sh", "-c", "exit 7").returncode, 7)

    def test_questions(self) -> None:
        self.succeed("create", "-y", "-n", "q", "six")
        self.assertEqual(self.succeed("--version"), "conda 26.7.1\n")
        self.assertEqual(self.succeed("info", "--base").strip(), str(self.conda_dir))
        info = json.loads(self.succeed("info", "--json"))
        self.assertEqual(info["root_prefix"], str(self.conda_dir))
        found = json.loads(self.succeed("env", "list", "--json"))["envs"]
        self.assertIn(str(self.prefix("q")), found)
        listed = self.succeed("list", "-n", "q", "six")
        self.assertRegex(listed, r"\nsix +1\.16\.0 .* conda-forge\n")
        listed = self.succeed("list", "-n", "q", "--explicit", "--sha256")
        self.assertIn(f"{self.channels.url()}/noarch/{SIX}#{self.channels.sha256(SIX)}", listed)
