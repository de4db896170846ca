"""A home like a hub's: empty, except for the files of an image of years ago in ~/.local.

Server and kernels must come from the image, whatever lies there; unless the image asks for it.
"""

import json
import os
from pathlib import Path

from platform_env.environments import kernels, paths
from platform_env.testing.tested import User

# A hub's user: any id, but always with the group that all users have.
USER = User(4321)

_MODULES = (
    "IPython",
    "conda",
    "ipykernel",
    "json",
    "jupyter_server",
    "jupyterhub",
    "jupyterlab",
    "notebook",
    "numpy",
    "pip",
    "tornado",
    "traitlets",
    "usercustomize",
    "zmq",
)
_PROGRAMS = ("conda", "jupyter", "jupyterhub-singleuser", "pip", "python")


def make(home: Path) -> None:
    """Fills a new volume for the home directory."""
    os.chown(home, 0, paths.SHARED_GROUP)
    home.chmod(0o2775)
    local = home / ".local"
    if os.environ.get("PYTHONNOUSERSITE") != "":
        _plant_packages(local)
    if os.environ.get("JUPYTER_DATA_DIR", "") != str(Path.home() / ".local/share/jupyter"):
        _plant_kernels(local)
    _plant_programs(local)
    for entry in [local, *local.rglob("*")]:
        USER.take(entry)


def _plant_packages(local: Path) -> None:
    """Writes packages that shadow the image's, for each Python, and a configuration."""
    for library in {it.name for it in _libraries()}:
        for module in _MODULES:
            what = f"{module} of a stale ~/.local is imported in place of the image's"
            _write(local / "lib" / library / "site-packages" / f"{module}.py", _raising(what))
    _write(local / "etc/jupyter/jupyter_server_config.json", '{"ServerApp": {"port": "stale"}}')


def _libraries() -> list[Path]:
    return [*paths.CONDA_DIR.glob("lib/python3.*"), *paths.CONDA_DIR.glob("envs/*/lib/python3.*")]


def _raising(what: str) -> str:
    return f"raise ImportError({what!r})\n"


def _plant_kernels(local: Path) -> None:
    names = ["stale", *map(kernels.kernel_name, ["base", *paths.environments()])]
    spec = {"argv": ["false"], "display_name": "stale", "language": "python"}
    for name in names:
        _write(local / "share/jupyter/kernels" / name / "kernel.json", json.dumps(spec))


def _plant_programs(local: Path) -> None:
    for name in _PROGRAMS:
        program = local / "bin" / name
        _write(program, f"#!/bin/sh\necho '{name} of a stale ~/.local is run' >&2\nexit 1\n")
        program.chmod(0o755)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
