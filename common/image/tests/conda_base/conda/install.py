"""The packages of an environment: solved for, or given as URLs."""

import re
from pathlib import Path

from rattler import RepoDataRecord

from . import cache, link, records, solve
from .cache import Wanted
from .errors import fail
from .settings import Settings

_URL = re.compile(r"(?P<url>.+/[^/\\#]+\.conda)(#(sha256:)?(?P<sha>[0-9a-f]{64}))?")


def solved(settings: Settings, prefix: Path, channels: list[str], specs: list[str]) -> list[Wanted]:
    """Returns the packages with which the new specs hold beside all earlier ones."""
    if not specs:
        return []
    index = solve.read_index(settings, list(dict.fromkeys(channels)))
    wanted = solve.merge(prefix, specs)
    found = solve.solve(index, link.installed(prefix), wanted, solve.pinned(prefix))
    return [_of(index, record) for record in found]


def _of(index: solve.Index, record: RepoDataRecord) -> Wanted:
    data = solve.as_dict(record)
    channel = index.channels.get(records.channel_of(data))
    return cache.wanted(channel, data) if channel else Wanted(data["url"], data["sha256"])


def explicit(settings: Settings, prefix: Path, lines: list[str]) -> None:
    """Links the packages of an explicit list: nothing is solved, URL and hash decide."""
    exactly(settings, prefix, [_wanted(line) for line in lines])


def exactly(settings: Settings, prefix: Path, packages: list[Wanted]) -> None:
    fetched = [cache.fetch(settings, it) for it in packages]
    names = {record["name"] for record in fetched}
    others = [it for it in records.read(prefix) if it["name"] not in names]
    kept = [Wanted(it["url"], it["sha256"]) for it in others]
    new = [Wanted(it["url"], it["sha256"], it) for it in fetched]
    requested = [records.exact_spec(settings, it) for it in fetched]
    link.execute(settings, prefix, [*kept, *new], requested)


def _wanted(line: str) -> Wanted:
    found = _URL.fullmatch(line)
    if not found or "://" not in line:
        fail("ParseError", f"Could not parse explicit URL: {line}")
    # conda 26.7 enforces the hashes of lists over HTTP only.
    sha256 = "" if line.startswith("file:") else found["sha"] or ""
    return Wanted(found["url"], sha256)
