"""A Jupyter server as a process of its own, which is healthy, or is a failure with its log."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_env.environments.printable import tail
from platform_env.testing import foreign, limits
from platform_env.testing.commands import KERNEL, describe_status, kill_group, yield_memory
from platform_env.testing.tested import User

# Seconds: a server that starts and makes no progress for so long is given up, as is one that makes
# progress, but does not answer, for three times as long.
START_LIMIT = 300.0
# Seconds of processor time that are progress; one that waits uses less until it is given up.
_WORK = 5.0
# Seconds for an answer.
ASK_LIMIT = 120.0
STOP_LIMIT = 10.0

# Largest answer, in bytes.
_ANSWER = 10_000_000

TOKEN = "a-token-of-the-test"

# What start scripts say about hooks that failed: the embedded base's, and docker-stacks'.
_FAILED_HOOK = re.compile(
    r"(\S*/(?:start|before)-notebook\.d/\S+) (failed with status \d+|has failed)"
)


# Lines of the log before a hook's failure that are shown.
_LINES = 5


def runtime(variables: Mapping[str, str]) -> Path:
    """Returns Jupyter's runtime folder in an environment, like jupyter_core.paths."""
    data = variables.get("JUPYTER_DATA_DIR") or f"{variables['HOME']}/.local/share/jupyter"
    return Path(variables.get("JUPYTER_RUNTIME_DIR") or f"{data}/runtime")


class Server:
    """A server that is started at once; `problem` waits for it, `stop` ends it."""

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], user: User, runtime: Path
    ) -> None:
        """Starts the server; `runtime` is the folder of the file with its address."""
        self._runtime = runtime
        self.url = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by stop
        self.token = variables.get("JUPYTERHUB_API_TOKEN", TOKEN)
        self._process: subprocess.Popen[bytes] | None = None
        self._not_started = ""
        self._started = time.time()
        self._user = user
        try:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "JUPYTER_TOKEN": TOKEN, **variables},
                cwd=Path.home(),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **user.arguments(),
            )
            yield_memory(self._process.pid, KERNEL)
        except OSError as error:
            self._not_started = f"{command[0]} cannot be run: {error.strerror}"

    def problem(self, health: Sequence[str]) -> str:
        """Waits until it answers and its health check passes; returns the problem, else ''."""
        if self._process is None:
            return self._not_started
        limit = limits.stretched(START_LIMIT)
        began = progress = time.monotonic()
        done, why = (0, 0.0), "it does not answer"
        while time.monotonic() < min(progress + limit, began + 3 * limit):
            status = self._process.poll()
            if status is not None:
                return self._with_log(f"the server {describe_status(status)}")
            if self._answers():
                why = self._unhealthy(health)
                if not why:
                    return ""
            size, used = self._progress()
            if size > done[0] or used > done[1] + _WORK:
                done, progress = (size, used), time.monotonic()
            time.sleep(0.2)
        return self._with_log(f"{why} after {limit:g} s without progress; {limits.advice()}")

    def _progress(self) -> tuple[int, float]:
        """Returns values that grow while it starts: output, and its session's processor time."""
        return os.fstat(self._log.fileno()).st_size, processor_time(self._process.pid)

    def ask(self, path: str, method: str = "GET", body: object = None) -> object:
        """Calls its REST API and returns the answer."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=limits.stretched(ASK_LIMIT)) as answer:
            text = answer.read(_ANSWER)
        return json.loads(text) if text else None

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT)
            kill_group(self._process.pid)
            self._process.wait()
        self._log.close()

    def _answers(self) -> bool:
        """Returns whether it answers at the address in its file."""
        for file in self._runtime.glob("jpserver-*.json"):
            try:
                if file.lstat().st_mtime < self._started - 1:
                    continue  # another server's
                told = json.loads(foreign.read(file))
                scheme = "https" if told["secure"] else "http"
                self.url = f"{scheme}://127.0.0.1:{told['port']}{told['base_url']}"
                self.ask("api")
            except (OSError, ValueError, KeyError, TypeError):  # not yet
                continue
            return True
        return False

    def failed_hooks(self) -> str:
        """Returns the start hooks that failed, which keep no server from starting; else ''.

        The lines before a failure are there, too: the hook's own words are among them.
        """
        lines = self._said().splitlines()
        found, start = [], 0
        for at, line in enumerate(lines):
            if words := _FAILED_HOOK.search(line):
                found += [*lines[max(at - _LINES, start) : at], " ".join(words.groups())]
                start = at + 1
        if not found:
            return ""
        advice = "a hook that may fail ends with `return 0`, or `exit 0` where it is a program"
        return "\n".join([*found, advice])

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _with_log(self, end: str) -> str:
        log = tail(self._said())
        return f"{log}\n{end}" if log else end

    def _unhealthy(self, health: Sequence[str]) -> str:
        """Returns the complaint of the image's health check; without one, an answer is enough."""
        if not health:
            return ""
        limit = limits.stretched(ASK_LIMIT)
        try:
            done = subprocess.run(
                health,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=limit,
                **self._user.arguments(),
            )
        except subprocess.TimeoutExpired:
            return f"its health check has not ended after {limit:g} s"
        return "" if done.returncode == 0 else f"its health check fails: {tail(done.stdout)}"


def processor_time(session: int) -> float:
    """Returns the seconds of processor time that a session's processes have used, proc(5)."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = process.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
