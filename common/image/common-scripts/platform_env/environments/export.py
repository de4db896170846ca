"""The frozen spec of an installed environment, from its record and conda's metadata; offline."""

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from . import conda, conda_meta, frozen, installed, origins, paths, record
from .frozen import Frozen
from .paths import Failed, Wrong
from .record import Record

LOCAL = "local"  # the embedded base, as BASE_IMAGE names it


def export(environment: str) -> str:
    """Returns the text of the frozen spec; fails when record and environment disagree."""
    if not paths.exists(environment):
        known = ", ".join(paths.environments()) or "none"
        raise Wrong(f"unknown environment {environment} (there are: {known})")
    state = record.load(environment)
    _compare(state)
    prefix = paths.prefix(environment)
    spec = Frozen(frozen.this_platform(), base_name(), environment, state.channels)
    if environment == "base":
        spec.in_base = state.in_base
    if environment != "base" and paths.is_conda_base():
        spec.channels, spec.conda = conda.pins(prefix, state.channels, state.channel_names)
        spec.missing = state.missing
        origins.describe(state, spec.conda)
    else:
        spec.channels = spec.channels or ["conda-forge"]
        spec.python = installed.full_python_version(prefix)
    spec.pip = list(state.packages.values())
    spec.build = list(state.build.values())
    spec.needs = _needs(state)
    return frozen.render(spec)


def _needs(state: Record) -> dict[str, list[str]]:
    """Returns the names of undeclared build requirements, of the packages that are there."""
    return {
        package: sorted({canonicalize_name(Requirement(text).name) for text in texts})
        for package, texts in state.needs.items()
        if package in state.packages
    }


def base_name() -> str:
    """Returns the base's name in frozen specs: its digest, or `local python-3.13`.

    What is frozen on the embedded base depends on its Python only, not on what else is in it.
    """
    file = paths.IMAGE_BUILD / "base-digest"
    text = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    if not text:
        raise Failed(f"{file}:1: the base image's digest is missing: build the common image again")
    if text != LOCAL:
        return text
    version = installed.full_python_version(paths.prefix("base"))
    return f"{LOCAL} python-{'.'.join(version.split('.')[:2])}"


def _compare(state: Record) -> None:
    """Names every difference between the record and the environment."""
    prefix = paths.prefix(state.environment)
    present = installed.scan(prefix)
    owned = installed.conda_owned(prefix)
    found = []
    for name, pin in state.packages.items():
        entry = present.get(name)
        if entry is None:
            found.append(f"{name} {pin.version} was recorded and is not installed")
        elif pin.is_vcs and entry.commit != pin.commit:
            found.append(
                f"{name} was recorded at {pin.commit}, and at {entry.commit or 'none'} it is now"
            )
        elif not pin.is_vcs and entry.version != pin.version:
            found.append(f"{name} was recorded as {pin.version}, and {entry.version} is installed")
    records = conda_meta.packages(prefix) if state.environment != "base" else []
    for name, users in conda_meta.missing(records, state.unpatched, state.missing).items():
        found.append(f"{name} is required by {', '.join(users)} and is not installed")
    for name, entry in present.items():
        # What base has beside the record is its image's.
        if name in state.packages or entry.owner or state.environment == "base":
            continue
        over = f" over conda package {owned[name]}" if name in owned else ""
        found.append(f"{name} {entry.version} is installed{over} and was not recorded")
    if found:
        raise Failed(
            f"{state.environment} is not what env-create and env-update made:\n"
            + "\n".join(f"  {line}" for line in sorted(found))
            + "\ninstall with env-update instead of pip or conda, or create the environment again"
        )
