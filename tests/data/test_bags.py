"""Multi-valued columns: what becomes of their cells, against the rules in plain Python; and what the prepared folder keeps of them."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmark import plugins
from benchmark.checking.datasets import leaks, unseen
from benchmark.checking.finding import Note
from benchmark.data import encode as encoding
from benchmark.data import integrity
from benchmark.data.encode import encode
from benchmark.data.prepare import prepare
from benchmark.data.store import PARTS, Prepared, open_prepared
from benchmark.errors import UserError
from benchmark.reporting.data_description import describe, description
from benchmark.schema import MISSING, UNSEEN, Pooling
from benchmark.sources import BETWEEN, Column, DataSet, Source

IDENTITY = {"name": "toy", "dataset": "synthetic", "options": {}}
Cells = Mapping[str, Sequence[str | None]]


def made(folder: Path, cells: Cells, *columns: Column, **more: object) -> Prepared:
    """cells: part -> those of every column alike."""
    columns = columns or (Column("tags", "multi"),)
    parts = {
        part: {"y": [n % 2 for n in range(len(of_part))], **{c.name: list(of_part) for c in columns}} for part, of_part in cells.items()
    }
    frames = {part: pl.LazyFrame(rows, schema_overrides={c.name: pl.String for c in columns}) for part, rows in parts.items()}
    encode(Source(parts=frames, label="y", columns=columns, **more), folder / "toy", IDENTITY)  # type: ignore[arg-type]
    return open_prepared(folder / "toy")


def drawn(seed: int) -> Cells:
    """Values that repeat, are rare, are empty, and come in training alone or not there; no cell, an empty one, and separators alone."""
    draw = random.Random(seed)
    names = ["a", "b", "c", "d e", "É", "1", "01", "zz"]

    def cell(part: str) -> str | None:
        if draw.random() < 0.15:
            return draw.choice([None, "", BETWEEN, BETWEEN * 3])
        values = draw.choices([*names, "", f"rare{draw.randrange(40)}", f"{part}{draw.randrange(3)}"], k=draw.randint(1, 7))
        return BETWEEN.join(values)

    return {part: [cell(part) for _ in range(rows)] for part, rows in zip(PARTS, (draw.randint(20, 150), 30, 30), strict=True)}


def bags(prepared: Prepared, part: str, place: int = 0) -> list[list[int]]:
    """The rows of each cell."""
    sizes, members = prepared.schema.bags_of()[place]
    of_bag = np.split(members, np.cumsum(sizes)[:-1])
    return [of_bag[k].tolist() for k in prepared.arrays(part)[0][:, place]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("merged", [False, True])
def test_bags_are_those_of_plain_python(tmp_path: Path, seed: int, merged: bool) -> None:
    cells, most, least = drawn(seed), 1 + seed % 5, 1 + seed % 3
    columns = (Column("tags", "multi", "sum", most), Column("plain"), Column("more", "multi", "mean", 16))
    prepared = made(tmp_path, cells, *columns, min_count=least, missing_is_unseen=merged)
    nothing = UNSEEN if merged else MISSING
    for place, bound in ((0, most), (2, 16)):
        values = {part: [[v for v in (cell or "").split(BETWEEN) if v][:bound] for cell in of_part] for part, of_part in cells.items()}
        counted = Counter(v for of_cell in values["train"] for v in of_cell)
        kept = sorted((v for v, n in counted.items() if n >= least), key=str.encode)
        row = {v: 2 + k for k, v in enumerate(kept)}
        rows = {part: [sorted(row.get(v, UNSEEN) for v in of_cell) or [nothing] for of_cell in cells] for part, cells in values.items()}
        for part in PARTS:
            assert bags(prepared, part, place) == rows[part]
        all_bags = {tuple(bag) for part in PARTS for bag in rows[part]} | {(MISSING,), (UNSEEN,)}
        field = prepared.schema.fields[place]
        assert field == (columns[place].name, 2 + len(kept), 0, len(all_bags), columns[place].pooling)
        occurrences = Counter(one for bag in rows["train"] for one in bag)
        assert prepared.value_counts()[place].tolist() == [occurrences[k] for k in range(field.cardinality)]
    first = prepared.schema.bags_of()[0]
    assert first.sizes[:2].tolist() == [1, 1] and first.members[:2].tolist() == [MISSING, UNSEEN]


def test_a_cell_of_one_value_is_what_a_category_is(tmp_path: Path) -> None:
    cells = {part: [(cell or "").partition(BETWEEN)[0] for cell in of_part] for part, of_part in drawn(3).items()}
    prepared = made(tmp_path, cells, Column("tags", "multi"), Column("plain"), min_count=2)
    tags, plain = prepared.value_counts()
    assert tags.tolist() == plain.tolist()
    for part in PARTS:
        assert [one for [one] in bags(prepared, part)] == prepared.arrays(part)[0][:, 1].tolist()


def test_the_same_rows_give_the_same_bytes_whatever_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = made(tmp_path / "one", drawn(5), min_count=2)
    monkeypatch.setattr(encoding, "BLOCK", 7)
    other = made(tmp_path / "other", drawn(5), min_count=2)
    names = sorted(path.name for path in one.folder.glob("[!.]*"))
    assert {"bag_sizes.npy", "bag_members.npy"} < set(names)
    assert all((one.folder / name).read_bytes() == (other.folder / name).read_bytes() for name in names)


def test_pooling_and_bags_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    cells = {part: ["a|b", "a", "b|a", "c"] for part in PARTS}
    swapped = {part: ["a|c", "a", "c|a", "b"] for part in PARTS}  # the same ids
    kinds: list[tuple[Cells, Pooling, int]] = [(cells, "mean", 16), (cells, "sum", 16), (cells, "mean", 1), (swapped, "mean", 16)]
    found = [made(tmp_path / str(n), c, Column("tags", "multi", pooling, most)) for n, (c, pooling, most) in enumerate(kinds)]
    assert len({one.fingerprint for one in found}) == 4
    assert np.array_equal(found[0].arrays("train")[0], found[1].arrays("train")[0])


def damaged(prepared: Prepared, name: str, change: Any) -> str:
    path = prepared.folder / name
    if name == "schema.json":
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    else:
        np.save(path, np.array(change, np.int32))
    integrity._SEEN.clear()
    with pytest.raises(UserError) as caught:
        open_prepared(prepared.folder)
    return str(caught.value)


def test_damaged_bags_are_refused(tmp_path: Path) -> None:
    whole = made(tmp_path, {part: ["a", "b", "a|b", ""] for part in PARTS}, Column("tags", "multi", "sum"))
    copies = count()

    def fresh() -> Prepared:  # bags: (0), (1), (2), (2, 3), (3)
        return open_prepared(shutil.copytree(whole.folder, tmp_path / f"copy{next(copies)}"))

    assert "fit schema.json" in damaged(fresh(), "bag_sizes.npy", [1, 1, 1, 2])
    assert "without a row" in damaged(fresh(), "bag_sizes.npy", [1, 1, 0, 3, 1])
    assert "fit schema.json" in damaged(fresh(), "bag_sizes.npy", [1, 1, 1, 1, 1])
    assert "not those of its fingerprint" in damaged(fresh(), "bag_sizes.npy", [1, 1, 2, 1, 1])
    assert "outside its cardinality" in damaged(fresh(), "bag_members.npy", [0, 1, 2, 2, 9, 3])
    assert "counts.npy" in damaged(fresh(), "bag_members.npy", [0, 1, 2, 3, 3, 3])
    assert "fingerprint" in damaged(fresh(), "schema.json", {"pooling": ["mean"]})
    wrong: tuple[dict[str, Any], ...] = (
        {"pooling": ["max"]},
        {"pooling": []},
        {"pooling": [""]},
        {"bags": [1]},
        {"bags": [0]},
        {"bags": [5, 5]},
    )
    for change in wrong:
        assert "damaged (" in damaged(fresh(), "schema.json", change)


def test_what_is_said_of_it(tmp_path: Path) -> None:
    """Shares are of values: 8 of them in training cells, of which x occurs four times; valid has 5, three of them unseen."""
    cells = {"train": ["x|y", "x|x|z", "x|y|z", ""], "valid": ["x|new|new", "new|y", "", ""], "test": ["x", "x", "x", "new"]}
    prepared = made(tmp_path, cells, Column("tags", "multi"), Column("whole"))
    [row, whole] = description(prepared).by_field
    assert (row.cardinality, row.count_min, row.count_max, row.top_share, row.values_per_row) == (5, 2, 4, 0.5, 2.0)
    assert (row.missing_train, row.missing_valid, row.missing_test) == (0.25, 0.5, 0.0)
    assert (row.unseen_train, row.unseen_valid, row.unseen_test) == (0.0, 0.6, 0.25)
    assert row.learned == 4 and whole.values_per_row is None
    text = describe(prepared)
    assert "are of values, not of rows" in text and "2.00" in text
    # Of valid 3 of 7, two missing cells among them, and of the whole cells 2 of 4; of test 1 of 4 and all.
    assert unseen(prepared).words == "valid 45.5%, test 62.5%"
    assert leaks(prepared).words.startswith("the best, ")


@pytest.mark.parametrize(("column", "said"), [(Column("g", "multi", "max"), "mean or sum"), (Column("g", "multi", "sum", 0), "at least 1")])  # type: ignore[arg-type]
def test_a_wrong_column_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch, column: Column, said: str) -> None:
    owner: type[DataSet] = plugins.plugin("datasets", "synthetic")
    load = owner.load
    monkeypatch.setattr(owner, "load", lambda *given: dataclasses.replace(load(*given), columns=(column,)))
    with pytest.raises(UserError, match=f"column g: .*{said}"):
        prepare("synthetic", {"rows": 1000, "cardinalities": [3, 5]}, None)


def test_a_check_looks_at_rows_from_everywhere_in_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first rows may be of one class, and so may every other one."""
    monkeypatch.setattr("benchmark.checking.datasets.ROWS", 60)
    for number, labels in enumerate(([0] * 60 + [1] * 60, [0, 1] * 60)):
        rows = {"y": labels, "tags": [f"{'ab'[label]}{n % 3}" for n, label in enumerate(labels)]}
        parts = {part: pl.LazyFrame(rows) for part in PARTS}
        encode(Source(parts=parts, label="y", columns=(Column("tags"),)), tmp_path / f"{number}", IDENTITY)
        with pytest.raises(Note, match=r"the values of tags \(1.000\) alone predict the label"):
            leaks(open_prepared(tmp_path / f"{number}"))


def test_cells_of_several_values_that_are_all_unseen_are_said(tmp_path: Path) -> None:
    cells = {"train": ["a|b", "b|c"] * 8, "valid": ["a|x", "b"] * 8, "test": ["x|y", "z|y|x", "w", "a|x"] * 4}
    [note] = [note for note in made(tmp_path / "x", cells, examined=True).notes if "not seen" in note]
    assert note == "test has values that training has not seen in most rows: tags 75.0%"


def test_a_stream_has_no_bags(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner: type[DataSet] = plugins.plugin("datasets", "teacher")
    load = owner.load
    monkeypatch.setattr(owner, "load", lambda *given: dataclasses.replace(load(*given), columns=(Column("g", "multi"),)))
    with pytest.raises(UserError, match="column g: columns of a data set with a stream must be categorical"):
        prepare("teacher", {"rows": 1000, "valid_rows": 100, "test_rows": 100, "cardinalities": [3, 5, 7], "pairs": 2, "patterns": 1}, None)
