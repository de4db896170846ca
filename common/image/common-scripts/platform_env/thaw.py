"""Making an environment from its frozen spec: nothing is solved, every artefact is checked."""

from pathlib import Path

from . import builds, conda, frozen, installed, paths, settle, uv
from .frozen import Frozen
from .paths import Wrong
from .record import Record


def create_frozen(environment: str) -> None:
    """Make an environment from its frozen spec, whatever the floating ones say."""
    path = paths.spec_folder(environment) / f"{environment}-frozen.yml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{path}:1: cannot read it ({error}): freeze {environment} first") from error
    spec = frozen.parse(path, text)
    _check_frozen(path, spec, environment)
    with paths.new(environment):
        prefix = paths.prefix(environment)
        if paths.is_conda_base():
            conda.create_exact(environment, spec.channels, spec.conda)
        else:
            uv.venv(prefix)
        hashed = [pin for pin in spec.pip if not pin.is_vcs]
        for pin in builds.sources_among(prefix, hashed, spec.build):
            pin.is_source = True
        state = _frozen_record(environment, spec)
        settle.install_pins(state, spec.pip)
        _keep_extras(state)
        settle.check_consistency(state)
        settle.close(state)


def _frozen_record(environment: str, spec: Frozen) -> Record:
    state = Record(environment, channels=spec.channels)
    state.packages = {pin.name: pin for pin in spec.pip}
    state.build = {pin.name: pin for pin in spec.build}
    known = {*state.packages, *(pin.name for pin in spec.conda)}
    for pin in spec.pip:
        origins = [name for name in pin.via if name not in known]
        if origins:
            state.requested[pin.name] = origins
    return state


def _keep_extras(state: Record) -> None:
    """Count as requested what only an extra brought, so that a later update doesn't remove it."""
    prefix = paths.prefix(state.environment)
    environment = installed.marker_environment(prefix)
    needed_by = installed.requirers(installed.scan(prefix), {}, environment)
    for name in state.packages:
        if not needed_by.get(name):
            state.requested.setdefault(name, [])


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
