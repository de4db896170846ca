"""Imports and notebooks that cannot see what changed since an image in which they passed.

An import is left out only if nothing that it can see has changed: neither the distribution that
it is of, nor any that this requires, with all extras; and no file of these mentions a module of a
changed package, which it might import if it is there. Whatever else a package can do to others
(entry points, .pth files, modules beside those of others, a removal) has all imports run.

A notebook is left out if that holds for its kernel and for each module whose name is among its
words, and if it imports nothing else and starts no programs.
"""

import ast
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from platform_env.environments import installed, paths, record
from platform_env.testing.notebooks import tests_folder

# Beside the record of an environment: its record before `try` installed lists again, and the files
# of its tests in the image, as `sha256sum` prints them.
BEFORE = "before.json"
TESTS_BEFORE = "before-tests.sha256"

# What makes a package another one; the rest of a pin is about who requires it.
_IDENTITY = ("version", "sha256", "url", "commit", "subdirectory")

_HARMLESS_GROUPS = {"console_scripts", "gui_scripts"}
_CODE = (".py", ".so")

# Of notebooks, what starts programs or imports what no word names. Plots are no programs.
_UNKNOWN = re.compile(
    r"^\s*(?:!|%(?!matplotlib\b))"
    r"|\b(?:subprocess|system|popen|importlib|__import__|exec|eval)\b",
    re.M,
)
_WORDS = re.compile(r"\w+")
_KERNEL = ("ipykernel", "IPython")

# Bytes of an environment's tests that are looked through.
_LARGEST = 20_000_000


class _SeenError(Exception):
    """A change that any import may see."""


def untouched(environment: str, modules: Iterable[str]) -> set[str]:
    """Returns those of the modules whose import cannot see what changed."""
    try:
        mentions = _mentions(paths.prefix(environment))
    except _SeenError:
        return set()
    return {it for it in modules if mentions.are_out_of_reach(it)}


def untouched_notebooks(environment: str, notebooks: Iterable[Path]) -> set[Path]:
    """Returns those of the notebooks, the same as in the image, that cannot see what changed."""
    prefix = paths.prefix(environment)
    try:
        mentions = _mentions(prefix)
        _refuse_other_tests(prefix, tests_folder(environment))
        if not all(map(mentions.are_out_of_reach, _KERNEL)):
            return set()
    except _SeenError:
        return set()
    return {it for it in notebooks if mentions.are_unknown_to(it)}


def _mentions(prefix: Path) -> "_Mentions":
    if paths.is_conda_base():
        raise _SeenError
    changed = _changed(prefix)
    return _Mentions(_Site(prefix), changed)


def _refuse_other_tests(prefix: Path, folder: Path) -> None:
    """Fails unless all files of the tests are those of the image, and none is a module."""
    now, size = {}, 0
    for path in folder.rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        size += path.lstat().st_size
        if path.is_symlink() or path.suffix == ".py" or size > _LARGEST:
            raise _SeenError
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        now[f"./{path.relative_to(folder)}"] = digest
    lines = _read(record.path(prefix).with_name(TESTS_BEFORE)).splitlines()
    before = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if not before or before != now:
        raise _SeenError


def _source(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(it["source"]) for it in cells if it["cell_type"] == "code")


def _imported(source: str) -> set[str]:
    """Returns the modules at the top that code imports."""
    nodes = list(ast.walk(ast.parse(re.sub(r"^\s*%matplotlib.*", "", source, flags=re.M))))
    named = [it.name for node in nodes if isinstance(node, ast.Import) for it in node.names]
    named += [it.module for it in nodes if isinstance(it, ast.ImportFrom) and it.module]
    return {it.split(".", 1)[0] for it in named}


def _changed(prefix: Path) -> set[str]:
    """Returns the names of added and exchanged packages."""
    now = record.path(prefix)
    try:
        old, new = (json.loads(it.read_text()) for it in (now.with_name(BEFORE), now))
    except (OSError, ValueError):
        raise _SeenError from None
    # Sources that are built again with other requirements may be other packages.
    if _pins(old["build"]) != _pins(new["build"]):
        raise _SeenError
    before, after = _pins(old["packages"]), _pins(new["packages"])
    if before.keys() - after.keys():
        raise _SeenError
    return {canonicalize_name(name) for name, pin in after.items() if before.get(name) != pin}


def _pins(packages: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [pin.get(it) for it in _IDENTITY] for name, pin in packages.items()}


