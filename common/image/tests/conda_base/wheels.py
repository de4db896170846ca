"""Conda packages from wheels: the same files, with dependencies out of the wheel's metadata."""

import configparser
import re
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name, parse_wheel_filename

from .pack import PREFIX, Package

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
ABI = MINOR.replace(".", "")
SITE = f"lib/python{MINOR}/site-packages"
# conda-forge's names, where they differ from the normalised ones of PyPI.
_NAMES = {
    "jupyter-client": "jupyter_client",
    "jupyter-core": "jupyter_core",
    "jupyter-events": "jupyter_events",
    "jupyter-server": "jupyter_server",
    "jupyter-server-terminals": "jupyter_server_terminals",
    "jupyterlab-pygments": "jupyterlab_pygments",
    "jupyterlab-server": "jupyterlab_server",
    "prometheus-client": "prometheus_client",
    "pure-eval": "pure_eval",
    "stack-data": "stack_data",
    "typing-extensions": "typing_extensions",
}


def conda_name(distribution: str) -> str:
    name = canonicalize_name(distribution)
    return _NAMES.get(name, name)


def convert(path: Path) -> Package:
    """Returns the package of a wheel: noarch where the wheel is pure, else for this Python."""
    name, version, _, tags = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as wheel:
        files = {it: wheel.read(it) for it in wheel.namelist() if not it.endswith("/")}
    info = next(it for it in files if re.fullmatch(r"[^/]+\.dist-info/METADATA", it))
    folder = info.partition("/")[0]
    is_pure = all(tag.platform == "any" for tag in tags)
    metadata = Parser().parsestr(files[info].decode())
    entry_points = _entry_points(files.get(f"{folder}/entry_points.txt", b"").decode())
    files[f"{folder}/INSTALLER"] = b"conda\n"
    placed = _place(files, "site-packages" if is_pure else SITE, is_pure)
    if not is_pure:
        placed |= {f"bin/{it.partition('=')[0].strip()}": _script(it) for it in entry_points}
    return Package(
        name=conda_name(name),
        version=str(version),
        build="pyhd8ed1ab_0" if is_pure else f"py{ABI}h5c1b3a1_0",
        subdir="noarch" if is_pure else "linux-64",
        depends=[_python(is_pure), *depends(metadata.get_all("Requires-Dist") or ())],
        files=placed,
        entry_points=entry_points if is_pure else (),
        is_noarch_python=is_pure,
    )


def _python(is_pure: bool) -> str:
    major, minor = MINOR.split(".")
    return "python" if is_pure else f"python >={MINOR},<{major}.{int(minor) + 1}.0a0"


def _place(files: dict[str, bytes], site: str, is_pure: bool) -> dict[str, bytes]:
    placed = {}
    for name, data in files.items():
        found = re.fullmatch(r"[^/]+\.data/(scripts|data|purelib|platlib|headers)/(.+)", name)
        kind, rest = found.groups() if found else ("", name)
        if kind == "scripts":
            folder = "python-scripts" if is_pure else "bin"
            first, _, body = data.partition(b"\n")
            is_python = first.startswith(b"#!python")
            placed[f"{folder}/{rest}"] = _shebang() + body if is_python else data
        elif kind in ("data", "headers"):
            placed[rest] = data
        else:
            placed[f"{site}/{rest}"] = data
    return placed


def _shebang() -> bytes:
    return f"#!{PREFIX}/bin/python{MINOR}\n".encode()


def _entry_points(text: str) -> list[str]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment] -- names keep their case
    parser.read_string(text)
    if not parser.has_section("console_scripts"):
        return []
    # Extras in brackets mean nothing to conda.
    return [
        f"{name} = {target.partition('[')[0].strip()}"
        for name, target in parser.items("console_scripts")
    ]


def _script(entry_point: str) -> bytes:
    module, _, function = entry_point.partition("=")[2].strip().partition(":")
    head = function.partition(".")[0]
    return (
        _shebang() + f"import sys\nfrom {module} import {head}\nsys.exit({function}())\n".encode()
    )


def depends(requirements: list[str] | tuple[str, ...]) -> list[str]:
    """Returns conda dependencies for a wheel's requirements; those of extras are left out."""
    environment = {**default_environment(), "extra": ""}
    found = []
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            limits = ",".join(sorted(_limit(it) for it in requirement.specifier))
            found.append(f"{conda_name(requirement.name)} {limits}".strip())
    return sorted(found)


def _limit(specifier: Specifier) -> str:
    return f"{specifier.operator.replace('===', '==')}{specifier.version}"
