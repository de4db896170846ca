"""Stubs of packages that stay as they are, for the resolver: names, versions and extras.

Each distribution that conda brought, or that belongs to the base image, becomes a project folder
with static metadata, and its URL a constraint: uv then asks no index for that name. Requirements
other than those of extras are left out, since conda's packages come with their dependencies, under
names and versions of conda's own.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement

from . import installed
from .installed import CondaPackage, Distribution
from .specs import Line

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Stub:
    """A distribution that stays, with the requirements of its extras there."""

    name: str
    version: str
    package: CondaPackage | None  # of the base image without one
    extras: dict[str, list[str]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Returns the line that describes it among those of a conflict."""
        return f"{self.origin}: {self.name}=={self.version}"

    @property
    def origin(self) -> str:
        return f"conda package {self.package}" if self.package else "the base image"

    def write(self, folder: Path) -> str:
        """Writes the project and returns the constraint that leads to it."""
        project = folder / self.name
        project.mkdir()
        text = ["[project]", f'name = "{self.name}"', f'version = "{self.version}"']
        text += ["[project.optional-dependencies]"] if self.extras else []
        text += [f"{json.dumps(name)} = {json.dumps(it)}" for name, it in self.extras.items()]
        (project / "pyproject.toml").write_text("\n".join([*text, ""]), encoding="utf-8")
        return f"{self.name} @ {project.as_uri()}"


def of(prefix: Path) -> list[Stub]:
    """Returns the stubs of all distributions that conda brought to an environment."""
    found = installed.by_conda(prefix)
    return _stubs(prefix, {name: entry for name, entry in found.items() if entry.owner})


def of_base(prefix: Path, added: Collection[str]) -> list[Stub]:
    """Returns the stubs of all that the base has, without the packages that lists `added`."""
    present = {name: it for name, it in installed.scan(prefix).items() if name not in added}
    return _stubs(prefix, present | installed.by_conda(prefix))


def _stubs(prefix: Path, found: dict[str, Distribution]) -> list[Stub]:
    environment = installed.marker_environment(prefix) if found else {}
    return [
        Stub(name, str(entry.pep440), entry.owner, _extras(entry, environment))
        for name, entry in sorted(found.items())
        if _NAME.fullmatch(name)  # no line can ask for another
    ]


def _extras(entry: Distribution, environment: dict[str, str]) -> dict[str, list[str]]:
    """Returns the requirements that each extra adds on this Python and platform."""
    extras: dict[str, list[str]] = {}
    for requirement in entry.requirements:
        if installed.applies(requirement, (), environment) or not _is_known_to_uv(requirement):
            continue
        for extra in re.findall(r"extra == [\"']([^\"']+)", str(requirement.marker)):
            if installed.applies(requirement, [extra], environment):
                extras.setdefault(extra, []).append(_without_marker(requirement))
    return extras


def _without_marker(requirement: Requirement) -> str:
    bare = Requirement(str(requirement))
    bare.marker = None
    return str(bare)


def _is_known_to_uv(requirement: Requirement) -> bool:
    """Returns whether uv can parse it: `===` may name any text as a version."""
    return all(item.operator != "===" for item in requirement.specifier)


def refusals(lines: Sequence[Line], stubs: Sequence[Stub], environment: dict) -> list[str]:
    """Returns the lines that require a certain artefact of a package that stays, with that."""
    known = {stub.name: stub for stub in stubs}
    return [
        f"  {line.where}: {line.text}\n  {known[line.name].text}"
        for line in lines
        if line.name in known
        and (line.requirement.url or line.hashes)
        and installed.applies(line.requirement, (), environment)
    ]


def hide(text: str, folder: Path, stubs: Sequence[Stub]) -> str:
    """Returns the text without the URLs of the stubs in a folder."""
    of_base = {stub.name for stub in stubs if not stub.package}

    def owner(match: re.Match[str]) -> str:
        return f"{'base' if match[1] in of_base else 'conda'}'s {match[1]}"

    return re.sub(rf"(?:file:)?\S*/{re.escape(folder.name)}/([\w.-]+)", owner, text)
