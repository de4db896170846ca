"""Consistency of the distributions in an environment, by their metadata.

conda's packages often drop, rename or loosen requirements of their metadata, and work: where only
they take part in a disagreement, it is a note. Where a pip package does, it is a complaint.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from . import installed, paths
from .installed import Distribution
from .paths import Failed


@dataclass
class Findings:
    """Sentences about mismatches."""

    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(prefix: Path, among: Collection[str] | None = None) -> Findings:
    """Returns the complaints and notes about an environment.

    A problem that involves none of the packages in `among`, if these are given, is a note.
    """
    present: dict[str, list[Distribution]] = {}
    for entry in installed.distributions(prefix):
        present.setdefault(entry.name, []).append(entry)
    environment = installed.marker_environment(prefix)
    findings = Findings()
    for name in sorted(present):
        for text, involved in _problems(present[name], present, environment):
            others = all(entry.owner for entry in involved)
            others = others or (among is not None and not any(it.name in among for it in involved))
            (findings.notes if others else findings.complaints).append(text)
        findings.notes += [
            f"{_title(entry)} has an unreadable requirement `{text}`"
            for entry in present[name]
            for text in entry.unreadable
        ]
    return findings


def require(environment: str, among: Collection[str] | None = None) -> None:
    """Fails when a pip package does not match the others; prints the notes."""
    findings = check(paths.prefix(environment), among)
    for text in findings.notes:
        paths.say(f"note: {text}")
    if findings.complaints:
        raise Failed(f"{environment} is inconsistent:\n" + "\n".join(findings.complaints))


def _problems(
    twins: list[Distribution], present: dict[str, list[Distribution]], environment: dict[str, str]
) -> Iterator[tuple[str, list[Distribution]]]:
    """Yields problems of the distributions of one name, each with all packages involved."""
    if len(twins) > 1:
        yield f"{twins[0].name} is installed twice: {' and '.join(map(_title, twins))}", twins
    python = environment["python_full_version"]
    for entry in twins:
        if not _is_for(entry, python):
            yield f"{_title(entry)} requires Python {entry.python}, found {python}", [entry]
        for requirement in entry.requirements:
            found = present.get(canonicalize_name(requirement.name), [])
            if installed.applies(requirement, (), environment) and not _fits(requirement, found):
                yield f"{_title(entry)} requires {_wanted(requirement, found)}", [entry, *found]


def _is_for(entry: Distribution, python: str) -> bool:
    try:
        return SpecifierSet(entry.python).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def _fits(requirement: Requirement, found: list[Distribution]) -> bool:
    return any(requirement.specifier.contains(it.pep440, prereleases=True) for it in found)


def _wanted(requirement: Requirement, found: list[Distribution]) -> str:
    there = " and ".join(map(_title, found))
    wanted = f"{canonicalize_name(requirement.name)}{requirement.specifier}"
    return f"{wanted}, found {there}" if there else f"{wanted}, which is not installed"


def _title(entry: Distribution) -> str:
    owner = f" (conda package {entry.owner})" if entry.owner else ""
    return f"{entry.name} {entry.version}{owner}"
