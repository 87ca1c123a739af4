"""The index of a folder of records: one row a file, what boards are made of as columns and blobs, so that nobody parses JSON for them.

Never a second truth: a row counts only while its file has the same time of change, size and inode; what has changed is read again. A file
of the index that is missing, damaged or of another version is made anew; where none can be written, everything is read from the records.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

SETTLED = 0.1  # seconds after its last change in which a file may change once more without another time of change
WAIT = 10.0  # seconds for another process that writes
TEXTS = ("cell", "settings", "names", "kind")  # columns of few different values, kept once


class State(NamedTuple):
    """Of a file: equal as long as it was neither written, edited nor replaced."""

    mtime: int  # ns
    size: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> State:
        return cls(found.st_mtime_ns, found.st_size, found.st_ino)

    @property
    def is_settled(self) -> bool:
        return abs(time.time() - self.mtime / 1e9) > SETTLED


class Row(NamedTuple):
    """One record. The columns of ``TEXTS`` are JSON, of what many records share (benchmark/rows.py); numbers are float64 in the order of
    their names.
    """

    name: str  # of the file
    mtime: int
    size: int
    inode: int
    digest: str  # of the file's bytes
    started: float  # seconds since 1970; 0 where the record does not say
    seed: int
    draw: int
    cell: str
    settings: str
    names: str
    kind: str
    numbers: bytes


COLUMNS = Row._fields
NUMBERS = struct.Struct("<3qd6q")  # of a row as it is stored, in that order; as text a checksum of them takes three times as long
TEXT_PLACES = [COLUMNS.index(name) for name in TEXTS]
CREATE = (
    "CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, checksum)",
    f"CREATE TABLE IF NOT EXISTS records (name PRIMARY KEY, {', '.join(COLUMNS[1:])}, checksum) WITHOUT ROWID",
)


class Index:
    """``version`` stands for what rows mean: a file of another one is made anew. What cannot be read or written raises nothing: it is not
    there.
    """

    def __init__(self, path: Path, version: int) -> None:
        self._path, self._version = path, version

    def load(self) -> dict[str, Row]:
        """Name of the file -> its row; empty where the index is missing, and where it is damaged or of another version: then it goes."""
        if not self._path.exists():
            return {}
        try:
            with closing(self._open("ro")) as connection:
                if connection.execute("PRAGMA user_version").fetchone()[0] != self._version:
                    raise ValueError("another version")
                texts = {}
                for key, text, checksum in connection.execute("SELECT id, text, checksum FROM texts"):
                    if zlib.crc32(text.encode()) != checksum:
                        raise ValueError("damaged")
                    texts[key] = text
                found = {}
                for *values, checksum in connection.execute(f"SELECT {', '.join(COLUMNS)}, checksum FROM records"):
                    if _checksum(values) != checksum:
                        raise ValueError("damaged")
                    for place in TEXT_PLACES:
                        values[place] = texts[values[place]]
                    found[values[0]] = Row._make(values)
                return found
        except sqlite3.OperationalError:
            return {}  # locked for long, or not to be opened: no reason to throw it away
        except (sqlite3.DatabaseError, struct.error, KeyError, TypeError, ValueError, UnicodeDecodeError):
            self.drop()
            return {}

    def drop(self) -> None:
        """Throw the file away; the next ``save`` makes a new one."""
        with suppress(OSError):
            self._path.unlink()

    def save(self, rows: Collection[Row], gone: Collection[str]) -> None:
        """Put in rows and take out the names of ``gone``: all of it or nothing."""
        if not rows and not gone:
            return
        try:
            self._path.parent.mkdir(exist_ok=True)
            ignore = self._path.with_name(".gitignore")
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            with closing(self._open("rwc")) as connection:
                connection.execute("PRAGMA synchronous = OFF")  # a crash of the machine costs the index, which is made again
                connection.execute("BEGIN IMMEDIATE")
                self._write(connection, rows, gone)
                connection.execute("COMMIT")
        except sqlite3.OperationalError:
            pass  # read-only, full, or locked for long
        except sqlite3.DatabaseError:
            self.drop()
        except OSError:
            pass

    def _open(self, mode: str) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)

    def _write(self, connection: sqlite3.Connection, rows: Iterable[Row], gone: Iterable[str]) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, self._version):
            return  # another process has made it anew with other code
        for statement in CREATE:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self._version}")
        known: dict[str, int] = {}
        for row in rows:
            values: list[Any] = list(row)
            for place in TEXT_PLACES:
                values[place] = known.get(values[place]) or known.setdefault(values[place], _text_id(connection, values[place]))
            marks = ", ".join("?" * (len(COLUMNS) + 1))
            connection.execute(f"INSERT OR REPLACE INTO records VALUES ({marks})", (*values, _checksum(values)))
        connection.executemany("DELETE FROM records WHERE name = ?", ((name,) for name in gone))


def _text_id(connection: sqlite3.Connection, text: str) -> int:
    connection.execute("INSERT OR IGNORE INTO texts (text, checksum) VALUES (?, ?)", (text, zlib.crc32(text.encode())))
    found: int = connection.execute("SELECT id FROM texts WHERE text = ?", (text,)).fetchone()[0]
    return found


def _checksum(values: Sequence[Any]) -> int:
    """Of a row as it is stored. SQLite notices a file that was cut off, not one with a bit turned over."""
    name, mtime, size, inode, found, started, seed, draw, cell, settings, names, kind, numbers = values
    head = NUMBERS.pack(mtime, size, inode, started, seed, draw, cell, settings, names, kind)
    return zlib.crc32(numbers, zlib.crc32(head, zlib.crc32(f"{name} {found}".encode())))
