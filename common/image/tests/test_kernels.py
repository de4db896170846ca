"""kernel-setup: where kernelspecs lie, what they are called, and what a kernel finds in them."""

import json
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

from stand_in import Installation, notebook

# Enough of conda for `. conda.sh && conda activate PREFIX`; it prints, as activation may.
CONDA_SH = r"""
export CONDA_EXE="$CONDA_DIR/bin/conda"
PATH="$CONDA_DIR/condabin:$PATH"
conda() {
    [ "$1" = activate ] && [ -d "$2/conda-meta" ] || return 1
    echo "activating $2"
    export CONDA_PREFIX="$2" CONDA_DEFAULT_ENV="${2##*/}" CONDA_SHLVL=1 PS1="(x) "
    export PATH="$2/bin:$PATH"
    for script in "$2"/etc/conda/activate.d/*.sh; do
        if [ -e "$script" ]; then . "$script"; fi
    done
}
"""


class KernelSetup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.made.add("database-tools")
        cls.made.add("named", {"kernel.name": "\n  A name, é and “all”  \n"})
        cls.made.add("unnamed", {"kernel.name": "\n"})
        scripts = cls.made.conda / "envs/unnamed/etc/conda/activate.d"
        scripts.mkdir(parents=True)
        (scripts / "data.sh").write_text(
            "export DATA_HOME=$HOME/data PRICE='5$' TWO_LINES=$'a\\nb'\necho noise; false\n"
        )
        cls.done = cls.made.run("kernel-setup")

    def test_kernels_hidden(self):
        """A hub's volume hides the home: nothing of a kernel may be there."""
        self.assertEqual(self.done.status, 0, self.done.stderr)
        self.assertEqual(list(self.made.home.rglob("kernel.json")), [])
        with tempfile.TemporaryDirectory() as empty:
            variables = self.made.variables(
                HOME=empty,
                JUPYTER_DATA_DIR=f"{empty}/data",
                JUPYTER_PATH=str(self.made.conda / "share/jupyter"),
            )
            listed = subprocess.run(
                ["/opt/conda/bin/jupyter", "kernelspec", "list", "--json"],
                env=variables,
                stdout=subprocess.PIPE,
                check=True,
            )
        found = json.loads(listed.stdout)["kernelspecs"]
        self.assertLessEqual({"python3", "database-tools", "named", "unnamed"}, found.keys())

    def test_name_contains_base(self):
        self.assertEqual(self.made.kernel("database-tools")["display_name"], "database-tools")
        self.assertEqual(self.made.kernel("python3")["metadata"]["environment"], "base")

    def test_kernel_name_missing(self):
        self.assertEqual(self.made.kernel("database-tools")["display_name"], "database-tools")
        self.assertEqual(self.made.kernel("unnamed")["display_name"], "unnamed")
        self.assertEqual(self.made.kernel("named")["display_name"], "A name, é and “all”")

    def test_kernel_name_with_two_lines_is_refused_and_the_others_are_made(self):
        self.made.add_files("named", {"kernel.name": "one\ntwo\n"})
        self.addCleanup(self.made.add_files, "named", {"kernel.name": "A name"})
        done = self.made.run("kernel-setup")
        self.assertEqual(done.status, 1)
        self.assertIn("kernel.name has 2 lines", done.stderr)
        self.assertIn("kernel unnamed: unnamed", done.stderr)

    def test_interpreter_and_activation_are_the_environments(self):
        prefix = str(self.made.conda / "envs/named")
        spec = self.made.kernel("named")
        self.assertEqual(spec["argv"][0], f"{prefix}/bin/python")
        self.assertEqual(spec["env"]["PATH"], f"{prefix}/bin:${{PATH}}")
        self.assertEqual(spec["env"]["CONDA_PREFIX"], prefix)
        self.assertEqual(spec["env"]["VIRTUAL_ENV"], prefix)
        self.assertEqual(spec["env"]["CONDA_DEFAULT_ENV"], "named")
        self.assertEqual(spec["env"]["PYTHONNOUSERSITE"], "1")

    def test_activation_scripts_are_templates(self):
        variables = self.made.kernel("unnamed")["env"]
        self.assertEqual(variables["DATA_HOME"], "${HOME}/data")
        self.assertEqual(variables["PRICE"], "5$$")
        self.assertEqual(variables["TWO_LINES"], "a\nb")
        self.assertNotIn("HOME", variables)
        self.assertNotIn("PWD", variables)

    def test_mission_may_ask_for_the_users_packages(self):
        self.made.run("kernel-setup", PYTHONNOUSERSITE="")
        self.addCleanup(self.made.run, "kernel-setup")
        self.assertNotIn("PYTHONNOUSERSITE", self.made.kernel("named")["env"])

    def test_kernelspecs_belong_to_the_group(self):
        folder = self.made.conda / "share/jupyter/kernels/named"
        self.assertEqual(folder.stat().st_mode & 0o775, 0o775)
        for entry in folder.iterdir():
            self.assertTrue(entry.stat().st_mode & stat.S_IWGRP, entry)

    def test_only_our_stale_kernels_are_removed(self):
        kernels = self.made.conda / "share/jupyter/kernels"
        for name, metadata in {"gone": {"environment": "gone"}, "theirs": {}}.items():
            (kernels / name).mkdir()
            spec = {"argv": ["x"], "display_name": name, "language": "x", "metadata": metadata}
            (kernels / name / "kernel.json").write_text(json.dumps(spec))
        done = self.made.run("kernel-setup")
        self.assertEqual(done.status, 0, done.stderr)
        self.assertFalse((kernels / "gone").exists())
        self.assertTrue((kernels / "theirs").exists())
        self.assertEqual([entry.name for entry in kernels.parent.iterdir()], ["kernels"])

    def test_default_kernel_is_the_first_environments(self):
        """In the order of creation; other settings of that file stay."""
        folder = self.made.conda / "etc/jupyter"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "jupyter_server_config.json"
        config.write_text('{"ServerApp": {"port": 1}}')
        order = self.made.conda / "share/environment/order"
        order.parent.mkdir(parents=True, exist_ok=True)
        self.addCleanup(order.unlink)
        order.write_text("gone\nunnamed\nnamed\n")
        done = self.made.run("kernel-setup")
        self.assertEqual(done.stderr.splitlines()[-1].partition(":")[0], "kernel python3")
        self.assertEqual(
            json.loads(config.read_text()),
            {"ServerApp": {"port": 1}, "MultiKernelManager": {"default_kernel_name": "unnamed"}},
        )
        config.write_text("[]")
        self.addCleanup(config.unlink)
        done = self.made.run("kernel-setup")
        self.assertEqual(done.status, 1)
        self.assertIn("not a file of settings", done.stderr)

    def test_environment_without_ipykernel(self):
        self.made.add("bare")
        site = next((self.made.conda / "envs/bare").glob("lib/python3*/site-packages/base.pth"))
        site.unlink()
        self.addCleanup((self.made.conda / "envs/bare/bin/python").unlink)
        done = self.made.run("kernel-setup")
        self.assertEqual(done.status, 1)
        self.assertIn("environment bare: its Python cannot import ipykernel", done.stderr)
        self.assertIn("install-common bare", done.stderr)
        self.assertIn("kernel unnamed: unnamed", done.stderr)

    def test_a_notebooks_shell_commands_are_the_environments(self):
        prefix = self.made.conda / "envs/unnamed"
        pip = prefix / "bin/pip"
        pip.write_text("#!/bin/sh\necho pip of the environment\n")
        pip.chmod(0o755)
        path = self.made.root / "commands.ipynb"
        path.write_text(
            notebook(
                f"[python] = !command -v python\nassert python == '{prefix}/bin/python', python",
                "pip = !pip --version\nassert pip == ['pip of the environment'], pip",
                "import os\nassert os.environ['DATA_HOME'] == os.environ['HOME'] + '/data'",
                "assert os.environ['PRICE'] == '5$'",
                "assert os.environ['PATH'].endswith(':/the/servers/own')",
            )
        )
        outer = f"{self.made.variables()['PATH']}:/the/servers/own"
        done = self.made.run("test-notebooks", "unnamed", path, PATH=outer)
        self.assertEqual(done.status, 0, done.stdout)


