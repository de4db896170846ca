"""A conda base for a test class: channels made once per container, a server, a fresh root."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASE = HERE / "conda_base"
SHARED = Path(tempfile.gettempdir(), "conda-base-tests")
TOOLS, WHEELS, CHANNELS, PACKAGES = (SHARED / it for it in ("tools", "wheels", "channels", "pkgs"))
ROOT_SPECS = ("python", "pip", "conda")

if str(TOOLS) not in sys.path:
    sys.path.append(str(TOOLS))


def run(*arguments: str | Path, **env: str) -> str:
    """Runs a program with the tools on its path; a failure shows what was printed."""
    variables = {**os.environ, "PYTHONPATH": f"{TOOLS}:{HERE}", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [str(it) for it in arguments], env=variables | env, capture_output=True, text=True
    )
    if result.returncode:
        raise AssertionError(f"{arguments}\n{result.stdout}\n{result.stderr}")
    return result.stdout


@cache
def prepare() -> None:
    """Makes the channels, unless an earlier test process of this container did."""
    if CHANNELS.exists():
        return
    hashed = ("--require-hashes", "--requirement")
    run("uv", "pip", "install", "--target", TOOLS, *hashed, BASE / "requirements.txt")
    download = ("-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", WHEELS)
    for listed in ("wheels.txt", "older.txt"):
        run(sys.executable, *download, *hashed, BASE / listed)
    unfinished = SHARED / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    run(sys.executable, "-m", "conda_base.channel", unfinished, WHEELS)
    unfinished.rename(CHANNELS)


class Channels:
    """The channels of a test class, served at one address for all classes of the process."""

    def __init__(self, folder: Path) -> None:
        prepare()
        self.folder = folder
        shutil.copytree(CHANNELS, folder, copy_function=_link)
        self.server = _server()
        self.server.folder = folder
        self.server.requests.clear()

    @property
    def requests(self) -> list[dict[str, str | int]]:
        """Returns the requests to the server, with their credentials."""
        return self.server.requests

    def alias(self, place: str = "closed", *, token: bool = False) -> str:
        """Returns a channel_alias: `open` needs no credentials, `closed` has them in it."""
        from conda_base import serve

        if place == "open":
            return f"http://{self.server.host}/open"
        if token:
            return f"http://{self.server.host}/{place}/t/{serve.TOKEN}"
        return f"http://{serve.CREDENTIALS}@{self.server.host}/{place}"

    def url(self, channel: str = "conda-forge", place: str = "closed") -> str:
        """Returns the URL of a channel without credentials."""
        return f"http://{self.server.host}/{place}/{channel}"

    def add(self, *packages: object, channel: str = "conda-forge") -> None:
        """Adds packages (`conda_base.pack.Package`), and indexes the channel."""
        from conda_base import pack

        for package in packages:
            pack.write(self.folder / channel, package)
        self._index(channel)

    def withdraw(self, file_name: str, channel: str = "conda-forge") -> None:
        """Removes a package's file, as an owner of a channel may."""
        for path in (self.folder / channel).glob(f"*/{file_name}"):
            path.unlink()
        self._index(channel)

    def sha256(self, file_name: str, channel: str = "conda-forge") -> str:
        for path in (self.folder / channel).glob("*/repodata.json"):
            if found := json.loads(path.read_text())["packages.conda"].get(file_name):
                return found["sha256"]
        raise AssertionError(f"{channel} has no {file_name}")

    def _index(self, channel: str) -> None:
        run(sys.executable, "-m", "conda_base.channel", self.folder / channel)


def _link(source: str, target: str) -> None:
    """Links packages and copies indexes, which are written again in place."""
    if source.endswith(".conda"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@cache
def _server():
    from conda_base.serve import Server

    server = Server(CHANNELS)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def make_root(root: Path, channels: Channels, specs: tuple[str, ...] = ROOT_SPECS) -> None:
    """Makes a conda installation out of the channels, with conda in it."""
    settings = {"CONDA_CHANNEL_ALIAS": channels.alias(), "CONDA_PKGS_DIRS": str(PACKAGES)}
    run(sys.executable, "-m", "conda_base.root", root, *specs, **settings)
