"""Digests of all that the tests of an environment depend on in the image: with an equal one, their
results carry over from another image.

A digest is one over the image's files (content, kind, mode, owner, capabilities; not times) except
those below. It is made in a container of the image in which nothing has run, by root.

- What only other environments have: their prefix, their folder in /opt/environments, and their
  kernelspec.
- What no test sees: folders that test containers hide, and files that docker makes (`HIDDEN`).
- Compiled Python, `__pycache__/*.pyc`: Python compares it with its source.

An environment has no digest if its tests may see another one: if a file that counts for it, or a
variable of the image, names another one's folders or activates it, if such a file is a link into
them, or if the text of its tests has the name of another one or a word by which they are found
(`_REACHES`). Nor if it or the mission has a script of its own as a test, which may do anything.
"""

import functools
import hashlib
import json
import multiprocessing
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from platform_env.environments import lists, paths, printable
from platform_env.testing import notebooks, pool, results
from platform_env.testing.plan import Plan

FILE = "dependencies.json"
REASON = "dependencies.txt"  # why there are none

HIDDEN = (
    "dev", "proc", "run", "sys", "tmp", "var/tmp",
    "opt/tester", "opt/test-results", "opt/test-scratch",
    ".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf",
)  # fmt: skip
COMPILED = "__pycache__"

# Of a larger image nothing carries over: folders, and bytes of all files together.
MOST_FOLDERS = 2_000_000
MOST_BYTES = 200_000_000_000

# Bytes of an environment's tests that are looked through.
LARGEST_TESTS = 50_000_000

# By these words tests find other environments than their own.
_REACHES = re.compile(rb"(?i)conda|mamba|envs|environments|prefix|executable|kernelspec|\.\./\.\.")

# Extended attributes that change what a file may do, or who may do it.
_ATTRIBUTES = frozenset(("security.capability",))

_CHUNK = 1 << 20
_SHARED = ""


class _UnknownError(Exception):
    """Dependencies that cannot be known."""


def record(plan: Plan) -> None:
    """Writes the digests beside the results, or why there are none, if the plan asks for them."""
    folder = results.folder()
    if not plan.dependencies or folder is None:
        return
    try:
        words = [*os.environ.values(), *plan.entry_point, os.getcwd()]  # noqa: PTH109 -- as text
        name, text = FILE, json.dumps(digests(Path("/"), words), sort_keys=True)
    except BrokenProcessPool:
        name, text = REASON, "a process that reads them was ended; TEST_MEMORY may be too small"
    except (_UnknownError, OSError) as error:
        name, text = REASON, printable.line(str(error))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def digests(root: Path, config: Iterable[str] = ()) -> dict[str, str]:
    """Returns the digest of each environment that has one.

    The image's files are in `root`; `config` are the words of its config that tests see.
    """
    names = ["base", *paths.environments()]
    script = paths.ENVIRONMENTS / "test"
    if os.path.lexists(script) and script.resolve().name != "test-environments":
        return {}
    candidates = [it for it in names if not _reaches_others(it, names)]
    if not candidates:
        return {}
    owners = _Owners(root, names)
    parts = _parts(root, owners)
    for word in config:
        parts[_SHARED].named |= owners.named(os.fsencode(word))
    res = {}
    for it in candidates:
        used = [parts[owner] for owner in (_SHARED, it) if owner in parts]
        if not set().union(*(part.named for part in used)) - {it}:
            lines = b"".join(part.lines() for part in used)
            res[it] = hashlib.sha256(lines).hexdigest()
    return res


class _Owners:
    """Which environment alone has a folder, and whose folders a text names."""

    def __init__(self, root: Path, names: Collection[str]) -> None:
        self._hidden = {str(root / it) for it in HIDDEN}
        envs, kernels = paths.CONDA_DIR / "envs", paths.CONDA_DIR / "share/jupyter/kernels"
        others = [it for it in names if it != "base"]
        self._folders = {str(paths.ENVIRONMENTS / it): it for it in names}
        self._folders |= {str(top / it): it for top in (envs, kernels) for it in others}
        # All files of `base` but this folder are shared.
        own = str(paths.ENVIRONMENTS / "base")
        self._quick = [os.fsencode(it) for it in (*others, own)]
        words = "|".join(map(re.escape, sorted(others, key=len, reverse=True))) or "(?!)"
        before = r"/envs/|/environments/|\.\./|\bactivate\s+|-n\s+|-p\s+|--name[ =]|--prefix[ =]"
        named = rf"(?:{before})({words})|{re.escape(own.removesuffix('base'))}(base)"
        self._named = re.compile(rf"(?:{named})(?![\w.-]*\w)".encode())
        # Texts that name an environment are shorter.
        self.longest = max(map(len, self._folders)) + 64

    def of(self, path: str, parent: str) -> str:
        """Returns the owner of a folder in a folder of `parent`."""
        return self._folders.get(path, parent)

    def is_hidden(self, path: str) -> bool:
        return path in self._hidden

    def named(self, text: bytes) -> set[str]:
        """Returns the environments whose folders a text names."""
        if not any(it in text for it in self._quick):
            return set()
        return {(one or other).decode() for one, other in self._named.findall(text)}


class _Part:
    """The folders that one environment alone has, or that all share."""

    def __init__(self) -> None:
        self.folders: list[tuple[bytes, bytes]] = []
        self.named: set[str] = set()

    def lines(self) -> bytes:
        """Returns the digests of the folders in the order of their paths."""
        return b"".join(digest for _, digest in sorted(self.folders))


