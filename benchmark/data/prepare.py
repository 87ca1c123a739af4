"""A data set's name -> its encoded folder in the cache, made once, by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np
from polars import LazyFrame

from benchmark import plugins
from benchmark.data.encode import encode
from benchmark.data.layout import copies, files_of
from benchmark.data.look import Look, look
from benchmark.data.store import PARTS, VERSION, Prepared, folder_of, identity_of, open_prepared
from benchmark.errors import UserError
from benchmark.faults import in_words
from benchmark.faults import named as _named
from benchmark.schema import Pooling
from benchmark.settings import but_defaults
from benchmark.sources import Column, DataSet, Division, Source, Stream
from benchmark.values import canonical, typed

Made = TypeVar("Made")
MISMATCH = "allow_checksum_mismatch"  # in a folder's identity: whether it was made with that


def prepare(
    name: str,
    options: Mapping[str, Any],
    source_path: Path | None,
    allow_checksum_mismatch: bool = False,
    alias: str | None = None,
    force: bool = False,
    looked: Callable[[Look], None] = lambda look: None,
) -> Prepared:
    """Encode what plug-in ``name`` loads from ``source_path``, unless the cache already has it from the same options and files.

    ``alias`` is the name under which a user's own file is resolved later. ``force`` encodes in any case. Without ``source_path``, whatever
    files the cache's copy was made from are taken for the same. A second process waits and finds it done. A damaged copy is made again,
    and so is one that was made with ``allow_checksum_mismatch`` when that is not given now. ``looked`` is given what a user's own table
    looks like before it is encoded. Raises UserError.
    """
    dataset: DataSet = plugins.make("datasets", name, dict(options))
    options = but_defaults(type(dataset), options)
    _check_files(name, dataset, source_path, allow_checksum_mismatch)
    if alias is not None:
        check_alias(alias)
    folder = folder_of(alias or name, {} if alias else options)
    identity: dict[str, Any] = json.loads(
        canonical(
            {
                "version": VERSION,
                "name": alias or name,
                "dataset": name,
                "options": dict(options),
                "files": {} if source_path is None else _checksums(source_path),
                "plugin": plugins.code_of("datasets", name),
                MISMATCH: allow_checksum_mismatch,
            }
        )
    )
    loose = source_path is None and not dataset.embedded
    there = None if force else _whole(folder, identity, loose)
    if there is not None:
        return there
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            there = None if force else _whole(folder, identity, loose)
            if there is None:
                stream = _stream(name, dataset)
                source = _loaded(name, dataset, source_path, allow_checksum_mismatch, stream)
                if source.examined:
                    found = look(source)
                    looked(found)
                    twice = copies(source_path, identity["files"]) if source_path is not None else ()
                    source = replace(source, notes=(*source.notes, *twice, *found.notes))
                encode(source, folder, identity, stream)
            return there or open_prepared(folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename is None:  # Polars's, of a lazy frame: it opens its file here
            raise UserError(f"data set {alias or name}: {error}, which its load() names") from None
        where = f"cannot be prepared in {folder.parent} ({error})"
        raise UserError(f"data set {alias or name}: {where}; free some space there, or set BENCHMARK_CACHE to another folder") from None
    except MemoryError as error:
        raise UserError(
            f"data set {alias or name}: there is not enough memory to prepare it ({error}); end other programs, or use another machine"
        ) from None


def look_at(
    name: str,
    options: Mapping[str, Any],
    source_path: Path | None,
    allow_checksum_mismatch: bool = False,
    alias: str | None = None,
) -> Look:
    """What ``prepare`` would encode, by its first rows; nothing is written. Raises UserError."""
    dataset: DataSet = plugins.make("datasets", name, dict(options))
    _check_files(name, dataset, source_path, allow_checksum_mismatch)
    if alias is not None:
        check_alias(alias)
    source = _loaded(name, dataset, source_path, allow_checksum_mismatch, _stream(name, dataset))
    found = look(source)
    return replace(found, notes=(*source.notes, *found.notes, *found.spelled))


def _check_files(name: str, dataset: DataSet, source_path: Path | None, allow_checksum_mismatch: bool) -> None:
    """Before any is read: what the user names may be large. Raises UserError where a data set has none."""
    if dataset.embedded and source_path is not None:
        raise UserError(f"data set {name} is generated: it takes no --from")
    if dataset.embedded and allow_checksum_mismatch:
        raise UserError(f"data set {name} is generated: leave --allow-checksum-mismatch out")


def _asked(name: str, what: str, made: Callable[[], Made]) -> Made:
    """A plug-in is foreign code: whatever it raises is reported as its own fault."""
    try:
        return made()
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"data set {name}: {what} failed: {in_words(error)[:300]}") from error


def _stream(name: str, dataset: DataSet) -> Stream | None:
    stream = _asked(name, "making its stream", dataset.stream)
    if stream is not None and not (isinstance(stream, Stream) and stream.rows > 0 and 0 < stream.positive_rate < 1):
        raise UserError(f"data set {name}: stream() must return None, or a Stream with rows and a positive_rate between 0 and 1")
    if stream is not None and not all(counts.dtype == np.int64 and counts.size and counts.min() >= 1 for counts in stream.counts):
        raise UserError(
            f"data set {name}: counts of its stream must be arrays of int64, one number of at least 1 for each value of a column"
        )
    return stream


def _loaded(name: str, dataset: DataSet, source_path: Path | None, allow_checksum_mismatch: bool, stream: Stream | None) -> Source:
    """The plug-in's rows, those of a ``stream`` left out."""
    source = _asked(name, "loading it", lambda: dataset.load(source_path, allow_checksum_mismatch))
    pair = _asked(name, "its paired()", dataset.paired)
    parts = PARTS if stream is None else PARTS[1:]
    if not isinstance(source, Source) or not _divided(source, parts):
        what = "the parts train, valid and test, each a LazyFrame, or one LazyFrame and a division"
        if stream is not None:
            what = "the parts valid and test, each a LazyFrame: its training part is a stream"
        found = _named(source)
        if isinstance(source, Source):
            found = f"parts {', '.join(f'{part} ({type(frame).__name__})' for part, frame in source.parts.items())}"
        raise UserError(f"data set {name}: load() must return a Source with {what}; it returns {found}")
    kinds = get_args(get_type_hints(Column)["kind"])
    wrong = [column for column in source.columns if not isinstance(column, Column) or column.kind not in kinds]
    if wrong or not source.columns:
        found = f"; {wrong[0]!r} is none" if wrong else ""
        raise UserError(f"data set {name}: the columns of its Source must be one or more Column, {', '.join(kinds)}{found}")
    for column in source.columns:
        if column.pooling not in get_args(Pooling) or column.most < 1:
            raise UserError(f"data set {name}: column {column.name}: pooling is {' or '.join(get_args(Pooling))}, most at least 1")
        if stream is not None and column.kind != "categorical":
            raise UserError(f"data set {name}: column {column.name}: columns of a data set with a stream must be categorical")
    if stream is not None and (len(stream.counts) != len(source.columns) or any(c.kind != "categorical" for c in source.columns)):
        raise UserError(f"data set {name}: with a stream every column of its Source must be categorical, and have its counts in the stream")
    named = [source.label, *(column.name for column in source.columns), *((source.probability,) if source.probability else ())]
    if len(set(named)) < len(named):
        raise UserError(f"data set {name}: label, columns and probability of its Source name a column twice: {', '.join(map(str, named))}")
    _check_pair(name, pair, source.columns)
    if isinstance(source.notes, str):  # or each of its letters would be one
        raise UserError(f'data set {name}: notes of its Source = {source.notes!r}; it must be texts, ("…",)')
    typed(tuple[str, ...], source.notes, f"data set {name}: notes of its Source")
    typed(Mapping[str, float], source.known, f"data set {name}: known of its Source")
    return source


