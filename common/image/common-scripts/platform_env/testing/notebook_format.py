"""What makes a notebook invalid, in the words of `cargo xtask check`; both read the cases of
`notebook_cases.json`. Each part of the text keeps its position, so that messages have lines."""

import dataclasses
import json
import math
import re
from collections.abc import Collection
from json import JSONDecoder
from json.decoder import scanstring
from typing import NoReturn

from platform_env.environments import printable

FIX = "open and save it in JupyterLab, or restore it from git"
NOT_TEXT = "save the file as plain UTF-8"
NO_MARK = "run `cargo xtask check --fix`, or save it as UTF-8 with LF"

_SPACE = " \t\n\r"
_BLANK = re.compile(f"[{_SPACE}]*")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")
_ID = re.compile("[A-Za-z0-9_-]{1,64}")


@dataclasses.dataclass(frozen=True)
class Problem:
    """A line, what is wrong there, and how to correct it."""

    line: int
    what: str
    fix: str = FIX

    def __str__(self) -> str:
        return f"{self.line}: {self.what}; {self.fix}"


class Invalid(Exception):
    """A file that has no valid JSON object."""

    def __init__(self, line: int, what: str, fix: str = FIX) -> None:
        super().__init__(what)
        self.problem = Problem(line, what, fix)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


# JSON has no NaN; and Python limits the digits of an int.
_DECODER = JSONDecoder(parse_constant=_refuse, parse_int=float)


@dataclasses.dataclass(frozen=True)
class Value:
    """A value in a text that is valid JSON."""

    text: str
    start: int
    end: int

    @property
    def raw(self) -> str:
        return self.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.text.count("\n", 0, self.start) + 1

    def members(self) -> "dict[str, Value] | None":
        """Returns the members of an object."""
        if self.text[self.start] != "{":
            return None
        found = {}
        at = self._skip(self.start + 1)
        while self.text[at] != "}":
            name, at = scanstring(self.text, at + 1)
            found[name] = value = self._value(self._skip(self._skip(at) + 1))
            at = self._next(value)
        return found

    def elements(self) -> "list[Value] | None":
        """Returns the elements of a list."""
        if self.text[self.start] != "[":
            return None
        found = []
        at = self._skip(self.start + 1)
        while self.text[at] != "]":
            found.append(self._value(at))
            at = self._next(found[-1])
        return found

    def string(self) -> str | None:
        """Returns the text of a string, if it is valid Unicode."""
        if self.text[self.start] != '"':
            return None
        text = scanstring(self.text, self.start + 1)[0]
        return None if any("\ud800" <= it <= "\udfff" for it in text) else text

    def count(self) -> int | None:
        """Returns a number of 32 bits without a sign, a point and an exponent."""
        is_count = self.raw.isascii() and self.raw.isdigit() and float(self.raw) < 2**32
        return int(self.raw) if is_count else None

    def _value(self, start: int) -> "Value":
        return Value(self.text, start, _DECODER.raw_decode(self.text, start)[1])

    def _skip(self, at: int) -> int:
        return _BLANK.match(self.text, at).end()

    def _next(self, value: "Value") -> int:
        """Returns the position of the next member or element, or of the bracket that closes."""
        at = self._skip(value.end)
        return self._skip(at + 1) if self.text[at] == "," else at


def read(data: bytes) -> "dict[str, Value]":
    """Returns the members of a notebook. Raises `Invalid`."""
    if 0 in data:
        line = data[: data.index(0)].count(b"\n") + 1
        raise Invalid(line, "not a text file: contains a NUL byte", NOT_TEXT)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Invalid(line, "invalid UTF-8", NOT_TEXT) from None
    if text.startswith("\ufeff"):
        raise Invalid(1, "begins with a byte order mark", NO_MARK)
    start = _BLANK.match(text).end()
    if start == len(text):
        raise Invalid(1, "not a valid notebook: the file is empty")
    if text[start] != "{":
        raise _invalid(text, start, "not a JSON object")
    try:
        _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _invalid(text, error.pos, "invalid JSON") from None
    except (ValueError, RecursionError) as error:
        raise _invalid(text, max(text.find(str(error)), 0), "invalid JSON") from None
    return Value(text, start, len(text)).members() or {}


