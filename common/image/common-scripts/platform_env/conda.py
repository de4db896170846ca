"""The only module that knows conda's command line, and what its metadata files hold.

conda asks questions that an empty stdin answers with "no", and then exits 0 (see `conda create`):
hence -y everywhere, a look beforehand, and a look at the result.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import paths
from .frozen import CondaPin
from .paths import Failed
from .specs import Line

_PUBLIC = "https://conda.anaconda.org"


def _conda(*arguments: str | Path) -> None:
    command = [paths.CONDA_DIR / "bin" / "conda", *arguments]
    paths.say("conda " + " ".join(str(argument) for argument in arguments))
    output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, **output) as process:
        for line in process.stdout or ():
            paths.say(_without_credentials(line.rstrip("\n")))
    if process.returncode:
        raise Failed(f"conda ended with status {process.returncode}: its messages stand above")


def _without_credentials(text: str) -> str:
    """The text without what URLs in it hold: conda itself prints the channels whole."""
    text = re.sub(r"://[^/@\s]*@", "://", text)
    return re.sub(r"(://\S*?)/t/[^/\s]+", r"\1", text)


def _expect(environment: str) -> None:
    if not paths.exists(environment):
        raise Failed(
            f"conda made no environment with a Python in {paths.prefix(environment)}: "
            "list `python` among the dependencies, and look at conda's envs_dirs setting"
        )


def create_default(environment: str) -> None:
    """An environment with the base's Python and pip."""
    minor = re.search(r"python(\d+\.\d+)$", str(_base_site().parent))
    wanted = f"python={minor[1]}" if minor else "python"
    _conda("create", "-y", "-n", environment, "--no-default-packages", wanted, "pip")
    _expect(environment)


def _base_site() -> Path:
    found = sorted((paths.CONDA_DIR / "lib").glob("python3.*/site-packages"))
    return found[-1] if found else paths.CONDA_DIR / "lib"


def create(environment: str, channels: Sequence[str], lines: Sequence[Line]) -> None:
    """An environment from the conda part of a .yml; uv installs the rest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "environment.yml")
        text = [f"name: {environment}"]
        text += ["channels:", *(f"  - {json.dumps(name)}" for name in channels)] if channels else []
        text += ["dependencies:", *(f"  - {json.dumps(line.text)}" for line in lines)]
        file.write_text("\n".join([*text, ""]), encoding="utf-8")
        _conda("env", "create", "-y", "-n", environment, "--no-default-packages", "-f", file)
    _expect(environment)


def install(environment: str, channels: Sequence[str], lines: Sequence[Line]) -> None:
    """Install lines; give all that were ever asked for, and the solver keeps them satisfied."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("".join(f"{line.text}\n" for line in lines), encoding="utf-8")
        flags = [part for name in channels for part in ("-c", name)]
        _conda("install", "-y", "-n", environment, *flags, "--file", file)
    _expect(environment)


def clone(source: str, environment: str) -> None:
    _conda("create", "-y", "-n", environment, "--clone", source)
    _expect(environment)


def create_exact(environment: str, channels: Sequence[str], pins: Sequence[CondaPin]) -> None:
    """An environment from package files alone: nothing is solved, each hash is checked."""
    places = Places()
    with tempfile.TemporaryDirectory() as folder:
        # conda knows what kind of list it is by this name.
        file = Path(folder, "explicit.txt")
        urls = [
            f"{places.url(pin.channel or channels[0])}/{pin.subdir}/{pin.fn}#sha256:{pin.sha256}"
            for pin in pins
        ]
        file.write_text("\n".join(["@EXPLICIT", *urls, ""]), encoding="utf-8")
        _conda("create", "-y", "-n", environment, "--no-default-packages", "--file", file)
    _expect(environment)
    _compare(environment, pins)


def _compare(environment: str, pins: Sequence[CondaPin]) -> None:
    """Name the pins that are not what conda installed: it looks at URL and hash alone."""
    made = {record["name"]: record for record in packages(paths.prefix(environment))}
    found = []
    for pin in pins:
        record = made.get(pin.name, {})
        for key in ("version", "build", "subdir", "sha256"):
            wanted, is_there = getattr(pin, key), record.get(key)
            if wanted != is_there:
                found.append(f"  {pin.name}: {key} {wanted} is frozen, and {is_there} is installed")
    if found:
        raise Failed(f"{environment} is not what its frozen spec says:\n" + "\n".join(found))


class Places:
    """Where channels are: mirrors of a channel are conda's settings, not the spec's."""

    def __init__(self) -> None:
        program = paths.CONDA_DIR / "bin" / "conda"
        names = ("channel_alias", "custom_channels")
        result = paths.run([program, "config", "--show", *names, "--json"], capture=True)
        try:
            data = json.loads(result.stdout)
            self._alias: dict = data["channel_alias"]
            self._custom: dict[str, dict] = data["custom_channels"]
        except (ValueError, KeyError) as error:
            problem = f"`conda config --show` gave no settings: {result.stdout}{result.stderr}"
            raise Failed(problem) from error

    def url(self, channel: str) -> str:
        """The URL of a channel, with the credentials that the settings give it."""
        if "://" in channel:
            return channel.rstrip("/")
        place = self._custom.get(channel, self._alias)
        auth = f"{place['auth']}@" if place.get("auth") else ""
        token = f"/t/{place['token']}" if place.get("token") else ""
        return f"{place['scheme']}://{auth}{place['location']}{token}/{channel}"

    def name(self, url: str) -> str:
        """The name under which the settings know a channel, or its URL without credentials."""
        bare = _without_credentials(url.rstrip("/"))
        for name, place in self._custom.items():
            if bare == f"{place['scheme']}://{place['location']}/{name}":
                return name
        for base in (f"{self._alias['scheme']}://{self._alias['location']}", _PUBLIC):
            if bare.startswith(f"{base}/"):
                return bare.removeprefix(f"{base}/")
        return bare


def packages(prefix: Path) -> list[dict]:
    """What conda installed: the content of conda-meta, by name."""
    records = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted((prefix / "conda-meta").glob("*.json"))
    ]
    return sorted(records, key=lambda record: record["name"])


def pins(prefix: Path, channels: Sequence[str]) -> tuple[list[str], list[CondaPin]]:
    """The channels, and one pin for each package that conda installed."""
    records = packages(prefix)
    places = Places()
    used = [_channel(record, places) for record in records]
    # Channels that only dependencies came from are listed too: the frozen spec needs them.
    names = [name for name in channels if name in used]
    names += sorted({name for name in used if name not in names})
    names = names or ["conda-forge"]
    found = []
    for record, channel in zip(records, used, strict=True):
        if not record.get("sha256"):
            raise Failed(
                f"conda recorded no sha256 for {record['name']} {record['version']}: "
                "it was installed from a file or by an old conda, install it from a channel"
            )
        found.append(
            CondaPin(
                record["name"],
                record["version"],
                record.get("build") or record.get("build_string", ""),
                record.get("subdir") or "noarch",
                record["fn"],
                record["sha256"],
                "" if channel == names[0] else channel,
            )
        )
    return names, found


def _channel(record: dict, places: Places) -> str:
    subdir = record.get("subdir") or "noarch"
    text = str(record.get("channel") or "").rstrip("/").removesuffix(f"/{subdir}")
    return places.name(text) if "://" in text else text
