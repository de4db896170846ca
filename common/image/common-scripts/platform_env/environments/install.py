"""Creates and updates environments from floating specs, on either base."""

from collections.abc import Sequence

from . import conda, embedded, installed, origins, paths, record, settle, specs, uv
from .paths import Wrong
from .record import Record
from .specs import Line, Spec


def create(environment: str, spec: Spec | None) -> None:
    """Makes a new environment, from a spec or with a default Python, with pip in it."""
    with paths.new(environment):
        state = Record(environment)
        if spec is None:
            spec = Spec("env-create", "")
        if paths.is_conda_base():
            spec.conda = _with_pip(spec.conda or [_default_python()])
            conda.create(environment, spec.channels, spec.conda)
            origins.note_missing(state)
        else:
            embedded.adopt(spec)
            if not any(line.name == "pip" for line in spec.pip):
                spec.pip.append(Line("env-create", 1, "pip"))
            uv.venv(paths.prefix(environment))
        for each in [*_own_needs(environment), spec]:
            state.add_spec(each)
        settle.settle(state)


def _own_needs(environment: str) -> list[Spec]:
    """Returns the build requirements that the environment's folder declares for packages."""
    file = paths.spec_folder(environment) / f"{environment}.build"
    return [specs.read(file)] if file.is_file() else []


def _default_python() -> Line:
    return Line("env-create", 1, f"python={installed.python_version(paths.prefix('base'))}")


def _with_pip(lines: Sequence[Line]) -> list[Line]:
    if any(specs.conda_name(line) == "pip" for line in lines):
        return list(lines)
    return [*lines, Line("env-create", 1, "pip")]


def update(environment: str, given: Sequence[Spec]) -> None:
    """Installs specs: conda packages first, in one solve, then all pip lines together."""
    if environment == "base" and paths.is_conda_base():
        _refuse_conda(given)
    state = record.load(environment)
    known = {line.text for line in state.conda_lines}
    given = [*_own_needs(environment), *given]
    for spec in given:
        if not paths.is_conda_base():
            embedded.adopt(spec)
        state.add_spec(spec)
    if paths.is_conda_base() and any(line.text not in known for line in state.conda_lines):
        conda.install(environment, state.channels, state.conda_lines)
        origins.note_missing(state)
    settle.settle(state)


def _refuse_conda(given: Sequence[Spec]) -> None:
    """Refuses conda lines for the base, whose conda packages belong to its image."""
    if found := [line for spec in given for line in spec.conda]:
        raise Wrong(
            "conda adds nothing to base, whose conda packages belong to the base image:\n"
            + "\n".join(f"  {line.where}: {line.text}" for line in found)
            + "\nfix: move the lines into a .pip list, or into an environment"
        )
