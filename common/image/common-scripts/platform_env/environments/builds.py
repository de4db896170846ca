"""Packages without a wheel: their build requirements, pinned, and the build with just those.

uv's cache keeps a built wheel whatever it was built with, so sources are built with a cache of
their own: a frozen build requirement that was altered must fail on a warm cache too.
"""

import hashlib
import json
import os
import tarfile
import tempfile
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import credentials, paths, resolve, uv
from .frozen import Pin
from .paths import Failed
from .specs import Line
from .uv import NO_NEEDS, Needs

# Asks a build backend (PEP 517) for further requirements; runs inside the build environment.
_HOOK = """
import importlib, json, os, sys
backend, folders, answer = json.loads(sys.argv[1])
sys.path[:0] = [os.path.abspath(folder) for folder in folders]
module, _, attribute = backend.partition(":")
target = importlib.import_module(module)
for part in filter(None, attribute.split(".")):
    target = getattr(target, part)
hook = getattr(target, "get_requires_for_build_wheel", None)
with open(answer, "w") as file:
    json.dump(list(hook()) if hook else [], file)
"""
_LEGACY = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}


def requirements(
    prefix: Path,
    sources: Sequence[Pin],
    urls: dict[str, str],
    preferences: dict[str, str],
    needs: Needs = NO_NEEDS,
) -> dict[str, Pin]:
    """Returns the pinned build requirements of all packages that are sources, in one set."""
    with tempfile.TemporaryDirectory() as folder:
        trees = {pin.name: _fetch(pin, urls[pin.name], Path(folder)) for pin in sources}
        systems = {name: _build_system(tree) for name, tree in trees.items()}
        lines = [
            _line(name, text)
            for name, system in systems.items()
            for text in [*system["requires"], *needs.get(name, ())]
        ]
        build = _resolve(prefix, lines, preferences)
        with environment(prefix, build.values()) as python:
            more = [
                _line(name, text)
                for name, tree in trees.items()
                for text in _ask_backend(python, tree, systems[name], Path(folder, name + ".json"))
            ]
    return _resolve(prefix, [*lines, *more], preferences) if more else build


def _resolve(prefix: Path, lines: list[Line], preferences: dict[str, str]) -> dict[str, Pin]:
    return resolve.resolve(prefix, lines, [], preferences, only_wheels=True)[0]


def _line(name: str, text: str) -> Line:
    return Line(f"build requirements of {name}", 1, text)


@contextmanager
def environment(prefix: Path, build: Sequence[Pin]) -> Iterator[Path]:
    """Yields the interpreter of a throw-away environment with exactly the build requirements."""
    with tempfile.TemporaryDirectory() as folder:
        uv.venv(Path(folder, "build"), prefix / "bin" / "python")
        python = Path(folder, "build", "bin", "python")
        uv.install(python, [pin.requirement for pin in build], "--require-hashes", "--no-build")
        yield python


def _ask_backend(python: Path, tree: Path, system: dict, answer: Path) -> list[str]:
    question = json.dumps([system["build-backend"], system.get("backend-path", []), str(answer)])
    env = {**os.environ, "PATH": f"{python.parent}:{os.environ.get('PATH', '')}"}
    result = paths.run([python, "-c", _HOOK, question], env=env, cwd=tree, capture=True)
    if result.returncode:
        raise Failed(f"the build backend of {tree.name} failed:\n{result.stderr.strip()}")
    return json.loads(answer.read_text(encoding="utf-8"))


def _build_system(tree: Path) -> dict:
    file = tree / "pyproject.toml"
    if not file.is_file():
        return _LEGACY
    try:
        system = tomllib.loads(file.read_text(encoding="utf-8")).get("build-system", _LEGACY)
    except tomllib.TOMLDecodeError as error:
        raise Failed(f"{tree.name}: its pyproject.toml cannot be read: {error}") from error
    return {**_LEGACY, **system}


def _fetch(pin: Pin, url: str, folder: Path) -> Path:
    """Returns the source tree of a pin, below `folder`."""
    target = folder / pin.name
    if pin.is_vcs:
        _clone(pin, url, target)
        return target / pin.subdirectory
    archive = folder / pin.file
    _download(url, archive, pin)
    return _unpack(archive, target)


def _clone(pin: Pin, url: str, target: Path) -> None:
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    for arguments in (
        ["clone", "--quiet", "--no-checkout", "--", url, target],
        ["-C", target, "checkout", "--quiet", "--detach", pin.commit],
        ["-C", target, "submodule", "--quiet", "update", "--init", "--recursive"],
    ):
        result = paths.run(["git", *arguments], env=env, capture=True)
        if result.returncode:
            raise Failed(f"cannot get {pin.requirement}: {result.stderr.strip()}")


def _download(url: str, archive: Path, pin: Pin) -> None:
    request = urllib.request.Request(url, headers=credentials.headers(url))
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            data = response.read()
    except (urllib.error.URLError, OSError) as error:
        raise Failed(f"cannot download {url}: {error}") from error
    if hashlib.sha256(data).hexdigest() != pin.sha256:
        raise Failed(f"{url} is not the file that the index promised: its sha256 differs")
    archive.write_bytes(data)


def _unpack(archive: Path, target: Path) -> Path:
    target.mkdir()
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as file:
            file.extractall(target)
    else:
        with tarfile.open(archive) as file:
            file.extractall(target, filter="data")
    folders = [entry for entry in target.iterdir() if entry.is_dir()]
    return folders[0] if len(folders) == 1 else target


def install(
    prefix: Path,
    sources: Sequence[Pin],
    build: Sequence[Pin],
    extra: Sequence[str] = (),
    needs: Needs = NO_NEEDS,
) -> None:
    """Builds and installs sources, with hashes required of everything that the builds use."""
    if not sources:
        return
    with _pinned_builds(build) as flags:
        python = prefix / "bin" / "python"
        hashed = [pin.requirement for pin in sources if not pin.is_vcs]
        vcs = [pin.requirement for pin in sources if pin.is_vcs]
        shared = [*flags, *extra, "--compile-bytecode"]
        # Not `:all:`, which would also build the build requirements from source.
        chosen = [part for pin in sources for part in ("--no-binary", pin.name)]
        for pin in sources:
            paths.say(f"building {pin.name} {pin.version or pin.commit} from its sources")
        uv.install(python, hashed, "--require-hashes", *chosen, *shared, needs=needs)
        uv.install(python, vcs, *shared, needs=needs)


def sources_among(
    prefix: Path, pins: Sequence[Pin], build: Sequence[Pin], needs: Needs = NO_NEEDS
) -> list[Pin]:
    """Returns the hashed pins that are source archives, which the frozen spec does not show."""
    if not build:
        return []
    with _pinned_builds(build) as flags:
        lines = [pin.requirement for pin in pins]
        python = prefix / "bin" / "python"
        packages = uv.compile(python, lines, flags=["--no-deps", *flags], needs=needs)
    archives = {
        package["sdist"].get("hashes", {}).get("sha256")
        for package in packages
        if "sdist" in package
    }
    return [pin for pin in pins if pin.sha256 in archives]


@contextmanager
def _pinned_builds(build: Sequence[Pin]) -> Iterator[list[str | Path]]:
    """Yields uv's flags for builds with exactly these requirements, and a separate cache."""
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder, "build.txt")
        limits.write_text("".join(f"{pin.requirement}\n" for pin in build), encoding="utf-8")
        flags: list[str | Path] = ["--preview-features", "build-dependency-hashes"]
        flags += ["--require-build-hashes", "--build-constraints", limits]
        yield [*flags, "--cache-dir", Path(folder, "cache")]
