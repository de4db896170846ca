"""The environment that the image's entry point and its hooks give to a command."""

import os
import subprocess
import tempfile
from collections.abc import Sequence

from platform_env.environments.printable import tail
from platform_env.testing import limits
from platform_env.testing.commands import describe_status, kill_group
from platform_env.testing.tested import User

LIMIT = 300.0

# Output of hooks comes before it.
_MARK = b"-- environment --\0"
_SHOW = ["/bin/sh", "-c", "printf '%s\\0' '-- environment --'; exec env -0"]

# An environment is smaller than this: execve(2) takes no more.
_SIZE = 8_000_000


class EntryPointError(Exception):
    """A failure of the entry point to run a command; the text is its output."""


def variables(entry_point: Sequence[str], user: User) -> dict[str, str]:
    """Runs the entry point as `user`, with a command that prints its environment."""
    limit = limits.stretched(LIMIT)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                [*entry_point, *_SHOW],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                **user.arguments(),
            )
        except OSError as error:
            raise EntryPointError(f"{entry_point[0]} cannot be run: {error.strerror}") from error
        try:
            end = describe_status(process.wait(limit))
        except subprocess.TimeoutExpired:
            end = f"still running after {limit:g} s: stopped; {limits.advice()}"
        finally:
            kill_group(process.pid)
            process.wait()
        told, mark, shown = _end_of(out).rpartition(_MARK)
        if process.returncode != 0 or not mark:
            said = tail((told + _end_of(err)).decode(errors="replace"))
            raise EntryPointError(f"{said}\nthe image's entry point {end}".lstrip())
    pairs = (os.fsdecode(it).partition("=") for it in shown.split(b"\0") if it)
    return {name: value for name, _, value in pairs}


def _end_of(file: tempfile.TemporaryFile) -> bytes:
    file.seek(max(0, os.fstat(file.fileno()).st_size - _SIZE))
    return file.read(_SIZE)