def _invalid(text: str, at: int, what: str) -> Invalid:
    if text[at : at + 1] == ",":  # before the bracket that closes
        at = _BLANK.match(text, at + 1).end()
    at = min(at, len(text.rstrip(_SPACE)))
    line = text.count("\n", 0, at) + 1
    if text.split("\n")[line - 1].startswith(_CONFLICT):
        what = "an unresolved merge conflict"
    return Invalid(line, f"not a valid notebook: {what}")


def problems(notebook: dict[str, Value]) -> list[Problem]:
    """Returns what nbformat's schema of version 4, or JupyterLab, does not accept."""
    version = notebook.get("nbformat")
    if version is None or version.count() != 4:
        return [Problem(version.line if version else 1, "`nbformat` is not 4")]
    minor = notebook["nbformat_minor"].count() if "nbformat_minor" in notebook else None
    if minor is None:
        return [Problem(1, "missing `nbformat_minor`")]
    found = []
    if "metadata" not in notebook or notebook["metadata"].members() is None:
        found.append(Problem(1, "missing `metadata`"))
    cells = notebook["cells"].elements() if "cells" in notebook else None
    if cells is None:
        return [*found, Problem(1, "missing list `cells`")]
    ids: set[str] = set()
    for value in cells:
        cell = value.members()
        if cell is None:
            found.append(Problem(value.line, "this cell is not an object"))
            continue
        wrong = _shape(cell)
        if minor >= 5:
            wrong += _id(cell, ids)
        found += [Problem(value.line, it) for it in wrong]
    return found


def _shape(cell: dict[str, Value]) -> list[str]:
    """Returns the members that a cell lacks, or has and may not have."""
    found = []
    kind = _string(cell, "cell_type") or ""
    if kind not in ("code", "markdown", "raw"):
        found.append("`cell_type` is not code, markdown or raw")
    if "metadata" not in cell or cell["metadata"].members() is None:
        found.append("this cell has no `metadata`")
    if "source" not in cell or not _is_text(cell["source"]):
        found.append("`source` is not text")
    if kind == "code":
        if "outputs" not in cell or cell["outputs"].elements() is None:
            found.append("this code cell has no list `outputs`")
        count = cell.get("execution_count")
        if count is None or (count.raw != "null" and count.count() is None):
            found.append("this code cell has no `execution_count`")
    elif kind and ("outputs" in cell or "execution_count" in cell):
        found.append(f"a {kind} cell has no outputs")
    return found


def _id(cell: dict[str, Value], ids: set[str]) -> list[str]:
    name = _string(cell, "id")
    if name is None:
        return ["this cell has no `id`"]
    if not _ID.fullmatch(name):
        return ["`id` is not 1 to 64 letters, digits, `-`, `_`"]
    if name in ids:
        return [f"an earlier cell has the id `{name}`"]
    ids.add(name)
    return []


def _string(cell: dict[str, Value], name: str) -> str | None:
    return cell[name].string() if name in cell else None


def _is_text(value: Value) -> bool:
    lines = value.elements()
    return value.string() is not None or (
        lines is not None and all(it.string() is not None for it in lines)
    )


def _member(value: Value | None, name: str) -> Value | None:
    return ((value and value.members()) or {}).get(name)


def unknown_kernel(notebook: dict[str, Value], known: Collection[str]) -> Problem | None:
    """Returns the problem of a kernel that is not in `known`; a notebook need not name one."""
    found = _member(_member(notebook.get("metadata"), "kernelspec"), "name")
    name = found.string() if found else None
    if name is None or name in known:
        return None
    what = f"unknown kernel `{printable.line(name)}`"
    fix = f"choose one of these in JupyterLab: {', '.join(sorted(known))}"
    return Problem(found.line, what, fix)


def limit(notebook: dict[str, Value], default: float) -> float:
    """Returns the seconds of `execution.timeout` in the metadata, where -1 and null mean no limit
    as for nbclient, or the default. Raises `Invalid`."""
    own = _member(_member(notebook.get("metadata"), "execution"), "timeout")
    if own is None:
        return default
    try:
        seconds = -1.0 if own.raw == "null" else float(own.raw)
    except ValueError:
        seconds = 0.0
    if seconds == -1.0:
        return math.inf
    if seconds > 0:
        return seconds
    fix = "write a number of seconds, or -1 for no limit, as execution.timeout"
    raise Invalid(own.line, f"`{own.raw}` is not a time limit", fix)
