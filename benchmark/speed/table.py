"""Made-up tables like Criteo's, for `speed data`."""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.speed.workload import SHAPES

# How many values the columns have: counts I1…, made up like the rest, and the categorical fields C1… of the shape "criteo".
COUNTS = (600, 5_000, 3_000, 200, 30_000, 6_000, 1_500, 200, 3_000, 10, 100, 400, 800)
CATEGORIES = tuple(size for size in SHAPES["criteo"] if size > 1)
SIZES = np.array(COUNTS + CATEGORIES)
FIELDS = (*(f"I{n + 1}" for n in range(len(COUNTS))), *(f"C{n + 1}" for n in range(len(CATEGORIES))))
MISSING = np.resize([0.0, 0.45, 0.03, 0.0, 0.2], len(SIZES))  # share of empty cells of each column
POSITIVE = 0.26
BLOCK = 1 << 17  # rows drawn at once
PART_FILES = 8


def write_table(path: Path, rows: int, seed: int = 0) -> tuple[int, int]:
    """A CSV file with a header: label, counts, and texts like 32-bit hashes; some cells are empty. Returns where in the file the first
    eight, and the first nine, tenths of the rows end.

    Values are as skewed as ``workload.Workload.ids``. The rows of a smaller table are the first ones of a larger one.
    """
    texts = [pl.Series([*map(str, range(size)), None]) for size in COUNTS]
    texts += [pl.Series([*(f"{value:08x}" for value in _hashed(n, size).tolist()), None]) for n, size in enumerate(CATEGORIES)]
    random = np.random.default_rng(seed)
    cuts = rows - rows // 10 * 2, rows - rows // 10
    ends = sorted({*range(BLOCK, rows, BLOCK), *cuts, rows})
    places = {}
    with (
        path.open("wb") as file,
        tqdm(desc="writing the table", total=rows, unit=" rows", unit_scale=True, leave=False, disable=not sys.stderr.isatty()) as bar,
    ):
        file.write(f"{','.join(('label', *FIELDS))}\n".encode())
        for start, end in zip([0, *ends], ends, strict=False):
            drawn = random.random((end - start, 2 * len(SIZES) + 1))  # row after row, so the blocks' bounds do not matter
            values = np.minimum((SIZES + 1) ** drawn[:, : len(SIZES)] - 1, SIZES - 1).astype(np.int64)
            values[drawn[:, len(SIZES) : -1] < MISSING] = -1  # the None at the end
            columns = {name: text.gather(values[:, n] % len(text)) for n, (name, text) in enumerate(zip(FIELDS, texts, strict=True))}
            labels = pl.Series((drawn[:, -1] < POSITIVE).astype(np.uint8))
            pl.DataFrame({"label": labels, **columns}).write_csv(file, include_header=False)
            places[end] = file.tell()
            bar.update(end - start)
    return places[cuts[0]], places[cuts[1]]


def _hashed(column: int, size: int) -> NDArray[np.uint32]:
    """(size,) numbers that look drawn at random but are distinct: each step can be undone."""
    mixed = np.arange(size, dtype=np.uint32) + np.uint32(column << 24)
    for factor in (0x85EBCA6B, 0xC2B2AE35):
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(16))


def other_forms(table: Path, rows: int) -> dict[str, Path]:
    """The rows of a CSV file compressed, and as PART_FILES files of Parquet in a folder; all beside it."""
    forms = {"gzip": table.with_name("rows.csv.gz"), "zstd": table.with_name("rows.csv.zst"), "Parquet": table.with_name("rows")}
    with table.open("rb") as source, gzip.open(forms["gzip"], "wb", 6) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    with table.open("rb") as source, pyarrow.CompressedOutputStream(str(forms["zstd"]), "zstd") as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    forms["Parquet"].mkdir()
    frame, size = pl.scan_csv(table, infer_schema=False), -(-rows // PART_FILES)
    for part in range(PART_FILES):
        frame.slice(part * size, size).sink_parquet(forms["Parquet"] / f"part-{part:05}.parquet")
    return forms


def cut(table: Path, ends: tuple[int, int]) -> Path:
    """The table as a folder with train.csv, valid.csv and test.csv, 8:1:1 in its order. It becomes the first: most is not copied."""
    folder = table.with_name("parts")
    folder.mkdir()
    with table.open("r+b") as file:
        header = file.readline()
        for part, end in (("test", ends[1]), ("valid", ends[0])):
            with (folder / f"{part}.csv").open("wb") as target:
                target.write(header)
                file.seek(end)
                shutil.copyfileobj(file, target, 1 << 20)
            file.truncate(end)
    table.rename(folder / "train.csv")
    return folder
