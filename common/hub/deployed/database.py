"""Backs up and restores JupyterHub's SQLite database in the volume of a deployed hub. The script is
sent to `python3 -` in a pod that has the volume, and needs the standard library only.

    database.py backup FOLDER NAME   copies a running hub's database, keeps three copies
    database.py restore FOLDER NAME KEPT
                                     puts a copy in the database's place, and the database in that
                                     of the new copy KEPT; no hub may run
    database.py list FOLDER          the copies, newest first

Prints one JSON object; at a failure {"error": …} with status 1. A file of a live database is never
copied: https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.backup
"""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path

DATABASE = "jupyterhub.sqlite"

# Names that sort by time; `hub-deploy` makes them.
NAME = re.compile(r"jupyterhub\.sqlite\.xtask-\d{8}T\d{6}Z")
KEPT = 3

# Part of the database's size that has to be free on top, for what is written meanwhile.
SPARE = 0.1


class DatabaseError(Exception):
    """A failure, in one line."""


def backup(folder, name):
    database, copy = folder / DATABASE, _named(folder, name)
    if copy.exists():
        raise DatabaseError(f"{name} exists already")
    _require_space(folder, _size(database))
    _copy(database, copy)
    removed = _names(folder)[KEPT:]
    for it in removed:
        (folder / it).unlink()
    return {"name": name, "bytes": copy.stat().st_size, "removed": removed}


def restore(folder, name, kept):
    database, copy, replaced = folder / DATABASE, _named(folder, name), _named(folder, kept)
    if replaced.exists():
        raise DatabaseError(f"{kept} exists already")
    if not copy.exists():
        known = ", ".join(_names(folder)) or "none"
        raise DatabaseError(f"{name} not found; the backups are: {known}")
    _check(copy)
    _require_space(folder, _size(copy))
    new = folder / f"{DATABASE}.new"
    _copy(copy, new)
    if database.exists():
        # What is in the journal of a killed hub gets into the file that is kept.
        with contextlib.suppress(sqlite3.Error), _open(database) as old:
            old.execute("SELECT count(*) FROM sqlite_master").fetchone()
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        database.replace(replaced)
    try:
        for suffix in ("-journal", "-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)
        new.replace(database)
    except OSError:
        # A failure leaves the database as it was.
        if replaced.exists():
            replaced.replace(database)
        raise
    return {"name": name, "bytes": database.stat().st_size, "replaced": replaced.name}


def listed(folder):
    return {"names": _names(folder)}


def _names(folder):
    return sorted((it.name for it in folder.iterdir() if NAME.fullmatch(it.name)), reverse=True)


def _named(folder, name):
    if not NAME.fullmatch(name):
        raise DatabaseError(f"{name} is not a name of a backup")
    return folder / name


def _size(database):
    if not database.is_file():
        raise DatabaseError(f"{database.name} not found in {database.parent}")
    parts = (database, Path(f"{database}-wal"))
    return sum(it.stat().st_size for it in parts if it.exists())


def _require_space(folder, size):
    free, needed = shutil.disk_usage(folder).free, int(size * (1 + SPARE))
    if free < needed:
        megabytes = f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        raise DatabaseError(f"no space for a copy in the hub's volume: {megabytes}")


def _copy(source, target):
    """Copies a database by SQLite's own means, checks the copy, and gives it its name last."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with _open(source) as old, contextlib.closing(sqlite3.connect(part)) as new:
            old.backup(new)
            # One file, also where the original has a write-ahead log.
            new.execute("PRAGMA journal_mode=DELETE").fetchall()
        _check(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        shutil.copymode(source, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _open(database):
    uri = f"file:{database}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=60)) as connection:
        yield connection


def _check(database):
    with _open(database) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise DatabaseError(f"{database.name} is damaged: {'; '.join(found)}")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise DatabaseError(f"{database.name} has no tables")


def main(command, folder, *names):
    commands = {"backup": backup, "restore": restore, "list": listed}
    try:
        told = commands[command](Path(folder), *names)
    except (DatabaseError, sqlite3.Error, OSError) as error:
        print(json.dumps({"error": " ".join(str(error).split())}))
        return 1
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
