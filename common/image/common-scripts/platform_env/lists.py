"""The lists of what to test: one entry per line, `#` starts a comment."""

import dataclasses
import re
from pathlib import Path

from platform_env import paths

# At the start of a line or after a space; a `#` within a word belongs to the word.
_COMMENT = re.compile(r"(^|\s)#.*")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a list, and where it stands."""

    text: str
    origin: str


def read_list(path: Path) -> list[Entry]:
    """The entries of a list file; an entry may contain spaces."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        paths.die(f"{path}: cannot be read: {error}", paths.WRONG)
    entries = []
    for number, line in enumerate(lines, start=1):
        text = _COMMENT.sub("", line).strip()
        if text:
            entries.append(Entry(text, f"{path}:{number}"))
    return entries
