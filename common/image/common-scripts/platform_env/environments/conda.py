"""Calls conda; no other module uses its command line.

conda asks questions that an empty stdin answers with "no", and then exits 0 (see `conda create`):
hence -y everywhere, a look beforehand, and a look at the result.
"""

import functools
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import conda_errors, conda_meta, home_files, paths, redact
from .frozen import CondaPin
from .paths import Failed
from .specs import Line

_PUBLIC = "https://conda.anaconda.org"
_SOLVE = (
    "change these lines so that they hold together, correct the name, "
    "or add the channel that has the package"
)

# Files that an interpreter imports or an activated environment leaves; conda itself is Python, and
# its bin/conda starts without -E and -s. All files that configure conda stay.
_STATE = re.compile(
    r"PYTHON(PATH|HOME|STARTUP|USERBASE|INSPECT|OPTIMIZE|SAFEPATH|WARNINGS)|VIRTUAL_ENV"
    r"|CONDA_(PREFIX.*|SHLVL|DEFAULT_ENV|PROMPT_MODIFIER|DRY_RUN|DOWNLOAD_ONLY|ONLY_DEPS|NO_DEPS|JSON)"
    r"|CONDA_ENVS_(DIRS|PATH)"
)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the process environment for conda: only the image decides what it imports."""
    kept = {name: value for name, value in variables.items() if not _STATE.fullmatch(name)}
    # Unbuffered: progress must not be printed after the error that it led to.
    return {**kept, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}


def _program() -> Path:
    return paths.CONDA_DIR / "bin" / "conda"


def _conda(*arguments: str | Path, lines: Sequence[Line], remedy: str) -> None:
    """Runs conda; passes its output on at once, except for an error, which follows at its end."""
    paths.say("conda " + " ".join(str(argument) for argument in arguments))
    output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command, env = [_program(), *arguments], environment(os.environ)
    held: list[str] = []
    home = Path.home()
    # conda records there its environments, and the messages that the user has seen.
    with (
        home_files.kept(home / ".conda", home / ".cache/conda"),
        subprocess.Popen(command, env=env, text=True, errors="replace", **output) as process,
    ):
        for raw in process.stdout or ():
            line = raw.rstrip("\n")
            if held or conda_errors.begins(line):
                held.append(line)
            else:
                paths.say(line)
    message = conda_errors.once(held)
    if process.returncode:
        status = f"conda failed with status {process.returncode}"
        raise Failed(f"{status}: {conda_errors.explain(message, lines, remedy)}")
    if message:
        paths.say(message)


def _expect(environment: str) -> None:
    if not paths.exists(environment):
        raise Failed(
            f"conda made no environment with a Python in {paths.prefix(environment)}: "
            "list `python` among the dependencies, and look at conda's envs_dirs setting"
        )


def create(environment: str, channels: Sequence[str], lines: Sequence[Line]) -> None:
    """Makes an environment from the conda part of a .yml; uv installs the rest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "environment.yml")
        text = [f"name: {environment}"]
        text += ["channels:", *(f"  - {json.dumps(name)}" for name in channels)] if channels else []
        text += ["dependencies:", *(f"  - {json.dumps(line.text)}" for line in lines)]
        file.write_text("\n".join([*text, ""]), encoding="utf-8")
        command = ["env", "create", "-y", "-n", environment, "--no-default-packages", "-f", file]
        _conda(*command, lines=lines, remedy=_SOLVE)
    _expect(environment)


