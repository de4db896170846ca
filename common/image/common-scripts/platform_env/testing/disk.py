"""Disk space of a test run; volumes of containers have no quota of their own."""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

SETTING = "TEST_DISK"

# Number of entries that are counted; more are too many, however small they are.
_ENTRIES = 2_000_000

# Looking takes time: the pause until the next look is this many times as long, and at least that.
_REST = 20
_PAUSE = 2.0


class Watch:
    """Folders that may grow by `limit` bytes together."""

    def __init__(self, folders: Sequence[Path], limit: float) -> None:
        self._folders = folders
        self.limit = limit
        self._next = time.monotonic() + _PAUSE
        self._first = used(folders) if limit < math.inf else 0

    def message(self) -> str:
        """Returns the problem; '' while they fit, or were checked just now."""
        started = time.monotonic()
        if self.limit == math.inf or started < self._next:
            return ""
        grown = used(self._folders) - self._first
        ended = time.monotonic()
        self._next = ended + max(_PAUSE, _REST * (ended - started))
        if grown <= self.limit:
            return ""
        limit = f"{SETTING}={self.limit / 1e9:g}g"
        return f"the tests have filled more than {limit} of the disk: write less, or raise it"


def used(folders: Sequence[Path]) -> float:
    """Returns the bytes on disk below folders, links not followed; infinite if unknown."""
    size, entries = 0, 0
    waiting = list(map(str, folders))
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    entries += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    if entries > _ENTRIES:
                        return math.inf
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone meanwhile
        except OSError:
            return math.inf  # a path that is too long, for one
    return size
