"""conda's metadata about the packages of an environment; nothing is run."""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .paths import Failed

_NAME = re.compile(r"(?:\S*::)?([\w.-]+)")
_KEYS = ("name", "version", "fn")


def packages(prefix: Path) -> list[dict]:
    """Returns the packages that conda installed: the records in conda-meta, by name."""
    folder = prefix / "conda-meta"
    return _read_all(folder, folder.stat().st_mtime_ns) if folder.is_dir() else []


@functools.cache  # some hundred files with long lists; conda changes the folder with them
def _read_all(folder: Path, _changed: int) -> list[dict]:
    return sorted(map(_read, sorted(folder.glob("*.json"))), key=lambda record: record["name"])


def _read(file: Path) -> dict:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        absent = [key for key in _KEYS if not record.get(key)]
    except (AttributeError, ValueError) as error:
        raise Failed(f"{file}:1: not a conda package record ({error})") from error
    if absent:
        raise Failed(f"{file}:1: the package record lacks `{absent[0]}`")
    return record


def needs(record: dict, unpatched: Mapping[str, Sequence[str]] | None = None) -> set[str]:
    """Returns the names of the packages that one depends on, without virtual packages."""
    return _names(record.get("depends") or ()) | {*(unpatched or {}).get(record["fn"], ())}


def _names(depends: Sequence[str]) -> set[str]:
    found = (_NAME.match(text) for text in depends)
    return {match[1].lower() for match in found if match and not match[1].startswith("__")}


def unpatched(records: Sequence[dict]) -> dict[str, list[str]]:
    """Returns, by file, the names that only a package's own metadata requires.

    A solve leaves the channel's patched `depends` in conda-meta, an explicit install the package's.
    """
    extra = {record["fn"]: _names(_own_depends(record)) - needs(record) for record in records}
    return {file: sorted(names) for file, names in extra.items() if names}


def _own_depends(record: dict) -> list[str]:
    folder = record.get("extracted_package_dir")
    try:
        text = Path(folder, "info", "index.json").read_text(encoding="utf-8") if folder else "{}"
        return json.loads(text).get("depends") or []
    except (OSError, ValueError):
        return []  # the package cache was cleaned since


def required_by(
    records: Sequence[dict], unpatched: Mapping[str, Sequence[str]]
) -> dict[str, set[str]]:
    """Returns the packages that others depend on, installed or not, each with those others."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name in needs(record, unpatched):
            found.setdefault(name, set()).add(record["name"])
    return found


def missing(
    records: Sequence[dict], unpatched: Mapping[str, Sequence[str]], allowed: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Returns the packages that are required and not installed, each with those that require it."""
    present = {*allowed, *(record["name"] for record in records)}
    needed = required_by(records, unpatched)
    return {name: sorted(needed[name]) for name in sorted(needed.keys() - present)}


def dependents(records: Sequence[dict], name: str) -> set[str]:
    """Returns a package and all packages that depend on it, directly or through others."""
    found = {name}
    while more := {record["name"] for record in records if needs(record) & found} - found:
        found |= more
    return found
