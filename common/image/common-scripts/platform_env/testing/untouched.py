"""Import tests that cannot see what changed since an image in which they passed.

An import is left out only if nothing that it can see has changed: neither the distribution that
it is of, nor any that this requires, with all extras; and no file of these mentions a module of a
changed package, which it might import if it is there. Whatever else a package can do to others
(entry points, .pth files, modules beside those of others, a removal) has all imports run.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from platform_env.environments import installed, paths, record

# Beside the record of an environment: its record before `try` installed lists again.
BEFORE = "before.json"

# What makes a package another one; the rest of a pin is about who requires it.
_IDENTITY = ("version", "sha256", "url", "commit", "subdirectory")

_HARMLESS_GROUPS = {"console_scripts", "gui_scripts"}
_CODE = (".py", ".so")


class _SeenError(Exception):
    """A change that any import may see."""


def untouched(environment: str, modules: Iterable[str]) -> set[str]:
    """Returns those of the modules whose import cannot see what changed."""
    prefix = paths.prefix(environment)
    if paths.is_conda_base():
        return set()
    try:
        changed = _changed(prefix)
        site = _Site(prefix)
        mentions = _Mentions(site, changed)
    except _SeenError:
        return set()
    return {it for it in modules if mentions.are_out_of_reach(it)}


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
        modules = set()
        for name in changed:
            _refuse_influence(site, name)
            modules |= site.modules(name)
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
