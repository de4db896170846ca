"""Installs hashed lists into the base: exactly their lines, in both modes."""

from collections.abc import Sequence

from . import consistency, installed, paths, record, settle, uv
from .frozen import Pin
from .installed import Distribution
from .paths import Failed, Wrong
from .specs import Line, Spec


def is_hashed(spec: Spec) -> bool:
    """Returns whether a list has pinned and hashed pip lines alone."""
    others = (spec.conda, spec.constraints, spec.no_binary, spec.needs)
    return not any(others) and all(_is_pinned(line) and line.hashes for line in spec.pip)


def update(given: Sequence[Spec]) -> None:
    """Installs lines, unless conda has that very version; refuses all that would change others."""
    prefix = paths.prefix("base")
    environment = installed.marker_environment(prefix)
    owned = installed.by_conda(prefix)
    lines = [
        line
        for spec in given
        for line in spec.pip
        if installed.applies(line.requirement, (), environment)
    ]
    there = [line for line in lines if _is_there(line, owned)]
    lines = [line for line in lines if line not in there]
    solved = record.load("base").packages
    _refuse([*filter(None, (_problem(line, owned, solved) for line in lines))])
    if there:
        names = ", ".join(str(line.requirement) for line in there)
        paths.say(f"note: skipped {len(there)} lines that conda satisfies: {names}")
    _install(lines)


def _is_there(line: Line, owned: dict[str, Distribution]) -> bool:
    return (
        _is_pinned(line)
        and line.name in owned
        and line.requirement.specifier.contains(owned[line.name].pep440, prereleases=True)
    )


def _is_pinned(line: Line) -> bool:
    versions = [item for item in line.requirement.specifier if item.operator in ("==", "===")]
    return any(not item.version.endswith(".*") for item in versions)


def _problem(line: Line, owned: dict[str, Distribution], solved: dict[str, Pin]) -> str:
    """Returns the problem of a line, or nothing."""
    there = ""
    if entry := owned.get(line.name):
        there = f"{entry.name} {entry.version} of conda package {entry.owner}"
    elif pin := solved.get(line.name):
        there = f"{pin.name} {pin.version or pin.commit}, which was solved for another list"
    return f"{line.where}: `{line.requirement}` would overwrite {there}" if there else ""


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise Wrong(
            "these hashed lines do not fit base:\n"
            + "\n".join(f"  {text}" for text in problems)
            + "\nfix: write the packages that you need without hashes; a floating build then "
            "solves the list beside what base has, and freezes it"
        )


def _install(lines: Sequence[Line]) -> None:
    prefix = paths.prefix("base")
    before = consistency.check(prefix)
    again = [part for line in lines for part in ("--reinstall-package", line.name)]
    flags = ["--require-hashes", "--no-build", "--compile-bytecode", *again]
    uv.install(paths.python("base"), [line.text for line in lines], *flags)
    after = consistency.check(prefix)
    if found := [problem for problem in after.complaints if problem not in before.complaints]:
        raise Failed("base is inconsistent now:\n" + "\n".join(found))
    settle.share(prefix)
