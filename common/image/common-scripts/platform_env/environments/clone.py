"""Makes an environment as a copy of another one: the same artefacts, by hash or commit."""

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from . import conda, conda_meta, installed, origins, paths, record, settle, specs, uv
from .installed import Distribution
from .paths import Wrong
from .record import Record
from .specs import Line, Spec


def clone(source: str, environment: str) -> None:
    """Makes an environment with the packages of another one, and no other of its files."""
    if not paths.exists(source):
        raise Wrong(f"environment {source} does not exist; create it before the clone")
    with paths.new(environment):
        state = replace(record.load(source), environment=environment)
        state.cloned = [*state.cloned, source]
        unrecorded = _unrecorded(source, state)
        if paths.is_conda_base():
            _clone_conda(source, state)
        else:
            uv.venv(paths.prefix(environment))
        settle.install_pins(state, list(state.packages.values()))
        if unrecorded:
            state.add_spec(unrecorded)
            settle.settle(state)
        else:  # each package keeps what its comment tells
            settle.check_consistency(state)
            settle.close(state)


def _clone_conda(source: str, state: Record) -> None:
    """Installs exactly the source's conda packages, except conda and its dependents."""
    prefix = paths.prefix(source)
    left_out = conda_meta.dependents(conda_meta.packages(prefix), "conda")
    channels, pins = conda.pins(prefix, state.channels)
    kept = [pin for pin in pins if pin.name not in left_out]
    lines = [Line(f"{prefix}/conda-meta", 1, pin.text) for pin in kept]
    remedy = f"create {source} again from packages that its channels have"
    conda.create_exact(state.environment, channels, kept, lines, remedy)
    origins.note_missing(state)


def _unrecorded(source: str, state: Record) -> Spec | None:
    """Returns packages that an environment has without a record (base, above all), as lines."""
    prefix = paths.prefix(source)
    owned = installed.conda_owned(prefix)
    others = [entry for _, entry in sorted(installed.scan(prefix).items()) if not entry.owner]
    for entry in others:
        if entry.name in owned:
            title = f"{entry.name} {entry.version}"
            paths.say(f"note: pip put {title} into {source}, the clone has {owned[entry.name]}")
    known = {*state.packages, *owned}
    found = [entry for entry in others if entry.name not in known]
    lines = [specs.pip_line(Line(source, 1, _requirement(prefix, entry))) for entry in found]
    return Spec(source, "", pip=lines) if lines else None


def _requirement(prefix: Path, entry: Distribution) -> str:
    """Returns the line that requests exactly this version, or this commit."""
    if not entry.commit:
        return f"{entry.name}=={entry.version}"
    folder = str(installed.site_packages(prefix))
    found = next(iter(metadata.distributions(name=entry.name, path=[folder])))
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    place = f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
    return f"{entry.name} @ {origin['vcs_info']['vcs']}+{origin['url']}@{entry.commit}{place}"
