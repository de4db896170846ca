"""Creating and updating environments: what the scripts do, on either base."""

import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from . import builds, conda, frozen, installed, paths, record, resolve, specs, uv
from .frozen import Frozen, Pin
from .paths import Failed, Wrong
from .record import Record
from .specs import Line, Spec

_EMBEDDED_REMEDY = (
    "the embedded base has no conda: ask for it in a .pip list, or build on a conda base "
    "(BASE_IMAGE in setup-env)"
)


def create(environment: str, spec: Spec | None) -> None:
    """Make a new environment, from a spec or with a default Python, and pip in it."""
    with _new(environment):
        state = Record(environment)
        if spec is None:
            spec = Spec("env-create", "")
        if not paths.is_conda_base():
            _seed_pip(spec)
            _check_embedded(spec)
            uv.venv(paths.prefix(environment))
        elif spec.conda:
            conda.create(environment, spec.channels, _with_pip(spec.conda))
        else:
            conda.create_default(environment)
        state.add_spec(spec)
        _settle(state)


def clone(source: str, environment: str) -> None:
    """Make an environment that holds what another one holds."""
    if not paths.exists(source):
        raise Wrong(f"there is no environment {source} to clone: create it first")
    with _new(environment):
        state = replace(record.load(source), environment=environment)
        if paths.is_conda_base():
            conda.clone(source, environment)
            _finish(state)
            return
        uv.venv(paths.prefix(environment))
        if state.packages:
            _install(state, list(state.packages.values()))
            _finish(state)
        else:
            state.add_spec(_spec_of_installed(source))
            _settle(state)


def create_frozen(environment: str) -> None:
    """Make an environment from its frozen spec, whatever the floating ones say."""
    path = paths.spec_folder(environment) / f"{environment}-frozen.yml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{path}:1: cannot read it ({error}): freeze {environment} first") from error
    spec = frozen.parse(path, text)
    _check_frozen(path, spec, environment)
    with _new(environment):
        prefix = paths.prefix(environment)
        if paths.is_conda_base():
            conda.create_exact(environment, spec.channels, spec.conda)
        else:
            uv.venv(prefix)
        hashed = [pin for pin in spec.pip if not pin.is_vcs]
        for pin in builds.sources_among(prefix, hashed, spec.build):
            pin.is_source = True
        state = _frozen_record(environment, spec)
        _install(state, spec.pip)
        _check_consistency(state)
        _close(state)


def update(environment: str, given: Sequence[Spec]) -> None:
    """Install specs: conda packages first, in order, then all pip lines together."""
    state = record.load(environment)
    for spec in given:
        if not paths.is_conda_base():
            _check_embedded(spec)
        state.add_spec(spec)
        if spec.conda and paths.is_conda_base():
            conda.install(environment, state.channels, state.conda_lines)
    _settle(state)


def update_base(given: Sequence[Spec]) -> None:
    """Install a hashed list into the base: exactly its lines, in both modes."""
    lines = [line for spec in given for line in spec.pip]
    for line in [line for spec in given for line in [*spec.conda, *spec.constraints]]:
        raise line.error("only pinned and hashed pip lines go into base", "write a .pip list")
    for line in lines:
        pinned = [item for item in line.requirement.specifier if item.operator == "=="]
        if not pinned or not line.hashes:
            raise line.error(
                f"`{line.text}` is not pinned and hashed: base is installed from hashed lists only",
                "write name==version --hash=sha256:…, dependencies included "
                "(`uv pip compile --generate-hashes` makes such a list)",
            )
    prefix = paths.prefix("base")
    python = prefix / "bin" / "python"
    _refuse_conda_owned(lines, installed.conda_owned(prefix))
    known = uv.check(python)
    again = [part for line in lines for part in ("--reinstall-package", line.name)]
    texts = [line.text for line in lines]
    uv.install(python, texts, "--require-hashes", "--no-build", "--compile-bytecode", *again)
    if found := [problem for problem in uv.check(python) if problem not in known]:
        raise Failed("base is inconsistent now:\n" + "\n".join(found))
    share(prefix)


def _refuse_conda_owned(lines: Sequence[Line], owned: dict[str, str]) -> None:
    for line in lines:
        if line.name in owned:
            raise line.error(
                f"`{line.text}` would overwrite conda's {owned[line.name]}",
                "take the line out, or let conda install that version",
            )


