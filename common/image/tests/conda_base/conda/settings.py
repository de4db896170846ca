"""Settings from condarc files and CONDA_* variables, found and merged in conda's order.

Supported: channels, channel_alias, custom_channels, ssl_verify, pkgs_dirs, envs_dirs, always_yes.
Accepted without effect: those in _WITHOUT_EFFECT. Any other setting is refused.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .channels import Places, split
from .errors import fail, unsupported

_LISTS = ("channels", "pkgs_dirs", "envs_dirs")
_MAPS = ("custom_channels",)
_TEXTS = ("channel_alias", "ssl_verify", "always_yes")
_WITHOUT_EFFECT = (
    "auto_update_conda",
    "changeps1",
    "notify_outdated_conda",
    "number_channel_notices",
    "report_errors",
    "show_channel_urls",
)
# Variables of conda's that are no settings.
_OTHER_VARIABLES = re.compile(
    r"CONDA_(DIR|ROOT|EXE|PYTHON_EXE|PREFIX(_\d+)?|SHLVL|STACKED_\d+|DEFAULT_ENV|PROMPT_MODIFIER"
    r"|STAND_IN_\w+)"
)
_FILES = (
    "/etc/conda/.condarc",
    "/etc/conda/condarc",
    "/var/lib/conda/.condarc",
    "/var/lib/conda/condarc",
    "$CONDA_ROOT/.condarc",
    "$CONDA_ROOT/condarc",
    "$XDG_CONFIG_HOME/conda/.condarc",
    "$XDG_CONFIG_HOME/conda/condarc",
    "~/.config/conda/.condarc",
    "~/.config/conda/condarc",
    "~/.conda/.condarc",
    "~/.conda/condarc",
    "~/.condarc",
    "$CONDA_PREFIX/.condarc",
    "$CONDA_PREFIX/condarc",
    "$CONDARC",
)


@dataclass(frozen=True)
class Settings:
    """Effective settings."""

    root: Path
    channels: list[str]
    places: Places
    ssl_verify: str | bool
    pkgs_dirs: list[Path]
    envs_dirs: list[Path]
    always_yes: bool

    def prefix(self, name: str) -> Path:
        """Returns the folder of an environment: the one that exists, else where it would go."""
        if name in ("base", "root"):
            return self.root
        found = [folder / name for folder in self.envs_dirs if (folder / name).exists()]
        return found[0] if found else self.envs_dirs[0] / name


@cache
def load() -> Settings:
    root = Path(os.environ.get("CONDA_ROOT") or sys.prefix)
    sources = [*_files({**os.environ, "CONDA_ROOT": str(root)}), _variables(os.environ)]
    merged = _merge(sources)
    alias = split(str(merged.get("channel_alias", "https://conda.anaconda.org")))
    custom = {name: split(str(url)) for name, url in merged.get("custom_channels", {}).items()}
    return Settings(
        root=root,
        channels=merged.get("channels", []),
        places=Places(alias, custom),
        ssl_verify=_boolean(merged.get("ssl_verify", True)),
        pkgs_dirs=_folders(merged.get("pkgs_dirs"), root / "pkgs"),
        envs_dirs=_folders(merged.get("envs_dirs"), root / "envs"),
        always_yes=_boolean(merged.get("always_yes", False)) is True,
    )


def _files(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns the settings of all condarc files, the weakest first."""
    found: dict[Path, dict[str, Any]] = {}
    for pattern in _FILES:
        path = Path(_expand(pattern, variables)).expanduser()
        if path.is_file():
            found[path] = _read(path)
    return list(found.values())


def _expand(pattern: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda it: variables.get(it[1], "/nowhere"), pattern)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        fail("LoadError", f"{path}: {error}")
    for name in data:
        if name not in (*_LISTS, *_MAPS, *_TEXTS, *_WITHOUT_EFFECT):
            unsupported(f"{path}: the setting `{name}`")
    return data


def _variables(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, text in variables.items():
        if not variable.startswith("CONDA_") or _OTHER_VARIABLES.fullmatch(variable):
            continue
        name = variable.removeprefix("CONDA_").lower()
        if name in _LISTS:
            found[name] = [part.strip() for part in text.split(",") if part.strip()]
        elif name in _TEXTS:
            found[name] = text
        elif name not in _WITHOUT_EFFECT:
            unsupported(f"the variable `{variable}`")
    return found


def _merge(sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Merges sources, the weakest first: lists are joined (strongest first), maps are united."""
    merged: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            if name in _LISTS:
                merged[name] = [*value, *(it for it in merged.get(name, []) if it not in value)]
            elif name in _MAPS:
                merged[name] = {**merged.get(name, {}), **value}
            else:
                merged[name] = value
    return merged


def _boolean(value: object) -> str | bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return words.get(str(value).lower(), str(value))


def _folders(given: list[str] | None, default: Path) -> list[Path]:
    return [Path(folder).expanduser() for folder in given or ()] or [default]
