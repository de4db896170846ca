"""The environment that a command line means."""

import os
from argparse import Namespace
from pathlib import Path

from .errors import fail
from .settings import Settings


def prefix(known: Settings, given: Namespace) -> Path:
    if given.prefix:
        return Path(given.prefix).expanduser().resolve()
    if given.name and "/" in given.name:
        fail("CondaValueError", "Environment names cannot contain path separators")
    if given.name:
        return known.prefix(given.name)
    return Path(os.environ.get("CONDA_PREFIX") or known.root)


def environment(known: Settings, given: Namespace) -> Path:
    """Returns the folder of an environment that has to be there."""
    return check(prefix(known, given))


def check(prefix: Path) -> Path:
    if not prefix.exists():
        fail("EnvironmentLocationNotFound", f"Not a conda environment: {prefix}")
    if not (prefix / "conda-meta" / "history").is_file():
        fail(
            "DirectoryNotACondaEnvironmentError",
            f"The target directory exists, but it is not a conda environment: {prefix}",
        )
    return prefix
