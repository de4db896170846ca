"""Test of a hub's terminal: a login shell in a home without any of the image's files."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from platform_env.environments import login_variables, paths
from platform_env.environments.printable import tail
from platform_env.testing import limits
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report, Result
from platform_env.testing.stale_home import USER

# Variables of the image's own; the others may be anywhere.
_OF_CONDA_DIR = ("jupyter", "pip", "python")
_TOOLS = (*_OF_CONDA_DIR, "conda", "git")

# Imports of a stale ~/.local break these; the first two take a tenth of a second.
_COMMANDS = ("python -c ''", "jupyter --paths", "pip --version")
_OF_CONDA = "conda --version"

# After `conda activate`, `conda` is still the base's, whatever the environment holds.
_ACTIVATED = """
conda activate {} && echo "$CONDA_PREFIX
$(type -t conda) $CONDA_EXE
$(type -p python)"
"""

# Output of /etc/profile comes before it.
_MARK = "-- profile read --\n"

# Part of every message of a planted module: Python ignores a usercustomize that fails.
_STALE = "of a stale ~/.local"

LIMIT = 120.0


def test_login_shell(plan: Plan, report: Report) -> None:
    """Runs the test, when it is selected."""
    if not plan.wants("", "shell", "login"):
        return
    started = time.monotonic()
    parts = (_wrong_tools(), _wrong_variables(), _failing_commands(), _wrong_activations())
    try:
        problems = [problem for part in parts for problem in part]
    except subprocess.TimeoutExpired as error:
        said = tail(os.fsdecode(error.stderr or b""))
        problems = [f"{said}\nnot done after {error.timeout:g} s; {limits.advice()}".lstrip()]
    seconds = time.monotonic() - started
    report.add(Result("", "shell", "login", "\n".join(problems), seconds))


def _wrong_tools() -> Iterator[str]:
    """Yields the tools that a login shell does not find, or finds elsewhere."""
    for name in _TOOLS:
        done = _login(f"command -v {name} || echo nowhere")
        found = done.stdout.strip()
        wanted = str(paths.CONDA_DIR / "bin" / name)
        if found == "nowhere" or (name in _OF_CONDA_DIR and found != wanted):
            yield _with_stderr(f"{name} is {found}, not {wanted}", done)


def _wrong_variables() -> Iterator[str]:
    """Yields the image's variables that a login shell lacks or has with other values."""
    for name in login_variables.NAMES:
        done = _login(f'printf %s "${{{name}-unset}}"')
        wanted = os.environ.get(name, "unset")
        if done.stdout != wanted:
            message = f"{name} is {done.stdout!r}; the image sets {wanted!r}: run login-setup last"
            yield _with_stderr(message, done)


def _failing_commands() -> Iterator[str]:
    """Yields the commands that do not run, or import files in ~/.local."""
    commands = (*_COMMANDS, _OF_CONDA) if paths.is_conda_base() else _COMMANDS
    for command in commands:
        done = _login(command)
        if done.returncode != 0:
            yield _with_stderr(f"`{command}` ended with status {done.returncode}", done)
        elif _STALE in done.stderr:
            yield _with_stderr(f"`{command}` imports packages of ~/.local", done)


def _wrong_activations() -> Iterator[str]:
    """Yields the problems of `conda activate`, where the base is conda."""
    if not paths.is_conda_base():
        return
    for environment in paths.environments():
        prefix = paths.prefix(environment)
        wanted = [str(prefix), f"function {paths.CONDA_DIR}/bin/conda", f"{prefix}/bin/python"]
        done = _login(_ACTIVATED.format(environment))
        found = done.stdout.splitlines()[-len(wanted) :]
        if found != wanted:
            message = f"conda activate {environment} gives {found}; expected {wanted}"
            yield _with_stderr(message, done)


def _login(script: str) -> subprocess.CompletedProcess[str]:
    """Runs a login shell that starts from nothing but what every login sets; its profile's stdout
    is left out."""
    variables = {name: os.environ[name] for name in ("HOME", "USER") if name in os.environ}
    done = subprocess.run(
        ["/bin/bash", "--login", "-c", f"printf %s '{_MARK}'; {script}"],
        env={**variables, "TERM": "dumb"},
        cwd=Path.home(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limits.stretched(LIMIT),
        **USER.arguments(),
    )
    done.stdout = done.stdout.rpartition(_MARK)[2]
    return done


def _with_stderr(message: str, done: subprocess.CompletedProcess[str]) -> str:
    said = tail(done.stderr)
    return f"{message}\n{said}" if said else message
