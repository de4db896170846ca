"""Login shells that inherit nothing: the image's variables, whatever a stale ~/.local holds."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, "/opt/common-scripts")

from platform_env.environments import login_variables, paths
from platform_env.testing import login_shell, stale_home
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report

PROFILE = Path("/etc/profile.d/environments.sh")
RECORD = Path("/etc/image-build/login.sh")

# Started as conda's own is: what a user's site-packages hold is imported.
CONDA = """\
#!/usr/bin/python3
import sys
if sys.argv[1:] == ["--version"]:
    print("conda 0")
else:
    prefix = f"{conda_dir}/envs/{sys.argv[3]}"
    print(f'export CONDA_PREFIX={prefix} PATH="{prefix}/bin:$PATH"')
"""
CONDA_SH = """\
export CONDA_EXE={conda_dir}/bin/conda
conda() {{
    case "$1" in
    activate) ask_conda=$("$CONDA_EXE" shell.posix "$@") && eval "$ask_conda" ;;
    *) "$CONDA_EXE" "$@" ;;
    esac
}}
"""


def said() -> str:
    """Runs the image's test, and returns its message."""
    report = Report()
    login_shell.test_login_shell(Plan(), report)
    return report.results[0].message


class Image(unittest.TestCase):
    def test_tools_are_found_and_variables_are_the_images(self) -> None:
        self.assertEqual(said(), "")

    def test_an_inherited_path_stays(self) -> None:
        """A hub's terminal inherits the PATH of its server, with what an ENV of the image adds."""
        inherited = {"HOME": str(Path.home()), "PATH": "/opt/tool/bin:/opt/conda/bin:/usr/bin:/bin"}
        for shell in ("/bin/sh", "/bin/bash"):
            command = [shell, "-l", "-c", 'echo "$PATH"']
            done = subprocess.run(command, env=inherited, stdout=subprocess.PIPE, text=True)
            self.assertEqual(done.stdout, inherited["PATH"] + "\n")

    def test_another_value_than_the_images(self) -> None:
        with mock.patch.dict(os.environ, {"PYTHONNOUSERSITE": ""}):
            self.assertIn("PYTHONNOUSERSITE is '1'; the image sets ''", said())

    def test_only_root_may_change_the_record(self) -> None:
        found = RECORD.stat()
        self.assertEqual((found.st_uid, found.st_mode & 0o777), (0, 0o644))


class OnConda(unittest.TestCase):
    """The container's own CONDA_DIR as a conda base: /etc/profile leads there alone."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.enterContext(mock.patch.dict(os.environ, {"HOME": folder.name}))
        self.write("conda-meta/history", "")
        self.write("etc/profile.d/conda.sh", CONDA_SH.format(conda_dir=paths.CONDA_DIR))
        self.write("bin/conda", CONDA.replace("{conda_dir}", str(paths.CONDA_DIR)))
        self.write("envs/sky/bin/conda", "#!/bin/sh\nexit 1\n")
        self.write("envs/sky/bin/python", "#!/bin/sh\n")
        self.write("envs/sky/lib/python3.13/.keep", "")
        with mock.patch("os.chown"):  # the container's user may not
            stale_home.make(self.home)

    def write(self, name: str, text: str) -> None:
        path = paths.CONDA_DIR / name
        for parent in reversed(path.parents):
            if not parent.exists():
                parent.mkdir()
                self.addCleanup(shutil.rmtree, parent, ignore_errors=True)
        path.write_text(text)
        path.chmod(0o755)
        self.addCleanup(path.unlink, missing_ok=True)

    def test_stale_home_changes_nothing(self) -> None:
        """Also where conda is started as conda is: without -E and -s."""
        self.assertEqual(said(), "")

    def test_conda_that_is_broken_is_shown_with_its_stderr(self) -> None:
        conda = paths.CONDA_DIR / "bin/conda"
        conda.write_text("#!/bin/sh\necho conda is broken >&2\nexit 3\n")
        message = said()
        self.assertIn("`conda --version` ended with status 3\nconda is broken", message)
        self.assertRegex(message, r"conda activate sky gives \[.*\nconda is broken")

    def test_what_a_stale_home_brings_is_found(self) -> None:
        """Python itself goes on when a usercustomize fails."""
        script = 'exec env -u PYTHONNOUSERSITE /usr/bin/python3 "$0.py" "$@"'
        text = (paths.CONDA_DIR / "bin/conda").read_text()
        self.write("bin/conda.py", text)
        self.write("bin/conda", f"#!/bin/sh\n{script}\n")
        message = said()
        self.assertIn("`conda --version` imports packages of ~/.local\n", message)
        self.assertIn("usercustomize of a stale ~/.local is imported", message)


class Record(unittest.TestCase):
    """The file that the image's last step writes, in the shells that read it."""

    ODD = 'it\'s "odd" $HOME `id`\\n\n two\\'

    def value(self, shell: str, recorded: dict[str, str], inherited: dict[str, str]) -> str:
        text = login_variables.script(recorded)
        script = f"set -eu\n{text}env -0"
        done = subprocess.run(
            [shell, "-c", script], env=inherited, stdout=subprocess.PIPE, check=True
        )
        entries = [entry.partition("=") for entry in done.stdout.decode().split("\0")]
        return {name: value for name, _, value in entries}.get("PYTHONNOUSERSITE", "unset")

    def test_values(self) -> None:
        name = "PYTHONNOUSERSITE"
        for recorded, inherited, expected in (
            ({name: "1"}, {}, "1"),
            ({name: ""}, {}, ""),
            ({name: self.ODD}, {}, self.ODD),
            ({}, {}, "unset"),
            ({name: "1"}, {name: ""}, ""),
            ({name: ""}, {name: "1"}, "1"),
            ({name: "1"}, {name: self.ODD}, self.ODD),
        ):
            for shell in ("/bin/sh", "/bin/bash"):
                with self.subTest(recorded=recorded, inherited=inherited, shell=shell):
                    self.assertEqual(self.value(shell, recorded, inherited), expected)

    def test_profile_in_a_strict_shell(self) -> None:
        for shell in ("/bin/sh", "/bin/bash"):
            script = f'set -eu; unset PATH; . {PROFILE}; echo "$PATH $PYTHONNOUSERSITE"'
            done = subprocess.run([shell, "-c", script], env={}, capture_output=True, text=True)
            self.assertEqual((done.stdout, done.stderr), (f"{paths.CONDA_DIR}/bin 1\n", ""))


if __name__ == "__main__":
    unittest.main()
