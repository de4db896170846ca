"""Tests of `tests/commands`: each program is on PATH, in the environment, for the image's user."""

import sys
from collections.abc import Mapping

from platform_env.testing.commands import Command, describe_status
from platform_env.testing.results import Result

# Seconds for a look into some folders.
LIMIT = 60.0

# A path is not looked up on PATH, and the name of a function or builtin is not a program.
_PROBE = """
import os, shutil, sys
name = sys.argv[1]
if "/" in name or len(name.split()) != 1:
    sys.exit(f"{name!r} is not the name of a program: write one per line, without a path")
if shutil.which(name) is None:
    sys.exit(f"no program {name!r} on PATH: {os.environ.get('PATH', '')}")
"""


def job(environment: str, name: str, variables: Mapping[str, str]) -> Command:
    """Returns the job that looks for a program, and does not run it."""

    def describe(message: str, seconds: float) -> Result:
        # The reason is on the line before, and says more.
        message = message.removesuffix(f"\n{describe_status(1)}")
        return Result(environment, "command", name, message, seconds)

    return Command(
        [sys.executable, "-ISBc", _PROBE, name], env=variables, limit=LIMIT, describe=describe
    )
