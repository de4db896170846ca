"""Test the container's server: docker-stacks' documented contract, without conda."""

import json
import time
import unittest
from pathlib import Path

from containers import IMAGE, ContainerTest, docker, new_name

# Seconds for a server to start beside the others.
START_LIMIT = 600
SIGKILLED = 137
CHECK = "/etc/jupyter/docker_healthcheck.py"

# Prints what the server answers at each of the container's own addresses.
ADDRESSES = """python - <<'END'
import socket, urllib.request
hosts = ["127.0.0.1", socket.gethostbyname(socket.gethostname())]
try:
    socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    hosts.append("[::1]")
except OSError:
    pass
print(*(urllib.request.urlopen(f"http://{it}:8888/api").status for it in hosts))
END"""

# Engines switch it off in networks without it; a kernel may have none.
HAS_IPV6 = Path("/proc/sys/net/ipv6").exists()
IPV6 = ["--sysctl=net.ipv6.conf.all.disable_ipv6=0"] if HAS_IPV6 else []

servers: dict[str, str] = {}

# Servers take seconds to start: all start at once, and the other tests run meanwhile.
SERVERS = {
    "plain": IPV6,
    "hub home": ["--user=4321:100", "--tmpfs=/home/jovyan:uid=0,gid=100,mode=2775"],
    "own home": ["--user=4321:100", "--tmpfs=/home/jovyan:uid=4321,gid=100,mode=700"],
    "https": [
        "--env=GEN_CERT=true",
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
    "socket": [],
    "port": [],
    **({"ipv6": IPV6} if IPV6 else {}),
    "group": ["--user=5000", "--group-add=users", "--env=JUPYTER_PORT=8171"],
}

# Started with a command in the place of start-notebook.py without arguments.
COMMANDS = {
    "https": ["start-notebook.sh", "--ServerApp.allow_password_change=False"],
    "start.sh": ["start.sh", "jupyter", "lab", "--ServerApp.base_url=/x"],
    "socket": ["start-notebook.py", "--ServerApp.sock=/tmp/server.sock"],
    "port": ["start-notebook.py", "--ip=127.0.0.1", "--port=8118"],
    "ipv6": ["start-notebook.py", "--ip=::", "--port=8119"],
}


def setUpModule() -> None:
    unittest.addModuleCleanup(lambda: docker("rm", "--force", "--volumes", *servers.values()))
    for name, options in SERVERS.items():
        servers[name] = new_name()
        command = COMMANDS.get(name, [])
        started = docker("run", "--detach", "--name", servers[name], *options, IMAGE, *command)
        assert started.returncode == 0, started.stderr


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
        self.assertRegex(self.healthy("plain"), r"^http://\w+:8888/api: ")
        self.assertIn("Executing: jupyter lab\n", self.logs("plain"))

    def test_all_addresses(self):
        """IPv4 and IPv6, on the loopback interface and on the others."""
        self.healthy("plain")
        self.assertEqual(self.output("plain", ADDRESSES), "200 200 200" if HAS_IPV6 else "200 200")

    def test_server_list_of_docker_exec(self):
        """Whoever runs it, and whoever asks: `docker exec` has the image's variables alone."""
        for name, user, port in (
            ("plain", "1000", 8888),
            ("plain", "0", 8888),
            ("root", "0", 8888),
            ("group", "5000", 8171),
            ("hub home", "4321:100", 8888),
        ):
            self.healthy(name)
            run = docker("exec", f"--user={user}", servers[name], "jupyter", "server", "list")
            self.assertIn(f":{port}/", run.stdout, run.stderr)

    def test_files_that_are_no_servers(self):
        """What a killed server left, or wrote half, does not hide one that answers."""
        self.healthy("plain")
        old = '{"hostname": "localhost", "port": 1, "secure": false, "base_url": "/", "url": "x"}'
        for text in ("", "{", "[]", "{}", '{"sock": "/tmp/none", "base_url": "/"}', old):
            script = f"echo '{text}' >$JUPYTER_RUNTIME_DIR/jpserver-9999.json; {CHECK}"
            self.assertIn(":8888/api", self.output("plain", script))
            run = docker(
                "exec",
                "--env=JUPYTER_RUNTIME_DIR=/tmp/x",
                servers["plain"],
                "bash",
                "-c",
                f"mkdir -p /tmp/x; echo '{text}' >/tmp/x/jpserver-1.json; {CHECK}",
            )
            self.assertEqual(run.returncode, 1)
            self.assertIn("/tmp/x/jpserver-1.json: ", run.stdout)
            self.assertEqual(run.stderr, "")
        self.output("plain", "rm $JUPYTER_RUNTIME_DIR/jpserver-9999.json")

    def test_asked_for_another_user(self):
        """NB_USER needs root: without, the container is not healthy, as in docker-stacks."""
        self.healthy("plain")
        run = docker("exec", "--env=NB_USER=astro", servers["plain"], *CHECK.split())
        self.assertEqual(run.returncode, 1)
        self.assertIn("NB_USER=astro was asked for, and the user is jovyan", run.stdout)

    def test_healthy_under_every_command(self):
        """Whatever starts the server, wherever it listens and keeps its files."""
        answers = {
            "server": ":8888/api",
            "nbclassic": ":8888/api",
            "start.sh": ":8888/x/api",
            "group": ":8171/api",
            "socket": "http+unix://%2Ftmp%2Fserver.sock/api",
            "port": "http://127.0.0.1:8118/api",
        }
        if HAS_IPV6:
            answers["ipv6"] = ":8119/api"
        for name, answer in answers.items():
            self.assertIn(answer, self.healthy(name))
        commands = {"server": "run-one-constantly jupyter server", "nbclassic": "jupyter nbclassic"}
        for name, command in commands.items():
            self.assertIn(f"Executing: {command}\n", self.logs(name))

    def test_empty_home_of_a_hub(self):
        for name in ("hub home", "own home"):
            self.healthy(name)
            script = "jupyter run --kernel=python3 <(echo 'print(6 * 7)')"
            self.assertEqual(self.output(name, script).strip(), "42")

    def test_gen_cert_port_base_url_and_arguments(self):
        self.assertRegex(self.healthy("https"), r"^https://\w+:8117/a/b/api: ")
        self.assertEqual(self.output("https", "stat -c %a $JUPYTER_RUNTIME_DIR/*.pem"), "600")

    def test_nb_umask_and_command(self):
        self.healthy("root")
        self.assertIn("Executing: jupyter notebook\n", self.logs("root"))
        status = self.output("root", "cat /proc/$(pgrep --uid 2345 --oldest jupyter)/status")
        self.assertIn("Umask:\t0027", status)
        self.assertIn("Uid:\t2345\t2345\t2345\t2345", status)

    def test_restartable(self):
        self.wait_for_log("restarting", "starting again", 2)
        run = docker("exec", servers["restarting"], *CHECK.split())
        self.assertEqual(run.returncode, 1)
        self.assertIn("no server has been started", run.stdout)
        self.assertNotEqual(self.stopped("restarting"), SIGKILLED, "the loop ignored SIGTERM")

    def test_hub(self):
        self.wait_for_log("hub", "WARNING: using start-singleuser.py")
        self.wait_for_log("hub", "Executing: jupyterhub-singleuser --debug\n")

    def test_stopped_by_sigterm(self):
        self.healthy("plain")
        self.assertNotEqual(self.stopped("plain"), SIGKILLED, "the server ignored SIGTERM")
        self.assertIn("received signal 15", self.logs("plain"))


class StartTest(ContainerTest):
    """What is refused before a server starts, and the loop of RESTARTABLE."""

    def test_restartable_is_yes_or_no(self):
        run = self.run_command(["start-notebook.py"], "--env=RESTARTABLE=maybe", status=1)
        self.assertEqual(run.stderr.splitlines()[-1], "RESTARTABLE is 'maybe'; expected yes or no")
        options = ["--env=RESTARTABLE=no", "--env=DOCKER_STACKS_JUPYTER_CMD=--version"]
        self.assertIn(
            "Executing: jupyter --version", self.run_command(["start-notebook.py"], *options).stderr
        )

    def test_umask_that_is_none(self):
        """Without the image's configuration a server would listen where nobody asks it."""
        for value in ("abc", "9", "-1", "1000", "777", "0.5"):
            run = self.run_command(["start-notebook.py"], f"--env=NB_UMASK={value}", status=1)
            self.assertIn(f"NB_UMASK is '{value}'; expected an octal number", run.stderr)

    def test_certificate_that_cannot_be_made(self):
        """The server does not start without the encryption that it was asked for."""
        options = ["--env=GEN_CERT=true", "--env=JUPYTER_RUNTIME_DIR=/proc/no"]
        run = self.run_command(["start-notebook.py"], *options, status=1)
        self.assertIn("GEN_CERT: no certificate could be made", run.stderr)

    def test_words_of_gen_cert(self):
        """Any other value than no, 0 and false: what asks for encryption gets it."""
        script = """for GEN_CERT in '' no 0 false No True on y; do export GEN_CERT
            jupyter server --show-config-json | grep -c certfile; done"""
        self.assertEqual(self.output(script).split(), ["0"] * 5 + ["1"] * 3)

    def test_signal_in_the_pause_of_the_loop(self):
        command = "bash -c '(sleep 0.3; kill -TERM $PPID) & exit 6'"
        self.run_in(f"run-one-constantly {command}", status=6)

    def test_signal_to_the_command_of_the_loop(self):
        command = "bash -c 'trap \"exit 7\" TERM; kill -TERM $PPID; sleep 600 & wait'"
        self.run_in(f"run-one-constantly {command}", status=7)


if __name__ == "__main__":
    unittest.main()
