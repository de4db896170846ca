"""Installs hashed lists into the base: exactly their lines, in both modes."""

import shlex
from collections.abc import Sequence

from . import consistency, installed, paths, settle, uv
from .installed import Distribution
from .paths import Failed, Wrong
from .specs import Line, Spec


def update(given: Sequence[Spec]) -> None:
    """Installs lines, unless conda has that very version; refuses lists with any other problem."""
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
    others = [line for spec in given for line in [*spec.conda, *spec.constraints]]
    _refuse([*map(_other, others), *filter(None, (_problem(line, owned) for line in lines))])
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


def _other(line: Line) -> str:
    return f"{line.where}: `{line.text}` is a conda line or a constraint"


def _problem(line: Line, owned: dict[str, Distribution]) -> str:
    """Returns the problem of a line, or nothing."""
    entry = owned.get(line.name)
    there = f"{entry.name} {entry.version} of conda package {entry.owner}" if entry else ""
    if not (_is_pinned(line) and line.hashes):
        also = f", base has {there}" if there else ""
        return f"{line.where}: `{line.requirement}` is not pinned and hashed{also}"
    return f"{line.where}: `{line.requirement}` would overwrite {there}" if there else ""


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        python = shlex.quote(str(paths.python("base")))
        raise Wrong(
            "these lines do not fit base; expected pinned and hashed pip lines:\n"
            + "\n".join(f"  {text}" for text in problems)
            + "\nfix: write name==version --hash=sha256:… for each package, dependencies included; "
            "this makes the list inside the image:\n"
            f"  uv pip compile --generate-hashes --python {python} "
            f"--constraints <(uv pip list --format freeze --python {python}) LIST.in"
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