def install(environment: str, channels: Sequence[str], lines: Sequence[Line]) -> None:
    """Installs lines; pass all lines ever requested, and the solver keeps them satisfied."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("".join(f"{line.text}\n" for line in lines), encoding="utf-8")
        flags = [part for name in channels for part in ("-c", name)]
        command = ["install", "-y", "-n", environment, *flags, "--file", file]
        _conda(*command, lines=lines, remedy=_SOLVE)
    _expect(environment)


def create_exact(
    environment: str,
    channels: Sequence[str],
    pins: Sequence[CondaPin],
    lines: Sequence[Line],
    remedy: str,
) -> None:
    """Makes an environment from package files alone: nothing is solved, each hash is checked.

    The lines say where each pin was read, and the remedy what to do about one that fails.
    """
    places = _places()
    with tempfile.TemporaryDirectory() as folder:
        # conda recognises the kind of list by this name.
        explicit = Path(folder, "explicit.txt")
        urls = [
            f"{places.url(pin.channel or channels[0])}/{pin.subdir}/{pin.fn}#sha256:{pin.sha256}"
            for pin in pins
        ]
        explicit.write_text("\n".join(["@EXPLICIT", *urls, ""]), encoding="utf-8")
        command = ["create", "-y", "-n", environment, "--no-default-packages", "--file", explicit]
        _conda(*command, lines=lines, remedy=remedy)
    _expect(environment)
    _compare(environment, pins)


def _compare(environment: str, pins: Sequence[CondaPin]) -> None:
    """Fails when conda installed something else than the pins: it checks only URL and hash."""
    made = {record["name"]: record for record in conda_meta.packages(paths.prefix(environment))}
    found = []
    for pin in pins:
        record = made.get(pin.name, {})
        for key in ("version", "build", "subdir", "sha256"):
            wanted, is_there = getattr(pin, key), record.get(key)
            if wanted != is_there:
                found.append(f"  {pin.name}: expected {key} {wanted}, found {is_there}")
    if found:
        raise Failed(f"conda made {environment} from other packages:\n" + "\n".join(found))


class Places:
    """Locations of channels: mirrors of a channel are conda's settings, not the spec's."""

    def __init__(self) -> None:
        command = [_program(), "config", "--show", "channel_alias", "custom_channels", "--json"]
        result = paths.run(command, env=environment(os.environ), capture=True)
        try:
            data = json.loads(result.stdout)
            self._alias: dict = data["channel_alias"]
            self._custom: dict[str, dict] = data["custom_channels"]
        except (ValueError, KeyError) as error:
            problem = f"`conda config --show` gave no settings: {result.stdout}{result.stderr}"
            raise Failed(problem) from error

    def url(self, channel: str) -> str:
        """Returns the URL of a channel, with the credentials from the settings."""
        if "://" in channel:
            return channel.rstrip("/")
        place = self._custom.get(channel, self._alias)
        auth = f"{place['auth']}@" if place.get("auth") else ""
        token = f"/t/{place['token']}" if place.get("token") else ""
        return f"{place['scheme']}://{auth}{place['location']}{token}/{channel}"

    def name(self, url: str) -> str:
        """Returns a channel's name in the settings, or its URL without credentials."""
        bare = redact.bare_channel(url.rstrip("/"))
        for name, place in self._custom.items():
            if bare == f"{place['scheme']}://{place['location']}/{name}":
                return name
        for base in (f"{self._alias['scheme']}://{self._alias['location']}", _PUBLIC):
            if bare.startswith(f"{base}/"):
                return bare.removeprefix(f"{base}/")
        return bare


@functools.cache  # conda takes its time to start
def _places() -> Places:
    return Places()


def channel_names(prefix: Path) -> dict[str, str]:
    """Returns, by URL, the names of the channels that packages came from.

    Build steps alone have the settings that tell: a mirror's URL means nothing elsewhere.
    """
    urls = {_channel_url(record) for record in conda_meta.packages(prefix)}
    return {url: _places().name(url) for url in sorted(urls) if "://" in url}


def pins(
    prefix: Path, channels: Sequence[str], known: Mapping[str, str] | None = None
) -> tuple[list[str], list[CondaPin]]:
    """Returns the channels, and one pin for each package that conda installed.

    Known names of channels, by URL, go before those that the settings of this process tell.
    """
    records = conda_meta.packages(prefix)
    places = _places()
    known = known or {}
    used = [_channel(record, places, known) for record in records]
    _refuse_unpinnable(records, used)
    # Channels of dependencies alone are listed too: the frozen spec needs them.
    wanted = [_name(channel, places, known) for channel in channels]
    names = list(dict.fromkeys(name for name in wanted if name in used))
    names += sorted({name for name in used if name not in names})
    names = names or ["conda-forge"]
    found = [
        CondaPin(
            record["name"],
            record["version"],
            record.get("build") or record.get("build_string", ""),
            record.get("subdir") or "noarch",
            record["fn"],
            record["sha256"],
            "" if channel == names[0] else channel,
        )
        for record, channel in zip(records, used, strict=True)
    ]
    return names, found


def _refuse_unpinnable(records: Sequence[dict], used: Sequence[str]) -> None:
    found = []
    for record, channel in zip(records, used, strict=True):
        lacks = "sha256" if not record.get("sha256") else "channel"
        if lacks == "sha256" or channel in ("", "<unknown>"):
            found.append(f"  {record['name']} {record['version']}: conda recorded no {lacks}")
    if found:
        remedy = "install these packages from a channel: a file or an old conda leaves no such data"
        raise Failed("\n".join(["these packages cannot be pinned:", *found, remedy]))


def _channel(record: dict, places: Places, known: Mapping[str, str]) -> str:
    return _name(_channel_url(record), places, known)


def _channel_url(record: dict) -> str:
    """Returns a package's channel as conda recorded it: a URL, or a name from old versions."""
    subdir = record.get("subdir") or "noarch"
    return str(record.get("channel") or "").rstrip("/").removesuffix(f"/{subdir}")


def _name(channel: str, places: Places, known: Mapping[str, str]) -> str:
    bare = redact.bare_channel(channel.rstrip("/"))
    if bare in known:
        return known[bare]
    return places.name(channel) if "://" in channel else channel
