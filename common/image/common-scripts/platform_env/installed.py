"""The Python distributions in an environment, as their metadata tells, and who needs whom."""

import json
import re
import sysconfig
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from . import paths
from .paths import Failed


@dataclass
class Distribution:
    """One installed distribution."""

    name: str
    version: str
    requires: list[str] = field(default_factory=list)
    commit: str = ""


def site_packages(prefix: Path) -> Path:
    """The folder of pure and binary packages of the environment's own Python."""
    found = sorted(prefix.glob("lib/python3.*/site-packages"))
    found = [folder for folder in found if not folder.parent.is_symlink()]
    if len(found) != 1:
        raise Failed(f"{prefix} holds {len(found)} Pythons, not one: create the environment again")
    return found[0]


def python_version(prefix: Path) -> str:
    """The Python of the environment, like 3.13, without starting it."""
    return site_packages(prefix).parent.name.removeprefix("python")


def full_python_version(prefix: Path) -> str:
    """The Python of the environment, like 3.13.5."""
    code = "import platform; print(platform.python_version())"
    result = paths.run([prefix / "bin" / "python", "-I", "-S", "-c", code], capture=True)
    if result.returncode:
        raise Failed(f"{prefix}/bin/python does not run: {result.stderr.strip()}")
    return result.stdout.strip()


def scan(prefix: Path) -> dict[str, Distribution]:
    """All distributions of an environment, by their normalised names."""
    found: dict[str, Distribution] = {}
    for entry in metadata.distributions(path=[str(site_packages(prefix))]):
        name = canonicalize_name(entry.metadata["Name"] or "")
        if not name:
            continue
        requires = list(entry.requires or ())
        found[name] = Distribution(name, entry.version, requires, _commit(entry))
    return found


def _commit(entry: metadata.Distribution) -> str:
    text = entry.read_text("direct_url.json")
    return json.loads(text).get("vcs_info", {}).get("commit_id", "") if text else ""


def conda_owned(prefix: Path) -> dict[str, str]:
    """The distributions that conda packages brought: normalised name to `name-version-build`."""
    owned: dict[str, str] = {}
    for file in sorted((prefix / "conda-meta").glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        for entry in data.get("files", ()):
            if found := re.search(r"site-packages/([^/]+)\.(dist|egg)-info(/|$)", entry):
                name = re.split(r"-\d", found[1])[0]
                owned[canonicalize_name(name)] = file.stem
    return owned


def marker_environment(prefix: Path) -> dict[str, str]:
    """What environment markers see there; the platform is that of this process."""
    environment = dict(default_environment())
    if python_version(prefix) != sysconfig.get_python_version():
        full = full_python_version(prefix)
        environment["python_full_version"] = environment["implementation_version"] = full
        environment["python_version"] = python_version(prefix)
    return environment


def requirers(
    distributions: dict[str, Distribution],
    extras: dict[str, set[str]],
    environment: dict[str, str],
) -> dict[str, set[str]]:
    """For each distribution, the names of those that require it, extras taken into account."""
    active = {name: set(extras.get(name, ())) for name in distributions}
    parsed = {name: _requirements(entry) for name, entry in distributions.items()}
    needed_by: dict[str, set[str]] = {name: set() for name in distributions}
    queue = list(distributions)
    while queue:
        name = queue.pop()
        for requirement in parsed[name]:
            target = canonicalize_name(requirement.name)
            if target not in distributions or not _applies(requirement, active[name], environment):
                continue
            if target != name:
                needed_by[target].add(name)
            if not active[target].issuperset(requirement.extras):
                active[target].update(requirement.extras)
                queue.append(target)
    return needed_by


def _requirements(entry: Distribution) -> list[Requirement]:
    found = []
    for text in entry.requires:
        try:
            found.append(Requirement(text))
        except InvalidRequirement:
            paths.say(f"note: {entry.name} {entry.version} has an unreadable requirement `{text}`")
    return found


def _applies(requirement: Requirement, extras: set[str], environment: dict[str, str]) -> bool:
    if requirement.marker is None:
        return True
    return any(
        requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
    )
