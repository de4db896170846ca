"""Creating and updating environments from floating specs, on either base."""

from collections.abc import Sequence
from dataclasses import replace

from . import conda, embedded, installed, paths, record, settle, specs, uv
from .paths import Failed, Wrong
from .record import Record
from .specs import Line, Spec


def create(environment: str, spec: Spec | None) -> None:
    """Make a new environment, from a spec or with a default Python, and pip in it."""
    with paths.new(environment):
        state = Record(environment)
        if spec is None:
            spec = Spec("env-create", "")
        if not paths.is_conda_base():
            embedded.adopt(spec)
            if not any(line.name == "pip" for line in spec.pip):
                spec.pip.append(Line("env-create", 1, "pip"))
            uv.venv(paths.prefix(environment))
        elif spec.conda:
            conda.create(environment, spec.channels, _with_pip(spec.conda))
        else:
            conda.create_default(environment)
        state.add_spec(spec)
        settle.settle(state)


def clone(source: str, environment: str) -> None:
    """Make an environment that holds what another one holds."""
    if not paths.exists(source):
        raise Wrong(f"there is no environment {source} to clone: create it first")
    with paths.new(environment):
        state = replace(record.load(source), environment=environment)
        if paths.is_conda_base():
            conda.clone(source, environment)
        else:
            uv.venv(paths.prefix(environment))
            settle.install_pins(state, list(state.packages.values()))
        if unrecorded := _unrecorded(source, state):
            state.add_spec(unrecorded)
            settle.settle(state)
        else:
            settle.check_consistency(state)
            settle.close(state)


def update(environment: str, given: Sequence[Spec]) -> None:
    """Install specs: conda packages first, in order, then all pip lines together."""
    state = record.load(environment)
    for spec in given:
        if not paths.is_conda_base():
            embedded.adopt(spec)
        state.add_spec(spec)
        if spec.conda and paths.is_conda_base():
            conda.install(environment, state.channels, state.conda_lines)
    settle.settle(state)


def update_base(given: Sequence[Spec]) -> None:
    """Install a hashed list into the base: exactly its lines, in both modes."""
    lines = [line for spec in given for line in spec.pip]
    for line in [line for spec in given for line in [*spec.conda, *spec.constraints]]:
        raise line.error("only pinned and hashed pip lines go into base", "write a .pip list")
    for line in lines:
        pinned = [item for item in line.requirement.specifier if item.operator == "=="]
        if not pinned or not line.hashes:
            raise line.error(
                f"`{line.text}` is not pinned and hashed: base is installed from hashed lists only",
                "write name==version --hash=sha256:…, dependencies included "
                "(`uv pip compile --generate-hashes` makes such a list)",
            )
    prefix = paths.prefix("base")
    python = prefix / "bin" / "python"
    _refuse_conda_owned(lines, installed.conda_owned(prefix))
    known = uv.check(python)
    again = [part for line in lines for part in ("--reinstall-package", line.name)]
    texts = [line.text for line in lines]
    uv.install(python, texts, "--require-hashes", "--no-build", "--compile-bytecode", *again)
    if found := [problem for problem in uv.check(python) if problem not in known]:
        raise Failed("base is inconsistent now:\n" + "\n".join(found))
    settle.share(prefix)


def _refuse_conda_owned(lines: Sequence[Line], owned: dict[str, str]) -> None:
    for line in lines:
        if line.name in owned:
            raise line.error(
                f"`{line.text}` would overwrite conda's {owned[line.name]}",
                "take the line out, or let conda install that version",
            )


def _with_pip(lines: Sequence[Line]) -> list[Line]:
    if any(specs.conda_name(line) == "pip" for line in lines):
        return list(lines)
    return [*lines, Line("env-create", 1, "pip")]


def _unrecorded(environment: str, state: Record) -> Spec | None:
    """What an environment holds without a record (base, above all), as requirement lines."""
    prefix = paths.prefix(environment)
    known = {*state.packages, *installed.conda_owned(prefix)}
    found = [entry for name, entry in sorted(installed.scan(prefix).items()) if name not in known]
    lines = [Line(environment, 1, f"{entry.name}=={entry.version}") for entry in found]
    return Spec(environment, "", pip=lines) if lines else None
