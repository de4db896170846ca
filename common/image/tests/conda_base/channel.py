"""Makes channels: `python -m conda_base.channel FOLDER WHEELS`; with FOLDER alone, indexes one.

Runs with the interpreter that the channel's `python` package links to.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from rattler.index import index_fs

from . import fixtures, pack, wheels
from .pack import Package

PUBLIC, PRIVATE = "conda-forge", "private"


def make(folder: Path, wheel_folder: Path) -> None:
    """Makes both channels, the public one out of wheels and fixtures."""
    converted = [wheels.convert(path) for path in sorted(wheel_folder.glob("*.whl"))]
    write(folder / PUBLIC, [*converted, *fixtures.all_packages()])
    write(folder / PRIVATE, fixtures.private_packages())


def write(channel: Path, packages: Iterable[Package]) -> None:
    """Adds packages to a channel, and indexes it."""
    (channel / "noarch").mkdir(parents=True, exist_ok=True)
    for package in packages:
        pack.write(channel, package)
    index(channel)


def index(channel: Path) -> None:
    """Writes repodata.json from the files that are there, then patches it."""
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False, force=True))
    for path in channel.glob("*/repodata.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        for name, record in data["packages.conda"].items():
            record.update(fixtures.PATCHES.get(name, {}))
        path.write_text(json.dumps(data), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        index(Path(sys.argv[1]))
    else:
        make(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # py-rattler's threads may outlive an orderly end
