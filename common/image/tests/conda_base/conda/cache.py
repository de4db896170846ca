"""The package cache, in conda's layout: NAME-VERSION-BUILD.conda beside its extracted folder.

py-rattler links out of the same folders: its lock file says which archive a folder came from.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rattler.package_streaming import extract

from . import records
from .channels import Channel, without_credentials
from .errors import fail
from .net import download
from .settings import Settings

_RECORD = Path("info", "repodata_record.json")


@dataclass(frozen=True)
class Wanted:
    """A package file to have in the cache; without a hash, any file of its URL will do."""

    url: str  # with the credentials to use
    sha256: str = ""
    record: dict[str, Any] | None = None  # the channel's word on the package, if it was asked

    @property
    def bare_url(self) -> str:
        return without_credentials(self.url)

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.file_name.removesuffix(".conda")


def fetch(settings: Settings, wanted: Wanted) -> dict[str, Any]:
    """Returns the record of a package after making sure that its extracted folder is there."""
    for folder in settings.pkgs_dirs:
        known = _known(folder, wanted)
        if known:
            return known
    folder = settings.pkgs_dirs[0]
    folder.mkdir(parents=True, exist_ok=True)
    data = download(wanted.url, settings.ssl_verify)
    actual = hashlib.sha256(data).hexdigest()
    if wanted.sha256 and actual != wanted.sha256:
        fail(
            "ChecksumMismatchError",
            f"Conda detected a mismatch: url '{wanted.bare_url}'\n"
            f"  expected sha256: {wanted.sha256}\n  actual sha256: {actual}",
        )
    (folder / wanted.file_name).write_bytes(data)
    return _unpack(folder, wanted, data)


def _known(folder: Path, wanted: Wanted) -> dict[str, Any] | None:
    """Returns the record of an extracted package that came from this URL with this hash."""
    try:
        record = json.loads((folder / wanted.stem / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = record["url"] == wanted.bare_url and wanted.sha256 in ("", record["sha256"])
    return record if fits else None


def _unpack(folder: Path, wanted: Wanted, data: bytes) -> dict[str, Any]:
    target = folder / wanted.stem
    shutil.rmtree(target, ignore_errors=True)
    extract(folder / wanted.file_name, target)
    index = json.loads((target / "info" / "index.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(data)
    record = {
        **index,
        **(wanted.record or {}),
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": digest.hexdigest(),
        "size": len(data),
        "fn": wanted.file_name,
        "url": wanted.bare_url,
        "channel": wanted.bare_url.rpartition("/")[0],
    }
    (target / _RECORD).write_text(json.dumps(record, indent=2, sort_keys=True), encoding="utf-8")
    (folder / f"{wanted.stem}.lock").write_bytes((1).to_bytes(8, "big") + digest.digest())
    return record


def record_file(settings: Settings, record: dict[str, Any]) -> Path:
    """Returns the file in the cache that holds the record of an extracted package."""
    folders = [folder / records.stem(record) for folder in settings.pkgs_dirs]
    return next(folder / _RECORD for folder in folders if folder.is_dir())


def wanted(channel: Channel, record: dict[str, Any]) -> Wanted:
    url = f"{channel.url(record['subdir'])}/{record['fn']}"
    return Wanted(url, record.get("sha256", ""), record)