class _Site:
    """The distributions of an environment: their files, and what they require."""

    def __init__(self, prefix: Path) -> None:
        self.folder = installed.site_packages(prefix)
        self.files: dict[str, list[str]] = {}
        self.requires: dict[str, set[str]] = {}
        self.owners: dict[str, set[str]] = defaultdict(set)  # of modules
        self.infos: dict[str, Path] = {}
        for it in installed.distributions(prefix):
            name = canonicalize_name(it.name)
            self.requires[name] = {canonicalize_name(each.name) for each in it.requirements}
            if it.unreadable:
                raise _SeenError
        for info in self.folder.glob("*.dist-info"):
            name = canonicalize_name(info.name.removesuffix(".dist-info").rpartition("-")[0])
            lines = _read(info / "RECORD").splitlines()
            self.infos[name] = info
            self.files[name] = [line.rsplit(",", 2)[0].strip('"') for line in lines]
            for module in self.modules(name):
                self.owners[module].add(name)

    def modules(self, name: str) -> set[str]:
        """Returns the modules at the top of a distribution."""
        found = set()
        for file in self.files.get(name, ()):
            first = file.split("/", 1)[0]
            if first not in ("..", "__pycache__") and not first.endswith((".dist-info", ".data")):
                found.add(first.split(".", 1)[0])
        return found

    def closure(self, module: str) -> set[str]:
        """Returns the distributions that a module is of, and all that they require."""
        found, due = set(), set(self.owners.get(module, ()))
        while due:
            name = due.pop()
            found.add(name)
            due |= self.requires.get(name, set()) - found
        return found


class _Mentions:
    """Which distributions know modules of changed packages."""

    def __init__(self, site: _Site, changed: set[str]) -> None:
        self._site = site
        self._changed = changed
        self._names: set[str] = set()  # by which a notebook may use changed packages
        modules = set()
        for name in changed:
            _refuse_influence(site, name)
            modules |= site.modules(name)
            self._names |= {name, name.replace("-", "_")} | site.modules(name)
        words = "|".join(re.escape(it) for it in sorted(modules)) or "(?!)"
        self._pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)".encode())
        self._words = [it.encode() for it in modules]
        self._known: dict[str, bool] = {}

    def are_out_of_reach(self, module: str) -> bool:
        """Returns whether the import of a module reaches no changed package."""
        closure = self._site.closure(module.split(".", 1)[0])
        # What belongs to no distribution is not known well enough.
        if not closure or closure & self._changed:
            return False
        return not any(self._mentions(name) for name in closure)

    def are_unknown_to(self, notebook: Path) -> bool:
        """Returns whether a notebook's code reaches no changed package."""
        try:
            source = _source(notebook)
            imported = _imported(source)
        except (OSError, ValueError, KeyError, TypeError, SyntaxError):
            return False
        words = {it for it in _WORDS.findall(source) if it in self._site.owners}
        others = imported - words - sys.stdlib_module_names
        if others or _UNKNOWN.search(source) or any(it in source for it in self._names):
            return False
        return all(map(self.are_out_of_reach, words))

    def _mentions(self, name: str) -> bool:
        if name not in self._known:
            self._known[name] = any(map(self._is_mentioned, self._texts(name)))
        return self._known[name]

    def _is_mentioned(self, text: bytes) -> bool:
        # Most texts have none of the words, and a plain search is ten times as fast.
        return any(it in text for it in self._words) and bool(self._pattern.search(text))

    def _texts(self, name: str) -> Iterator[bytes]:
        for file in self._site.files.get(name, ()):
            if file.endswith(_CODE):
                try:
                    yield (self._site.folder / file).read_bytes()
                except OSError:
                    continue


def _refuse_influence(site: _Site, name: str) -> None:
    """Fails for a package that others may see without importing it."""
    if name not in site.infos or not site.files[name]:
        raise _SeenError
    groups = re.findall(r"^\[(.+)\]\s*$", _read(site.infos[name] / "entry_points.txt"), re.M)
    if set(map(str.strip, groups)) - _HARMLESS_GROUPS:
        raise _SeenError
    for file in site.files[name]:
        parts = PurePosixPath(file).parts
        outside = [it for it in parts if it != ".."] if parts[:1] == ("..",) else []
        if file.endswith(".pth") or (outside and not _is_harmless(outside)):
            raise _SeenError
    if any(len(site.owners[module]) > 1 for module in site.modules(name)):
        raise _SeenError


def _is_harmless(outside: list[str]) -> bool:
    """Returns whether a file outside of the packages is a program or documentation."""
    return outside[0] == "bin" or outside[:2] in (["share", "man"], ["share", "doc"])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
