"""Transactions: packages into the cache, links by py-rattler, conda-meta and history as conda's."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rattler import PackageRecord, PrefixRecord, RepoDataRecord
from rattler import install as rattler_install
from rattler.exceptions import InstallerError

from . import cache, history, records
from .cache import Wanted
from .errors import fail
from .settings import Settings


def installed(prefix: Path) -> list[PrefixRecord]:
    return [PrefixRecord.from_path(file) for file in sorted((prefix / "conda-meta").glob("*.json"))]


def execute(
    settings: Settings, prefix: Path, packages: Sequence[Wanted], requested: Sequence[str]
) -> None:
    """Makes an environment consist of these packages; the others that conda put there go."""
    before = records.read(prefix)
    known = {(it["url"], it["sha256"]) for it in before}
    missing = [it for it in packages if (it.bare_url, it.sha256) not in known]
    fetched = [cache.fetch(settings, it) for it in missing]
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    wanted = {it.bare_url for it in packages}
    there = installed(prefix)
    kept = [it for it in there if it.url in wanted and it.url not in {n["url"] for n in fetched}]
    _link(settings, prefix, there, [*kept, *(_record(settings, it) for it in fetched)])
    specs = {history.name_of(spec): spec for spec in requested}
    for record in records.read(prefix):
        _finish(settings, prefix, record, specs)
    old, new = (
        {records.dist(settings, it) for it in side} for side in (before, records.read(prefix))
    )
    history.append(prefix, list(old - new), list(new - old), list(requested))


def _record(settings: Settings, record: dict[str, Any]) -> RepoDataRecord:
    """Returns py-rattler's form of a record."""
    file = cache.record_file(settings, record)
    hashes = {name: record[name] for name in ("size", "sha256", "md5")}
    package = PackageRecord.from_index_json(file, **hashes)
    return RepoDataRecord(package, record["fn"], record["url"], records.channel_of(record))


def _link(
    settings: Settings, prefix: Path, there: list[PrefixRecord], wanted: list[RepoDataRecord]
) -> None:
    work = rattler_install(
        wanted,
        prefix,
        cache_dir=settings.pkgs_dirs[0],
        installed_packages=there,
        show_progress=False,
    )
    try:
        asyncio.run(work)
    except InstallerError as error:
        fail("LinkError", str(error))


def _finish(
    settings: Settings, prefix: Path, record: dict[str, Any], specs: dict[str, str]
) -> None:
    """Completes a file of conda-meta as conda writes it."""
    spec = specs.get(record["name"])
    record["channel"] = f"{records.channel_of(record)}/{record['subdir']}"
    record["requested_spec"] = spec or record.get("requested_spec") or "None"
    record["requested_specs"] = [spec] if spec else record.get("requested_specs", [])
    record.setdefault("package_tarball_full_path", str(settings.pkgs_dirs[0] / record["fn"]))
    record.pop("indexed_timestamp", None)
    path = prefix / "conda-meta" / f"{records.stem(record)}.json"
    path.unlink()  # py-rattler's file is closed to others
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
