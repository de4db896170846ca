"""Test that the embedded base image keeps the documented contract of docker-stacks' images.

BASE_IMAGE=science-platform/base DOCKER=docker python3 -m unittest common/base/tests/test_base.py
"""

import itertools
import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

IMAGE = os.environ["BASE_IMAGE"]
DOCKER = os.environ["DOCKER"]
LIMIT_MB = 550
# Seconds for a server to start beside the others.
START_LIMIT = 600
SIGKILLED = 137

numbers = itertools.count()
servers: dict[str, str] = {}

# Servers take seconds to start: all start at once, and the other tests run meanwhile.
SERVERS = {
    "plain": [],
    "hub home": ["--user=4321:100", "--tmpfs=/home/jovyan:uid=0,gid=100,mode=2775"],
    "own home": ["--user=4321:100", "--tmpfs=/home/jovyan:uid=4321,gid=100,mode=700"],
    "https": [
        "--env=GEN_CERT=yes",
        "--env=JUPYTER_PORT=8117",
        "--env=NOTEBOOK_ARGS=--ServerApp.base_url='/a/b/' --ServerApp.answer_yes=True",
    ],
    "root": [
        "--user=root",
        "--workdir=/home/astro",
        "--env=NB_USER=astro",
        "--env=NB_UID=2345",
        "--env=CHOWN_HOME=yes",
        "--env=NB_UMASK=027",
        "--env=DOCKER_STACKS_JUPYTER_CMD=notebook",
    ],
    "restarting": [
        "--env=RESTARTABLE=yes",
        "--env=DOCKER_STACKS_JUPYTER_CMD=kernelspec",
        "--env=NOTEBOOK_ARGS=list",
    ],
    "hub": ["--env=JUPYTERHUB_API_TOKEN=secret", "--env=NOTEBOOK_ARGS=--debug"],
    "server": ["--env=DOCKER_STACKS_JUPYTER_CMD=server", "--env=RESTARTABLE=yes"],
    "nbclassic": [
        "--env=DOCKER_STACKS_JUPYTER_CMD=nbclassic",
        "--env=JUPYTER_RUNTIME_DIR=/tmp/elsewhere",
        "--env=HTTP_PROXY=http://127.0.0.1:9",
        "--env=HTTPS_PROXY=http://127.0.0.1:9",
    ],
    "start.sh": [],
    "group": ["--user=5000", "--group-add=users", "--env=JUPYTER_PORT=8171"],
}

# Started with a command in the place of start-notebook.py without arguments.
COMMANDS = {
    "https": ["start-notebook.sh", "--ServerApp.allow_password_change=False"],
    "start.sh": ["start.sh", "jupyter", "lab", "--ServerApp.base_url=/x"],
}


