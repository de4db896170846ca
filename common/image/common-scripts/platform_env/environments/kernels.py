"""Kernelspecs: one per environment, under CONDA_DIR where no volume on the home hides them."""

import json
import shutil
import string
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platform_env.environments import paths
from platform_env.environments.activation import ActivationError, activation
from platform_env.environments.image_tests import BASE_KERNEL
from platform_env.environments.printable import tail

# Marks the kernelspecs that these scripts may replace and remove.
MARK = "environment"

_DEFAULT = "default_kernel_name"

# ipykernel knows the command line of its version; run in the environment's own Python.
_WRITE_SPEC = """
import sys
from ipykernel.kernelspec import write_kernel_spec
write_kernel_spec(sys.argv[1])
"""


class KernelError(Exception):
    """An environment that cannot have, or does not have, a kernel."""


def folder() -> Path:
    """Returns the folder of the kernelspecs."""
    return paths.CONDA_DIR / "share" / "jupyter" / "kernels"


def names() -> set[str]:
    """Returns the names of the image's kernels."""
    return {it.parent.name for it in folder().glob("*/kernel.json")}


def kernel_name(environment: str) -> str:
    """Returns the name of an environment's kernel."""
    return BASE_KERNEL if environment == "base" else environment


def install(environment: str) -> str:
    """Writes the kernelspec of an environment over an older one; returns its display name."""
    if environment == BASE_KERNEL:
        raise KernelError(f"{BASE_KERNEL} is the base's kernel: give the environment another name")
    folder().mkdir(parents=True, exist_ok=True)
    # Beside the kernels, not among them: Jupyter must never see half a kernelspec.
    with tempfile.TemporaryDirectory(dir=folder().parent, prefix=".kernel-") as scratch:
        new = Path(scratch) / "kernel"
        _write_by_ipykernel(environment, new)
        spec = _complete(environment, json.loads((new / "kernel.json").read_text()))
        (new / "kernel.json").write_text(json.dumps(spec, indent=1, ensure_ascii=False) + "\n")
        _share(new)
        target = folder() / kernel_name(environment)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    return spec["display_name"]


def _write_by_ipykernel(environment: str, target: Path) -> None:
    done = subprocess.run(
        [paths.python(environment), "-IB", "-c", _WRITE_SPEC, target],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise KernelError(
            f"its Python cannot import ipykernel, so it can have no kernel: {_last(done.stderr)}\n"
            f"  add ipykernel to a spec file of {environment}, or run: install-common {environment}"
        )


def _last(text: str) -> str:
    return tail(text).rpartition("\n")[2]


def _complete(environment: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Completes ipykernel's kernelspec with our interpreter, name, activation and mark."""
    try:
        variables = activation(environment)
    except ActivationError as error:
        raise KernelError(str(error)) from error
    default = spec["display_name"] if environment == "base" else environment
    return spec | {
        "argv": [str(paths.python(environment)), *spec["argv"][1:]],
        "display_name": _display_name(environment) or default,
        "env": variables,
        "metadata": spec.get("metadata", {}) | {MARK: environment},
    }


def _display_name(environment: str) -> str:
    """Returns the line in `kernel.name`; '' without the file, or when it is empty."""
    path = paths.spec_folder(environment) / "kernel.name"
    if not path.exists():
        return ""
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    names = [line for line in lines if line]
    if len(names) > 1:
        raise KernelError(f"{path} has {len(names)} lines: write the kernel's name on one line")
    return names[0] if names else ""


def _share(spec: Path) -> None:
    """Opens a kernelspec to the group; the scratch folder was private."""
    spec.chmod(0o2775)
    for entry in spec.iterdir():
        entry.chmod(0o664)


def set_default(environment: str) -> None:
    """Makes a kernel the server's default, and leaves all other settings in that file."""
    path = paths.CONDA_DIR / "etc" / "jupyter" / "jupyter_server_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        settings.setdefault("MultiKernelManager", {})[_DEFAULT] = kernel_name(environment)
    except (ValueError, AttributeError, TypeError) as error:
        raise KernelError(f"{path}: not a file of settings: {error}") from error
    path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def remove_stale() -> list[str]:
    """Removes these scripts' kernelspecs of environments that are gone; returns their names."""
    wanted = {kernel_name(environment) for environment in ["base", *paths.environments()]}
    stale = [
        entry
        for entry in sorted(folder().iterdir())
        if entry.name not in wanted and MARK in _metadata(entry)
    ]
    for entry in stale:
        shutil.rmtree(entry)
    return [entry.name for entry in stale]


def _metadata(kernel: Path) -> dict[str, Any]:
    try:
        return json.loads((kernel / "kernel.json").read_text()).get("metadata", {})
    except (OSError, ValueError, AttributeError):
        return {}  # no kernelspec: not ours


def activated(environment: str, outside: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment variables of a process in the environment's kernel."""
    path = folder() / kernel_name(environment) / "kernel.json"
    try:
        spec = json.loads(path.read_text())
    except FileNotFoundError:
        message = f"it has no kernel ({path} is missing): run kernel-setup"
        raise KernelError(message) from None
    templates = spec.get("env", {})
    inside = {
        name: string.Template(text).safe_substitute(outside) for name, text in templates.items()
    }
    return {**outside, **inside}
