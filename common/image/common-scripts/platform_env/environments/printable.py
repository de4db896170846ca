"""Text of others, fit for a terminal: colour codes are removed, and each other control character is
replaced by U+FFFD. `cargo xtask` does the same (printable.rs)."""

import re

# How much of a failed test's output says what was wrong.
TAIL_LINES = 20

# ECMA-48, 5.4.
_SEQUENCE = re.compile(r"\x1b\[[ -?]*[@-~]?")
# ECMA-48, 5; ends of lines; what turns the direction of a text (Unicode UAX #9, 2); noncharacters.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]"
)


def text(text: str) -> str:
    """Returns a text of several lines without what would control a terminal."""
    return _CONTROL.sub("\ufffd", _SEQUENCE.sub("", text).replace("\r\n", "\n"))


def line(line: str) -> str:
    """Returns a text without what would control a terminal, on one line: it forges none."""
    return text(line).replace("\n", "\ufffd")


def tail(text: str) -> str:
    """The last lines of a text, the empty ones at its end aside."""
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])