def _check_pair(name: str, pair: tuple[str, str] | None, columns: tuple[Column, ...]) -> None:
    """Raises UserError where ``pair`` is not None or the names of two categorical columns."""
    categorical = [column.name for column in columns if column.kind == "categorical"]
    if pair is not None and (len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(categorical)):
        named = ", ".join(map(str, pair))
        raise UserError(f"data set {name}: paired() gives {named}; give two of its categorical columns: {', '.join(categorical)}")


def _divided(source: Source, parts: tuple[str, ...]) -> bool:
    if not all(isinstance(frame, LazyFrame) for frame in source.parts.values()):
        return False
    if source.division is None:
        return tuple(source.parts) == parts
    names = tuple(source.parts)
    return isinstance(source.division, Division) and (len(names) == 1 or names == ("rows", "test")) and parts == PARTS


def _whole(folder: Path, identity: Mapping[str, Any], loose: bool) -> Prepared | None:
    """The folder's data if it was made from ``identity`` and is not damaged; loose: whatever the files and the plug-in's code were."""
    found = identity_of(folder)
    if found is None or (found.get(MISMATCH) and not identity[MISMATCH]):
        return None
    if any(found.get(key) != identity[key] for key in identity.keys() - {MISMATCH} - ({"files", "plugin"} if loose else set())):
        return None
    try:
        return open_prepared(folder)
    except UserError:
        return None


def _checksums(source_path: Path) -> dict[str, str]:
    """Name -> SHA-256, of the file, of the folder's visible files or of those that fit a pattern."""
    try:
        files = files_of(source_path)
    except OSError as error:
        raise UserError(f"{source_path}: cannot be read ({error.strerror})") from None
    checksums = {}
    for name, path in files.items():
        try:
            with path.open("rb") as file:
                checksums[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return checksums


def check_alias(alias: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", alias):
        raise UserError(f"data set name {alias!r}: use up to 100 letters, digits, '_', '.' and '-' only; give another with --name")
    if alias in plugins.names("datasets"):
        raise UserError(f"data set name {alias!r}: a plug-in has this name; name the file, or give the data set another with --name")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time; the system frees the lock of a process that dies."""
    with folder.with_name(f".{folder.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