def _parts(root: Path, owners: _Owners) -> dict[str, _Part]:
    """Digests all folders, by several processes."""
    found = list(_folders(root, owners))
    res: dict[str, _Part] = {}
    size = 0
    forks = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(pool.cores(), mp_context=forks) as workers:
        digest = functools.partial(_digest, owners=owners)
        done = workers.map(digest, (it[0] for it in found), chunksize=64)
        for (path, owner), (digest, named, read) in zip(found, done, strict=True):
            part = res.setdefault(owner, _Part())
            part.folders.append((os.fsencode(path), digest))
            part.named |= named
            size += read
            if size > MOST_BYTES:
                message = f"they have more than {MOST_BYTES:,} bytes"
                raise _UnknownError(message)
    return res


def _folders(root: Path, owners: _Owners) -> Iterator[tuple[str, str]]:
    """Yields each folder that counts, with its owner."""
    due = [(str(root), _SHARED)]
    count = 0
    while due:
        path, owner = due.pop()
        count += 1
        if count > MOST_FOLDERS:
            message = f"they are in more than {MOST_FOLDERS:,} folders"
            raise _UnknownError(message)
        yield path, owner
        with os.scandir(path) as entries:
            for it in entries:
                if it.is_dir(follow_symlinks=False) and not owners.is_hidden(it.path):
                    due.append((it.path, owners.of(it.path, owner)))


def _digest(folder: str, owners: _Owners) -> tuple[bytes, set[str], int]:
    """Returns the digest of a folder without those in it, what its files name, and their size.

    A folder that only has compiled Python does not count.
    """
    digest = hashlib.sha256(_line(folder, os.lstat(folder), b""))
    named: set[str] = set()
    size = 0
    with os.scandir(folder) as entries:
        files = [it for it in entries if not it.is_dir(follow_symlinks=False)]
    is_compiled = os.path.basename(folder) == COMPILED  # noqa: PTH119 -- of a str
    files = [it for it in files if not (is_compiled and it.name.endswith(".pyc"))]
    if is_compiled and not files:
        return b"", named, size
    for it in sorted(files, key=lambda it: os.fsencode(it.name)):
        if owners.is_hidden(it.path):
            continue
        status = it.stat(follow_symlinks=False)
        content = b""
        if stat.S_ISREG(status.st_mode):
            size += status.st_size
            if size > MOST_BYTES:
                break  # too much by itself
            content, seen = _content(it.path, owners)
            named |= seen
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(os.readlink(it.path))  # noqa: PTH115 -- of a DirEntry
            # Links on the way are files that count, too.
            for place in (os.path.join(folder, os.fsdecode(content)), os.path.realpath(it.path)):  # noqa: PTH118
                named |= owners.named(os.fsencode(os.path.normpath(place)))
        digest.update(_line(it.path, status, content))
    return digest.digest(), named, size


def _line(path: str, status: os.stat_result, content: bytes) -> bytes:
    """Returns what counts of a file, unambiguously."""
    device = 0 if stat.S_ISREG(status.st_mode) else status.st_rdev
    facts = f"{status.st_mode:o} {status.st_uid} {status.st_gid} {device} {len(content)}"
    return b"\0".join((os.fsencode(path), facts.encode(), content)) + b"\0"


def _content(path: str, owners: _Owners) -> tuple[bytes, set[str]]:
    """Returns the digest of a file's content and capabilities, and what the content names."""
    digest = hashlib.sha256()
    named: set[str] = set()
    rest = b""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- a third of the time of Path.open
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            named |= owners.named(rest + chunk)
            rest = chunk[-owners.longest :] if len(chunk) == _CHUNK else b""
        for name in _ATTRIBUTES.intersection(os.listxattr(file.fileno())):
            digest.update(name.encode() + b"\0" + os.getxattr(file.fileno(), name))
    return digest.digest(), named


def _reaches_others(environment: str, names: Collection[str]) -> bool:
    """Returns whether tests of an environment may see another one, as far as their text says."""
    folder = notebooks.tests_folder(environment)
    if os.path.lexists(folder / "test"):
        return True
    others = "|".join(re.escape(it) for it in names if it not in (environment, "base"))
    named = re.compile(rf"(?<![\w-])(?:{others or '(?!)'})(?![\w-])".encode())
    try:
        return any(named.search(it) or _REACHES.search(it) for it in _texts(environment))
    except (_UnknownError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return True


def _texts(environment: str) -> Iterator[bytes]:
    """Yields the texts of an environment's tests: of notebooks, their code."""
    folder = notebooks.tests_folder(environment)
    found = set(folder.rglob("*"))
    named = folder / "notebooks"
    if named.is_file():
        for _, line in lists.numbered(named.read_text(encoding="utf-8-sig")):
            found |= set(notebooks.matching(lists.without_comment(line), folder))
    size = 0
    for path in sorted(found):
        if path.is_symlink():
            yield os.fsencode(path.readlink())
        elif path.is_dir():
            continue
        size += path.stat().st_size
        if size > LARGEST_TESTS or not path.is_file():
            raise _UnknownError
        yield _code(path) if path.suffix == ".ipynb" else path.read_bytes()


def _code(notebook: Path) -> bytes:
    """Returns the code of a notebook, and the name of its kernel."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    code = ["".join(it["source"]) for it in content["cells"] if it["cell_type"] == "code"]
    kernel = content.get("metadata", {}).get("kernelspec", {}).get("name", "")
    return "\n".join([*code, str(kernel)]).encode()
