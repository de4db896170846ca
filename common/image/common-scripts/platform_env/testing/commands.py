"""A program as a job: its own process group, both streams kept, its end described in words."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from platform_env.environments.printable import tail
from platform_env.testing import limits
from platform_env.testing.results import Result
from platform_env.testing.tested import IMAGE_USER, Scratch

# Who ends first when memory runs out (proc(5), oom_score_adj): what is tested, then what watches
# it; never what keeps the results.
KERNEL = 1000
RUNNER = 500


# Amount of a program's output that is read; its end has the error.
_OUTPUT = 1_000_000


class Command:
    """Runs a program as the image's user; `describe` makes the result out of its message, '' when
    all went well.

    It went well when the status is 0 and `proof`, if given, is in the output. `cwd` is
    the program's home, an empty folder, unless it is given; `filled` fills the home.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        limit: float,
        describe: Callable[[str, float], Result],
        cwd: Path | None = None,
        proof: str = "",
        filled: bool = False,
    ) -> None:
        self.limit = limits.stretched(limit)
        self.late = f"still running after {self.limit:g} s: stopped; {limits.advice()}"
        self._argv = [str(word) for word in argv]
        self._env = env
        self._cwd = cwd
        self._describe = describe
        self._proof = proof
        self._filled = filled
        self._scratch: Scratch | None = None
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._not_started = ""

    def title(self) -> str:
        return self._describe("", 0.0).title()

    def prepare(self) -> None:
        pass

    def start(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- until the job's result is known
        self._scratch = Scratch(filled=self._filled)
        try:
            self._process = subprocess.Popen(
                self._argv,
                env={**self._env, **self._scratch.variables()},
                cwd=self._cwd or self._scratch.home,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **IMAGE_USER.arguments(),
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
        if self._scratch is not None:
            self._scratch.remove()

    def result(self, seconds: float, stopped: str) -> Result:
        with self._log:
            return self._describe(self._message(stopped), seconds)

    def _message(self, stopped: str) -> str:
        if self._process is None:
            return self._not_started
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - _OUTPUT))
        output = self._log.read(_OUTPUT).decode(errors="replace")
        end = describe_status(self._process.returncode)
        if stopped:
            end = stopped
        elif self._process.returncode == 0:
            if self._proof in output:
                return ""
            end += " before it was done"
        output = tail(output.replace(self._proof, "") if self._proof else output)
        return f"{output}\n{end}" if output else end


def describe_status(status: int) -> str:
    """Returns how a process ended, from the exit status of `subprocess`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if status == -signal.SIGKILL else ""
    return f"killed by {name}{hint}"


def yield_memory(pid: int, score: int) -> None:
    """Marks a process to be killed before others when memory runs out."""
    with contextlib.suppress(OSError):  # it has ended already
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(score))


def kill_group(leader: int) -> None:
    """Kills the rest of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
