"""A data set plug-in's Source -> a folder of encoded arrays that later runs memory-map.

    {train,valid,test}.ids.npy     int32 (n, F), local ids (see vocabulary)
    {train,valid,test}.labels.npy  uint8 (n,)
    counts.npy                     int64 (V,), training occurrences of every id, field after field
    schema.json                    fields, rows, positive rates, notes, known metrics, identity, encoder version, fingerprint

The same input gives the same bytes. Every frame is run once, streaming, into a temporary Parquet file; from there one column at a time
(vocabulary) and then one block of rows at a time (ids) is in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmark.config import canonical, known
from benchmark.contracts import Source, UserError
from benchmark.data.store import VERSION
from benchmark.data.tables import check_labels, check_numbers
from benchmark.data.vocabulary import Buckets, Categories, Vocabulary

BLOCK = 1 << 19  # rows encoded at once


def encode(source: Source, folder: Path, identity: Mapping[str, Any]) -> None:
    """Write ``source`` into ``folder``, replacing what is there. The caller holds the folder's lock (``prepare`` does).

    ``identity`` (JSON types) says what the folder was made from; it is kept in schema.json. The work is done beside the folder and
    renamed when it is complete and on disk. Raises UserError: empty part, bad label, a part of one class, non-numeric cell.
    """
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a process that was killed
    building.mkdir(parents=True)
    try:
        staged = _stage(source, building)
        _check(source, staged)
        _write(source, staged, building, identity)
        for path in staged.values():
            path.unlink()
        for path in building.iterdir():
            _sync(path)
        _sync(building)
        _replace(folder, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _stage(source: Source, building: Path) -> dict[str, Path]:
    """Each part's label and columns as text, in a Parquet file: part -> file."""
    wanted = (source.label, *(column.name for column in source.columns))
    staged = {}
    for part, frame in source.parts.items():
        staged[part] = building / f"{part}.parquet"
        try:
            columns = frame.collect_schema().names()
            for name in wanted:
                known("column", name, columns, part)
            frame.select(pl.col(name).cast(pl.String) for name in wanted).sink_parquet(staged[part], row_group_size=BLOCK)
        except (UserError, OSError, MemoryError):
            raise
        except Exception as error:  # a plug-in's frame may call its functions, which raise what they like
            raise UserError(f"{part}: the rows cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
    return staged


def _check(source: Source, staged: Mapping[str, Path]) -> None:
    numeric = tuple(column.name for column in source.columns if column.kind == "numeric")
    for part, path in staged.items():
        frame = pl.scan_parquet(path)
        if not frame.select(pl.len()).collect().item():
            raise UserError(f"{part}: the part is empty; every part needs rows")
        check_labels(frame, source.label, part)
        check_numbers(frame, numeric, part)
        labels = frame.select(pl.col(source.label).cast(pl.Float64).unique()).collect().to_series()
        if len(labels) < 2:
            raise UserError(f"{part}: every label is {labels[0]:.0f}; training and AUC need rows of both classes in every part")


def _write(source: Source, staged: Mapping[str, Path], building: Path, identity: Mapping[str, Any]) -> None:
    training = pl.scan_parquet(staged["train"])
    vocabularies: list[Vocabulary] = [
        Buckets.learn(training, c.name, source.buckets) if c.kind == "numeric" else Categories.learn(training, c.name, source.min_count)
        for c in source.columns
    ]
    names = [column.name for column in source.columns]
    content = hashlib.sha256(canonical(names).encode())
    rows, rates = {}, {}
    for part, path in staged.items():
        ids, labels = _arrays(path, source.label, names, vocabularies, building / part)
        rows[part], rates[part] = len(ids), float(labels.mean())
        for block in (*_blocks(ids), *_blocks(labels)):
            content.update(np.ascontiguousarray(block).data)
        if part == "train":
            counts = [np.zeros(v.cardinality, np.int64) for v in vocabularies]
            for block in _blocks(ids):
                for field, count in enumerate(counts):
                    count += np.bincount(block[:, field], minlength=len(count))
            np.save(building / "counts.npy", np.concatenate(counts))
    schema = {
        "version": VERSION,
        "fingerprint": content.hexdigest()[:12],
        "identity": identity,
        "fields": names,
        "cardinalities": [v.cardinality for v in vocabularies],
        "rows": rows,
        "positive_rates": rates,
        "notes": source.notes,
        "known": source.known,
    }
    (building / "schema.json").write_text(json.dumps(schema, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _arrays(
    staged: Path, label: str, names: list[str], vocabularies: list[Vocabulary], stem: Path
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Fill ``stem``.ids.npy and ``stem``.labels.npy from the staged rows, block by block."""
    frame = pl.scan_parquet(staged)
    n = frame.select(pl.len()).collect().item()
    ids = np.lib.format.open_memmap(f"{stem}.ids.npy", "w+", np.int32, (n, len(names)))
    labels = np.lib.format.open_memmap(f"{stem}.labels.npy", "w+", np.uint8, (n,))
    for start in range(0, n, BLOCK):
        block = frame.slice(start, BLOCK).collect()
        for field, (name, vocabulary) in enumerate(zip(names, vocabularies, strict=True)):
            ids[start : start + BLOCK, field] = vocabulary.ids(block[name])
        labels[start : start + BLOCK] = block[label].cast(pl.Float64).to_numpy()
    ids.flush()
    labels.flush()
    return ids, labels


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))


def _replace(folder: Path, building: Path) -> None:
    """Put the finished folder in its place; readers that have mapped the old one keep it."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    building.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
