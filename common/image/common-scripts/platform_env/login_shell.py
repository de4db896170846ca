"""Test of what a hub's terminal is: a login shell in a home without any of the image's files."""

import os
import subprocess
import time
from pathlib import Path

from platform_env import paths
from platform_env.plan import Plan
from platform_env.results import Report, Result, tail

# Of the image's own; the others may be anywhere.
_OF_CONDA_DIR = ("jupyter", "pip", "python")
_TOOLS = (*_OF_CONDA_DIR, "conda", "git")

LIMIT = 60.0


def test_login_shell(plan: Plan, report: Report) -> None:
    """Run it, when it is selected."""
    if not plan.wants("", "shell", "login"):
        return
    started = time.monotonic()
    problems = [*_wrong_tools(), *_wrong_activations()]
    seconds = time.monotonic() - started
    report.add(Result("", "shell", "login", "\n".join(problems), seconds))


def _wrong_tools() -> list[str]:
    """The tools that a login shell does not find, or finds elsewhere."""
    problems = []
    for name in _TOOLS:
        found = _ask(f"command -v {name} || echo nowhere")
        wanted = str(paths.CONDA_DIR / "bin" / name)
        if found == "nowhere" or (name in _OF_CONDA_DIR and found != wanted):
            problems.append(f"{name} is {found}, not {wanted}")
    return problems


def _wrong_activations() -> list[str]:
    """Where the base is conda, the environments that `conda activate` does not activate."""
    if not paths.is_conda_base():
        return []
    problems = []
    for environment in paths.environments():
        found = _ask(f'conda activate {environment} && echo "$CONDA_PREFIX"')
        if found != str(paths.prefix(environment)):
            problems.append(f"conda activate {environment} gives CONDA_PREFIX={found}")
    return problems


def _ask(script: str) -> str:
    """What a login shell prints; it starts from nothing but what every login sets."""
    variables = {name: os.environ[name] for name in ("HOME", "USER") if name in os.environ}
    done = subprocess.run(
        ["/bin/bash", "--login", "-c", script],
        env={**variables, "TERM": "dumb"},
        cwd=Path.home(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=LIMIT,
    )
    return tail(done.stdout)