class OnConda(unittest.TestCase):
    def setUp(self):
        self.made = Installation()
        self.addCleanup(self.made.remove)
        self.made.add("sky")
        for prefix in (self.made.conda, self.prefix):
            (prefix / "conda-meta").mkdir()
            (prefix / "conda-meta/history").touch()
        self.write(self.made.conda / "etc/profile.d/conda.sh", CONDA_SH)

    @property
    def prefix(self) -> Path:
        return self.made.conda / "envs/sky"

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def test_kernel_has_what_conda_activate_sets(self):
        script = "export PROJ_DATA=$CONDA_PREFIX/share/proj"
        self.write(self.prefix / "etc/conda/activate.d/proj.sh", script)
        done = self.made.run("kernel-setup")
        self.assertEqual(done.status, 0, done.stderr)
        variables = self.made.kernel("sky")["env"]
        conda = self.made.conda
        self.assertEqual(variables["PROJ_DATA"], f"{self.prefix}/share/proj")
        self.assertEqual(variables["CONDA_PREFIX"], str(self.prefix))
        self.assertEqual(variables["CONDA_EXE"], f"{conda}/bin/conda")
        self.assertEqual(variables["PATH"], f"{conda}/condabin:{self.prefix}/bin:${{PATH}}")
        self.assertNotIn("VIRTUAL_ENV", variables)
        self.assertNotIn("PS1", variables)

    def test_conda_in_a_notebook_is_the_bases(self):
        """The rest is the environment's, which may hold a conda of its own."""
        for folder in (self.made.conda / "condabin", self.prefix / "bin"):
            for name in ("conda", "pip"):
                self.write(folder / name, f"#!/bin/sh\necho {folder}\n")
                (folder / name).chmod(0o755)
        (self.made.conda / "condabin/pip").unlink()
        self.made.run("kernel-setup")
        path = self.made.root / "commands.ipynb"
        cells = [
            f"[found] = !{name}\nassert found == '{folder}', found"
            for name, folder in (
                ("conda", self.made.conda / "condabin"),
                ("pip", self.prefix / "bin"),
                ("command -v python", self.prefix / "bin/python"),
            )
        ]
        path.write_text(notebook(*cells))
        done = self.made.run("test-notebooks", "sky", path)
        self.assertEqual(done.status, 0, done.stdout)

    def test_failing_activation_is_told(self):
        (self.prefix / "conda-meta/history").unlink()
        (self.prefix / "conda-meta").rmdir()
        done = self.made.run("kernel-setup")
        self.assertEqual(done.status, 1)
        self.assertIn(f"{self.prefix} cannot be activated", done.stderr)


if __name__ == "__main__":
    unittest.main()