@contextmanager
def _new(environment: str) -> Iterator[None]:
    """The making of an environment: refused over an existing one, undone when it fails."""
    prefix = paths.prefix(environment)
    if environment == "base":
        raise Wrong("base exists already: choose another name, or use env-update base")
    if prefix.exists():
        husk = "" if paths.exists(environment) else ", without a Python in it"
        raise Wrong(f"{prefix} exists already{husk}: remove it first, or choose another name")
    prefix.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(prefix, ignore_errors=True)
        raise


def _seed_pip(spec: Spec) -> None:
    """Every environment has pip; the line that asks for it is the spec's own where it has one."""
    for line in spec.conda:
        if specs.conda_name(line) == "pip":
            version = _specifier(line)
            spec.pip.append(replace(line, text=f"pip{version}"))
    if not any(line.name == "pip" for line in spec.pip):
        spec.pip.append(Line("env-create", 1, "pip"))


def _with_pip(lines: Sequence[Line]) -> list[Line]:
    if any(specs.conda_name(line) == "pip" for line in lines):
        return list(lines)
    return [*lines, Line("env-create", 1, "pip")]


def _check_embedded(spec: Spec) -> None:
    """Only the base's own Python, and pip, can stand for conda packages there."""
    version = installed.full_python_version(paths.prefix("base"))
    for line in spec.conda:
        name = specs.conda_name(line)
        if name not in ("python", "pip"):
            raise line.error(f"`{line.text}` is a conda package", _EMBEDDED_REMEDY)
        if name == "python" and version not in _specifier(line):
            raise line.error(
                f"`{line.text}` is not the base's Python, which is {version}",
                "write `python`, or build on a conda base (BASE_IMAGE in setup-env)",
            )


def _specifier(line: Line) -> SpecifierSet:
    """conda's version syntax as Python's: `=3.13` and `3.13.*` are prefixes, `==` is exact."""
    text = specs.conda_version(line).replace(" ", "")
    if re.fullmatch(r"=?[^=<>!~*,|]+(\.?\*)?", text):
        text = "==" + text.lstrip("=").rstrip("*").rstrip(".") + ".*"
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise line.error(
            f"`{line.text}` cannot be read without conda", "write name, name=X.Y or name>=X.Y"
        ) from error


def _spec_of_installed(environment: str) -> Spec:
    """What a base without a record holds, as requirement lines."""
    found = installed.scan(paths.prefix(environment)).values()
    lines = [Line(environment, 1, f"{entry.name}=={entry.version}") for entry in found]
    return Spec(environment, "", pip=sorted(lines, key=lambda line: line.text))


def _settle(state: Record) -> None:
    """Resolve all lines of the environment together and install what differs."""
    prefix = paths.prefix(state.environment)
    owned = installed.conda_owned(prefix)
    present = installed.scan(prefix)
    clash = sorted(name for name in owned if name in state.packages)
    if clash:
        raise Failed(
            f"conda installed {owned[clash[0]]} over the pip package {clash[0]} "
            f"{state.packages[clash[0]].version}: put that conda line into the first spec"
        )
    lines = [*_requested_lines(state), *state.pip_lines]
    if not lines:
        _finish(state)
        return
    limits = [
        Line(f"conda package {owned[name]}", 1, f"{name}=={present[name].version}")
        for name in owned
        if name in present
    ]
    preferences = {name: entry.version for name, entry in present.items()}
    pins, urls = resolve.resolve(prefix, lines, [*state.constraints, *limits], preferences)
    pins = {name: pin for name, pin in pins.items() if name not in owned}
    _apply(state, pins, urls)


def _requested_lines(state: Record) -> list[Line]:
    """The requests of an environment made from a frozen spec, which has no other lines."""
    file = f"{state.environment}-frozen.yml"
    lines = []
    for name in state.requested:
        pin = state.packages[name]
        lines.append(Line(file, max(pin.line, 1), pin.requirement if pin.is_vcs else name))
    return lines


def _apply(state: Record, pins: dict[str, Pin], urls: dict[str, str]) -> None:
    prefix = paths.prefix(state.environment)
    present = installed.scan(prefix)
    for name, pin in pins.items():
        known = state.packages.get(name)
        if known and name in present and _same(known, pin):
            pins[name] = replace(known, version=present[name].version)
    changed = {
        name for name, pin in pins.items() if name not in present or pin != state.packages.get(name)
    }
    changed |= _renew_builds(state, pins, urls, changed)
    gone = sorted(name for name in state.packages if name not in pins and name in present)
    for name in gone:
        paths.say(f"removed {name} {present[name].version}: nothing requires it any more")
    uv.uninstall(prefix / "bin" / "python", gone)
    state.packages = pins
    _install(state, [pins[name] for name in sorted(changed)], present)
    _finish(state)


