"""A Jupyter server as a process of its own, which is healthy, or is a failure with its log."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from platform_env.commands import KERNEL, describe_status, kill_group, yield_memory
from platform_env.results import tail

# Seconds for a server to answer, and for a question to it.
START_LIMIT = 300.0
ASK_LIMIT = 60.0
STOP_LIMIT = 10.0

TOKEN = "a-token-of-the-test"


class Server:
    """Started at once; `problem` waits for it, `stop` ends it."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self.url = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by stop
        self.token = variables.get("JUPYTERHUB_API_TOKEN", TOKEN)
        self._process: subprocess.Popen[bytes] | None = None
        self._not_started = ""
        self._started = time.time()
        try:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "JUPYTER_TOKEN": TOKEN, **variables},
                cwd=Path.home(),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            yield_memory(self._process.pid, KERNEL)
        except OSError as error:
            self._not_started = f"{command[0]} cannot be run: {error.strerror}"

    def problem(self, health: Sequence[str]) -> str:
        """Wait until it answers and the image's health check passes; say why not, else ''."""
        if self._process is None:
            return self._not_started
        end = time.monotonic() + START_LIMIT
        why = "it does not answer"
        while time.monotonic() < end:
            status = self._process.poll()
            if status is not None:
                return self._with_log(f"the server {describe_status(status)}")
            if self._answers():
                why = _unhealthy(health)
                if not why:
                    return ""
            time.sleep(0.2)
        return self._with_log(f"{why} after {START_LIMIT:g} s")

    def ask(self, path: str, method: str = "GET", body: object = None) -> object:
        """Call its REST API and give what it answers."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=ASK_LIMIT) as answer:
            text = answer.read()
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
        """Whether it answers where its file says that it listens."""
        for file in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            try:
                if file.stat().st_mtime < self._started - 1:
                    continue  # another server's
                told = json.loads(file.read_text())
                scheme = "https" if told["secure"] else "http"
                self.url = f"{scheme}://127.0.0.1:{told['port']}{told['base_url']}"
                self.ask("api")
            except (OSError, ValueError):  # not yet
                continue
            return True
        return False

    def _with_log(self, end: str) -> str:
        self._log.seek(0)
        log = tail(self._log.read().decode(errors="replace"))
        return f"{log}\n{end}" if log else end


def _unhealthy(health: Sequence[str]) -> str:
    """What the image's health check complains of; without one, an answer is enough."""
    if not health:
        return ""
    done = subprocess.run(
        health,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=ASK_LIMIT,
    )
    return "" if done.returncode == 0 else f"its health check fails: {tail(done.stdout)}"
