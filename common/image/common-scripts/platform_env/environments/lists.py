"""Lists: one entry per line, `#` starts a comment."""

import dataclasses
import re
from pathlib import Path

from platform_env.environments import paths

# Blanks. No other character counts: a wrong no-break space would be invisible.
BLANKS = " \t\r"
# At the start of a line or after a blank; a `#` within a word belongs to the word.
_COMMENT = re.compile(r"(?:^|[ \t])#.*", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a list, with its position."""

    text: str
    origin: str


def numbered(text: str) -> list[tuple[int, str]]:
    """Returns the lines without their ends; no other character than LF ends a line for uv."""
    return list(enumerate(text.replace("\r\n", "\n").split("\n"), start=1))


def without_comment(line: str) -> str:
    """Returns a line without its comment, and without surrounding blanks."""
    return _COMMENT.sub("", line, count=1).strip(BLANKS)


def read_list(path: Path) -> list[Entry]:
    """Returns the entries of a list file; an entry may contain spaces."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        paths.die(f"{path}: cannot be read: {error}", paths.WRONG)
    entries = [(number, without_comment(line)) for number, line in numbered(text)]
    return [Entry(text, f"{path}:{number}") for number, text in entries if text]
