"""Paths in the image, and the few helpers that every script needs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from platform_env.environments import printable, redact

CONDA_DIR = Path(os.environ.get("CONDA_DIR") or "/opt/conda")
ENVIRONMENTS = Path(os.environ.get("ENVIRONMENTS_DIR") or "/opt/environments")
COMMON_ENV = Path(os.environ.get("COMMON_ENV_DIR") or "/opt/common-env")
IMAGE_BUILD = Path(os.environ.get("IMAGE_BUILD_DIR") or "/etc/image-build")

# Names of the environments, in the order of their creation.
_ORDER = CONDA_DIR / "share" / "environment" / "order"

# Hubs run the server as any user id, but always with this group.
SHARED_GROUP = 100

FAILED = 1  # the work failed
WRONG = 2  # the request or a file is wrong, nothing was started


class Failed(Exception):
    """Failed work; the text names the failure and the fix."""

    status = FAILED


class Wrong(Failed):
    """A wrong request or file; nothing was started."""

    status = WRONG


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def is_conda_base() -> bool:
    """Returns whether CONDA_DIR is a real conda installation, not the embedded base."""
    return (CONDA_DIR / "conda-meta" / "history").is_file()


def prefix(environment: str) -> Path:
    """Returns the folder in which an environment is installed."""
    return CONDA_DIR if environment == "base" else CONDA_DIR / "envs" / environment


def python(environment: str) -> Path:
    """Returns the interpreter of an environment."""
    return prefix(environment) / "bin" / "python"


def exists(environment: str) -> bool:
    """Returns whether an environment has an interpreter; without one it does not exist."""
    return python(environment).exists()


def environments() -> list[str]:
    """Returns the names of the installed environments, sorted, without `base`."""
    folder = CONDA_DIR / "envs"
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if exists(entry.name))


def in_order() -> list[str]:
    """Returns the names of the installed environments in the order of their creation.

    Those that other programs made come last.
    """
    names = _ORDER.read_text(encoding="utf-8").split() if _ORDER.is_file() else []
    known = environments()
    return [*(name for name in dict.fromkeys(names) if name in known), *sorted({*known} - {*names})]


def spec_folder(environment: str) -> Path:
    """Returns the folder with the files of an environment (specs, kernel.name, tests)."""
    return ENVIRONMENTS / environment


@contextmanager
def new(environment: str) -> Iterator[None]:
    """Guards the making of an environment: refused over an existing one, undone on a failure.

    Its name is added to the order of environments.
    """
    folder = prefix(environment)
    if environment == "base":
        raise Wrong("base exists already: choose another name, or use env-update base")
    if folder.exists():
        husk = "" if exists(environment) else ", without a Python in it"
        raise Wrong(f"{folder} exists already{husk}: remove it first, or choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _ORDER.parent.mkdir(parents=True, exist_ok=True)
    with _ORDER.open("a", encoding="utf-8") as file:
        file.write(f"{environment}\n")


def check_name(environment: str) -> str:
    """Returns the name itself, if it is valid for an environment."""
    if not _NAME.fullmatch(environment):
        raise Wrong(
            f"{environment!r} cannot name an environment: "
            "use lower-case letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    return environment


def is_frozen() -> bool:
    """Returns the mode of the build: USE_FROZEN is 0 (or unset) or 1."""
    value = os.environ.get("USE_FROZEN", "0")
    if value not in ("0", "1"):
        raise Wrong(f"USE_FROZEN={value} means nothing: write 0 (floating) or 1 (frozen)")
    return value == "1"


def say(message: str) -> None:
    """Prints a message for people on stderr; stdout belongs to results."""
    print(redact.redact(printable.text(message)), file=sys.stderr, flush=True)  # noqa: T201


def show(result: str) -> None:
    """Prints a result on stdout."""
    print(redact.redact(printable.text(result)), flush=True)  # noqa: T201


def die(message: str, status: int = FAILED) -> NoReturn:
    """Prints the problem and the fix, and exits with that status."""
    say(f"{Path(sys.argv[0]).name}: error: {message}")
    raise SystemExit(status)


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    capture: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Runs a program: output goes to stderr, or is captured; the caller checks the status."""
    argv = [str(part) for part in command]
    if capture:
        return subprocess.run(
            argv, env=env, cwd=cwd, text=True, capture_output=True, stdin=subprocess.DEVNULL
        )
    return subprocess.run(
        argv, env=env, cwd=cwd, text=True, stdout=sys.stderr, stdin=subprocess.DEVNULL
    )


def share_new_files() -> None:
    """Makes new files of this process writable by the group of all users of the image."""
    os.umask(0o002)
    if os.geteuid() == 0:
        os.setgid(SHARED_GROUP)


def run_script(main: Callable[[], None]) -> NoReturn:
    """Runs a script's main function: an error is one message and its status, not a traceback."""
    share_new_files()
    try:
        main()
    except Failed as error:
        die(str(error), error.status)
    except OSError as error:
        die(str(error))
    except KeyboardInterrupt:
        die("interrupted", 130)
    raise SystemExit(0)
