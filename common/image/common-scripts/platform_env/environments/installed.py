"""The Python distributions in an environment: their metadata, their owners, their requirers."""

import functools
import json
import re
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from . import conda_meta, paths, specs
from .paths import Failed


@dataclass(frozen=True)
class CondaPackage:
    """A package that conda installed."""

    name: str
    version: str
    build: str

    def __str__(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"


@dataclass(frozen=True)
class Distribution:
    """An installed distribution; the version is unchanged text, which may be invalid."""

    name: str
    version: str
    requires: list[str] = field(default_factory=list)
    commit: str = ""
    python: str = ""  # Requires-Python
    owner: CondaPackage | None = None

    @property
    def pep440(self) -> Version:
        """Returns the version to compare with."""
        return pep440(self.version, *([self.owner.version] if self.owner else []))

    @property
    def requirements(self) -> list[Requirement]:
        """Returns the requirements that can be parsed."""
        return [it for it in map(_parsed, self.requires) if it]

    @property
    def unreadable(self) -> list[str]:
        """Returns the requirements that cannot be parsed, which old packages have."""
        return [text for text in self.requires if not _parsed(text)]


@functools.cache
def _parsed(text: str) -> Requirement | None:
    try:
        return specs.parse_requirement(text)
    except ValueError:
        return None


def pep440(*texts: str) -> Version:
    """Returns the first valid version; without one, the digits that the last text starts with."""
    for text in texts:
        try:
            return Version(text)
        except InvalidVersion:
            continue
    digits = re.match(r"\d+(\.\d+)*", texts[-1])
    return Version(digits[0] if digits else "0")


def site_packages(prefix: Path) -> Path:
    """Returns the folder of pure and binary packages of the environment's own Python."""
    found = sorted(prefix.glob("lib/python3.*/site-packages"))
    found = [folder for folder in found if not folder.parent.is_symlink()]
    if len(found) != 1:
        raise Failed(f"{prefix} holds {len(found)} Pythons, not one: create the environment again")
    return found[0]


def python_version(prefix: Path) -> str:
    """Returns the environment's Python, like 3.13, without starting it."""
    return site_packages(prefix).parent.name.removeprefix("python")


def full_python_version(prefix: Path) -> str:
    """Returns the environment's Python, like 3.13.5."""
    code = "import platform; print(platform.python_version())"
    result = paths.run([prefix / "bin" / "python", "-IBS", "-c", code], capture=True)
    if result.returncode:
        raise Failed(f"{prefix}/bin/python does not run: {result.stderr.strip()}")
    return result.stdout.strip()


class _Info(metadata.Distribution):
    """A `.dist-info` or `.egg-info` folder, or an `.egg-info` file, in any encoding."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_text(self, filename: str) -> str | None:
        try:
            return (self._path / filename).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def locate_file(self, path: str) -> Path:
        return self._path.parent / path

    def message(self) -> Message | None:
        text = self.read_text("METADATA") or self.read_text("PKG-INFO") or self.read_text("")
        return HeaderParser().parsestr(text.partition("\n\n")[0]) if text else None


def distributions(prefix: Path) -> list[Distribution]:
    """Returns all distributions of an environment: a name may occur twice, conda's comes last."""
    claims = _claims(prefix)
    found = [
        _distribution(path, path.stat().st_mtime_ns, claims.get(path.name))
        for path in _infos(prefix)
    ]
    return sorted((it for it in found if it), key=lambda it: it.owner is not None)


def _infos(prefix: Path) -> list[Path]:
    site = site_packages(prefix)
    found = [*site.glob("*.dist-info"), *site.glob("*.egg-info")]
    # A name that begins with `~` was left by an interrupted pip.
    return sorted(path for path in found if not path.name.startswith("~"))


def invalid_infos(prefix: Path) -> list[Path]:
    """Returns the metadata whose name or version is invalid, as some old conda packages have."""
    return [path for path in _infos(prefix) if not _is_valid(path)]


def _is_valid(info: Path) -> bool:
    name, *more = info.stem.split("-", 1 if info.suffix == ".dist-info" else -1)
    if not more and info.suffix == ".egg-info" and (message := _Info(info).message()):
        more = [message.get("Version", "")]
    try:
        for version in more[:1]:
            Version(version)
    except InvalidVersion:
        return False
    return bool(re.fullmatch(r"[a-z0-9]([\w.-]*[a-z0-9])?", name, re.ASCII | re.IGNORECASE))


@functools.cache
def _distribution(path: Path, _changed: int, owner: CondaPackage | None) -> Distribution | None:
    """Returns the distribution of a metadata folder; None for an uninstalled one."""
    info = _Info(path)
    message = info.message()
    name = canonicalize_name(message.get("Name", "")) if message else ""
    if not message or not name:
        return None
    requires = message.get_all("Requires-Dist") or []
    if path.suffix == ".egg-info":
        requires = info.requires or []
    return Distribution(
        name,
        message.get("Version", "").strip(),
        [" ".join(text.split()) for text in requires],
        _commit(info),
        message.get("Requires-Python", ""),
        owner,
    )


def _commit(info: metadata.Distribution) -> str:
    text = info.read_text("direct_url.json")
    try:
        return json.loads(text).get("vcs_info", {}).get("commit_id", "") if text else ""
    except (ValueError, AttributeError):
        return ""


def scan(prefix: Path) -> dict[str, Distribution]:
    """Returns the distributions of an environment by their normalised names."""
    return {entry.name: entry for entry in distributions(prefix)}


def by_conda(prefix: Path) -> dict[str, Distribution]:
    """Returns the distributions that conda packages brought, by normalised name.

    A package may own several, under names unlike its own. One whose metadata was removed since has
    the name of its folder and the version of its package.
    """
    claims = _claims(prefix)
    if not claims:
        return {}
    found = {it.name: it for it in distributions(prefix) if it.owner}
    for info, package in claims.items():
        name = canonicalize_name(info.partition("-")[0].removesuffix(".egg"))
        if name not in found and not _Info(site_packages(prefix) / info).message():
            found[name] = Distribution(name, package.version, owner=package)
    return found


def conda_owned(prefix: Path) -> dict[str, CondaPackage]:
    """Returns the conda packages that own distributions, by the distribution's normalised name."""
    return {name: entry.owner for name, entry in by_conda(prefix).items() if entry.owner}


def _claims(prefix: Path) -> dict[str, CondaPackage]:
    """Returns the metadata folders in site-packages that conda packages list as theirs."""
    folder = prefix / "conda-meta"
    return _read_claims(prefix, folder.stat().st_mtime_ns) if folder.is_dir() else {}


@functools.cache  # some hundred files with long lists; conda changes the folder with them
def _read_claims(prefix: Path, _changed: int) -> dict[str, CondaPackage]:
    claims = {}
    info = re.compile(r"lib/python3[^/]*/site-packages/([^/]+\.(?:dist|egg)-info)(?:/|$)")
    for record in conda_meta.packages(prefix):
        build = record.get("build") or record.get("build_string", "")
        package = CondaPackage(record["name"], record["version"], build)
        found = filter(None, map(info.match, record.get("files") or ()))
        claims |= {match[1]: package for match in found}
    return claims


def marker_environment(prefix: Path) -> dict[str, str]:
    """Returns the environment's values for markers; the platform is that of this process."""
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
    """Returns, for each distribution, the names of those that require it, with extras."""
    active = {name: set(extras.get(name, ())) for name in distributions}
    parsed = {name: entry.requirements for name, entry in distributions.items()}
    needed_by: dict[str, set[str]] = {name: set() for name in distributions}
    queue = list(distributions)
    while queue:
        name = queue.pop()
        for requirement in parsed[name]:
            target = canonicalize_name(requirement.name)
            if target not in distributions or not applies(requirement, active[name], environment):
                continue
            if target != name:
                needed_by[target].add(name)
            if not active[target].issuperset(requirement.extras):
                active[target].update(requirement.extras)
                queue.append(target)
    return needed_by


def applies(requirement: Requirement, extras: Iterable[str], environment: dict[str, str]) -> bool:
    """Returns whether a requirement's marker holds, with any of the extras or without one."""
    if requirement.marker is None:
        return True
    return any(
        requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
    )
