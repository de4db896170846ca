"""`conda create --clone`: stray files first, then the same packages by their bare URLs."""

import contextlib
import os
import shutil
from pathlib import Path

from . import install, records
from .cache import Wanted
from .settings import Settings

_LEFT_OUT = {"pkgs", "envs", "conda-bld", "conda-meta", ".conda_lock", "users", "info", ".index"}
_LEFT_OUT_OF_BIN = {"conda", "activate", "deactivate"}


def clone(settings: Settings, source: Path, prefix: Path) -> None:
    stray = _untracked(source)
    print(f"Source:      {source}\nDestination: {prefix}")
    packages = records.read(source)
    print(f"Packages: {len(packages)}\nFiles: {len(stray)}")
    for name in stray:
        _copy(source, prefix, name)
    # conda-meta holds URLs without credentials, and conda adds none to them.
    wanted = [Wanted(record["url"]) for record in packages]
    install.exactly(settings, prefix, wanted)


def _untracked(prefix: Path) -> list[str]:
    """Returns the files of an environment that no package brought."""
    owned = {name for record in records.read(prefix) for name in record["files"]}
    found = {name for name in _walk(prefix) if name not in owned and not name.endswith("~")}
    return sorted(name for name in found if not (name.endswith(".pyc") and name[:-1] in owned))


def _walk(prefix: Path) -> set[str]:
    found = set()
    for folder, folders, files in os.walk(prefix):
        here = Path(folder)
        if here == prefix:
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
            files = [name for name in files if name not in _LEFT_OUT]
        links = [name for name in folders if (here / name).is_symlink()]
        skipped = _LEFT_OUT_OF_BIN if here == prefix / "bin" else set()
        found |= {
            str((here / it).relative_to(prefix)) for it in [*files, *links] if it not in skipped
        }
    return found


def _copy(source: Path, prefix: Path, name: str) -> None:
    old, new = source / name, prefix / name
    new.parent.mkdir(parents=True, exist_ok=True)
    if old.is_symlink():
        new.symlink_to(old.readlink())
        return
    data = old.read_bytes()
    with contextlib.suppress(UnicodeDecodeError):
        data = data.decode().replace(str(source), str(prefix)).encode()
    new.write_bytes(data)
    shutil.copystat(old, new)
