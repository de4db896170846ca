"""Why each package of an environment is installed, which are missing, and what conda's provide."""

from collections.abc import Collection

from packaging.utils import canonicalize_name

from . import conda, conda_meta, installed, paths
from .frozen import CondaPin
from .installed import Distribution
from .record import Record
from .specs import conda_name


def note_missing(state: Record) -> None:
    """Records packages that conda's lack, while the package cache still has their metadata."""
    prefix = paths.prefix(state.environment)
    records = conda_meta.packages(prefix)
    known = {**state.unpatched, **conda_meta.unpatched(records)}
    files = {record["fn"] for record in records}
    state.unpatched = {file: names for file, names in known.items() if file in files}
    state.missing = sorted(conda_meta.missing(records, state.unpatched))
    state.channel_names |= conda.channel_names(prefix)


def describe(state: Record, pins: Collection[CondaPin]) -> None:
    """Adds to conda's pins the packages that need them, and other names that they provide."""
    prefix = paths.prefix(state.environment)
    required_by = conda_meta.required_by(conda_meta.packages(prefix), state.unpatched)
    present = installed.scan(prefix)
    packages = {name: package.name for name, package in installed.conda_owned(prefix).items()}
    environment = installed.marker_environment(prefix)
    needed_by = installed.requirers(present, state.extras, environment)
    for pin in pins:
        provided = [present[it] for it in packages if packages[it] == pin.name and it in present]
        users = {user for entry in provided for user in needed_by[entry.name]}
        users = users & state.packages.keys() | _requests(state, pin.name)
        users |= required_by.get(pin.name, set())
        pin.via = sorted(users - {pin.name}) or state.cloned[-1:]
        pin.provides = [text for entry in provided if (text := _other_name(pin, entry))]


def _requests(state: Record, name: str) -> set[str]:
    lines = {line.origin for line in state.conda_lines if conda_name(line) == name}
    return lines | {*state.conda_via.get(name, ())}


def _other_name(pin: CondaPin, entry: Distribution) -> str:
    same = (canonicalize_name(pin.name), pin.version) == (entry.name, entry.version)
    return "" if same else f"{entry.name}=={entry.version}"
