"""Files of packages: environment files, lists of specs, explicit lists."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import solve
from .errors import CondaError, fail, unsupported

EXPLICIT = "@EXPLICIT"


@dataclass
class Listed:
    """Content of a file."""

    name: str | None = None
    channels: list[str] = field(default_factory=list)
    specs: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)


def read(file: str) -> Listed:
    path = Path(file)
    if not path.exists():
        fail("EnvironmentFileNotFound", f"'{path.resolve()}' file not found")
    text = path.read_text(encoding="utf-8")
    kinds = {
        "environment.yml": _environment,
        "environment.yaml": _environment,
        "explicit.txt": _explicit,
        "requirements.txt": _requirements,
        "spec.txt": _requirements,
    }
    reader = kinds.get(path.name) or _detect(path, text)
    return reader(path, text)


def _detect(path: Path, text: str):
    if EXPLICIT in _lines(text):
        return _explicit
    if path.suffix in (".yml", ".yaml"):
        return _environment
    try:
        _requirements(path, text)
    except CondaError:
        fail("EnvironmentSpecPluginNotDetected", f"no plugin can read the file {path}")
    return _requirements


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _explicit(path: Path, text: str) -> Listed:
    lines = _lines(text)
    if EXPLICIT not in lines:
        fail("PluginError", f"{path} is not an explicit file. Missing the explicit marker.")
    return Listed(urls=[line for line in lines if line != EXPLICIT])


def _requirements(path: Path, text: str) -> Listed:
    specs = [line.split(" #")[0].strip() for line in _lines(text)]
    for spec in specs:
        solve.parse(spec)
    return Listed(specs=specs)


def _environment(path: Path, text: str) -> Listed:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        fail("YAMLError", f"{path}: {error}")
    if not isinstance(data, dict):
        fail("EnvironmentFileEmpty", f"'{path}' is empty")
    for key in set(data) - {"name", "channels", "dependencies", "prefix"}:
        unsupported(f"{path}: the key `{key}`")
    return Listed(data.get("name"), data.get("channels") or [], _dependencies(path, data))


def _dependencies(path: Path, data: dict[str, Any]) -> list[str]:
    listed = data.get("dependencies") or []
    if any(isinstance(it, dict) for it in listed):
        unsupported(f"{path}: a `pip:` list")
    for spec in listed:
        solve.parse(spec)
    return listed
