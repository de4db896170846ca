"""Content of conda-meta, and the names in it."""

import json
from pathlib import Path
from typing import Any

from .settings import Settings


def read(prefix: Path) -> list[dict[str, Any]]:
    """Returns the records of an environment's packages."""
    files = sorted((prefix / "conda-meta").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def stem(record: dict[str, Any]) -> str:
    """Returns NAME-VERSION-BUILD."""
    return str(record["fn"]).removesuffix(".conda")


def channel_of(record: dict[str, Any]) -> str:
    """Returns the URL of a record's channel, without its subdir."""
    return str(record["url"]).rsplit("/", 2)[0]


def dist(settings: Settings, record: dict[str, Any]) -> str:
    """Returns CHANNEL/SUBDIR::NAME-VERSION-BUILD, a package in history."""
    name = settings.places.canonical_name(channel_of(record))
    return f"{name}/{record['subdir']}::{stem(record)}"


def exact_spec(settings: Settings, record: dict[str, Any]) -> str:
    """Returns the spec that history holds for a package of an explicit list."""
    place = dist(settings, record).partition("::")[0]
    return f"{place}::{record['name']}=={record['version']}={record['build']}"
