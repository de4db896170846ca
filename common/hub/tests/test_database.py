"""Backups of databases, with real SQLite files."""

import contextlib
import importlib.util
import io
import json
import sqlite3
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

SCRIPT = Path(__file__).parents[1] / "deployed/database.py"
SPEC = importlib.util.spec_from_file_location("database", SCRIPT)
database = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(database)


def name(second):
    return f"jupyterhub.sqlite.xtask-20260101T0000{second:02}Z"


class Backups(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.live = self.folder / database.DATABASE

    def connect(self, journal="delete"):
        connection = sqlite3.connect(self.live)
        self.addCleanup(connection.close)
        connection.execute(f"PRAGMA journal_mode={journal}")
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS users (name TEXT)")
        return connection

    def add(self, connection, *users):
        with connection:
            connection.executemany("INSERT INTO users VALUES (?)", [(it,) for it in users])

    def users(self, file):
        with contextlib.closing(sqlite3.connect(self.folder / file)) as connection:
            return [row[0] for row in connection.execute("SELECT name FROM users ORDER BY name")]

    def run_script(self, *args):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = database.main(args[0], str(self.folder), *args[1:])
        lines = out.getvalue().splitlines()
        self.assertEqual(len(lines), 1)
        told = json.loads(lines[0])
        self.assertEqual(status, int("error" in told))
        return told

    def files(self):
        return sorted(it.name for it in self.folder.iterdir())

    def test_a_backup_and_what_restore_makes_of_it(self):
        connection = self.connect()
        self.add(connection, "ann")
        told = self.run_script("backup", name(1))
        self.assertEqual((told["name"], told["removed"]), (name(1), []))
        self.add(connection, "bob")
        connection.close()
        self.assertEqual(self.users(name(1)), ["ann"])
        told = self.run_script("restore", name(1), name(2))
        self.assertEqual(told["replaced"], name(2))
        self.assertEqual(self.users(database.DATABASE), ["ann"])
        self.assertEqual(self.users(name(2)), ["ann", "bob"])
        self.assertEqual(self.users(name(1)), ["ann"])

    def test_a_live_database_with_a_log_is_copied_whole(self):
        connection = self.connect("wal")
        self.add(connection, "ann")
        self.assertTrue((self.folder / "jupyterhub.sqlite-wal").exists())
        self.run_script("backup", name(1))
        self.assertEqual(self.users(name(1)), ["ann"])
        self.assertEqual([it for it in self.files() if it.startswith(name(1))], [name(1)])

    def test_a_database_that_is_written_meanwhile(self):
        connection = self.connect()
        self.add(connection, *(f"user{n}" for n in range(2000)))
        connection.close()
        stop = threading.Event()

        def write():
            with contextlib.closing(sqlite3.connect(self.live, timeout=60)) as own:
                while not stop.is_set():
                    self.add(own, "x", "x")
                    stop.wait(0.002)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            told = self.run_script("backup", name(1))
        finally:
            stop.set()
            writer.join()
        self.assertIn("bytes", told)
        self.assertEqual(self.users(name(1)).count("x") % 2, 0, "a transaction is whole")

    def test_three_are_kept(self):
        self.connect().close()
        for second in range(1, 6):
            self.run_script("backup", name(second))
        self.assertEqual(self.run_script("list"), {"names": [name(second) for second in (5, 4, 3)]})

    def test_a_damaged_backup_is_not_restored(self):
        connection = self.connect()
        self.add(connection, *(f"user{n}" for n in range(5000)))
        connection.close()
        self.run_script("backup", name(1))
        content = bytearray((self.folder / name(1)).read_bytes())
        content[5000:9000] = b"\xff" * 4000
        (self.folder / name(1)).write_bytes(content)
        before = self.live.read_bytes()
        self.assertIn("error", self.run_script("restore", name(1), name(3)))
        (self.folder / name(1)).write_bytes(b"")
        self.assertIn("has no tables", self.run_script("restore", name(1), name(3))["error"])
        self.assertEqual(self.live.read_bytes(), before)
        self.assertEqual(self.files(), [database.DATABASE, name(1)])

    def test_a_full_volume(self):
        self.connect().close()
        usage = mock.Mock(free=10)
        with mock.patch.object(database.shutil, "disk_usage", return_value=usage):
            told = self.run_script("backup", name(1))
        self.assertIn("no space for a copy in the hub's volume", told["error"])
        self.assertEqual(self.files(), [database.DATABASE])

    def test_mistakes(self):
        self.assertIn("not found", self.run_script("backup", name(1))["error"])
        self.connect().close()
        for bad in ("jupyterhub.sqlite", "../x", "jupyterhub.sqlite.xtask-1"):
            self.assertIn("is not a name", self.run_script("restore", bad, name(3))["error"])
        self.run_script("backup", name(1))
        self.assertIn("exists already", self.run_script("backup", name(1))["error"])
        told = self.run_script("restore", name(2), name(3))["error"]
        self.assertIn(f"the backups are: {name(1)}", told)


if __name__ == "__main__":
    unittest.main()
