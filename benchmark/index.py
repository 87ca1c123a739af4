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


class State(NamedTuple):
    """Of a file: equal as long as it was neither written, edited nor replaced."""

    mtime: int  # ns
    size: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> State:
        return cls(found.st_mtime_ns, found.st_size, found.st_ino % 2**63)  # SQLite's integers end there

    @property
    def is_settled(self) -> bool:
        return abs(time.time() - self.mtime / 1e9) > SETTLED


class Alike(NamedTuple):
    """What the seeds of a cell have in common, kept once; the texts are JSON (benchmark/rows.py)."""

    draw: int
    cell: str
    settings: str
    names: str
    kind: str


class Row(NamedTuple):
    """One record. ``numbers`` are float64 in the order of ``alike.names``."""

    name: str  # of the file
    mtime: int
    size: int
    inode: int
    digest: str  # of the file's bytes
    started: float  # seconds since 1970; 0 where the record does not say
    seed: int
    alike: Alike
    numbers: bytes


OF_ALIKE, COLUMNS = Alike._fields, Row._fields
ALIKE = COLUMNS.index("alike")
CREATE = (
    "CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, checksum)",
    f"CREATE TABLE IF NOT EXISTS alike (id INTEGER PRIMARY KEY, {', '.join(OF_ALIKE)}, checksum, UNIQUE ({', '.join(OF_ALIKE)}))",
    f"CREATE TABLE IF NOT EXISTS records (name PRIMARY KEY, {', '.join(COLUMNS[1:])}, checksum) WITHOUT ROWID",
)
INTEGERS = struct.Struct("<5q")  # of what is alike, as it is stored
NUMBERS = struct.Struct("<3qd2q")  # of a row as it is stored, in that order; as text a checksum of them takes three times as long


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
                connection.execute("BEGIN")  # the tables as they are at one time, whoever writes
                texts = {}
                for key, text, checksum in connection.execute("SELECT id, text, checksum FROM texts"):
                    _prove(zlib.crc32(text.encode()), checksum)
                    texts[key] = text
                alike = {}
                for key, draw, *ids, checksum in connection.execute(f"SELECT id, {', '.join(OF_ALIKE)}, checksum FROM alike"):
                    _prove(zlib.crc32(INTEGERS.pack(draw, *ids)), checksum)
                    alike[key] = Alike(draw, *(texts[key] for key in ids))
                found = {}
                for *values, checksum in connection.execute(f"SELECT {', '.join(COLUMNS)}, checksum FROM records"):
                    _prove(_checksum(values), checksum)
                    values[ALIKE] = alike[values[ALIKE]]
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
        except (OSError, OverflowError, struct.error):
            pass  # the last two: a number of more than 64 bits, as a seed may be; its record is read every time

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
        known: dict[Alike, int] = {}
        for row in rows:
            values: list[Any] = list(row)
            values[ALIKE] = known.get(row.alike) or known.setdefault(row.alike, _alike_id(connection, row.alike))
            _put(connection, "INSERT OR REPLACE INTO records", (*values, _checksum(values)))
        connection.executemany("DELETE FROM records WHERE name = ?", ((name,) for name in gone))


def _alike_id(connection: sqlite3.Connection, alike: Alike) -> int:
    draw, *texts = alike
    ids = draw, *(_text_id(connection, text) for text in texts)
    _put(connection, f"INSERT OR IGNORE INTO alike ({', '.join(OF_ALIKE)}, checksum)", (*ids, zlib.crc32(INTEGERS.pack(*ids))))
    where = " AND ".join(f"{name} = ?" for name in OF_ALIKE)
    found: int = connection.execute(f"SELECT id FROM alike WHERE {where}", ids).fetchone()[0]
    return found


def _text_id(connection: sqlite3.Connection, text: str) -> int:
    _put(connection, "INSERT OR IGNORE INTO texts (text, checksum)", (text, zlib.crc32(text.encode())))
    found: int = connection.execute("SELECT id FROM texts WHERE text = ?", (text,)).fetchone()[0]
    return found


def _put(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    connection.execute(f"{statement} VALUES ({', '.join('?' * len(values))})", values)


def _checksum(values: Sequence[Any]) -> int:
    """Of a row as it is stored. SQLite notices a file that was cut off, not one with a bit turned over."""
    name, mtime, size, inode, found, started, seed, alike, numbers = values
    head = NUMBERS.pack(mtime, size, inode, started, seed, alike)
    return zlib.crc32(numbers, zlib.crc32(head, zlib.crc32(f"{name} {found}".encode())))


def _prove(found: int, checksum: int) -> None:
    if found != checksum:
        raise ValueError("damaged")
