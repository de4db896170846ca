"""Runs one notebook with nbclient, in a process made for it; imported only where notebooks run."""

import math
import os
import re
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from platform_env.environments import kernels
from platform_env.environments.printable import tail
from platform_env.testing import limits, notebook_format
from platform_env.testing.commands import KERNEL, RUNNER, describe_status, yield_memory
from platform_env.testing.notebooks import Notebook
from platform_env.testing.tested import IMAGE_USER, User

# Number of lines of a failing cell that are shown.
_SOURCE_LINES = 10

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


# The schema is compiled once, for all processes that are forked from this one.
nbformat.validate(nbformat.v4.new_notebook())


def run_in_child(
    notebook: Notebook, limit: float, variables: Mapping[str, str], pipe: Connection
) -> None:
    """Runs the notebook; sends the kernel's process id, then the message, '' after a success.

    `variables` is the kernel's environment, which its kernelspec adds to.

    The cells wait until the other end says that they may run. Their time begins then: the start of
    the kernel has a limit of its own.
    """
    os.setsid()  # Ctrl-C is for the process that started this one: it decides
    yield_memory(os.getpid(), RUNNER)
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as sockets:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            message = _Run(notebook, limit, Path(sockets), pipe).execute(variables)
        except RuntimeError as error:  # nbclient's, when a kernel dies or does not start
            message = f"{error}{_kernel_log(log)}"
        except BaseException:
            message = _why_invalid(notebook.path) or tail(traceback.format_exc())
        pipe.send({"message": message})


def _why_invalid(path: Path) -> str:
    """Returns why a notebook is not valid, '' if it is: nbclient runs some that are not."""
    try:
        found = notebook_format.problems(notebook_format.read(path.read_bytes()))
        if found:
            return "\n".join(f"{path}:{it}" for it in found)
        nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))
    except Exception as error:
        return f"{path}: not a valid notebook: {str(error).partition(chr(10))[0]}"
    return ""


def _kernel_log(log: IO[bytes]) -> str:
    """Returns the kernel's output on its terminal, such as the reason why it did not start."""
    log.seek(0)
    text = tail(log.read().decode(errors="replace"))
    return f"\nkernel's log:\n{text}" if text else ""


def run_cell(kernel: str, code: str, variables: Mapping[str, str], user: User) -> str:
    """Runs code in a new kernel that has `variables`, as `user`; returns its output.

    Raises RuntimeError (nbclient's errors are) when the kernel or the code fails.
    """
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    limit = limits.stretched(limits.KERNEL_START)
    with tempfile.TemporaryDirectory() as sockets:
        manager = _Manager.of(user, kernel, Path(sockets), kernel_spec_manager=KernelSpecManager())
        client = NotebookClient(document, km=manager, timeout=limit, startup_timeout=limit)
        client.execute(env=dict(variables), cwd=variables["HOME"], **user.arguments())
    outputs = document.cells[0].outputs
    return "".join(it.text for it in outputs if it.get("name") == "stdout").strip()


class _Manager(AsyncKernelManager):
    """Starts kernels of another user, who must read the file with their addresses."""

    @classmethod
    def of(cls, user: User, kernel: str, sockets: Path, **kwargs: Any) -> "_Manager":
        # Ports are chosen before the kernel takes them: kernels that start at the same time could
        # choose the same one. And the home may not be writable.
        file = str(sockets / "kernel.json")
        manager = cls(kernel_name=kernel, transport="ipc", connection_file=file, **kwargs)
        manager.user = user
        return manager

    def write_connection_file(self, **kwargs: Any) -> None:
        super().write_connection_file(**kwargs)
        # The folder last: its content is out of the user's reach until then.
        file = Path(self.connection_file)
        self.user.take(file)
        self.user.take(file.parent)


