"""A program as a job: its own process group, both streams kept, its end put into words."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from platform_env.results import Result, tail

# Who ends first when memory runs out (proc(5), oom_score_adj): what is tested, then what watches
# it; never what keeps the results.
KERNEL = 1000
RUNNER = 500


class Command:
    """Runs a program; `describe` makes the result out of its message, '' when all went well."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        limit: float,
        describe: Callable[[str, float], Result],
        good_status: int = 0,
    ) -> None:
        self.limit = limit
        self._argv = [str(word) for word in argv]
        self._env = env
        self._cwd = cwd
        self._describe = describe
        self._good_status = good_status
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._not_started = ""

    def prepare(self) -> None:
        pass

    def start(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- until the job's result is known
        try:
            self._process = subprocess.Popen(
                self._argv,
                env=dict(self._env),
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            yield_memory(self._process.pid, KERNEL)
        except OSError as error:
            self._not_started = f"{self._argv[0]} cannot be run: {error.strerror}"

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        if self._process is not None:
            kill_group(self._process.pid)
            self._process.wait()

    def result(self, seconds: float, late: bool) -> Result:
        with self._log:
            return self._describe(self._message(late), seconds)

    def _message(self, late: bool) -> str:
        if self._process is None:
            return self._not_started
        if late:
            end = f"still running after {self.limit:g} s: stopped"
        elif self._process.returncode == self._good_status:
            return ""
        else:
            end = describe_status(self._process.returncode)
        self._log.seek(0)
        output = tail(self._log.read().decode(errors="replace"))
        return f"{output}\n{end}" if output else end


def describe_status(status: int) -> str:
    """How a process ended, from its exit status as `subprocess` gives it."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if status == -signal.SIGKILL else ""
    return f"killed by {name}{hint}"


def yield_memory(pid: int, score: int) -> None:
    """Let a process be ended before others when memory runs out."""
    with contextlib.suppress(OSError):  # it has ended already
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(score))


def kill_group(leader: int) -> None:
    """Kill what is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
