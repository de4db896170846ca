"""The effect of activating an environment on a shell, as the `env` of a kernelspec.

The values are templates: jupyter_client fills in `${NAME}` from the server's environment when it
starts a kernel (string.Template, see KernelProvisionerBase.pre_launch), so that a kernel's PATH is
the server's with the environment's folders in front.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from platform_env.environments import paths
from platform_env.environments.printable import tail

# Variables that the shell itself sets, or that only matter in an interactive one.
_OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_", "PS1", "CONDA_PROMPT_MODIFIER"}

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Both get the environment's folder, its name, and the file for the variables: output of
# activation must not mix with them.
_CONDA = """
. "$CONDA_DIR/etc/profile.d/conda.sh" && conda activate "$1" && env -0 >"$3"
"""
_EMBEDDED = """
export PATH="$1/bin:$PATH" VIRTUAL_ENV="$1" CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$2"
for script in "$1"/etc/conda/activate.d/*.sh; do
    if [[ -r "$script" ]]; then . "$script"; fi
done
env -0 >"$3"
"""


class ActivationError(Exception):
    """An environment that cannot be activated."""


def activation(environment: str) -> dict[str, str]:
    """Returns the variables that a kernel of the environment starts with, as templates."""
    with tempfile.TemporaryDirectory() as home:
        before = {"PATH": _PATH, "HOME": home, "CONDA_DIR": str(paths.CONDA_DIR)}
        # Root runs this last in a build: conda must not leave root's files in the base.
        before |= {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        after = _activate(environment, before)
        changes = {
            name: _template(value, home)
            for name, value in sorted(after.items())
            if before.get(name) != value and name not in _OF_THE_SHELL
        }
    changes["PATH"] = _front(after["PATH"]) + "${PATH}"
    # A mission that wants the user's own packages says so with `ENV PYTHONNOUSERSITE=""`.
    if os.environ.get("PYTHONNOUSERSITE") != "":
        changes["PYTHONNOUSERSITE"] = "1"
    return changes


def _activate(environment: str, before: dict[str, str]) -> dict[str, str]:
    """Activates in a clean shell, and returns the environment variables afterwards."""
    variables = Path(before["HOME"]) / ".variables"
    script = _CONDA if paths.is_conda_base() else _EMBEDDED
    prefix = paths.prefix(environment)
    shell = ["/bin/bash", "--noprofile", "--norc", "-c", script, "activation"]
    done = subprocess.run(
        [*shell, prefix, environment, variables],
        env=before,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0 or not variables.exists():
        raise ActivationError(f"{prefix} cannot be activated:\n{tail(done.stdout)}")
    entries = variables.read_text(errors="surrogateescape").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _template(value: str, home: str) -> str:
    """Returns a value as jupyter_client's template, with the home folder of the future kernel."""
    return value.replace("$", "$$").replace(home, "${HOME}")


def _front(path: str) -> str:
    """Returns the part of PATH that activation added, with the colon after it."""
    added = [folder for folder in path.split(":") if folder not in _PATH.split(":")]
    if paths.is_conda_base():
        # `!conda` is the base's, also in an environment with a conda of its own.
        condabin = str(paths.CONDA_DIR / "condabin")
        added = [condabin, *(folder for folder in added if folder != condabin)]
    return "".join(f"{folder}:" for folder in added).replace("$", "$$")
