"""Turns all lines of an environment into its installed packages and its record."""

import os
import stat
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from . import builds, conda_meta, consistency, installed, paths, record, resolve, specs, stubs, uv
from .frozen import Pin
from .installed import CondaPackage
from .paths import Failed
from .record import Record
from .specs import Line
from .stubs import Stub


def settle(state: Record) -> None:
    """Resolves all lines of the environment together and installs the differences."""
    prefix = paths.prefix(state.environment)
    is_base = state.environment == "base"
    by_conda = stubs.of_base(prefix, state.packages) if is_base else stubs.of(prefix)
    _refuse_overwritten(state, by_conda)
    lines = [*_requested_lines(state), *state.pip_lines]
    if not lines:
        finish(state)
        return
    _refuse_artefacts(lines, by_conda, installed.marker_environment(prefix))
    owned = {stub.name for stub in by_conda}
    present = installed.scan(prefix)
    preferences = {
        name: str(entry.pep440)
        for name, entry in present.items()
        if not (entry.owner or name in owned)
    }
    pins, urls = resolve.resolve(
        prefix,
        lines,
        state.constraints,
        preferences,
        by_conda=by_conda,
        no_binary=state.no_binary,
        needs=state.needs,
    )
    _apply(state, pins, urls)


def _refuse_overwritten(state: Record, by_conda: Sequence[Stub]) -> None:
    """Fails when conda has overwritten packages from pip, and names the conda lines."""
    found = {it.name: it.package for it in by_conda if it.package and it.name in state.packages}
    if not found:
        return
    lines = _lines_that_bring({package.name for package in found.values()}, state)
    raise Failed(
        "\n".join(
            f"conda installed {package} over the pip package {name} {state.packages[name].version}"
            for name, package in found.items()
        )
        + "".join(f"\n  {line.where}: {line.text}" for line in lines)
        + "\nfix: move these conda lines into the spec of env-create, before the pip package"
    )


def _lines_that_bring(names: set[str], state: Record) -> list[Line]:
    """Returns the conda lines about packages; without any, those about their dependents."""
    depends = {
        record["name"]: conda_meta.needs(record)
        for record in conda_meta.packages(paths.prefix(state.environment))
    }
    lines: list[Line] = []
    found = set(names)
    while not lines:
        lines = [line for line in state.conda_lines if specs.conda_name(line) in found]
        more = {name for name, needed in depends.items() if needed & found} - found
        if not more:
            break
        found |= more
    return lines


def _refuse_artefacts(
    lines: Sequence[Line], by_conda: Sequence[Stub], environment: dict[str, str]
) -> None:
    if found := stubs.refusals(lines, by_conda, environment):
        raise resolve.ConflictError(
            "these lines require certain files of packages that stay as they are:\n"
            + "\n".join(found)
            + "\nfix: ask for versions, without URL and hashes, or remove the packages from the "
            "conda lines"
        )


def _requested_lines(state: Record) -> list[Line]:
    """Returns the requests of an environment from a frozen spec, which has no other lines."""
    file = f"{state.environment}-frozen.yml"
    lines = []
    for name in state.requested:
        pin = state.packages[name]
        lines.append(Line(file, max(pin.line, 1), pin.requirement if pin.is_vcs else name))
    return lines


def _apply(state: Record, pins: dict[str, Pin], urls: dict[str, str]) -> None:
    prefix = paths.prefix(state.environment)
    present = installed.scan(prefix)
    changed = set()
    for name, pin in pins.items():
        known = state.packages.get(name)
        if known and name in present and _same(known, pin):
            pins[name] = replace(known, file=known.file or pin.file)
        else:
            changed.add(name)
    changed |= _renew_builds(state, pins, urls, changed)
    gone = sorted(name for name in state.packages if name not in pins and name in present)
    for name in gone:
        paths.say(f"removed {name} {present[name].version}: nothing requires it any more")
    uv.uninstall(prefix / "bin" / "python", gone)
    state.packages = pins
    install_pins(state, [pins[name] for name in sorted(changed)], present)
    finish(state)


