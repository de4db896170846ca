"""Makes a conda base image, and serves what the missions on it install, for tests and `bench`.

    conda_base_served.py FOLDER

Prints a line of JSON (`Served`), and serves channels, a source archive and a git repository until
standard input ends. The servers answer on the gateway of docker's bridge, where build steps reach
them. FOLDER keeps the channels.
"""

import ipaddress
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

IMAGE_TESTS = Path(__file__).resolve().parents[3] / "common/image/tests"
sys.path.insert(0, str(IMAGE_TESTS))

import loopback  # noqa: E402
from conda_base import serve  # noqa: E402


@dataclass
class Served:
    """The base image, and where the servers are."""

    image: str
    # The folder of the channels, to withdraw a file from.
    channels: str
    # The servers' address.
    address: str
    # CONDA_CHANNEL_ALIAS, PIP_EXTRA_INDEX_URL, and the parent of git repositories.
    alias: str
    index: str
    packages: str
    # In the alias.
    credentials: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Prepares the base and serves until the context ends."""
    prepare = [IMAGE_TESTS / "conda_base/prepare", "--docker", docker(), folder]
    made = json.loads(subprocess.run(prepare, check=True, stdout=subprocess.PIPE).stdout)
    address = _gateway()
    with tempfile.TemporaryDirectory() as temporary, _common_image():
        packages = _packages(Path(temporary), address)
        channels = serve.Server(Path(made["channels"]), address)
        threading.Thread(target=channels.serve_forever, daemon=True).start()
        yield Served(
            made["image"],
            made["channels"],
            address,
            serve.aliases(channels.host)["closed"],
            f"{packages.url}/simple",
            packages.url.removeprefix("http://"),
            serve.CREDENTIALS,
        )


@cache
def docker() -> str:
    """Returns the docker that can build: the one of the settings, or the first such on PATH."""
    found = [os.environ.get("DOCKER"), *(f"{it}/docker" for it in os.get_exec_path())]
    return next(it for it in found if it and _builds(it))


def _builds(program: str) -> bool:
    try:
        command = [program, "build", "--quiet", "-"]
        variables = {**os.environ, "DOCKER_BUILDKIT": "1"}
        text = b"FROM scratch\nLABEL builds=yes\n"
        made = subprocess.run(command, env=variables, input=text, capture_output=True)
        return made.returncode == 0
    except FileNotFoundError:
        return False


def _packages(folder: Path, address: str) -> loopback.Server:
    server = loopback.Server(folder, address)
    server.add_backend("1.0")
    server.add_source("stardust", "1.0")
    loopback.Repository(server, "moonlight")
    return server


def _gateway() -> str:
    """Returns this machine's address on docker's bridge, by default its network's first one."""
    template = "{{json (index .IPAM.Config 0)}}"
    config = json.loads(_output("network", "inspect", "bridge", "--format", template))
    return config.get("Gateway") or str(next(ipaddress.ip_network(config["Subnet"]).hosts()))


@contextmanager
def _common_image() -> Iterator[None]:
    """Restores the common image's name, which the one on the conda base takes."""
    name = "science-platform/common:latest"
    common = _output("image", "inspect", "--format", "{{.Id}}", name)
    try:
        yield
    finally:
        _output("image", "tag", common, name)


def _output(*arguments: str) -> str:
    command = [docker(), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    with served(Path(sys.argv[1])) as result:
        print(json.dumps(asdict(result)), flush=True)
        sys.stdin.read()
