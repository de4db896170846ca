"""Untrusted text, made safe for a terminal: colour codes are removed, other control characters are
replaced by U+FFFD. `cargo xtask` does the same (printable.rs)."""

import re

# Number of characters of a failed test's output that are shown.
TAIL_LINES = 20

# ECMA-48, 5.4.
_SEQUENCE = re.compile(r"\x1b\[[ -?]*[@-~]?")
# ECMA-48, 5; line ends; characters that turn a text's direction (Unicode UAX #9, 2); noncharacters.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]"
)


def text(text: str) -> str:
    """Returns a text of several lines without terminal control characters."""
    return _CONTROL.sub("\ufffd", _SEQUENCE.sub("", text).replace("\r\n", "\n"))


def line(line: str) -> str:
    """Returns a text without control characters, on one line: it cannot forge a line."""
    return text(line).replace("\n", "\ufffd")


def tail(text: str) -> str:
    """Returns the last lines of a text, without empty ones at its end."""
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])
