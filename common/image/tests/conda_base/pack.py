"""Packages in memory, and as .conda files."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

# Placeholder in text files for the environment's folder; long enough for any.
PREFIX = "/opt/placeholder" + "_placehold" * 20
_EXECUTABLE = ("bin/", "condabin/", "python-scripts/")
# conda-forge's level is 19; all that matters here is time.
_LEVEL = 1
_TIMESTAMP = 1_700_000_000


@dataclass
class Package:
    """A package: files by their places in an environment, and what its index.json says."""

    name: str
    version: str
    build: str = "h0_0"
    subdir: str = "linux-64"
    depends: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    entry_points: Sequence[str] = ()
    build_number: int = 0
    is_noarch_python: bool = False

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        return f"{self.stem}.conda"


def write(channel: Path, package: Package) -> Path:
    """Writes the package's file into its subdir of a channel."""
    path = channel / package.subdir / package.file_name
    path.unlink(missing_ok=True)  # channels share files by hard links
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"metadata.json": b'{"conda_pkg_format_version": 2}'}
    content[f"pkg-{package.stem}.tar.zst"] = _archive(package.files, package.links)
    content[f"info-{package.stem}.tar.zst"] = _archive(_info(package), {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, data in content.items():
            file.writestr(zipfile.ZipInfo(name), data)
    return path


def _info(package: Package) -> dict[str, bytes]:
    index = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "depends": list(package.depends),
        "subdir": package.subdir,
        "timestamp": _TIMESTAMP * 1000,
    }
    if package.subdir == "noarch":
        index["noarch"] = "python" if package.is_noarch_python else "generic"
    found: dict[str, Any] = {"index.json": index, "paths.json": _paths(package)}
    if package.is_noarch_python:
        noarch = {"type": "python", "entry_points": list(package.entry_points)}
        found["link.json"] = {"noarch": noarch, "package_metadata_version": 1}
    return {f"info/{name}": json.dumps(data, indent=1).encode() for name, data in found.items()}


def _paths(package: Package) -> dict[str, Any]:
    paths = [_path(name, data) for name, data in sorted(package.files.items())]
    empty = hashlib.sha256().hexdigest()
    paths += [
        {"_path": name, "path_type": "softlink", "sha256": empty, "size_in_bytes": 0}
        for name in sorted(package.links)
    ]
    return {"paths": paths, "paths_version": 1}


def _path(name: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    path = {"_path": name, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data)}
    if PREFIX.encode() in data:
        path |= {"prefix_placeholder": PREFIX, "file_mode": "text"}
    return path


def _archive(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), _TIMESTAMP
            entry.mode = 0o775 if name.startswith(_EXECUTABLE) else 0o664
            archive.addfile(entry, io.BytesIO(data))
        for name, target in sorted(links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mtime = tarfile.SYMTYPE, target, _TIMESTAMP
            archive.addfile(entry)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(buffer.getvalue())
