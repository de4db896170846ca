"""Runs a command line, and ends with conda's statuses and words."""

import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from . import __version__, activation, parser, settings
from .errors import CondaError, fail

# Modules are imported when they are needed: py-rattler takes longer than most commands.
_COMMANDS = {
    "create": ("change", "create"),
    "env create": ("change", "env_create"),
    "install": ("change", "install_packages"),
    "config": ("query", "config"),
    "list": ("query", "list_packages"),
    "info": ("query", "info"),
    "env list": ("query", "env_list"),
    "run": ("query", "run"),
    "activate": ("query", "mock"),
    "deactivate": ("query", "mock"),
}


def run() -> None:
    """Runs the process's command line; leaves without waiting for py-rattler's threads."""
    try:
        status = main(sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main(arguments: list[str]) -> int:
    _log(arguments)
    try:
        return _dispatch(arguments)
    except CondaError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return error.status
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:
        return 1


def _log(arguments: list[str]) -> None:
    """Adds the call to the file that a test named, one JSON list a line."""
    if log := os.environ.get("CONDA_STAND_IN_CALLS"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(json.dumps(arguments) + "\n")


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] in (["-V"], ["--version"]):
        print(f"conda {__version__}")
        return 0
    if arguments and arguments[0].startswith("shell."):
        if arguments[0] not in ("shell.posix", "shell.bash"):
            fail("CondaError", f"{arguments[0].removeprefix('shell.')} is not a supported shell.")
        print(activation.script(settings.load(), arguments[1:], os.environ), end="")
        return 0
    given = parser.parse(arguments or ["--help"])
    name = f"env {given.env_cmd}" if given.cmd == "env" else given.cmd
    module, function = _COMMANDS[name]
    command = getattr(import_module(f".{module}", __package__), function)
    return command(settings.load(), given)
