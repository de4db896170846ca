"""Reads the small part of YAML that environment files use, and keeps line numbers and comments.

Anything else that YAML allows (anchors, nested maps, blocks of text) is an error with its line:
conda itself ignores much of what it doesn't know, with status 0.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from . import lists
from .paths import Wrong

_KEYS = ("name", "channels", "dependencies")
_REMEDIES = {
    "prefix": "take it out: environments have fixed places in the image",
    "variables": "set variables in a script in etc/conda/activate.d of the environment",
}
_BLANKS = " \t"
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_NOT_PLAIN = re.compile(r"[\[\]{}&*!|>%@`,?]")


class SpecError(Wrong):
    """The problem of a spec file, with its position and the fix."""

    def __init__(self, file: Path | str, line: int, problem: str, remedy: str = "") -> None:
        super().__init__(f"{file}:{line}: {problem}" + (f": {remedy}" if remedy else ""))


@dataclass(frozen=True)
class Item:
    """An entry of a list: its text without the comment, the comment, and its line."""

    text: str
    line: int
    comment: str = ""


@dataclass
class Document:
    """The content of an environment file."""

    comments: list[Item] = field(default_factory=list)  # lines before the first key
    name: Item | None = None
    channels: list[Item] = field(default_factory=list)
    conda: list[Item] = field(default_factory=list)
    pip: list[Item] = field(default_factory=list)
    has_pip: bool = False


def parse(file: Path, text: str) -> Document:
    """Parses an environment file; SpecError names the file and the line of the problem."""
    return _Reader(file).read(text)


class _Reader:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.document = Document()
        self.key = ""
        self.seen: set[str] = set()
        self.indents: dict[str, int] = {}

    def read(self, text: str) -> Document:
        for number, raw in lists.numbered(text):
            self.check_characters(raw, number)
            content, comment = _split_comment(raw.rstrip(_BLANKS))
            if found := next((it for it in content if it.isspace() and it not in _BLANKS), ""):
                remedy = "write an ordinary space"
                raise self.error(number, f"unexpected blank U+{ord(found):04X}", remedy)
            if not content.strip(_BLANKS):
                if comment and not self.key:
                    self.document.comments.append(Item(comment, number))
            elif content != "---" or self.seen:
                self.take(content, comment, number)
        return self.document

    def check_characters(self, raw: str, number: int) -> None:
        if "\ufffd" in raw:
            raise self.error(number, "this line is not UTF-8", "save the file as UTF-8")
        if _CONTROL.search(raw):
            raise self.error(number, "a control character", "take it out")
        if "\t" in raw[: len(raw) - len(raw.lstrip(_BLANKS))]:
            raise self.error(number, "a tab in the indentation", "use spaces")

    def take(self, content: str, comment: str, number: int) -> None:
        stripped = content.lstrip(" ")
        indent = len(content) - len(stripped)
        if stripped == "-" or stripped.startswith("- "):
            self.take_item(indent, stripped[1:].strip(_BLANKS), comment, number)
        elif indent == 0:
            self.take_key(stripped, number)
        else:
            raise self.error(number, f"cannot read `{stripped}`", "write one list entry per line")

    def take_key(self, text: str, number: int) -> None:
        key, colon, value = text.partition(":")
        key, value = key.strip(_BLANKS), value.strip(_BLANKS)
        if not colon or (value and not text.partition(":")[2].startswith(" ")):
            raise self.error(number, f"cannot read `{text}`", "expected `key:` or `- entry`")
        if key not in _KEYS:
            remedy = _REMEDIES.get(key, f"the keys here are {', '.join(_KEYS)}")
            raise self.error(number, f"unknown key `{key}`", remedy)
        if key in self.seen:
            raise self.error(number, f"`{key}` stands here a second time", "merge the two")
        self.seen.add(key)
        self.key = key
        self.indents.clear()
        if key == "name":
            self.document.name = Item(self.scalar(value, number), number)
        elif value:
            self.flow_list(value, number)

    def flow_list(self, value: str, number: int) -> None:
        if not (value.startswith("[") and value.endswith("]")):
            raise self.error(number, f"`{self.key}` is a list", "write `- entry` lines below it")
        for entry in value[1:-1].split(","):
            if entry.strip(_BLANKS):
                self.add(self.scalar(entry.strip(_BLANKS), number), "", number)

    def take_item(self, indent: int, value: str, comment: str, number: int) -> None:
        if self.key not in ("channels", "dependencies"):
            raise self.error(number, "a list entry under no list", "put it under `dependencies:`")
        outer = self.indents.setdefault("outer", indent)
        if indent == outer:
            self.indents.pop("pip", None)
            if self.key == "dependencies" and value.endswith(":"):
                self.open_pip(value[:-1].strip(_BLANKS), number)
            else:
                self.add(self.scalar(value, number), comment, number)
        elif "pip" in self.indents and indent > outer:
            if self.indents["pip"] not in (0, indent):
                raise self.error(number, "this entry is indented differently from those above it")
            self.indents["pip"] = indent
            self.document.pip.append(Item(self.scalar(value, number), number, comment))
        else:
            raise self.error(number, "this entry is indented differently from those above it")

    def open_pip(self, key: str, number: int) -> None:
        if key != "pip":
            raise self.error(number, f"unknown list `{key}`", "only `pip:` is known here")
        if self.document.has_pip:
            raise self.error(number, "a second `pip:` list", "merge it into the first")
        self.document.has_pip = True
        self.indents["pip"] = 0

    def add(self, text: str, comment: str, number: int) -> None:
        target = self.document.channels if self.key == "channels" else self.document.conda
        target.append(Item(text, number, comment))

    def scalar(self, value: str, number: int) -> str:
        if not value:
            raise self.error(number, "an empty value", "write something, or take the line out")
        if value[0] in "\"'":
            if len(value) < 2 or value[-1] != value[0] or value[0] in value[1:-1] or "\\" in value:
                raise self.error(number, f"cannot read the quotes of {value}")
            return value[1:-1]
        if _NOT_PLAIN.match(value):
            raise self.error(number, f"cannot read `{value}`", "put it in quotes")
        if ": " in value or value.endswith(":"):
            raise self.error(number, f"cannot read `{value}`", "an entry is text, not a map")
        return value

    def error(self, number: int, problem: str, remedy: str = "") -> SpecError:
        return SpecError(self.file, number, problem, remedy)


def _split_comment(line: str) -> tuple[str, str]:
    """Returns the line before its comment, and the comment; `#` counts after a blank, unquoted."""
    quote = ""
    for position, char in enumerate(line):
        before = line[position - 1] if position else " "
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and before in " [,":
            quote = char
        elif char == "#" and before in " \t":
            return line[:position].rstrip(_BLANKS), line[position + 1 :].strip(_BLANKS)
    return line, ""
