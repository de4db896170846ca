"""Each notebook as a job with its own process and kernel.

The process is forked from this one, which has imported nbclient once: that import is much of what
a short notebook costs. Whatever happens to a process or its kernel is one notebook's failure.
"""

import multiprocessing

from platform_env import notebook_run
from platform_env.commands import describe_status, kill_group
from platform_env.notebooks import Notebook
from platform_env.results import Result

# At its limit the process ends by itself, with the notebook as far as it came; this much later it
# is killed from outside.
_GRACE = 30.0

_FORK = multiprocessing.get_context("fork")


class NotebookJob:
    """Runs one notebook."""

    def __init__(self, notebook: Notebook, default_limit: float) -> None:
        self._notebook = notebook
        self._kernel: int | None = None  # its process id
        self._message: str | None = None  # what came of it, once that is known
        try:
            self._own_limit = notebook.limit(default_limit)
        except ValueError as error:
            self._own_limit = default_limit
            self._message = str(error)
        self.limit = self._own_limit + _GRACE
        self._inbox, self._outbox = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(
            target=notebook_run.run_in_child,
            args=(notebook, self._own_limit, self._outbox),
        )

    def start(self) -> None:
        if self._message is None:
            self._process.start()
        self._outbox.close()

    def ended(self) -> bool:
        self._listen()
        return not self._process.is_alive()

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._listen()
        if self._kernel is not None:
            kill_group(self._kernel)

    def result(self, seconds: float, late: bool) -> Result:
        message = self._message
        if late:
            message = f"still running {_GRACE:g} s after its {self._own_limit:g} s: killed"
        elif message is None:
            end = describe_status(self._process.exitcode or 0)
            message = f"the process that ran the notebook {end}"
        return self._notebook.result(message, seconds)

    def _listen(self) -> None:
        """Take in what the process has told so far."""
        try:
            while self._inbox.poll():
                told = self._inbox.recv()
                self._kernel = told.get("kernel", self._kernel)
                self._message = told.get("message", self._message)
        except EOFError:
            return
