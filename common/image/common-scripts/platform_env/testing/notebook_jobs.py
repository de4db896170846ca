"""Each notebook as a job with its own process and kernel.

The process is forked from this one, which imports nbclient once, for the first notebook: that
import is a good part of what a short notebook costs. Whatever happens to a process or its kernel
is one notebook's failure.
"""

import contextlib
import multiprocessing
from multiprocessing.context import ForkProcess

from platform_env.environments import kernels
from platform_env.testing import limits
from platform_env.testing.commands import describe_status, kill_group
from platform_env.testing.notebooks import Notebook
from platform_env.testing.plan import Plan
from platform_env.testing.results import Result
from platform_env.testing.tested import Scratch

# At its limit the process ends by itself, with the notebook as far as it came; this much later it
# is killed from outside.
_GRACE = 30.0

_FORK = multiprocessing.get_context("fork")


class NotebookJob:
    """Runs one notebook."""

    def __init__(self, notebook: Notebook, plan: Plan) -> None:
        self.notebook = notebook
        self._variables = plan.variables
        self._kernel: int | None = None  # its process id
        self._message: str | None = None  # what came of it, once that is known
        self._process: ForkProcess | None = None
        self._scratch: Scratch | None = None
        own_limit = plan.timeout
        try:
            own_limit = notebook.settings(plan.timeout, kernels.names())
        except ValueError as error:
            self._message = str(error)
        self._own_limit = limits.stretched(own_limit)
        # The kernel may still be starting when the job's time begins.
        grace = limits.stretched(limits.KERNEL_START + _GRACE)
        self.limit = self._own_limit + grace
        self.late = f"still running {grace:g} s after its {self._own_limit:g} s: killed"

    def title(self) -> str:
        return self.notebook.result("", 0.0).title()

    def prepare(self) -> None:
        """Starts the process, which starts the kernel."""
        if self._message is not None:
            return
        from platform_env.testing import notebook_run

        self._scratch = Scratch(filled=True)
        variables = {**self._variables, **self._scratch.variables()}
        self._pipe, other_end = _FORK.Pipe()
        arguments = (self.notebook, self._own_limit, variables, other_end)
        self._process = _FORK.Process(target=notebook_run.run_in_child, args=arguments)
        self._process.start()
        other_end.close()

    def start(self) -> None:
        """Lets the process run the cells."""
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):  # it has failed already
                self._pipe.send("run")

    def ended(self) -> bool:
        if self._process is None:
            return True
        self._listen()
        return not self._process.is_alive()

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.join()
        self._listen()
        if self._kernel is not None:
            kill_group(self._kernel)
        self._scratch.remove()

    def result(self, seconds: float, stopped: str) -> Result:
        return self.notebook.result(self._outcome(stopped), seconds)

    def _outcome(self, stopped: str) -> str:
        """Returns the message, also if the process could not send one; its pipe is done."""
        if self._process is not None:
            self._pipe.close()
        if stopped:
            return stopped
        if self._message is None:
            return f"the process that ran the notebook {describe_status(self._process.exitcode)}"
        return self._message

    def _listen(self) -> None:
        """Receives the messages of the process so far."""
        try:
            while self._pipe.poll():
                told = self._pipe.recv()
                self._kernel = told.get("kernel", self._kernel)
                self._message = told.get("message", self._message)
        except (EOFError, ConnectionResetError):  # reset: it ended before it was to start
            return