def _same(known: Pin, wanted: Pin) -> bool:
    """Returns whether the installed file suffices, despite newer uploads of the same version."""
    if wanted.is_vcs or known.is_vcs:
        return (known.url, known.commit) == (wanted.url, wanted.commit)
    # A wheel is not what a line `--no-binary` asks for.
    return known.version == wanted.version and known.is_source >= wanted.is_source


def _renew_builds(
    state: Record, pins: dict[str, Pin], urls: dict[str, str], changed: set[str]
) -> set[str]:
    """Pins the build requirements; returns the names of sources to rebuild because these moved."""
    sources = {name: pin for name, pin in pins.items() if pin.is_source}
    if not sources:
        state.build = {}
        return set()
    if not changed.intersection(sources):
        return set()
    prefix, before = paths.prefix(state.environment), state.build
    preferences = {name: pin.version for name, pin in before.items()}
    state.build = builds.requirements(
        prefix, list(sources.values()), urls, preferences, state.needs
    )
    return set(sources) if before != state.build else set()


def install_pins(state: Record, pins: Sequence[Pin], present: Collection[str] = ()) -> None:
    """Installs pins: wheels by hash, then packages that must be built."""
    prefix = paths.prefix(state.environment)
    again = [
        part for pin in pins if pin.name in present for part in ("--reinstall-package", pin.name)
    ]
    wheels = [pin.requirement for pin in pins if not pin.is_source]
    flags = ["--require-hashes", "--no-build", "--compile-bytecode", *again]
    uv.install(prefix / "bin" / "python", wheels, *flags)
    built = [pin for pin in pins if pin.is_source]
    builds.install(prefix, built, list(state.build.values()), again, state.needs)


def finish(state: Record) -> None:
    """Records who requested each package, checks consistency, and writes the record."""
    prefix = paths.prefix(state.environment)
    present = installed.scan(prefix)
    environment = installed.marker_environment(prefix)
    requests = record.requests(state, present, environment)
    needed_by = installed.requirers(present, state.extras, environment)
    owned = installed.conda_owned(prefix)
    others = {*requests}
    for name, pin in state.packages.items():
        requirers = {_reader_name(it, owned) for it in needed_by.get(name, ())}
        others |= requirers
        # A frozen spec lacks the extras: packages that only an extra needs keep their comment.
        pin.via = sorted({*requirers, *requests.get(name, ())}) or pin.via or state.cloned[-1:]
    if state.environment == "base":
        state.in_base = sorted(others - state.packages.keys())
    check_consistency(state)
    close(state)


def _reader_name(distribution: str, owned: dict[str, CondaPackage]) -> str:
    """Returns the distribution's name for a reader of the specs."""
    return owned[distribution].name if distribution in owned else distribution


def check_consistency(state: Record) -> None:
    # The base's own packages may disagree: its image is another's.
    among = state.packages if state.environment == "base" else None
    consistency.require(state.environment, among)


def close(state: Record) -> None:
    record.save(state)
    share(paths.prefix(state.environment))


# Folders without new or renamed entries since then are unchanged: a check of each file in them
# would take longer than all the rest of a small update. Clocks of file systems may lag behind by
# some milliseconds.
_STARTED = time.time() - 1


def share(prefix: Path) -> None:
    """Lets the group write files that this process could not create so, from a shared cache."""
    for folder, names, files in os.walk(prefix):
        if os.stat(folder).st_mtime < _STARTED:  # noqa: PTH116 - as below
            continue
        for name in [*names, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118 - tens of thousands of them
            status = os.lstat(path)
            wanted = status.st_mode | stat.S_IRGRP | stat.S_IWGRP
            if not stat.S_ISLNK(status.st_mode) and status.st_mode != wanted:
                _make_writable(path, wanted)


def _make_writable(path: str, mode: int) -> None:
    try:
        os.chmod(path, stat.S_IMODE(mode))  # noqa: PTH101
    except PermissionError:
        paths.say(f"note: {path} is another user's and stays closed to the group")
