"""conda-meta/history: what was installed when, and what was ever asked for."""

import ast
import re
import sys
import time
from pathlib import Path

from rattler import MatchSpec

from . import __version__


def append(prefix: Path, removed: list[str], added: list[str], requested: list[str]) -> None:
    """Adds a transaction, in conda's own lines."""
    lines = [
        f"==> {time.strftime('%Y-%m-%d %H:%M:%S')} <==",
        f"# cmd: {' '.join(sys.argv)}",
        f"# conda version: {__version__}",
        *(f"-{dist}" for dist in sorted(removed)),
        *(f"+{dist}" for dist in sorted(added)),
    ]
    if requested:
        lines.append(f"# update specs: {requested}")
    with (prefix / "conda-meta" / "history").open("a", encoding="utf-8") as file:
        file.write("\n".join([*lines, ""]))


def requested(prefix: Path) -> dict[str, str]:
    """Returns the specs that were ever asked for, the latest for each package."""
    path = prefix / "conda-meta" / "history"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    specs: dict[str, str] = {}
    for listed in re.findall(r"^# \w+ specs: (\[.*\])$", text, re.MULTILINE):
        for spec in ast.literal_eval(listed):
            bare = spec.rpartition("::")[2]  # a channel is a place, not a part of the request
            specs[name_of(bare)] = bare
    return specs


def name_of(spec: str) -> str:
    name = MatchSpec(spec.rpartition("::")[2], strict=False).name
    return str(name.normalized) if name else "*"
