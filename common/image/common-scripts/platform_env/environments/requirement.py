"""A requirement of a pip list, in the form that PEP 508, pip and uv read alike.

`packaging` reads more than uv (`a_`, `a===x`), and uv more than `packaging`; some markers they read
differently. The host refuses the same lines (xtask's specs/requirement.rs and specs/marker.rs).
"""

import re

from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.version import Version

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LARGEST = 2**64 - 2  # uv's limit for a number in a version
_DEEPEST = 50  # parentheses in each other
_OPTIONS = re.compile(r"[ \t]--.*")
_HASHES = re.compile(r"([ \t]+--hash(=|[ \t]+)[^ \t]+)*")
_HASH = re.compile(r"--hash(?:=|[ \t]+)([^ \t]+)")
_COMPARISON = re.compile(
    r"""('[^']*'|"[^"]*"|[a-z_]+) (not in|in|[=<>!~]+) ('[^']*'|"[^"]*"|[a-z_]+)"""
)
_OF_LOCK_FILES = ("extras", "dependency_groups")
_VERSIONS = ("python_version", "python_full_version", "implementation_version")


def split(text: str) -> tuple[str, str]:
    """Returns a line's requirement, and the options after it."""
    found = _OPTIONS.search(text)
    options = found[0] if found else ""
    return text.removesuffix(options).strip(" \t"), options


def hashes(options: str) -> list[str]:
    """Returns the SHA-256 of each `--hash=sha256:…`; ValueError for any other option."""
    if not _HASHES.fullmatch(options):
        raise ValueError("expected nothing but --hash=sha256:… behind the requirement")
    found = _HASH.findall(options)
    if bad := [it for it in found if not re.fullmatch(r"sha256:[0-9a-f]{64}", it)]:
        raise ValueError(f"`{bad[0]}` is not a sha256; write --hash=sha256:<64 hex digits>")
    return [it.removeprefix("sha256:") for it in found]


def parse(text: str) -> Requirement:
    """Returns a requirement; ValueError names its problem."""
    if found := re.search(r"[^\t -~]|\\", text):
        raise ValueError(f"unexpected character U+{ord(found[0]):04X}")
    if text.count("(") > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} parentheses")
    requirement = Requirement(text)
    if bad := [it for it in (requirement.name, *requirement.extras) if not NAME.fullmatch(it)]:
        raise ValueError(f"`{bad[0]}` does not end with a letter or a digit")
    if not requirement.url:
        _check_versions(text.partition(";")[0])
    for specifier in requirement.specifier:
        is_pattern = specifier.operator in ("==", "!=")
        check_version(specifier.version.removesuffix(".*") if is_pattern else specifier.version)
    if requirement.marker:
        for comparison in _COMPARISON.findall(str(requirement.marker)):
            _check_comparison(*comparison)
    return requirement


def _check_versions(text: str) -> None:
    """Raises ValueError for versions that `packaging` accepts and uv refuses, or the reverse."""
    if re.search(r"\([ \t]*\)", text):
        raise ValueError("missing version in `()`")
    if "===" in text and re.search(r",[ \t]*[^ \t)]", text.rpartition("]")[2]):
        raise ValueError("expected no other version beside `===`")


def check_version(text: str) -> None:
    """Raises ValueError for a version that is not valid for both Python and uv."""
    numbers = re.findall(r"[0-9]+", text)
    if not text.isascii() or any(len(it) > 4000 or int(it) > _LARGEST for it in numbers):
        raise ValueError(f"`{text}` is not a version that uv can read")
    Version(text)


def _check_comparison(left: str, operator: str, right: str) -> None:
    """Raises ValueError for a comparison whose result depends on the evaluating program."""
    variables = [it for it in (left, right) if it[0] not in "'\""]
    if len(variables) != 1:
        raise ValueError(f"`{left} {operator} {right}` does not compare a variable with a text")
    variable = variables[0]
    if variable in _OF_LOCK_FILES:
        raise ValueError(f"`{variable}` is for lock files only")
    if operator in ("in", "not in"):
        return
    is_equality = operator in ("==", "!=")
    text = (right if variable == left else left)[1:-1]
    if variable in _VERSIONS or (variable == "platform_release" and not is_equality):
        if not _is_version(text, operator, is_right=variable == left):
            raise ValueError(f"`{operator}` cannot compare {variable} with `{text}`")
    elif not is_equality:
        raise ValueError(f"`{operator}` compares versions, and {variable} is not one")


def _is_version(text: str, operator: str, is_right: bool) -> bool:
    """Returns whether a text is the version of a comparison, on its right or its left side."""
    try:
        if is_right:
            Specifier(f"{operator}{text}")
        check_version(text.removesuffix(".*") if is_right else text)
    except ValueError:
        return False
    return operator != "===" and (is_right or operator != "~=") and not re.search(r"\s", text)
