"""Test what the embedded base image holds: docker-stacks' documented contract, without conda."""

import json
import re
import subprocess
import unittest
from pathlib import Path

from containers import IDLE, IMAGE, docker, new_name, wait_until_idle

LIMIT_MB = 440


class ImageTest(unittest.TestCase):
    """What the image holds, seen in one container."""

    @classmethod
    def setUpClass(cls):
        cls.container = new_name()
        cls.addClassCleanup(docker, "rm", "--force", cls.container)
        options = ("--detach", "--no-healthcheck", "--name", cls.container)
        started = docker("run", *options, IMAGE, *IDLE)
        assert started.returncode == 0, started.stderr
        wait_until_idle(cls.container)
        cls.image = json.loads(docker("image", "inspect", IMAGE).stdout)[0]

    def run_in(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        return docker("exec", *options, self.container, "bash", "-c", script)

    def output(self, script: str) -> str:
        run = self.run_in(script)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout.strip()

    def test_configuration(self):
        config = self.image["Config"]
        self.assertEqual(config["User"], "1000")
        self.assertEqual(config["WorkingDir"], "/home/jovyan")
        self.assertEqual(config["Entrypoint"], ["tini", "-g", "--", "start.sh"])
        self.assertEqual(config["Cmd"], ["start-notebook.py"])
        self.assertEqual(config["Shell"], ["/bin/bash", "-o", "pipefail", "-c"])
        self.assertIn("8888/tcp", config["ExposedPorts"])
        self.assertEqual(
            config["Healthcheck"]["Test"], ["CMD", "/etc/jupyter/docker_healthcheck.py"]
        )
        self.assertLessEqual(self.image["Size"], LIMIT_MB * 1e6)

    def test_environment_has_nothing_of_the_build(self):
        names = {variable.split("=")[0] for variable in self.image["Config"]["Env"]}
        contract = {"CONDA_DIR", "SHELL", "HOME", "NB_USER", "NB_UID", "NB_GID", "PATH"}
        contract |= {"LANG", "LANGUAGE", "LC_ALL", "JUPYTER_PORT", "JUPYTER_RUNTIME_DIR"}
        self.assertEqual(names, contract | {"PYTHONNOUSERSITE", "JUPYTER_PREFER_ENV_PATH"})

    def test_sources_are_the_distributions_own(self):
        sources = self.output("cat /etc/apt/sources.list.d/* /etc/apt/sources.list 2>/dev/null; :")
        uris = {line for line in sources.splitlines() if line.startswith(("URIs:", "deb "))}
        debian = "URIs: http://deb.debian.org/debian"
        self.assertEqual(uris, {debian, f"{debian}-security"})

    def test_nothing_of_the_build_is_left(self):
        places = "/var/lib/apt/lists /var/cache/image-build /tmp /mnt /opt/build ~/.cache"
        self.assertEqual(self.output(f"find {places} -type f -size +0 2>/dev/null; :"), "")
        self.assertEqual(self.output("command -v uv gcc; :"), "")

    def test_python(self):
        programs = "lab notebook server nbclassic nbconvert execute kernelspec"
        programs = " ".join(f"jupyter-{it}" for it in programs.split())
        found = self.output(f"command -v {programs} jupyterhub-singleuser papermill pip")
        self.assertEqual(found.count("/opt/conda/bin/"), 10)
        self.assertEqual(self.output("pip check"), "No broken requirements found.")
        version = "import sys; print(sys.prefix, *sys.version_info[:2])"
        self.assertEqual(self.output(f"python -c '{version}'"), "/opt/conda 3 13")
        self.output("test -f /opt/conda/share/jupyter/kernels/python3/kernel.json")

    def test_packages_are_those_of_the_lock(self):
        """No more and no less: a package that makes each start slow is left out."""
        lock = Path(__file__).parent.with_name("requirements.txt").read_text()
        locked = dict(re.findall(r"^([\w.-]+)==(\S+) ", lock, re.MULTILINE))
        listed = json.loads(self.output("pip list --format json"))
        found = {re.sub("[-_.]+", "-", it["name"]).lower(): it["version"] for it in listed}
        self.assertEqual(found, locked)
        module = "import importlib.util as it; print(it.find_spec('rfc3987_syntax'))"
        self.assertEqual(self.output(f'python -c "{module}"'), "None")

    def test_bytecode_is_compiled(self):
        packages = "/opt/conda/lib/python3.13/site-packages/{tornado,jupyterlab}"
        sources = self.output(f"cd / && ls -d {packages}/*.py | wc -l")
        self.assertEqual(self.output(f"ls -d {packages}/__pycache__/*.pyc | wc -l"), sources)

    def test_conda_is_writable_for_the_group(self):
        find = "find /opt/conda ! -type l \\( ! -perm -g=rw -o ! -group 100 \\)"
        self.assertEqual(self.output(find), "")
        self.assertEqual(self.output("find /opt/conda -type d ! -perm -g=s"), "")

    def test_nothing_is_writable_for_everybody(self):
        find = "find / -xdev ! -type l -perm -o=w ! ( -type d -perm -u=t )"
        run = docker("exec", "--user=root", self.container, *find.split())
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)

    def test_home(self):
        stat = "cd ~ && stat -c '%n %a %u:%g' . work .jupyter"
        lines = ". 2775 1000:100\nwork 2775 1000:100\n.jupyter 2775 1000:100"
        self.assertEqual(self.output(stat), lines)

    def test_locales(self):
        self.assertEqual(
            self.output("echo $LANG $LC_ALL; locale charmap"), "C.UTF-8 C.UTF-8\nUTF-8"
        )
        self.assertEqual(self.output("LC_ALL=en_US.UTF-8 locale thousands_sep"), ",")

    def test_login_shells_find_python(self):
        self.assertEqual(
            self.output("env --ignore-environment bash --login -c 'command -v python'"),
            "/opt/conda/bin/python",
        )

    def test_login_shells_keep_an_inherited_path(self):
        path = "/opt/tool/bin:/opt/conda/bin:/usr/bin:/bin"
        for shell in ("bash", "sh"):
            script = f"env -i HOME=$HOME PATH={path} {shell} -l -c 'echo $PATH'"
            self.assertEqual(self.output(script), path)

    def test_conda_and_mamba_explain_themselves(self):
        for name in ("conda", "mamba"):
            run = self.run_in(f"{name} install numpy")
            self.assertEqual(run.returncode, 1)
            self.assertIn(f"{name}: this image has no conda", run.stderr)
            self.assertIn("BASE_IMAGE", run.stderr)

    def test_scripts_have_help(self):
        scripts = "start.sh fix-permissions run-one-constantly /etc/jupyter/docker_healthcheck.py"
        output = self.output(f"for it in {scripts}; do $it --help || exit; done")
        self.assertEqual(output.count("Usage:"), 4)

    def test_fix_permissions(self):
        script = """umask 077; mkdir -p /tmp/a/b; cd /tmp/a; touch file run; chmod 700 run
            chgrp 4000 file; fix-permissions /tmp/a; stat -c '%n %a %g' . b file run"""
        run = self.run_in(script, "--user=root")
        self.assertEqual(run.stdout, ". 2770 100\nb 2770 100\nfile 660 100\nrun 770 100\n")

    def test_log_helper(self):
        """Hooks of derived images use these functions."""
        text = ". _docker_stacks_log.sh && {} && echo done"
        time = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]"
        calls = {"_log a  b": "INFO", "_log_info a  b": "INFO", "_log DEBUG a  b": "DEBUG"}
        calls |= {"_log_warn a  b": "WARNING", "_log_error a  b": "ERROR"}
        for call, level in calls.items():
            run = self.run_in(text.format(call))
            self.assertRegex(run.stderr, rf"^{level}{time} a b\n$")
            self.assertEqual(run.stdout, "done\n")
            quiet = self.run_in(text.format(call), "--env=JUPYTER_DOCKER_STACKS_QUIET=1")
            self.assertEqual(quiet.stderr == "", level in ("INFO", "DEBUG"), call)
        run = self.run_in(text.format("_log_fatal a"))
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertRegex(run.stderr, rf"^FATAL{time} a\n$")

    def test_log_helper_on_a_terminal(self):
        script = ". _docker_stacks_log.sh && _log_error a"
        terminal = f"import pty; pty.spawn(['bash', '-c', '{script}'])"
        shown = {"": "\x1b[0;31mERROR", "NO_COLOR=1": "ERROR"}
        for variable, start in shown.items():
            run = self.run_in(f'env {variable} python3 -c "{terminal}"')
            self.assertTrue(run.stdout.startswith(start), run)
