"""A data set plug-in's Source -> a folder of encoded arrays that later runs memory-map.

    {train,valid,test}.ids.npy     int32 (n, F), local ids (see vocabulary)
    {train,valid,test}.labels.npy  uint8 (n,)
    {valid,test}.probabilities.npy float64 (n,), only where they are known: of label 1
    counts.npy                     int64 (V,), training occurrences of every row of the table, field after field
    factors.npy                    float32, only with scaled fields: what each local id of each of them multiplies its row by
    bag_{sizes,members}.npy        int32, only with multi-valued fields: see schema.Bags, field after field
    schema.json                    fields, rows, positive rates, notes, known metrics, identity, encoder version, fingerprint

A training part that is drawn while a model trains (``sources.Stream``) has no files.

The same input gives the same bytes. Every frame is run once, streaming. On the way each distinct text of a column gets a code in the
order in which threads come upon it; the codes, 4 bytes a cell, go to temporary files. When the training part's counts are known, codes
become ids. In memory are some blocks of rows, the distinct texts, and one column of numbers at a time.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.data.codes import MOST, Spare, Texts
from benchmark.data.integrity import BAGS, fingerprint, stamp, states_of
from benchmark.data.prefetch import in_threads
from benchmark.data.spelling import THROUGH_FLOATS, alike, oddities
from benchmark.data.staged import Block, Staged
from benchmark.data.store import PARTS, VERSION
from benchmark.data.suspicions import Learned, hashes_of, mismatches, suspicions
from benchmark.data.vocabulary import FIRST, MISSING, UNSEEN, Bagged, Buckets, Categories, Scaled, Vocabulary
from benchmark.errors import UserError
from benchmark.sources import BETWEEN, Column, Source, Stream
from benchmark.values import one_of

BLOCK = 1 << 17  # rows handled at once
TURNED = 1 << 13  # rows turned from columns at once
PLACES = 1 << 24  # in the tables of all columns of texts together, 8 bytes each
LABELS = ("0", "1", "0.0", "1.0")
TEXT = ("categorical", "multi")  # kinds of columns whose cells are texts


def encode(source: Source, folder: Path, identity: Mapping[str, Any], stream: Stream | None = None) -> None:
    """Write ``source`` into ``folder``, replacing what is there. The caller holds the folder's lock (``prepare`` does).

    ``stream``: the training part, where ``source`` has none.

    ``identity`` (JSON types) says what the folder was made from; it is kept in schema.json. The work is done beside the folder and
    renamed when it is complete and on disk. Raises UserError: empty part, bad label, a part of one class, non-numeric cell.
    """
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a process that was killed
    building.mkdir(parents=True)
    try:
        with ThreadPoolExecutor(max(2, len(os.sched_getaffinity(0)))) as pool:
            _Encoder(source, building, pool, stream).run(identity)
        for path in building.iterdir():
            _sync(path)
        _sync(building)
        _replace(folder, building)
        stamp(folder, states_of(folder))
    finally:
        shutil.rmtree(building, ignore_errors=True)


class _Encoder:
    def __init__(self, source: Source, building: Path, pool: ThreadPoolExecutor, stream: Stream | None) -> None:
        self.source, self.building, self.pool, self.stream = source, building, pool, stream
        self.parts = PARTS if stream is None else PARTS[1:]  # that have files
        names = [column.name for column in source.columns if column.kind in TEXT]
        places = 1 << (PLACES // max(len(names), 1)).bit_length() - 1
        self.texts = {name: Texts(min(places, MOST)) for name in names}
        self.numbers = [column.name for column in source.columns if column.kind not in TEXT]
        if source.probability is not None:
            self.numbers.append(source.probability)
        self.scaled = {column.name for column in source.columns if column.kind == "scaled"}  # their numbers are kept in float32
        self.places = {name: place for place, name in enumerate((*self.texts, *self.numbers))}  # see Staged
        self.by = Texts()
        self.spelled: dict[str, list[str]] = {}  # what is odd in the spelling of a column's values
        self.looks_at_rows = source.examined and stream is None

    def run(self, identity: Mapping[str, Any]) -> None:
        temporary = self.building / "rows"
        temporary.mkdir()
        staged = [self._stage(part, frame, temporary / part) for part, frame in self.source.parts.items()]
        self._check_parts(staged)
        vocabularies = self._learn(staged)
        rows, rates, hashes = self._write(staged, vocabularies)
        shutil.rmtree(temporary)
        # Both begun now, beside the checksum, which takes as long. Files that wait for the disk hold the threads: they come second.
        found = self.pool.submit(lambda: tuple(self._found(rows, rates, vocabularies, hashes)))
        on_disk = [self.pool.submit(_sync, path) for path in self.building.iterdir()]
        self._describe(rows, rates, vocabularies, identity, found)
        for file in on_disk:
            file.result()

    def _stage(self, part: str, frame: pl.LazyFrame, folder: Path) -> Staged:
        """Run the frame once: its cells to codes and numbers in a new folder, checked. Raises UserError at the first bad cell."""
        source = self.source
        division = source.division if part == next(iter(source.parts)) else None
        where = source.shown_as.get(part, part)
        wanted = (source.label, *(column.name for column in source.columns), *((source.probability,) if source.probability else ()))
        by = division.column if division else None
        division_codes: list[NDArray[np.uint32]] = []
        labels: list[NDArray[np.uint8]] = []
        staged = Staged(folder, len(self.texts))
        spare = Spare()

        def batches() -> Iterator[tuple[int, pl.DataFrame]]:
            start = 0
            columns = frame.collect_schema().names()
            for name in (*wanted, *((by,) if by else ())):
                one_of("column", name, columns, where)
            chosen = frame.select(pl.col(name).cast(pl.String) for name in dict.fromkeys((*wanted, *((by,) if by else ()))))
            for batch in chosen.collect_batches(chunk_size=BLOCK, maintain_order=True):
                yield start, batch
                start += len(batch)

        def coded(numbered: tuple[int, pl.DataFrame]) -> Block:
            return self._coded(where, *numbered, by, spare)

        try:
            with tqdm(desc=f"reading {part}", unit=" rows", unit_scale=True, leave=False, disable=not sys.stderr.isatty()) as bar:
                for block in in_threads(self.pool, coded, batches(), depth=self.pool._max_workers + 1):
                    staged.put(block)
                    spare.given(block.codes)
                    labels.append(block.labels)
                    division_codes.append(block.by)
                    bar.update(len(block.labels))
        except (UserError, OSError, MemoryError):
            raise
        except Exception as error:  # a plug-in's frame may call its functions, which raise what they like
            raise UserError(f"{where}: the rows cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
        rows = staged.starts[-1]
        if not rows:
            raise UserError(f"{where}: the part is empty; every part needs rows")
        staged.labels = np.concatenate(labels)
        if division is None:
            staged.part = PARTS.index(part)
        else:
            staged.part = division.part_of(rows, self.by.distinct().gather(np.concatenate(division_codes)) if by else None)
        return staged

    def _coded(self, where: str, start: int, batch: pl.DataFrame, by: str | None, spare: Spare) -> Block:
        rows = len(batch)
        labels = labels_of(batch[self.source.label], where, start)
        codes = spare.taken(len(self.texts), rows)
        columns = list(self.texts.items())
        first = start // BLOCK % self.pool._max_workers * len(columns) // self.pool._max_workers
        for position in (*range(first, len(columns)), *range(first)):  # threads begin apart: one at a time is at a column
            name, texts = columns[position]
            codes[position] = texts.codes(batch[name])
        numbers = np.empty((len(self.numbers), rows))
        for position, name in enumerate(self.numbers):
            cells = batch[name]
            column = cells.cast(pl.Float64, strict=False)
            kept = column.cast(pl.Float32, strict=False) if name in self.scaled else column
            bad = (cells != "").fill_null(False) & ~kept.is_finite().fill_null(False)
            _refuse(
                bad, cells, where, start, "is not a number, but the field is numeric (where it stands for a missing one: --null-values)"
            )
            numbers[position] = column.fill_null(float("nan")).to_numpy()
            if name == self.source.probability:
                outside = ~column.is_between(0, 1).fill_null(False)
                _refuse(outside, cells, where, start, "is not a probability; it must lie between 0 and 1")
        return Block(codes, numbers, labels, self.by.codes(batch[by]) if by else np.empty(0, np.uint32))

    def _check_parts(self, staged: list[Staged]) -> None:
        """Raises UserError for a part that is empty or of one class."""
        for part in self.parts:
            number = PARTS.index(part)
            shown = self.source.shown_as
            divided = self.source.division is not None and (part not in shown or len(self.source.parts) == 1)
            where = f"{next(iter(shown.values()))}: {part}" if divided and shown else shown.get(part, part)
            labels = np.zeros(2, np.int64)
            for s in staged:
                for block in s.blocks():
                    labels += np.bincount(s.labels[s.rows(block)][s.of_part(block, number)], minlength=2)
            if not labels.sum():
                raise UserError(f"{where}: the part is empty; every part needs rows")
            if not labels.all():
                raise UserError(f"{where}: every label is {labels.argmax()}; training and AUC need rows of both classes in every part")

    def _learn(self, staged: list[Staged]) -> list[Vocabulary]:
        """Fields in the order of the source's columns; from the training rows alone."""

        def cells(name: str, part: int | None) -> Iterator[NDArray[Any]]:
            for s in staged:
                for block in s.blocks():
                    column = s.column(block, self.places[name])
                    yield column if part is None else column[s.of_part(block, part)]

        one_at_a_time = Lock()  # a column of numbers takes 8 bytes a row, however many cores there are

        def spelled(column: Column, texts: pl.Series, counts: NDArray[np.int64]) -> Iterator[str]:
            def having(chosen: NDArray[np.bool_]) -> int:
                return sum(int(np.count_nonzero(chosen[codes])) for codes in cells(column.name, None))

            if column.kind == "multi":  # a cell's values come with the rows of the cell
                lists = pl.DataFrame({"value": texts.str.split(BETWEEN), "rows": counts}).explode("value")
                texts, counts = (found := lists.group_by("value").agg(pl.col("rows").sum()))["value"], found["rows"].to_numpy()
            yield from alike(texts)
            yield from oddities(texts, counts, having if column.kind != "multi" else None)

        def learn(column: Column) -> Vocabulary:
            if self.stream is not None:
                return Categories.numbered(self.texts[column.name].distinct(), self.stream.counts[self.source.columns.index(column)])
            if column.kind in TEXT:
                texts = self.texts[column.name].distinct()
                counts = np.zeros(len(texts), np.int64)
                for s in staged:
                    for block in s.blocks():
                        found = s.occurrences(block, self.places[column.name], 0, len(texts))
                        counts[: len(found)] += found
                if self.source.examined:
                    self.spelled[column.name] = list(spelled(column, texts, counts))
                missing = UNSEEN if self.source.missing_is_unseen else MISSING
                if column.kind == "multi":
                    return Bagged.learn(texts, counts, column, self.source.min_count, missing)
                return Categories.learn(texts, counts, self.source.min_count, missing)
            with one_at_a_time:
                training = np.concatenate(list(cells(column.name, 0)))
                if column.kind == "scaled":
                    return Scaled.learn(np.concatenate(list(cells(column.name, None))), training)
                return Buckets.learn(training, self.source.buckets)

        # All at once: a column of many values takes long, and nobody is to wait for it.
        return list(in_threads(self.pool, learn, self.source.columns, depth=len(self.source.columns)))

    def _write(
        self, staged: list[Staged], vocabularies: list[Vocabulary]
    ) -> tuple[dict[str, int], dict[str, float], dict[str, NDArray[np.uint64]]]:
        """The parts' ids, labels and probabilities, rows in the order of the frames. Returns rows and positive rate of each part, and the
        hashes of its rows where they are looked at: made here, where a row's ids are in the cache.
        """
        rows = {part: sum(s.count(PARTS.index(part)) for s in staged) for part in self.parts}
        positives = dict.fromkeys(self.parts, 0)
        hashes: dict[str, list[NDArray[np.uint64]]] = {part: [] for part in self.parts}
        spare = Spare()

        def hashed(ids: NDArray[np.int32], labels: NDArray[np.uint8]) -> NDArray[np.uint64]:
            return hashes_of(ids, labels) if self.looks_at_rows else np.empty(0, np.uint64)

        def translated(task: tuple[Staged, int]) -> list[tuple[str, tuple[NDArray[Any], ...], NDArray[np.uint64]]]:
            s, block = task
            ids = self._ids(s, block, vocabularies, spare)
            others: list[NDArray[Any]] = [s.labels[s.rows(block)]]
            if self.source.probability is not None:
                others.append(s.column(block, self.places[self.source.probability]))
            s.drop(block)
            if not isinstance(s.part, np.ndarray):
                return [(PARTS[s.part], (ids, *others), hashed(ids, others[0]))]
            found = []
            for part in self.parts:
                mine = np.flatnonzero(s.part[s.rows(block)] == PARTS.index(part))
                chosen = np.take(ids, mine, axis=0, out=spare.taken(len(mine), ids.shape[1]), mode="clip")
                columns = [column[mine] for column in others]
                found.append((part, (chosen, *columns), hashed(chosen, columns[0])))
            spare.given(ids)
            return found

        tasks = ((s, block) for s in staged for block in s.blocks())
        with (
            ExitStack() as files,
            tqdm(
                desc="encoding", total=sum(rows.values()), unit=" rows", unit_scale=True, leave=False, disable=not sys.stderr.isatty()
            ) as bar,
        ):
            into = {
                part: [
                    files.enter_context(_started(self.building / f"{part}.{what}.npy", dtype, (total, *width)))
                    for what, dtype, width in self._arrays(part, len(vocabularies))
                ]
                for part, total in rows.items()
            }
            for found in in_threads(self.pool, translated, tasks, depth=self.pool._max_workers + 1):
                for part, columns, of_rows in found:
                    hashes[part].append(of_rows)
                    for file, column in zip(into[part], columns, strict=False):  # probabilities of training rows go nowhere
                        file.write(np.ascontiguousarray(column).data)
                    spare.given(columns[0])
                    positives[part] += int(columns[1].sum())
                    bar.update(len(columns[1]))
        rates = {part: positives[part] / rows[part] for part in self.parts}
        if self.stream is not None:
            rows, rates = {"train": self.stream.rows, **rows}, {"train": self.stream.positive_rate, **rates}
        return rows, rates, {part: np.concatenate(of_part) for part, of_part in hashes.items()}

    def _arrays(self, part: str, fields: int) -> list[tuple[str, type[Any], tuple[int, ...]]]:
        """What there is of each row: name, type, and shape of one."""
        arrays: list[tuple[str, type[Any], tuple[int, ...]]] = [("ids", np.int32, (fields,)), ("labels", np.uint8, ())]
        if self.source.probability is not None and part != "train":
            arrays.append(("probabilities", np.float64, ()))
        return arrays

    def _ids(self, staged: Staged, block: int, vocabularies: list[Vocabulary], spare: Spare) -> NDArray[np.int32]:
        """(n, F): a whole column at a time, whose ids by code stay in the cache; then so few rows that turning columns into rows does."""
        rows = staged.rows(block)
        ids_of = [v.ids(staged.column(block, self.places[c.name])) for c, v in zip(self.source.columns, vocabularies, strict=True)]
        ids = spare.taken(rows.stop - rows.start, len(vocabularies))
        for start in range(0, len(ids), TURNED):
            some = slice(start, start + TURNED)
            for field, of_column in enumerate(ids_of):
                ids[some, field] = of_column[some]
        return ids

    def _describe(
        self,
        rows: dict[str, int],
        rates: dict[str, float],
        vocabularies: list[Vocabulary],
        identity: Mapping[str, Any],
        found: Future[tuple[str, ...]],
    ) -> None:
        """counts.npy, factors.npy, bags and schema.json. ``found``: notes on the encoded rows."""
        names = [column.name for column in self.source.columns]
        np.save(self.building / "counts.npy", np.concatenate([v.counts for v in vocabularies]))
        factors = [v.factors for v in vocabularies if isinstance(v, Scaled)]
        if factors:
            np.save(self.building / "factors.npy", np.concatenate(factors))
        bags = [(len(v.bags.sizes), v.pooling) if isinstance(v, Bagged) else (0, "") for v in vocabularies]
        if any(count for count, _ in bags):
            both = zip(*(v.bags for v in vocabularies if isinstance(v, Bagged)), strict=True)
            for name, arrays in zip(BAGS, both, strict=True):
                np.save(self.building / f"{name}.npy", np.concatenate(arrays))
        schema = {
            "version": VERSION,
            "fingerprint": fingerprint(self.building, names, self.parts, self.source.probability is not None, self.stream, bags),
            "identity": identity,
            "fields": names,
            "cardinalities": [len(v.counts) for v in vocabularies],
            "factors": [len(v.factors) if isinstance(v, Scaled) else 0 for v in vocabularies],
            "rows": rows,
            "positive_rates": rates,
            "notes": (*self.source.notes, *found.result()),
            "known": self.source.known,
            **({"probabilities": True} if self.source.probability is not None else {}),  # named only where they are: older folders do not
            **({"streamed": True} if self.stream is not None else {}),
            **({"bags": [count for count, _ in bags], "pooling": [pooling for _, pooling in bags]} if any(c for c, _ in bags) else {}),
        }
        (self.building / "schema.json").write_text(json.dumps(schema, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")

    def _found(
        self, rows: dict[str, int], rates: dict[str, float], vocabularies: list[Vocabulary], hashes: dict[str, NDArray[np.uint64]]
    ) -> Iterator[str]:
        """What only the encoded rows could tell, in words."""
        source = self.source
        if source.division is not None and source.division.notes is not None:
            yield from source.division.notes
        noticed = tuple(source.noticed())
        yield from noticed
        for column in source.columns:
            typed = any(f"{column.name} is stored as float" in note for note in noticed)  # which says it better
            yield from (
                f"{column.name}: {said}" for said in self.spelled.get(column.name, ()) if not (typed and said.startswith(THROUGH_FLOATS))
            )
        if source.published is not None:
            values = sum(len(v.counts) - FIRST for v in vocabularies if isinstance(v, Categories))
            yield from mismatches(source.published, rows, rates, values)
        if self.looks_at_rows:
            if source.division is None:  # nobody asked for such shares
                yield from (
                    f"{part} has {rows[part]:,} rows, train {rows['train']:,}: are the parts what they are called?"
                    for part in PARTS[1:]
                    if rows[part] > rows["train"]
                )
            learned = {
                n: Learned(
                    column.name,
                    vocabulary.counts,
                    isinstance(vocabulary, Buckets),
                    vocabulary.several_unseen() if isinstance(vocabulary, Bagged) else None,
                )
                for n, (column, vocabulary) in enumerate(zip(source.columns, vocabularies, strict=True))
                if not isinstance(vocabulary, Scaled)
            }
            yield from suspicions(self.building, learned, rates, rows, hashes)


def labels_of(labels: pl.Series, where: str, start: int) -> NDArray[np.uint8]:
    """(n,) texts -> (n,) 1 for a positive label, 0 for a negative one. Raises UserError as ``refuse_labels`` does."""
    ones = labels == "1"
    if not (ones | (labels == "0")).fill_null(False).all():  # rarer spellings: to look for all takes six times as long
        refuse_labels(labels, where, start)
        ones = labels.is_in(LABELS[1::2])
    return ones.cast(pl.UInt8).to_numpy()


def refuse_labels(labels: pl.Series, where: str, start: int) -> None:
    """Raises UserError at the first text that is no label; ``start`` rows came before."""
    _refuse(
        ~labels.is_in(LABELS).fill_null(False),
        labels,
        where,
        start,
        "is no label; a label is 0 or 1 (make it from other values first)",
        "is no label, but the column's name: is it a header line among the rows? A label is 0 or 1",
    )


def _refuse(bad: pl.Series, cells: pl.Series, where: str, start: int, complaint: str, of_name: str = "") -> None:
    """Raises UserError at the first bad cell; ``start`` rows came before. ``of_name``: the complaint of a cell with the column's name."""
    if bad.any():
        position = int(bad.arg_true()[0])
        value = cells[position]
        complaint = of_name if of_name and value == cells.name else complaint
        shown = "an empty cell" if value in (None, "") else repr(value if len(value) <= 40 else value[:40] + "…")
        raise UserError(f"{where}: row {start + position + 1}, column {cells.name!r}: {shown} {complaint}")


@contextmanager
def _started(path: Path, dtype: type[Any], shape: tuple[int, ...]) -> Iterator[IO[bytes]]:
    """A .npy file of that array up to its content, which the caller writes."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape})
        yield file


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
