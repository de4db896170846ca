"""Commands that change nothing: config, list, info, env list, run, activate."""

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from importlib import metadata
from pathlib import Path
from typing import Any

from . import __version__, activation, records, target
from .errors import USAGE, fail
from .settings import Settings


def config(known: Settings, given: Namespace) -> int:
    if given.show is None:
        fail("CouldntParseError", "conda config needs something to do, e.g. --show")
    print(_config(known, given.show, given.json))
    return 0


def list_packages(known: Settings, given: Namespace) -> int:
    prefix = target.environment(known, given)
    if given.explicit:
        print(_explicit(prefix, given.sha256), end="")
    else:
        print(_packages(known, prefix, given.regex or "", given.json), end="")
    return 0


def info(known: Settings, given: Namespace) -> int:
    if given.base:
        print(json.dumps({"root_prefix": str(known.root)}) if given.json else known.root)
    elif given.envs:
        print(_environments(known, given.json), end="")
    else:
        print(_info(known, given.json), end="")
    return 0


def env_list(known: Settings, given: Namespace) -> int:
    print(_environments(known, given.json), end="")
    return 0


def run(known: Settings, given: Namespace) -> int:
    prefix = target.environment(known, given)
    command = given.executable_call
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        fail("ArgumentError", "No command specified. Please provide a command to run.", USAGE)
    lines = activation.script(known, ["activate", str(prefix)], os.environ)
    return _run(lines, command, given.cwd, not given.no_capture_output)


def mock(known: Settings, given: Namespace) -> int:
    fail("CondaError", f"Run 'conda init' before 'conda {given.cmd}'")


def _config(settings: Settings, names: list[str], as_json: bool) -> str:
    custom = {name: {**it.shown(), "name": name} for name, it in settings.places.custom.items()}
    known: dict[str, Any] = {
        "always_yes": settings.always_yes,
        "channel_alias": settings.places.alias.shown(),
        "channels": settings.channels,
        "custom_channels": custom,
        "envs_dirs": [str(folder) for folder in settings.envs_dirs],
        "pkgs_dirs": [str(folder) for folder in settings.pkgs_dirs],
        "ssl_verify": settings.ssl_verify,
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        fail("ArgumentError", f"Invalid configuration parameters: {', '.join(unknown)}", 2)
    shown = {name: known[name] for name in sorted(names or known)}
    if as_json:
        return json.dumps(shown, sort_keys=True)
    return "\n".join(f"{name}: {json.dumps(value)}" for name, value in shown.items())


def _packages(settings: Settings, prefix: Path, pattern: str, as_json: bool) -> str:
    rows = sorted([*_conda_rows(settings, prefix), *_pip_rows(prefix)])
    rows = [row for row in rows if re.search(pattern, row[0])]
    if as_json:
        keys = ("name", "version", "build_string", "channel")
        return json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2) + "\n"
    head = f"# packages in environment at {prefix}:\n#\n# Name  Version  Build  Channel\n"
    return head + "".join("  ".join(row) + "\n" for row in rows)


def _conda_rows(settings: Settings, prefix: Path) -> list[tuple[str, str, str, str]]:
    name = settings.places.canonical_name
    return [
        (it["name"], it["version"], it["build"], name(records.channel_of(it)))
        for it in records.read(prefix)
    ]


def _pip_rows(prefix: Path) -> list[tuple[str, str, str, str]]:
    owned = {name for it in records.read(prefix) for name in it["files"]}
    rows = []
    for site in prefix.glob("lib/python3.*/site-packages"):
        for entry in metadata.distributions(path=[str(site)]):
            folder = Path(str(entry._path)).relative_to(prefix)  # type: ignore[attr-defined]
            if f"{folder}/METADATA" not in owned and entry.metadata["Name"]:
                rows.append((entry.metadata["Name"], entry.version, "pypi_0", "pypi"))
    return rows


def _explicit(prefix: Path, with_hashes: bool) -> str:
    hashes = {it["url"]: f"#{it['sha256']}" if with_hashes else "" for it in records.read(prefix)}
    urls = "".join(f"{url}{digest}\n" for url, digest in hashes.items())
    return f"# platform: linux-64\n@EXPLICIT\n{urls}"


def _prefixes(settings: Settings) -> list[Path]:
    folders = [it for folder in settings.envs_dirs for it in sorted(folder.glob("*"))]
    return [settings.root, *(it for it in folders if (it / "conda-meta" / "history").is_file())]


def _environments(settings: Settings, as_json: bool) -> str:
    found = _prefixes(settings)
    if as_json:
        return json.dumps({"envs": [str(prefix) for prefix in found]}, indent=2) + "\n"
    names = ["base", *(prefix.name for prefix in found[1:])]
    rows = (f"{name:<20}   {prefix}\n" for name, prefix in zip(names, found, strict=True))
    return "\n# conda environments:\n#\n" + "".join(rows) + "\n"


def _info(settings: Settings, as_json: bool) -> str:
    urls = [settings.places.channel(name).base_url for name in settings.channels]
    data = {
        "channels": [f"{url}/{subdir}" for url in urls for subdir in ("linux-64", "noarch")],
        "conda_prefix": str(settings.root),
        "conda_version": __version__,
        "default_prefix": str(settings.root),
        "envs": [str(prefix) for prefix in _prefixes(settings)],
        "envs_dirs": [str(folder) for folder in settings.envs_dirs],
        "pkgs_dirs": [str(folder) for folder in settings.pkgs_dirs],
        "platform": "linux-64",
        "python_version": ".".join(str(part) for part in sys.version_info),
        "root_prefix": str(settings.root),
    }
    if as_json:
        return json.dumps(data, indent=2) + "\n"
    return "".join(f"{name:>20} : {value}\n" for name, value in data.items())


def _run(script: str, command: list[str], folder: str | None, capture: bool) -> int:
    """Runs a command in an activated shell; conda holds its output back unless told otherwise."""
    argv = ["bash", "-c", f'{script}\nexec "$@"', "bash", *command]
    result = subprocess.run(argv, cwd=folder, capture_output=capture)
    for data, stream in ((result.stdout, sys.stdout), (result.stderr, sys.stderr)):
        if data:
            stream.buffer.write(data)
    return result.returncode
