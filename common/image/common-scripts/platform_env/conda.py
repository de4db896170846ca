"""The only module that knows conda's command line, and what its metadata files hold.

conda asks questions that an empty stdin answers with "no", and then exits 0 (see `conda create`):
hence -y everywhere, a look beforehand, and a look at the result.
"""

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from . import paths
from .frozen import CondaPin
from .paths import Failed
from .specs import Line

_PUBLIC = "https://conda.anaconda.org"


def _conda(*arguments: str | Path) -> None:
    command = [paths.CONDA_DIR / "bin" / "conda", *arguments]
    paths.say("conda " + " ".join(str(argument) for argument in arguments))
    status = paths.run(command).returncode
    if status:
        raise Failed(f"conda ended with status {status}: its messages stand above")


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
    bases = _channel_urls()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "explicit.txt")
        urls = [_url(pin, pin.channel or channels[0], bases) for pin in pins]
        file.write_text("\n".join(["@EXPLICIT", *urls, ""]), encoding="utf-8")
        _conda("create", "-y", "-n", environment, "--no-default-packages", "--file", file)
    _expect(environment)


def _url(pin: CondaPin, channel: str, bases: dict) -> str:
    """Where a package file lies: mirrors of a channel are conda's settings, not the spec's."""
    if "://" in channel:
        base = channel
    else:
        known = bases.get("custom_channels", {})
        alias = known.get(channel) or bases.get("channel_alias") or _PUBLIC
        base = f"{alias.rstrip('/')}/{channel}"
    return f"{base.rstrip('/')}/{pin.subdir}/{pin.fn}#sha256:{pin.sha256}"


def _channel_urls() -> dict:
    """conda's channel_alias and custom_channels: where channels named without a URL are."""
    program = paths.CONDA_DIR / "bin" / "conda"
    names = ("channel_alias", "custom_channels")
    result = paths.run([program, "config", "--show", *names, "--json"], capture=True)
    try:
        data = json.loads(result.stdout)
    except ValueError as error:
        raise Failed(f"`conda config --show` gave no JSON: {result.stderr.strip()}") from error
    return {
        "channel_alias": _text_url(data.get("channel_alias")),
        "custom_channels": {
            name: _text_url(value) for name, value in (data.get("custom_channels") or {}).items()
        },
    }


def _text_url(value: object) -> str:
    """A channel location as conda prints it: a URL, or its parts."""
    if isinstance(value, dict):
        return f"{value.get('scheme') or 'https'}://{value.get('location') or ''}"
    return str(value or "")


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
    bases = _channel_urls()
    used = [_channel(record, bases) for record in records]
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


def _channel(record: dict, bases: dict) -> str:
    """The channel's name, or its URL where no setting gives it one; mirrors have no place here."""
    subdir = record.get("subdir") or "noarch"
    text = str(record.get("channel") or "").rstrip("/").removesuffix(f"/{subdir}")
    if "://" not in text:
        return text
    parts = urlsplit(text)
    host = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{host}" + re.sub(r"^/t/[^/]+", "", parts.path)
    for alias in (*bases["custom_channels"].values(), bases["channel_alias"], _PUBLIC):
        if alias and url.startswith(alias.rstrip("/") + "/"):
            return url.removeprefix(alias.rstrip("/") + "/")
    return url
