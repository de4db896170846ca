"""Tells people what uv's resolver is doing, from the lines of its log."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from packaging.utils import canonicalize_name

from . import paths
from .specs import Line

# Seconds between messages.
INTERVAL = 20.0
# Versions of one package after which its lines are named: lists that hold together take a few.
BACKTRACKING = 10

_SELECTING = re.compile(r"DEBUG Selecting: (?P<name>\S+?)==(?P<version>\S+) ")
_BUILDING = re.compile(r"DEBUG Preparing metadata for: (?P<package>\S+)")


class Progress:
    """Reads the log of one resolution of `lines`."""

    def __init__(
        self,
        lines: Sequence[Line],
        say: Callable[[str], None] = paths.say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines = lines
        self._say = say
        self._clock = clock
        self._started = self._told = clock()
        self._tried: dict[str, set[str]] = defaultdict(set)

    def read(self, text: str) -> None:
        """Takes a line of the log, and says what people have to wait for."""
        if found := _BUILDING.match(text):
            package = found["package"]
            self._say(f"{package} has no wheel for this Python: building it to learn what it needs")
        elif found := _SELECTING.match(text):
            self._select(canonicalize_name(found["name"]), found["version"])

    def _select(self, name: str, version: str) -> None:
        versions = self._tried[name]
        is_new = version not in versions
        versions.add(version)
        if is_new and len(versions) % BACKTRACKING == 0:
            self._say(self._backtracking(name, len(versions)))
        now = self._clock()
        if now - self._told >= INTERVAL:
            self._told = now
            tried = sum(map(len, self._tried.values()))
            self._say(
                f"still solving after {now - self._started:.0f} s: {tried} versions of "
                f"{len(self._tried)} packages tried, now {name}=={version}"
            )

    def _backtracking(self, name: str, count: int) -> str:
        own = [f"  {line.where}: {line.text}" for line in self._lines if line.name == name]
        head = f"backtracking: tried {count} versions of {name}"
        if not own:
            return f"{head}, which no line limits; a line such as `{name}>=VERSION` would help"
        return "\n".join([f"{head}, because of:", *own])