def _same(known: Pin, wanted: Pin) -> bool:
    """Whether what is installed serves: a newly uploaded file of the same version is no reason."""
    if wanted.is_vcs or known.is_vcs:
        return (known.url, known.commit) == (wanted.url, wanted.commit)
    return known.version == wanted.version


def _renew_builds(
    state: Record, pins: dict[str, Pin], urls: dict[str, str], changed: set[str]
) -> set[str]:
    """Pin the build requirements; the names of sources to build again because these moved."""
    sources = {name: pin for name, pin in pins.items() if pin.is_source}
    if not sources:
        state.build = {}
        return set()
    if not changed.intersection(sources):
        return set()
    prefix, before = paths.prefix(state.environment), state.build
    preferences = {name: pin.version for name, pin in before.items()}
    state.build = builds.requirements(prefix, list(sources.values()), urls, preferences)
    return set(sources) if before != state.build else set()


def _install(state: Record, pins: Sequence[Pin], present: Collection[str] = ()) -> None:
    """Install pins: wheels by hash, then what has to be built."""
    prefix = paths.prefix(state.environment)
    again = [
        part for pin in pins if pin.name in present for part in ("--reinstall-package", pin.name)
    ]
    wheels = [pin.requirement for pin in pins if not pin.is_source]
    flags = ["--require-hashes", "--no-build", "--compile-bytecode", *again]
    uv.install(prefix / "bin" / "python", wheels, *flags)
    built = [pin for pin in pins if pin.is_source]
    builds.install(prefix, built, list(state.build.values()), again)


def _finish(state: Record) -> None:
    """Note who asked for what, check that all fits together, and write the record."""
    prefix = paths.prefix(state.environment)
    present = installed.scan(prefix)
    requests = record.requests(state, present)
    extras: dict[str, set[str]] = {}
    for line in state.pip_lines:
        extras.setdefault(line.name, set()).update(line.requirement.extras)
    needed_by = installed.requirers(present, extras, installed.marker_environment(prefix))
    for name, pin in state.packages.items():
        pin.via = sorted({*needed_by.get(name, ()), *requests.get(name, ())})
    _check_consistency(state)
    _close(state)


def _check_consistency(state: Record) -> None:
    if found := uv.check(paths.python(state.environment)):
        raise Failed(f"{state.environment} is inconsistent:\n" + "\n".join(found))


def _close(state: Record) -> None:
    record.save(state)
    share(paths.prefix(state.environment))


def share(prefix: Path) -> None:
    """Let the group write what this process could not create so: files out of a shared cache."""
    for folder, names, files in os.walk(prefix):
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


def _frozen_record(environment: str, spec: Frozen) -> Record:
    state = Record(environment, channels=spec.channels)
    state.packages = {pin.name: pin for pin in spec.pip}
    state.build = {pin.name: pin for pin in spec.build}
    known = {*state.packages, *(pin.name for pin in spec.conda)}
    for pin in spec.pip:
        origins = [name for name in pin.via if name not in known]
        if origins or not pin.via:
            state.requested[pin.name] = origins
    return state


def _check_frozen(path: Path, spec: Frozen, environment: str) -> None:
    """Refuse what was frozen for another environment, platform, base family or Python."""
    here = frozen.this_platform()
    if spec.name != environment:
        raise Wrong(f"{path}:1: this is the frozen spec of {spec.name}, not of {environment}")
    if spec.platform != here:
        raise Wrong(f"{path}:2: frozen for {spec.platform}, and this is {here}: freeze it here")
    if paths.is_conda_base() == bool(spec.python):
        family, other = (
            ("a conda", "the embedded") if paths.is_conda_base() else ("the embedded", "a conda")
        )
        raise Wrong(
            f"{path}:3: frozen on {other} base, and this is {family} base: "
            "freeze the environment once after changing BASE_IMAGE"
        )
    if spec.python:
        version = installed.full_python_version(paths.prefix("base"))
        if version.split(".")[:2] != spec.python.split(".")[:2]:
            raise Wrong(
                f"{path}:1: frozen with python {spec.python}, and the base has {version}: "
                "freeze the environment again"
            )
