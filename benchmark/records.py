"""Records are the truth: one JSON file per training, written once, atomically. Boards and MLflow are views of them."""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.blocks import Block, blocks_of_rows
from benchmark.errors import Changed, UserError
from benchmark.index import Index, Row, State
from benchmark.record import INERT as INERT
from benchmark.record import LEFT_OUT, MOVE_OUT
from benchmark.record import LOST as LOST
from benchmark.record import Record as Record
from benchmark.record import Status as Status
from benchmark.record import record_from_json as record_from_json
from benchmark.rows import Made, row_of, version
from benchmark.values import digest, plain

INDEX = ".index/records.sqlite"  # in the results folder
REPLACED = "replaced"  # folder beside that of the records: of those in whose place others came
LINES = 10  # about files that are left out; a folder of another version may have thousands
NAMED: set[str] = set()  # what was said of records that are left out: a command reads a folder more than once
DAY = 24 * 3600.0  # seconds; a record is written in milliseconds
TOGETHER = 500  # records that are put into the index at once


class Store:
    """The folder of records: ``<results>/records/<trial_id>.json``. Files of another machine can be dropped into it."""

    def __init__(self, results: Path) -> None:
        self.folder = results / "records"
        self._index = Index(results / INDEX, version())

    def create(self) -> None:
        """Make the folder and prove that it can be written; what writers that were killed a day ago left there goes. Raises UserError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
            for path in self.folder.glob(".*.tmp"):
                with suppress(OSError):
                    if time.time() - path.lstat().st_mtime > DAY:
                        path.unlink()
        except OSError as error:
            raise UserError(
                f"{self.folder}: the results folder cannot be written ({error.strerror}); name another with --results"
            ) from None

    def path(self, trial_id: str) -> Path:
        return self.folder / f"{trial_id}.json"

    def paths(self) -> list[Path]:
        """The files of the records, in the order of their ids. Raises UserError for a folder that cannot be read."""
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"{self.folder}: the records cannot be read ({error.strerror}); name another folder with --results") from None

    def get(self, trial_id: str) -> Record | None:
        path = self.path(trial_id)
        return self.read(path) if path.exists() else None

    def read(self, path: Path) -> Record:
        """Raises UserError for a file that is not a record, or bears another's name: a copy would count as one more seed."""
        return self._read(path)[0]

    def _read(self, path: Path) -> tuple[Record, str, State]:
        """The record, the digest of its file, and the file's state before it was read. Raises Changed, or UserError where the system does
        not give the file: then nothing is known of what is in it.
        """
        try:
            with path.open("rb") as file:
                state = State.of(os.fstat(file.fileno()))
                content = file.read()
            text = content.decode()
        except OSError as error:
            raise UserError(f"{path}: not a readable record ({error.strerror}); {MOVE_OUT}") from None
        except UnicodeDecodeError:
            raise Changed(f"{path}: not a readable record (not UTF-8); {MOVE_OUT}") from None
        record = record_from_json(text, str(path))
        if path.stem != record.trial_id:
            raise Changed(f"{path}: this is the record {record.trial_id}: name it {record.trial_id}.json, or {MOVE_OUT}")
        return record, hashlib.sha256(content).hexdigest()[:12], state

    def write(self, record: Record) -> None:
        """Atomically: a reader, or a kill at any moment, sees the whole record or none. What stands in its place and is no record as this
        version reads them, of a later one perhaps, is set aside, and that is said. Raises UserError where it cannot be written.
        """
        try:
            if self.path(record.trial_id).is_file():
                self._keep_unread(record.trial_id)
            self._write(record)
        except OSError as error:
            raise UserError(
                f"{self.path(record.trial_id)}: the record cannot be written ({error.strerror or error}); what is recorded stays: "
                "make room, or mend what stands in the way, and type the same command again"
            ) from None

    def _keep_unread(self, trial_id: str) -> None:
        try:
            self.read(self.path(trial_id))
        except Changed:
            kept = self.set_aside(trial_id)
            what = f"{self.path(trial_id)} could not be read as a record"
            print(f"note: {what}: it is kept as {kept}, and a new one is in its place", file=sys.stderr)

    def set_aside(self, trial_id: str) -> Path:
        """Move a record's file to ``REPLACED``, under another name where there is one of its own. Raises OSError."""
        folder = self.folder.parent / REPLACED
        folder.mkdir(exist_ok=True)
        names = itertools.chain([f"{trial_id}.json"], (f"{trial_id}-{n}.json" for n in itertools.count(2)))
        kept = next(path for name in names if not (path := folder / name).exists())
        os.rename(self.path(trial_id), kept)
        return kept

    def copy(self, path: Path) -> None:
        """A record's file of another folder, byte for byte, in the way of ``write``. Raises UserError."""
        try:
            self._put(path.read_bytes(), path.name)
        except OSError as error:
            raise UserError(f"{self.folder / path.name}: the record cannot be copied from {path} ({error.strerror or error})") from None

    def _write(self, record: Record) -> None:
        self._put(record.packed().encode(), f"{record.trial_id}.json")

    def _put(self, content: bytes, called: str) -> None:
        name = self.folder / f".{secrets.token_hex(8)}.tmp"
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)  # less the umask, as any file of the user's
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.folder / called)
        except BaseException:
            with suppress(OSError):  # it may have its name by now: what came then (Ctrl-C) is to go on, not that
                os.unlink(name)
            raise
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def __iter__(self) -> Iterator[Record]:
        """All records, in the order of their ids. Files that are none, or not as written, are left out, and named on stderr, each once.

        Raises UserError at a file that the system does not give.
        """
        made = Made(self._content)
        with no_collection():
            return iter([made.record(row) for row in self._sound(made)])

    def blocks(self) -> list[Block]:
        """All records as boards take them; left out, named and raised is as in going through the records."""
        made = Made(self._content)
        with no_collection():
            return blocks_of_rows(self._sound(made), made)

    def _sound(self, made: Made) -> list[Row]:
        rows, faults = self._rows(made, save=True)
        self.leave_out(faults)
        return rows

    def leave_out(self, faults: Mapping[str, UserError]) -> None:
        """Name files that ``scan`` found to be no records on stderr, each once. Raises the fault of one that the system does not give."""
        for fault in faults.values():
            if not isinstance(fault, Changed):
                raise fault
        new = [text for fault in faults.values() if (text := str(fault)) not in NAMED]
        NAMED.update(new)
        for text in new[:LINES]:
            print(f"error: {plain(text)}{'' if LEFT_OUT in text else '; it is left out'}", file=sys.stderr)
        if len(new) > LINES:
            print(f"error: {self.folder}: {len(new) - LINES:,} more files are left out, for such reasons", file=sys.stderr)

    def scan(self, save: bool = True) -> tuple[list[Entry], dict[str, UserError]]:
        """All records, in the order of their ids, and what is wrong with each file that is none, by its name.

        Made from the index, which is brought up to date: what has changed since is read, and what is gone is taken out.
        Without ``save`` the index stays as it is, and nothing is written. Raises UserError for a folder that cannot be read.
        """
        made = Made(self._content)
        with no_collection():
            rows, faults = self._rows(made, save)
            return [Entry(made.record(row), row.digest, row.mtime / 1e9, row.started) for row in rows], faults

    def _rows(self, made: Made, save: bool) -> tuple[list[Row], dict[str, UserError]]:
        """See ``scan``. Rows are such as ``made`` understands."""
        states = self._states()
        known = self._index.load() if states else {}
        rows: list[Row] = []
        faults: dict[str, UserError] = {}
        fresh: list[Row] = []
        gone = {name for name in known if name not in states}
        for name, state in states.items():
            row = known.get(name)
            if row is not None and (row.mtime, row.size, row.inode) == state:
                try:
                    made.check(row.alike)
                    rows.append(row)
                    continue
                except (UserError, KeyError, TypeError, ValueError):  # this version of the code reads it otherwise
                    pass
            try:
                record, found, state = self._read(self.folder / name)
            except UserError as error:
                faults[name] = error
                continue
            row = row_of(record, name, found, state)
            made.check(row.alike)
            rows.append(row)
            if state.is_settled:
                fresh.append(row)
            elif name in known:  # of what it was: its time may be set back
                gone.add(name)
            if save and len(fresh) == TOGETHER:
                self._index.save(fresh, ())
                fresh = []
        if save:
            self._index.save(fresh, gone)
        return rows, faults

    def entry(self, record: Record) -> Entry:
        """A record that has just been written. Raises OSError where it is not there."""
        path = self.path(record.trial_id)
        content = path.read_bytes()
        return Entry(record, hashlib.sha256(content).hexdigest()[:12], path.stat().st_mtime, record.started)

    def fingerprint(self) -> str:
        """Differs when any file was added, taken away, edited or replaced. Raises UserError for a folder that cannot be read."""
        return digest(list(self._states().items()))

    def _content(self, name: str) -> Mapping[str, Any]:
        """The JSON of a file that was a record when it was indexed. Raises UserError where it is none any more."""
        try:
            content: Mapping[str, Any] = json.loads((self.folder / name).read_bytes())
            return content
        except (OSError, ValueError):
            raise UserError(f"{self.folder / name}: it was taken away or changed while it was being read; try again") from None

    def _states(self) -> dict[str, State | None]:
        """Name of each file that ought to be a record -> its state, in the order of names."""
        try:
            with os.scandir(self.folder) as found:
                states = {entry.name: _state(entry) for entry in found if entry.name.endswith(".json") and entry.name != ".json"}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UserError(f"{self.folder}: the records cannot be read ({error.strerror}); name another folder with --results") from None
        return {name: states[name] for name in sorted(states)}


@contextmanager
def no_collection() -> Iterator[None]:
    """Without looking for cycles: among the objects of ten thousand records there are none, and looking takes a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def missing(folder: Path, *inside: Path) -> list[Path]:
    """Of a folder, what is to be made inside it and the folders above it that which is not there, the innermost first."""
    return [path for path in (*inside, folder, *folder.parents) if not path.exists()]


@contextmanager
def taken_away_if_refused(made: Sequence[Path]) -> Iterator[None]:
    """With a UserError what was ``missing`` before goes again: files, and folders that are empty. Where anything is recorded it stays."""
    try:
        yield
    except UserError:
        with suppress(OSError):  # the first that is not empty
            for path in made:
                path.rmdir() if path.is_dir() else path.unlink()
        raise


class Entry(NamedTuple):
    """A record and its file: the digest of its bytes; when it was last changed, and when the training began, in seconds since 1970 (0 where
    an older record does not say).
    """

    record: Record
    digest: str
    changed: float
    started: float


def _state(entry: os.DirEntry[str]) -> State | None:
    try:
        return State.of(entry.stat())
    except OSError:  # a link to nowhere: reading it says so
        return None
