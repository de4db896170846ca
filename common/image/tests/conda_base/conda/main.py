"""Runs a command line, and ends with conda's statuses and words."""

import json
import os
import shutil
import sys
import traceback
from argparse import Namespace
from pathlib import Path

from . import __version__, activation, clone, files, install, link, parser, query, settings
from .errors import USAGE, CondaError, fail
from .settings import Settings


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
    return _COMMANDS[name](settings.load(), given)


def _prefix(known: Settings, given: Namespace) -> Path:
    if given.prefix:
        return Path(given.prefix).expanduser().resolve()
    if given.name and "/" in given.name:
        fail("CondaValueError", "Environment names cannot contain path separators")
    if given.name:
        return known.prefix(given.name)
    return Path(os.environ.get("CONDA_PREFIX") or known.root)


def _environment(known: Settings, given: Namespace) -> Path:
    """Returns the folder of an environment that has to be there."""
    prefix = _prefix(known, given)
    if not prefix.exists():
        fail("EnvironmentLocationNotFound", f"Not a conda environment: {prefix}")
    if not (prefix / "conda-meta" / "history").is_file():
        fail(
            "DirectoryNotACondaEnvironmentError",
            f"The target directory exists, but it is not a conda environment: {prefix}",
        )
    return prefix


def _confirm(known: Settings, given: Namespace, question: str, default: str) -> None:
    """Asks; an empty standard input answers with the default, as with conda."""
    if given.yes or known.always_yes:
        return
    print(f"{question} ({'[y]/n' if default == 'yes' else 'y/[n]'})? ", end="", flush=True)
    answer = sys.stdin.readline().strip().lower() or default
    if answer not in ("y", "yes"):
        fail("CondaSystemExit", "Exiting.", 0)


def _create(known: Settings, given: Namespace) -> int:
    if given.clone and (given.file or given.packages):
        fail("TooManyArgumentsError", "Did not expect any new packages or files for `--clone`.", 2)
    listed = [files.read(file) for file in given.file]
    if not (given.name or given.prefix):
        given.name = next((it.name for it in listed if it.name), None)
    if not (given.name or given.prefix):
        message = "one of the arguments -n/--name -p/--prefix is required"
        fail("ArgumentError", message, USAGE)
    prefix = _prefix(known, given)
    if (given.name in ("base", "root")) or prefix == known.root:
        fail("CondaValueError", f"'{prefix}' is a reserved environment")
    _make_room(known, given, prefix)
    if given.clone:
        clone.clone(known, _clone_source(known, given.clone), prefix)
    else:
        _packages(known, given, prefix, listed)
    shown = given.name or prefix
    print(f"#\n# To activate this environment, use\n#\n#     $ conda activate {shown}\n#")
    return 0


def _make_room(known: Settings, given: Namespace, prefix: Path) -> None:
    if (prefix / "conda-meta" / "history").is_file():
        question = (
            f"WARNING: A conda environment already exists at '{prefix}'\n\n"
            "Remove existing environment?"
        )
        _confirm(known, given, question, "no")
        shutil.rmtree(prefix)
    elif prefix.exists():
        question = (
            f"WARNING: A directory already exists at the target location '{prefix}'\n"
            "but it is not a conda environment.\nContinue creating environment"
        )
        _confirm(known, given, question, "no")


def _clone_source(known: Settings, name: str) -> Path:
    source = Path(name).resolve() if "/" in name else known.prefix(name)
    if not source.exists():
        fail("EnvironmentLocationNotFound", f"Not a conda environment: {source}")
    if not (source / "conda-meta" / "history").is_file():
        fail("DirectoryNotACondaEnvironmentError", f"Not a conda environment: {source}")
    return source


def _env_create(known: Settings, given: Namespace) -> int:
    given.yes = True  # conda's own default here: an existing environment goes without a question
    return _create(known, given)


def _install(known: Settings, given: Namespace) -> int:
    if not (given.packages or given.file):
        fail("CondaValueError", "too few arguments, must supply command line packages or --file")
    prefix = _environment(known, given)
    _packages(known, given, prefix, [files.read(file) for file in given.file])
    return 0


def _packages(known: Settings, given: Namespace, prefix: Path, listed: list[files.Listed]) -> None:
    specs = [*given.packages, *(spec for it in listed for spec in it.specs)]
    urls = [url for it in listed for url in it.urls]
    channels = [*given.channel, *(name for it in listed for name in it.channels)]
    if urls and specs:
        fail("CondaValueError", "cannot mix specifications with conda package filenames")
    if urls:
        install.explicit(known, prefix, urls)
        return
    defaults = [] if given.override_channels else known.channels
    packages = install.solved(known, prefix, [*channels, *defaults], specs)
    _confirm(known, given, "Proceed", "yes")
    link.execute(known, prefix, packages, specs)


def _config(known: Settings, given: Namespace) -> int:
    if given.show is None:
        fail("CouldntParseError", "conda config needs something to do, e.g. --show")
    print(query.config(known, given.show, given.json))
    return 0


def _list(known: Settings, given: Namespace) -> int:
    prefix = _environment(known, given)
    if given.explicit:
        print(query.explicit(prefix, given.sha256), end="")
    else:
        print(query.packages(known, prefix, given.regex or "", given.json), end="")
    return 0


def _info(known: Settings, given: Namespace) -> int:
    if given.base:
        print(json.dumps({"root_prefix": str(known.root)}) if given.json else known.root)
    elif given.envs:
        print(query.environments(known, given.json), end="")
    else:
        print(query.info(known, given.json), end="")
    return 0


def _env_list(known: Settings, given: Namespace) -> int:
    print(query.environments(known, given.json), end="")
    return 0


def _run(known: Settings, given: Namespace) -> int:
    prefix = _environment(known, given)
    command = given.executable_call
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        fail("ArgumentError", "No command specified. Please provide a command to run.", USAGE)
    lines = activation.script(known, ["activate", str(prefix)], os.environ)
    return query.run(lines, command, given.cwd, not given.no_capture_output)


def _mock(known: Settings, given: Namespace) -> int:
    fail("CondaError", f"Run 'conda init' before 'conda {given.cmd}'")


_COMMANDS = {
    "create": _create,
    "install": _install,
    "config": _config,
    "list": _list,
    "info": _info,
    "run": _run,
    "activate": _mock,
    "deactivate": _mock,
    "env create": _env_create,
    "env list": _env_list,
}
