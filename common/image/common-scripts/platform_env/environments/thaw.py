"""Makes an environment from its frozen spec: nothing is solved, every artefact is checked."""

from pathlib import Path

from . import builds, conda, conda_meta, export, frozen, installed, paths, record, settle, uv
from .frozen import Frozen
from .paths import Failed, Wrong
from .record import Record
from .specs import Line

_REMEDY = "restore these lines, or freeze the environment again"


def create_frozen(environment: str) -> None:
    """Makes an environment from its frozen spec, whatever the floating ones contain."""
    path, spec = _read(environment)
    _refuse_misnamed(path, spec)
    with paths.new(environment):
        prefix = paths.prefix(environment)
        if paths.is_conda_base():
            lines = [Line(str(path), pin.line, pin.text) for pin in spec.conda]
            conda.create_exact(environment, spec.channels, spec.conda, lines, _REMEDY)
        else:
            uv.venv(prefix)
        state = _frozen_record(environment, spec)
        _refuse_missing(path, spec, state)
        _install(spec, state)


def add_to_base() -> None:
    """Installs exactly what the frozen spec of base adds to what the base image has."""
    prefix = paths.prefix("base")
    if record.path(prefix).is_file():
        paths.say("env-update base: skipped, base-frozen.yml is installed (USE_FROZEN=1)")
        return
    path, spec = _read("base")
    _refuse_conflicts(path, spec, prefix)
    _install(spec, _frozen_record("base", spec))


def _refuse_conflicts(path: Path, spec: Frozen, prefix: Path) -> None:
    """Fails when the base image has a package that would be replaced, or lacks a required one.

    A package that it has at the frozen version stays the image's own.
    """
    present = installed.scan(prefix)
    found = []
    for pin in [pin for pin in spec.pip if pin.name in present]:
        there = present[pin.name]
        if not pin.is_vcs and pin.version == there.version:
            paths.say(f"note: {pin.name} {pin.version} is the base image's own by now")
            spec.pip.remove(pin)
            continue
        owner = f" (conda package {there.owner})" if there.owner else ""
        where = f"{path}:{pin.line}: {pin.name} {pin.version or pin.commit}"
        old = f"{there.name} {there.version}{owner}"
        found.append(f"{where} would replace {old} of the base image")
    known = {*present, *(it["name"] for it in conda_meta.packages(prefix))}
    found += [
        f"{path}:1: {name} was part of the base image, which lacks it now"
        for name in spec.in_base
        if name not in known
    ]
    if found:
        raise Failed("\n".join([*found, "freeze base again"]))


def _read(environment: str) -> tuple[Path, Frozen]:
    path = paths.spec_folder(environment) / f"{environment}-frozen.yml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{path}:1: cannot read it ({error}): freeze {environment} first") from error
    spec = frozen.parse(path, text)
    _check_frozen(path, spec, environment)
    return path, spec


def _install(spec: Frozen, state: Record) -> None:
    """Installs the pip packages of a frozen spec, and records them."""
    hashed = [pin for pin in spec.pip if not pin.is_vcs]
    prefix = paths.prefix(state.environment)
    for pin in builds.sources_among(prefix, hashed, spec.build, state.needs):
        pin.is_source = True
    settle.install_pins(state, spec.pip)
    _keep_extras(state)
    settle.check_consistency(state)
    settle.close(state)


def _frozen_record(environment: str, spec: Frozen) -> Record:
    state = Record(environment, channels=spec.channels)
    state.in_base = spec.in_base
    state.packages = {pin.name: pin for pin in spec.pip}
    state.build = {pin.name: pin for pin in spec.build}
    state.frozen_needs = spec.needs
    state.missing = spec.missing
    state.channel_names = conda.channel_names(paths.prefix(environment))
    state.conda_via = {pin.name: pin.via for pin in spec.conda if pin.via}
    known = {*state.packages, *(pin.name for pin in spec.conda)}
    for pin in spec.pip:
        origins = [name for name in pin.via if name not in known]
        if origins:
            state.requested[pin.name] = origins
    return state


def _refuse_missing(path: Path, spec: Frozen, state: Record) -> None:
    """Fails when a package requires one that is neither frozen nor may be missing."""
    records = conda_meta.packages(paths.prefix(state.environment))
    state.unpatched = conda_meta.unpatched(records)
    lines = {pin.name: pin.line for pin in spec.conda}
    found = [
        f"{path}:{lines.get(user, 1)}: {user} requires {name}, which is missing"
        for name, users in conda_meta.missing(records, state.unpatched, spec.missing).items()
        for user in users
    ]
    if found:
        raise Failed("\n".join([*found, f"freeze {state.environment} again"]))


def _refuse_misnamed(path: Path, spec: Frozen) -> None:
    """Fails when a line's version or build differs from its file's, which alone is installed."""
    found = [
        f"{path}:{pin.line}: `{pin.name}={pin.version}={pin.build}` is not the file {pin.fn}"
        for pin in spec.conda
        if pin.fn.endswith((".conda", ".tar.bz2"))
        and not pin.fn.lower().startswith(f"{pin.name}-{pin.version}-{pin.build}.".lower())
    ]
    if found:
        raise Wrong("\n".join([*found, f"restore the lines, or freeze {spec.name} again"]))


def _keep_extras(state: Record) -> None:
    """Records packages of extras as requested, so that a later update does not remove them."""
    prefix = paths.prefix(state.environment)
    environment = installed.marker_environment(prefix)
    needed_by = installed.requirers(installed.scan(prefix), {}, environment)
    for name in state.packages:
        if not needed_by.get(name):
            state.requested.setdefault(name, [])


def _check_frozen(path: Path, spec: Frozen, environment: str) -> None:
    """Refuses specs that were frozen for another environment, platform, base family or Python."""
    here = frozen.this_platform()
    if spec.name != environment:
        raise Wrong(f"{path}:1: this is the frozen spec of {spec.name}, not of {environment}")
    if spec.platform != here:
        raise Wrong(f"{path}:2: frozen for {spec.platform}, and this is {here}: freeze it here")
    is_conda = not spec.python
    if environment == "base":
        is_conda = not spec.base.startswith(f"{export.LOCAL} ")
    if paths.is_conda_base() != is_conda:
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
        if not is_conda and spec.base != export.base_name():
            raise Wrong(
                f"{path}:3: frozen on `{spec.base}`, and this base is `{export.base_name()}`: "
                "freeze the environment again"
            )
