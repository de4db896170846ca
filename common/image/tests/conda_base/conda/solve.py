"""From match specs to package records: channels are read over HTTP, py-rattler solves."""

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rattler import Channel as RattlerChannel
from rattler import MatchSpec, PrefixRecord, RepoDataRecord, SparseRepoData, VirtualPackage
from rattler import solve_with_sparse_repodata as solve_sparse
from rattler.exceptions import InvalidMatchSpecError, SolverError

from . import history, records
from .channels import SUBDIRS, Channel
from .errors import fail
from .net import CHANNEL_PROBLEM, HttpError, download
from .settings import Settings


@dataclass(frozen=True)
class Index:
    """Packages that the channels offer."""

    channels: dict[str, Channel]  # by base URL
    repodata: list[SparseRepoData]

    def parse(self, spec: str) -> MatchSpec:
        """Returns a match spec; py-rattler compares a channel by its URL."""
        name, colons, rest = spec.partition("::")
        urls = {channel.name: url for url, channel in self.channels.items()}
        return parse(f"{urls.get(name, name)}{colons}{rest}")

    def candidates(self, spec: MatchSpec) -> list[RepoDataRecord]:
        return [it for data in self.repodata for it in data.load_matching_records([spec])]


def parse(spec: str) -> MatchSpec:
    try:
        return MatchSpec(spec, strict=False)
    except InvalidMatchSpecError as error:
        fail("InvalidMatchSpec", f"Invalid spec '{spec}': {error}")


def read_index(settings: Settings, names: list[str]) -> Index:
    """Downloads the repodata of channels, each with the credentials that the settings give it."""
    if not names:
        fail("NoChannelsConfiguredError", "No channels are configured.")
    channels = [settings.places.channel(name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        repodata = []
        for number, channel in enumerate(channels):
            for subdir in SUBDIRS:
                path = Path(folder, f"{number}-{subdir}.json")
                path.write_bytes(_repodata(settings, channel, subdir))
                repodata.append(SparseRepoData(RattlerChannel(channel.base_url), subdir, path))
        for data in repodata:
            data.package_names()  # loaded before its file goes
    return Index({channel.base_url: channel for channel in channels}, repodata)


def _repodata(settings: Settings, channel: Channel, subdir: str) -> bytes:
    try:
        return download(f"{channel.url(subdir)}/repodata.json", settings.ssl_verify)
    except HttpError as error:
        if error.code == 404 and subdir != "noarch":
            return json.dumps({"info": {"subdir": subdir}, "packages": {}}).encode()
        if error.code == 404:
            fail(
                CHANNEL_PROBLEM,
                f"HTTP 404 NOT FOUND for channel {channel.name} <{channel.base_url}>",
            )
        raise


def solve(
    index: Index, installed: list[PrefixRecord], specs: list[str], constraints: list[str]
) -> list[RepoDataRecord]:
    """Returns the packages of the environment that is to be."""
    parsed = [index.parse(spec) for spec in specs]
    _refuse_unknown(index, parsed)
    limits = [parse(spec) for spec in constraints]
    _refuse_unpinned(index, parsed, limits)
    try:
        return asyncio.run(
            solve_sparse(
                parsed,
                index.repodata,
                locked_packages=installed,
                virtual_packages=VirtualPackage.detect(),
                constraints=limits,
            )
        )
    except SolverError as error:
        fail("LibMambaUnsatisfiableError", f"Encountered problems while solving:\n{error}")


def _refuse_unknown(index: Index, specs: list[MatchSpec]) -> None:
    missing = [spec for spec in specs if not index.candidates(spec)]
    if not missing:
        return
    # conda prints the channels whole, credentials included.
    urls = [channel.url(subdir) for channel in index.channels.values() for subdir in SUBDIRS]
    fail(
        "PackagesNotFoundInChannelsError",
        "The following packages are not available from current channels:\n\n"
        + "".join(f"  - {spec}\n" for spec in missing)
        + "\nCurrent channels:\n\n"
        + "".join(f"  - {url}\n" for url in urls),
    )


def _refuse_unpinned(index: Index, specs: list[MatchSpec], pins: list[MatchSpec]) -> None:
    """Refuses a request that a pin of the environment rules out."""
    for pin in pins:
        for spec in specs:
            is_same = history.name_of(str(spec)) == history.name_of(str(pin))
            if is_same and not any(pin.matches(it) for it in index.candidates(spec)):
                fail(
                    "SpecsConfigurationConflictError",
                    "Requested specs conflict with configured specs.\n"
                    f"  requested specs:\n    - {spec}\n  pinned specs:\n    - {pin}",
                )


def pinned(prefix: Path) -> list[str]:
    """Returns the specs of the environment's conda-meta/pinned."""
    path = prefix / "conda-meta" / "pinned"
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def merge(prefix: Path, new: list[str]) -> list[str]:
    """Returns all specs for a solve: earlier requests that are still there, and the new ones."""
    names = {history.name_of(str(parse(spec))) for spec in new}
    there = {record["name"] for record in records.read(prefix)}
    old = history.requested(prefix).items()
    return [*(spec for name, spec in old if name in there and name not in names), *new]


def as_dict(record: RepoDataRecord) -> dict[str, Any]:
    """Returns a solved record as the channel's repodata holds it."""
    return {**json.loads(record.to_json()), "fn": record.file_name, "subdir": record.subdir}