def docker(*arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    command = [DOCKER, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout
    )


def new_name() -> str:
    return f"test-base-{os.getpid()}-{next(numbers)}"


def setUpModule() -> None:
    unittest.addModuleCleanup(lambda: docker("rm", "--force", "--volumes", *servers.values()))
    for name, options in SERVERS.items():
        servers[name] = new_name()
        command = COMMANDS.get(name, [])
        started = docker("run", "--detach", "--name", servers[name], *options, IMAGE, *command)
        assert started.returncode == 0, started.stderr


class ContainerTest(unittest.TestCase):
    def run_in(
        self, script: str, *options: str, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a bash script in a new container, through the image's entry point."""
        name = new_name()
        options = ("--rm", "--no-healthcheck", "--name", name, *options)
        try:
            run = docker("run", *options, IMAGE, "bash", "-c", script)
        except subprocess.TimeoutExpired:
            docker("rm", "--force", name)
            raise
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def output(self, script: str, *options: str) -> str:
        return self.run_in(script, *options).stdout.strip()


class ImageTest(unittest.TestCase):
    """What the image holds, seen in one container."""

    @classmethod
    def setUpClass(cls):
        cls.container = new_name()
        cls.addClassCleanup(docker, "rm", "--force", cls.container)
        options = ("--detach", "--no-healthcheck", "--name", cls.container)
        started = docker("run", *options, IMAGE, "sleep", "infinity")
        assert started.returncode == 0, started.stderr
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
        self.assertEqual(config["Healthcheck"]["Test"], ["CMD", "jupyter-healthcheck"])
        self.assertLessEqual(self.image["Size"], LIMIT_MB * 1e6)

    def test_environment_has_nothing_of_the_build(self):
        names = {variable.split("=")[0] for variable in self.image["Config"]["Env"]}
        contract = {"CONDA_DIR", "SHELL", "HOME", "NB_USER", "NB_UID", "NB_GID", "PATH"}
        contract |= {"LANG", "LANGUAGE", "LC_ALL", "JUPYTER_PORT"}
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

    def test_bytecode_is_compiled(self):
        packages = "/opt/conda/lib/python3.13/site-packages/{tornado,jupyterlab}"
        sources = self.output(f"cd / && ls -d {packages}/*.py | wc -l")
        self.assertEqual(self.output(f"ls -d {packages}/__pycache__/*.pyc | wc -l"), sources)

    def test_conda_is_writable_for_the_group(self):
        find = "find /opt/conda ! -type l \\( ! -perm -g=rw -o ! -group 100 \\)"
        self.assertEqual(self.output(find), "")
        self.assertEqual(self.output("find /opt/conda -type d ! -perm -g=s"), "")

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

    def test_conda_and_mamba_explain_themselves(self):
        for name in ("conda", "mamba"):
            run = self.run_in(f"{name} install numpy")
            self.assertEqual(run.returncode, 1)
            self.assertIn(f"{name}: this image has no conda", run.stderr)
            self.assertIn("BASE_IMAGE", run.stderr)

    def test_scripts_have_help(self):
        scripts = "start.sh fix-permissions restart-loop jupyter-healthcheck"
        output = self.output(f"for it in {scripts}; do $it --help || exit; done")
        self.assertEqual(output.count("Usage:"), 4)

    def test_fix_permissions(self):
        script = """umask 077; mkdir -p /tmp/a/b; cd /tmp/a; touch file run; chmod 700 run
            chgrp 4000 file; fix-permissions /tmp/a; stat -c '%n %a %g' . b file run"""
        run = self.run_in(script, "--user=root")
        self.assertEqual(run.stdout, ". 2770 100\nb 2770 100\nfile 660 100\nrun 770 100\n")


class RootTest(ContainerTest):
    """The options for containers started with --user root."""

    def test_default_account(self):
        script = "id -u; id -g; id -G; id -un; pwd; echo $HOME $USER $LOGNAME"
        self.assertEqual(
            self.output(script, "--user=root").split("\n"),
            ["1000", "100", "100", "jovyan", "/home/jovyan", "/home/jovyan jovyan jovyan"],
        )

    def test_nb_user_uid_gid_group(self):
        options = ["--user=root", "--env=NB_USER=astro", "--env=NB_UID=2345", "--env=NB_GID=3456"]
        options += ["--env=NB_GROUP=stars", "--env=CHOWN_HOME=yes", "--workdir=/home/astro"]
        script = """id; pwd; echo $HOME $USER; stat -c %u:%g ~ ~/.bashrc
            touch ~/x /opt/conda/x; stat -c %u:%g ~/x"""
        self.assertEqual(
            self.output(script, *options).split("\n"),
            [
                "uid=2345(astro) gid=3456(stars) groups=3456(stars),100(users)",
                "/home/astro",
                "/home/astro astro",
                *["2345:3456"] * 3,
            ],
        )

    def test_nb_user_leaves_the_old_home(self):
        output = self.output("pwd; id -u", "--user=root", "--env=NB_USER=astro")
        self.assertEqual(output, "/home/astro\n1000")

    def test_nb_gid_names_the_group_as_the_user(self):
        output = self.output("id -gn; id -G", "--user=root", "--env=NB_GID=3456")
        self.assertEqual(output, "jovyan\n3456 100")

    def test_ids_are_checked(self):
        for name in ("NB_UID", "NB_GID"):
            run = self.run_in("id", "--user=root", f"--env={name}=12a", status=2)
            self.assertIn(f"{name} is '12a'; it must be a number", run.stderr)

    def test_another_account_is_not_taken_over(self):
        run = self.run_in("id", "--user=root", "--env=NB_USER=www-data", status=2)
        self.assertIn("the account www-data exists with other ids", run.stderr)

    def test_chown_home(self):
        options = ["--user=root", "--env=NB_UID=2345"]
        script = "stat -c %u:%g ~ ~/.bashrc"
        options += ["--env=CHOWN_HOME=yes"]
        self.assertEqual(self.output(script, *options), "2345:100\n1000:100")
        options += ["--env=CHOWN_HOME_OPTS=-R --quiet"]
        self.assertEqual(self.output(script, *options), "2345:100\n2345:100")

    def test_chown_extra(self):
        options = ["--user=root", "--tmpfs=/a b/c", "--env=NB_UID=2345"]
        options += ["--env=CHOWN_EXTRA=/a b, /srv"]
        script = "stat -c %u '/a b' '/a b/c' /srv"
        self.assertEqual(self.output(script, *options).split(), ["2345", "0", "2345"])
        options += ["--env=CHOWN_EXTRA_OPTS=-R"]
        self.assertEqual(self.output(script, *options).split(), ["2345", "2345", "2345"])

    def test_mounted_folders_stay_as_they_are(self):
        """A new account's home is a copy: what is mounted in jovyan's is not moved or removed."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kept").write_text("as it was")
            options = ["--user=root", "--workdir=/home", "--env=NB_USER=astro"]
            options += ["--env=CHOWN_HOME=yes", f"--volume={folder}:/home/jovyan/data"]
            self.assertEqual(self.output("cat /home/astro/data/kept", *options), "as it was")
            self.assertEqual(Path(folder, "kept").read_text(), "as it was")

    def test_a_failing_chown_fails(self):
        options = ["--user=root", "--env=CHOWN_EXTRA=/nowhere"]
        self.assertIn("/nowhere", self.run_in("id", *options, status=1).stderr)

    def test_grant_sudo(self):
        script = "sudo --non-interactive bash -c 'id -u; command -v python'"
        self.run_in(script, "--user=root", status=1)
        output = self.output(script, "--user=root", "--env=GRANT_SUDO=yes", "--env=NB_UID=2345")
        self.assertEqual(output, "0\n/opt/conda/bin/python")

    def test_restarted_container(self):
        name = new_name()
        self.addCleanup(docker, "rm", "--force", name)
        options = ["--user=root", "--env=NB_USER=astro", "--env=NB_UID=2345", "--env=GRANT_SUDO=1"]
        first = docker("run", "--name", name, *options, IMAGE, "id", "--user")
        again = docker("start", "--attach", name)
        self.assertEqual((first.stdout, again.stdout), ("2345\n", "2345\n"), again.stderr)


class UserTest(ContainerTest):
    """Containers started as jovyan, or with any other --user."""

    def test_default_user(self):
        script = (
            "id -u; id -g; pwd; echo $HOME $USER $SHELL $CONDA_DIR; umask; touch ~/x /opt/conda/x"
        )
        self.assertEqual(
            self.output(script).split("\n"),
            ["1000", "100", "/home/jovyan", "/home/jovyan jovyan /bin/bash /opt/conda", "0022"],
        )

    def test_any_user(self):
        name = "import getpass; print(getpass.getuser())"
        script = f"id -u; id -g; touch ~/x /opt/conda/x; python -c '{name}'"
        self.assertEqual(self.output(script, "--user=4321:100"), "4321\n100\njovyan")
        self.assertEqual(self.output(script, "--user=4321", "--group-add=users"), "4321\n0\njovyan")

    def test_umask_is_jupyter_s_alone(self):
        """NB_UMASK changes what the server creates, not what hooks and other commands do."""
        self.assertEqual(self.output("umask", "--env=NB_UMASK=007"), "0022")

    def test_home_that_is_not_writable(self):
        run = self.run_in("id", "--user=4321:4321")
        self.assertIn("/home/jovyan is not writable for 4321:4321", run.stderr)

    def test_options_that_need_root(self):
        names = ("NB_USER", "NB_UID", "NB_GROUP", "GRANT_SUDO", "CHOWN_HOME", "CHOWN_EXTRA")
        run = self.run_in("id -u", *(f"--env={name}=7" for name in names))
        self.assertEqual(run.stdout, "1000\n")
        for name in names:
            self.assertIn(f"{name} has no effect without --user root", run.stderr)

    def test_command(self):
        script = "echo a | start.sh cat; start.sh <<<'echo b'; START_SH_DONE= start.sh <<<'echo c'"
        self.assertEqual(self.output(script), "a\nb\nc")

    def test_status_is_the_commands(self):
        self.run_in("exit 42", status=42)
        self.run_in("exit 42", "--user=root", status=42)

    def test_quiet(self):
        self.assertIn("running as jovyan: bash", self.run_in(":").stderr)
        self.assertEqual(self.run_in(":", "--env=JUPYTER_DOCKER_STACKS_QUIET=1").stderr, "")

    def test_stale_local_is_ignored(self):
        kernels = "jupyter kernelspec list"
        output = self.output(f"{STALE_LOCAL}{kernels} && jupyter execute /tmp/n.ipynb")
        self.assertIn("/opt/conda/share/jupyter/kernels/python3", output)
        self.assertNotIn(".local", output)
        wanted = "--env=JUPYTER_DATA_DIR=/home/jovyan/.local/share/jupyter"
        output = self.output(STALE_LOCAL + kernels, wanted)
        self.assertIn(".local/share/jupyter/kernels/old", output)
        self.assertIn("/opt/conda/share/jupyter/kernels/python3", output)


STALE_LOCAL = r"""
site=~/.local/lib/python3.13/site-packages share=~/.local/share/jupyter
mkdir -p $site $share/kernels/{python3,old} ~/.local/etc/jupyter
echo 'raise SystemExit("stale")' | tee $site/{usercustomize,traitlets,ipykernel}.py >/dev/null
echo stale >~/.local/etc/jupyter/jupyter_config.json
for kernel in python3 old; do
    echo '{"argv": ["false"], "display_name": "stale"}' >$share/kernels/$kernel/kernel.json
done
cat >/tmp/n.ipynb <<'EOF'
{"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": [{"id": "a", "cell_type": "code",
 "execution_count": null, "metadata": {}, "outputs": [], "source": "1 + 1"}]}
EOF
"""


class HooksTest(ContainerTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.hooks = Path(folder.name)
        self.hooks.chmod(0o755)
        self.options = []
        for when in ("start-notebook.d", "before-notebook.d"):
            (self.hooks / when).mkdir()
            self.options.append(f"--volume={self.hooks / when}:/usr/local/bin/{when}:ro")

    def hook(self, name: str, text: str, mode: int = 0o644) -> None:
        file = self.hooks / name
        file.write_text(text)
        file.chmod(mode)

    def test_sourced_and_executed_in_order(self):
        self.hook("start-notebook.d/1.sh", 'declare -x ONE=1; echo "$UNSET_IS_FINE" one')
        self.hook("start-notebook.d/2", "#!/bin/sh\necho two $ONE", 0o755)
        self.hook("before-notebook.d/3.sh", "export THREE=3; echo three $ONE")
        self.hook("before-notebook.d/4.txt", "not a hook")
        run = self.run_in("echo done $ONE $THREE; start.sh true", *self.options)
        self.assertEqual(run.stdout, " one\ntwo 1\nthree 1\ndone 1 3\n")
        self.assertIn("before-notebook.d/4.txt is neither *.sh nor executable", run.stderr)

    def test_failing_hooks_are_reported(self):
        self.hook("start-notebook.d/1.sh", "return 7")
        self.hook("start-notebook.d/2", "#!/bin/sh\nexit 8", 0o755)
        self.hook("start-notebook.d/3.sh", "echo still here")
        run = self.run_in("true", *self.options)
        self.assertEqual(run.stdout, "still here\n")
        self.assertIn("start-notebook.d/1.sh failed with status 7", run.stderr)
        self.assertIn("start-notebook.d/2 failed with status 8", run.stderr)

    def test_before_and_after_the_options(self):
        self.hook("start-notebook.d/1.sh", "export NB_USER=astro; id -u; echo $HOME")
        self.hook("before-notebook.d/1.sh", "id -u; echo $HOME; id -u astro")
        output = self.output("id -u", "--user=root", *self.options)
        self.assertEqual(output.split(), ["0", "/home/jovyan", "0", "/home/astro", "1000", "1000"])

    def test_variables_are_unset_after_the_hooks(self):
        self.hook("before-notebook.d/1.sh", "echo hook $A$B$C")
        options = ["--env=A=a", "--env=B=b", "--env=C=c", "--env=JUPYTER_ENV_VARS_TO_UNSET=A, B"]
        script = 'echo "command ${A-}${B-}${C-}${JUPYTER_ENV_VARS_TO_UNSET-}"'
        self.assertEqual(self.output(script, *self.options, *options), "hook abc\ncommand c")


class ServerTest(unittest.TestCase):
    def logs(self, name: str) -> str:
        run = docker("logs", servers[name])
        return run.stdout + run.stderr

    def wait_for_log(self, name: str, text: str, count: int = 1) -> None:
        end = time.monotonic() + START_LIMIT
        while self.logs(name).count(text) < count:
            self.assertLess(time.monotonic(), end, self.logs(name))
            time.sleep(0.5)

    def healthy(self, name: str) -> str:
        """Wait until the server is healthy; return what its health check said last."""
        end = time.monotonic() + START_LIMIT
        while True:
            state = json.loads(docker("inspect", servers[name]).stdout)[0]["State"]
            if state["Health"]["Status"] == "healthy":
                return state["Health"]["Log"][-1]["Output"]
            self.assertEqual(state["Status"], "running", self.logs(name))
            self.assertLess(time.monotonic(), end, self.logs(name))
            time.sleep(0.5)

    def stopped(self, name: str) -> int:
        """Stop the server, by force after a minute; return its exit status."""
        docker("stop", "--time=60", servers[name])
        return json.loads(docker("inspect", servers[name]).stdout)[0]["State"]["ExitCode"]

    def output(self, name: str, script: str) -> str:
        run = docker("exec", servers[name], "bash", "-c", script)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.strip()

    def test_plain(self):
        self.assertIn("http://127.0.0.1:8888/api", self.healthy("plain"))
        self.assertIn("Executing the command: jupyter lab\n", self.logs("plain"))

    def test_healthy_under_every_command(self):
        """Whatever starts the server, wherever it listens and keeps its files."""
        answers = {
            "server": "http://127.0.0.1:8888/api",
            "nbclassic": "http://127.0.0.1:8888/api",
            "start.sh": "http://127.0.0.1:8888/x/api",
            "group": "http://127.0.0.1:8171/api",
        }
        for name, answer in answers.items():
            self.assertIn(answer, self.healthy(name))
        commands = {"server": "restart-loop jupyter server", "nbclassic": "jupyter nbclassic"}
        for name, command in commands.items():
            self.assertIn(f"Executing the command: {command}\n", self.logs(name))

    def test_empty_home_of_a_hub(self):
        for name in ("hub home", "own home"):
            self.healthy(name)
            script = "jupyter run --kernel=python3 <(echo 'print(6 * 7)')"
            self.assertEqual(self.output(name, script).strip(), "42")

    def test_gen_cert_port_base_url_and_arguments(self):
        self.assertIn("https://127.0.0.1:8117/a/b/api", self.healthy("https"))
        self.assertEqual(self.output("https", "stat -c %a /tmp/jupyter-*/*.pem"), "600")

    def test_nb_umask_and_command(self):
        self.healthy("root")
        self.assertIn("Executing the command: jupyter notebook\n", self.logs("root"))
        status = self.output("root", "cat /proc/$(pgrep --uid 2345 --oldest jupyter)/status")
        self.assertIn("Umask:\t0027", status)
        self.assertIn("Uid:\t2345\t2345\t2345\t2345", status)

    def test_restartable(self):
        self.wait_for_log("restarting", "starting again", 2)
        run = docker("exec", servers["restarting"], "jupyter-healthcheck")
        self.assertEqual((run.returncode, run.stdout), (1, "no server has been started\n"))
        self.assertNotEqual(self.stopped("restarting"), SIGKILLED, "the loop ignored SIGTERM")

    def test_hub(self):
        self.wait_for_log("hub", "Executing the command: jupyterhub-singleuser --debug\n")

    def test_stopped_by_sigterm(self):
        self.healthy("plain")
        self.assertNotEqual(self.stopped("plain"), SIGKILLED, "the server ignored SIGTERM")
        self.assertIn("received signal 15", self.logs("plain"))


if __name__ == "__main__":
    unittest.main()
