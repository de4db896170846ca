"""`conda shell.posix activate|deactivate|reactivate|hook`: lines for a shell to evaluate."""

import os
from collections.abc import Mapping
from pathlib import Path

from .errors import fail
from .settings import Settings


def script(settings: Settings, arguments: list[str], variables: Mapping[str, str]) -> str:
    command, *rest = arguments or [""]
    level = int(variables.get("CONDA_SHLVL") or 0)
    if command == "activate" and len(rest) <= 1:
        lines = _activate(settings, rest[0] if rest else "base", variables, level)
    elif command == "deactivate" and not rest:
        lines = _deactivate(settings, variables, level)
    elif command == "reactivate" and not rest:
        lines = _reactivate(variables)
    elif command == "hook" and not rest:
        hook = settings.root / "etc" / "profile.d" / "conda.sh"
        lines = [hook.read_text(encoding="utf-8"), "conda activate base"]
    else:
        fail("ArgumentError", f"shell.posix does not understand: {' '.join(arguments)}", 2)
    return "".join(f"{line}\n" for line in lines)


def _export(**values: str) -> list[str]:
    return [f"export {name}='{value}'" for name, value in values.items()]


def _scripts(prefix: str, folder: str) -> list[str]:
    found = sorted(Path(prefix, "etc", "conda", folder).glob("*.sh"))
    return [f'. "{path}"' for path in found]


def _resolve(settings: Settings, name: str) -> str:
    prefix = Path(name).resolve() if "/" in name else settings.prefix(name)
    if not (prefix / "conda-meta" / "history").is_file():
        if "/" in name:
            fail("EnvironmentLocationNotFound", f"Not a conda environment: {prefix}")
        fail("EnvironmentNameNotFound", f"Could not find conda environment: {name}")
    return str(prefix)


def _default_name(settings: Settings, prefix: str) -> str:
    if Path(prefix) == settings.root:
        return "base"
    return Path(prefix).name if Path(prefix).parent in settings.envs_dirs else prefix


def _activate(settings: Settings, name: str, variables: Mapping[str, str], level: int) -> list[str]:
    prefix, old = _resolve(settings, name), variables.get("CONDA_PREFIX", "")
    if prefix == old and level > 0:
        return _reactivate(variables)
    kept = {f"CONDA_PREFIX_{level}": old} if level > 0 else {}
    lines = _scripts(old, "deactivate.d") if level > 0 else []
    lines += _exports(settings, prefix, _swap(variables["PATH"], old if level else "", prefix))
    lines += _export(CONDA_SHLVL=str(level + 1), **kept)
    return lines + _scripts(prefix, "activate.d")


def _exports(settings: Settings, prefix: str, path: str) -> list[str]:
    name = _default_name(settings, prefix)
    lines = _export(PATH=path, CONDA_PREFIX=prefix, CONDA_DEFAULT_ENV=name)
    lines += _export(CONDA_PROMPT_MODIFIER=f"({name}) ")
    lines += _export(CONDA_EXE=str(settings.root / "bin" / "conda"))
    return lines + _export(CONDA_PYTHON_EXE=str(settings.root / "bin" / "python"))


def _deactivate(settings: Settings, variables: Mapping[str, str], level: int) -> list[str]:
    old = variables.get("CONDA_PREFIX", "")
    if level < 1 or not old:
        return []
    lines = _scripts(old, "deactivate.d")
    if level == 1:
        path = _swap(variables["PATH"], old, "")
        names = ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER")
        return [*lines, *(f"unset {name}" for name in names), *_export(PATH=path, CONDA_SHLVL="0")]
    new = variables[f"CONDA_PREFIX_{level - 1}"]
    lines += _exports(settings, new, _swap(variables["PATH"], old, new))
    lines += [*_export(CONDA_SHLVL=str(level - 1)), f"unset CONDA_PREFIX_{level - 1}"]
    return lines + _scripts(new, "activate.d")


def _reactivate(variables: Mapping[str, str]) -> list[str]:
    prefix = variables.get("CONDA_PREFIX", "")
    return [*_scripts(prefix, "deactivate.d"), *_scripts(prefix, "activate.d")] if prefix else []


def _swap(path: str, old: str, new: str) -> str:
    """Returns PATH with one environment's folder in place of another's, or in front."""
    gone = f"{old}/bin" if old else None
    parts = path.split(os.pathsep)
    position = parts.index(gone) if gone in parts else 0
    parts = [part for part in parts if part != gone]
    return os.pathsep.join([*parts[:position], *([f"{new}/bin"] if new else []), *parts[position:]])