class _Run:
    """An execution: its position, and how its kernel ended."""

    def __init__(self, notebook: Notebook, limit: float, sockets: Path, pipe: Connection) -> None:
        self._notebook = notebook
        self._limit = limit
        self._pipe = pipe
        self._document = nbformat.read(notebook.path, as_version=4)
        self._executed: list[Any] = []  # the cells that were run, in order
        self._kernel_status: int | None = None
        # A kernelspec in the home would be found first, and a hub's users would not have it.
        specs = KernelSpecManager(kernel_dirs=[str(kernels.folder())], ensure_native_kernel=False)
        name = kernels.kernel_name(notebook.environment)
        self._manager = _Manager.of(IMAGE_USER, name, sockets, kernel_spec_manager=specs)
        self._client = NotebookClient(
            self._document,
            km=self._manager,
            timeout_func=self._remaining,
            # Children of a kernel end with it: its process group is killed.
            shutdown_kernel="immediate",
            startup_timeout=limits.stretched(limits.KERNEL_START),
            on_notebook_start=self._kernel_started,
            on_notebook_error=self._kernel_lost,
            on_cell_execute=self._cell_started,
        )

    def execute(self, variables: Mapping[str, str]) -> str:
        """Runs all cells in the notebook's own folder; the notebook is kept, however that ends."""
        self._keep()
        cwd = str(self._notebook.path.parent)
        as_user = IMAGE_USER.arguments()
        try:
            self._client.execute(cwd=cwd, env=dict(variables), cleanup_kc=True, **as_user)
        except CellExecutionError:
            cell = self._executed[-1]
            # A line magic may print its reason on stderr alone.
            return self._failed_last(_traceback(cell) or _stderr(cell))
        except CellTimeoutError:
            return self._failed_by("Timeout", f"not done after {self._limit:g} s: stopped")
        except DeadKernelError as error:
            reason = f"the kernel died{self._end_of_kernel()}"
            raise RuntimeError(self._failed_by("DeadKernel", reason)) from error
        finally:
            self._keep()
        return "\n".join(self._hidden_failures())

    def _hidden_failures(self) -> Iterator[str]:
        """Yields signs of failure for which nbclient does not stop."""
        if not self._executed:
            yield "no cell ran: add a code cell that is not skipped, or remove the notebook"
        for number, cell in enumerate(self._executed, start=1):
            may_raise = "raises-exception" in cell.metadata.get("tags", ())
            traceback = _traceback(cell)
            if traceback and not may_raise:
                # IPython replies `ok` to a `%run` whose script raised.
                yield _failed_cell(cell, number, traceback)
            elif may_raise and not traceback:
                reason = "did not raise: remove its tag raises-exception, or correct the cell"
                yield _failed_cell(cell, number, reason)

    def _remaining(self, _cell: Any) -> float | None:
        """Returns the seconds left for the notebook (nbclient reads 0 as no limit), if it has a
        limit."""
        if math.isinf(self._limit):
            return None
        return max(0.1, self._deadline - time.monotonic())

    def _kernel_started(self, **_: Any) -> None:
        pid = self._manager.provisioner.pid
        yield_memory(pid, KERNEL)
        self._pipe.send({"kernel": pid})
        self._pipe.recv()  # when the cells may run
        self._deadline = time.monotonic() + self._limit

    async def _kernel_lost(self, **_: Any) -> None:
        self._kernel_status = await self._manager.provisioner.poll()

    def _cell_started(self, cell: Any, **_: Any) -> None:
        self._executed.append(cell)

    def _end_of_kernel(self) -> str:
        status = self._kernel_status
        return "" if status is None else f": {describe_status(status)}"

    def _failed_by(self, name: str, reason: str) -> str:
        """Marks the cell as failed, also for people who open the notebook."""
        if not self._executed:
            return reason
        mark = nbformat.v4.new_output("error", ename=name, evalue=reason, traceback=[reason])
        self._executed[-1].outputs.append(mark)
        return self._failed_last(reason)

    def _failed_last(self, reason: str) -> str:
        return _failed_cell(self._executed[-1], len(self._executed), reason)

    def _keep(self) -> None:
        target = self._notebook.executed()
        if target is None:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        nbformat.write(self._document, new)
        new.replace(target)


def _traceback(cell: Any) -> str:
    """Returns the last error output of a cell; '' when it has none."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if not errors:
        return ""
    last = errors[-1]
    return _COLOURS.sub("", "\n".join(last.traceback)) or f"{last.ename}: {last.evalue}"


def _stderr(cell: Any) -> str:
    """Returns the text that a cell wrote to stderr."""
    is_stderr = [it.text for it in cell.outputs if it.get("name") == "stderr"]
    return _COLOURS.sub("", "".join(is_stderr))


def _failed_cell(cell: Any, number: int, reason: str) -> str:
    """Returns the start of a cell's source, and the end of the reason."""
    source = cell.source.strip().splitlines()
    shown = [f"    {line}" for line in source[:_SOURCE_LINES]]
    if len(source) > _SOURCE_LINES:
        shown.append("    ...")
    return "\n".join([f"in cell [{number}]:", *shown, tail(reason)])
