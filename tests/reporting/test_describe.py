"""What is said of a prepared data set, against counts of the table that it was prepared from."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars as pl
import pytest
import torch

from benchmark.data.encode import encode
from benchmark.data.prepare import prepare
from benchmark.data.store import Prepared, open_prepared
from benchmark.errors import UserError
from benchmark.metrics.spectral import measured_table
from benchmark.reporting.data_description import FieldRow, describe, description
from benchmark.reporting.leaderboard import Format
from benchmark.sources import Column, Source

ROWS = {"train": 700, "valid": 110, "test": 90}
OPTIONS = {"label": "click", "split_column": "part"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCHMARK_CACHE", str(folder))
    return folder


@pytest.fixture
def frame() -> pandas.DataFrame:
    """The rows of all parts, as text; "" is missing. town has values that training does not have, and rare ones."""
    random = np.random.default_rng(0)
    parts = []
    for part, rows in ROWS.items():
        town = random.zipf(1.5, rows).clip(max=60 if part == "train" else 90).astype(str)
        town[random.random(rows) < 0.1] = ""
        content = {
            "part": part,
            "click": (random.random(rows) < 0.3).astype(int).astype(str),
            "town": town,
            "always": "x",
            "nothing": "",
            "day": random.integers(7, size=rows).astype(str),
            "age": random.integers(18, 80, size=rows).astype(str),
        }
        parts.append(pandas.DataFrame(content))
    return pandas.concat(parts).sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture
def mine(frame: pandas.DataFrame, tmp_path: Path) -> Prepared:
    return prepared(frame, tmp_path)


def prepared(frame: pandas.DataFrame, folder: Path, **options: Any) -> Prepared:
    path = folder / "mine.csv"
    frame.to_csv(path, index=False)
    return prepare("csv", {**OPTIONS, **options}, path, alias="mine")


def field(found: Prepared, name: str) -> FieldRow:
    [row] = [row for row in description(found).by_field if row.field == name]
    return row


def toy(folder: Path, columns: dict[str, Any], kinds: dict[str, Any] | None = None, notes: tuple[str, ...] = ()) -> Prepared:
    """Every part has the same rows, half of them positive."""
    rows = len(next(iter(columns.values())))
    content = pl.LazyFrame({"y": [n % 2 for n in range(rows)], **columns}, strict=False)
    source = Source(
        parts=dict.fromkeys(("train", "valid", "test"), content),
        label="y",
        columns=tuple(Column(name, (kinds or {}).get(name, "categorical")) for name in columns),
        notes=notes,
    )
    encode(source, folder / "toy", {"name": "toy", "dataset": "synthetic", "options": {}})
    return open_prepared(folder / "toy")


def share(cells: pandas.Series) -> float:
    return float(cells.mean())


@pytest.mark.parametrize("min_count", [1, 3])
def test_against_a_count_with_pandas(frame: pandas.DataFrame, tmp_path: Path, min_count: int) -> None:
    found = prepared(frame, tmp_path, min_count=min_count)
    told = description(found)
    by_part = {part: rows for part, rows in frame.groupby("part")}
    assert (told.dataset, told.fingerprint, told.rows, told.fields, told.notes) == ("mine", found.fingerprint, ROWS, 5, found.notes)
    for part, rows in by_part.items():
        assert told.positive_rates[str(part)] == pytest.approx(share(rows["click"] == "1"))
    assert [row.field for row in told.by_field] == ["town", "always", "nothing", "day", "age"]
    for row in told.by_field:
        cells = {part: rows[row.field] for part, rows in by_part.items()}
        counts = cells["train"][cells["train"] != ""].value_counts()
        kept = counts[counts >= min_count]
        ordered = sorted(kept.tolist())
        assert row.cardinality == len(kept) + 2
        if ordered:
            half, most = ordered[math.ceil(len(ordered) / 2) - 1], ordered[math.ceil(9 * len(ordered) / 10) - 1]
            assert (row.count_min, row.count_median, row.count_90, row.count_max) == (ordered[0], half, most, ordered[-1])
            assert row.top_share == pytest.approx(ordered[-1] / ROWS["train"])
        missing = {part: share(c == "") for part, c in cells.items()}
        unseen = {part: share((c != "") & ~c.isin(kept.index)) for part, c in cells.items()}
        assert [row.missing_train, row.missing_valid, row.missing_test] == pytest.approx([missing[part] for part in ROWS])
        assert [row.unseen_train, row.unseen_valid, row.unseen_test] == pytest.approx([unseen[part] for part in ROWS])
        assert row.learned == len(kept) + (missing["train"] > 0) + (unseen["train"] > 0)
    assert told.values == sum(row.cardinality for row in told.by_field)
    town = told.by_field[0]
    assert town.unseen_valid and town.unseen_test and town.missing_valid  # else this test shows nothing
    assert bool(town.unseen_train) == (min_count > 1)


def test_a_constant_and_an_empty_field(mine: Prepared) -> None:
    always, nothing = field(mine, "always"), field(mine, "nothing")
    assert (always.count_min, always.count_median, always.count_90, always.count_max, always.top_share) == (*[700] * 4, 1.0)
    assert always.learned == nothing.learned == 1
    assert always.information_abundance_gaussian == pytest.approx({10: 1.0, 40: 1.0})
    assert (nothing.count_min, nothing.count_max, nothing.top_share, nothing.missing_train, nothing.missing_test) == (
        None,
        None,
        None,
        1,
        1,
    )
    assert [*shown(mine, "table")[2].values()] == ["nothing", "2", "-", "-", "-", "-", "-", "100.00", "0", "0", "1.00", "1.00"]


def test_buckets_are_values(frame: pandas.DataFrame, tmp_path: Path) -> None:
    age = field(prepared(frame, tmp_path, numeric=("age",), buckets=4), "age")
    assert (age.cardinality, age.unseen_valid) == (6, 0)
    assert age.count_min is not None and age.count_max is not None and 150 < age.count_min <= age.count_max < 200


def test_the_ceiling_is_what_records_are_divided_by(mine: Prepared) -> None:
    told, counts = description(mine, widths=(4, 12)), mine.value_counts()
    names = [row.field for row in told.by_field]
    table = torch.randn(mine.schema.values, 12, generator=torch.Generator().manual_seed(0))
    recorded = measured_table(table, 3, names, counts).metrics
    for row in told.by_field:
        for width, matrix in ((4, "table_set"), (12, "table")):
            value = recorded[f"{matrix}/{row.field}/information_abundance"]
            ratio = recorded[f"{matrix}/{row.field}/information_abundance_over_gaussian"]
            assert row.information_abundance_gaussian[width] == pytest.approx(value / ratio)


def test_the_ceiling_against_drawn_tables(mine: Prepared) -> None:
    day = field(mine, "day")
    assert day.learned == 7
    for width, ceiling in day.information_abundance_gaussian.items():
        values = np.linalg.svd(np.random.default_rng(0).standard_normal((2000, day.learned, width)), compute_uv=False)
        assert ceiling == pytest.approx((values.sum(1) / values[:, 0]).mean(), rel=0.03)


def test_a_scaled_field_has_one_row_and_nothing_unseen(tmp_path: Path) -> None:
    found = toy(tmp_path, {"price": [0.5, None, 0.5, 2.0, 3.0], "kind": list("aabbc")}, {"price": "scaled"})
    price = field(found, "price")
    assert (price.cardinality, price.learned, price.missing_train, price.missing_valid) == (1, 1, 0.2, 0.2)
    assert (price.count_min, price.count_max, price.top_share) == (None,) * 3
    assert (price.unseen_train, price.unseen_valid, price.unseen_test) == (None,) * 3
    assert "is scaled" in describe(found)
    assert [*shown(found, "table")[0].values()] == ["price", "1", *["-"] * 5, "20.00", "-", "-", "1.00", "1.00"]
    assert json.loads(describe(found, "json"))["by_field"][0]["unseen_test"] is None


def test_only_rare_training_values_get_a_column(frame: pandas.DataFrame, mine: Prepared, tmp_path: Path) -> None:
    assert "unseen train %" not in shown(mine, "markdown")[0]
    assert "is scaled" not in describe(mine)
    rare = prepared(frame, tmp_path, min_count=3)
    percent = field(rare, "town").unseen_train
    assert percent and shown(rare, "markdown")[0]["unseen train %"] == f"{100 * percent:.2f}"


@pytest.mark.parametrize("output", ["table", "markdown"])
def test_what_people_read_parses_back(mine: Prepared, output: Format) -> None:
    told, lines = description(mine), describe(mine, output).splitlines()
    assert lines[0].removeprefix("### ") == f"mine@{mine.fingerprint}: 5 fields, {mine.schema.values} values"
    rows = shown(mine, output)
    assert len(rows) == 5
    for cells, row in zip(rows, told.by_field, strict=True):
        name, *texts = cells.values()
        numbers = [None if text == "-" else float(text.replace("<", "").replace(",", "")) for text in texts]
        abundance = row.information_abundance_gaussian
        percent = [None if x is None else 100 * x for x in (row.top_share, row.missing_train, row.unseen_valid, row.unseen_test)]
        exact = [row.cardinality, row.count_min, row.count_median, row.count_90, row.count_max, *percent, abundance[10], abundance[40]]
        assert name == row.field
        assert [x is None for x in numbers] == [x is None for x in exact]
        assert [x for x in numbers if x is not None] == pytest.approx([x for x in exact if x is not None], abs=0.0051)
    for part in ROWS:
        [line] = [line for line in lines if re.match(rf"\W*{part}\b", line)]
        assert re.findall(r"[\d.]+", line) == [str(ROWS[part]), f"{100 * told.positive_rates[part]:.2f}"]


def shown(found: Prepared, output: Format) -> list[dict[str, str]]:
    """The table of fields, as text: header -> cell."""
    text = describe(found, output)
    lines = text.split("\n\n")[2].splitlines()
    if output == "markdown":
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]
    [rule] = [place for place, line in enumerate(lines) if line.startswith("---")]
    spans = [match.span() for match in re.finditer("-+", lines[rule])]

    def cut(line: str) -> list[str]:
        return [line[start:end].strip() for start, end in spans]

    headers = [" ".join(filter(None, column)) for column in zip(*map(cut, lines[:rule]), strict=True)]
    return [dict(zip(headers, cut(line), strict=True)) for line in lines[rule + 1 :]]


def test_csv_and_json_have_every_number(mine: Prepared) -> None:
    told = description(mine)
    whole = json.loads(describe(mine, "json"))
    assert (whole["dataset"], whole["fingerprint"], whole["rows"]) == ("mine", mine.fingerprint, ROWS)
    assert (whole["positive_rates"], whole["values"], whole["notes"]) == (told.positive_rates, told.values, list(told.notes))
    lines = list(csv.DictReader(io.StringIO(describe(mine, "csv"))))
    for line, item, row in zip(lines, whole["by_field"], told.by_field, strict=True):
        abundance = item.pop("information_abundance_gaussian")
        assert {int(width): value for width, value in abundance.items()} == row.information_abundance_gaussian
        assert item == {key: getattr(row, key) for key in item}
        assert (line["dataset"], line["rows_valid"], line["fields"]) == ("mine", str(ROWS["valid"]), "5")
        assert float(line["positive_rate_test"]) == told.positive_rates["test"]
        flat = item | {f"information_abundance_gaussian_{width}": value for width, value in abundance.items()}
        assert {key: line[key] for key in flat} == {key: "" if value is None else str(value) for key, value in flat.items()}


@pytest.mark.parametrize("output", ["table", "markdown", "csv", "json"])
@pytest.mark.parametrize("block", [1, 7, 110])
def test_block_borders_do_not_show(mine: Prepared, monkeypatch: pytest.MonkeyPatch, output: Format, block: int) -> None:
    whole = describe(mine, output)
    monkeypatch.setattr("benchmark.reporting.data_description.BLOCK", block)
    assert describe(mine, output) == whole


def test_training_rows_are_not_read(mine: Prepared) -> None:
    whole = describe(mine)
    for name in ("ids", "labels"):
        (mine.folder / f"train.{name}.npy").unlink()
    assert describe(mine) == whole
    (mine.folder / "test.ids.npy").unlink()
    with pytest.raises(UserError, match="prepare the data set again"):
        describe(mine)


def test_the_bar_is_for_terminals_only(mine: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        text = describe(mine)
        assert "reading" not in text
        assert ("reading mine" in stream.getvalue()) == stream.isatty()


def test_widths_are_the_callers(mine: Prepared) -> None:
    assert [header for header in shown_headers(describe(mine, "markdown", (3,))) if header.startswith("IA")] == ["IA Gauss d = 3"]
    assert not [header for header in shown_headers(describe(mine, "markdown", ())) if header.startswith("IA")]
    with pytest.raises(UserError, match="width 0; it must be at least 1"):
        describe(mine, widths=(10, 0))


def shown_headers(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("\n\n")[2].splitlines()[0].split("|")[1:-1]]


def test_odd_names_and_notes(tmp_path: Path) -> None:
    found = toy(tmp_path, {"a|b": list("xy"), "two\nlines": list("xx"), "\x1b[2J": list("xx")}, notes=("its checksum differs",))
    assert [row["field"] for row in shown(found, "table")] == ["a|b", "two lines", "\ufffd[2J"]
    assert [row["field"] for row in shown(found, "markdown")] == [r"a\|b", "two lines", "\ufffd[2J"]
    assert [row["field"] for row in csv.DictReader(io.StringIO(describe(found, "csv")))] == ["a|b", "two\nlines", "\x1b[2J"]
    assert "\nnote: its checksum differs\n" in describe(found)
    assert "\n- note: its checksum differs\n" in describe(found, "markdown")
    assert json.loads(describe(found, "json"))["notes"] == ["its checksum differs"]


def test_a_small_share_is_not_none_at_all(tmp_path: Path) -> None:
    found = toy(tmp_path, {"a": [None, *["x"] * 29_999]})
    assert shown(found, "table")[0]["missing train %"] == "<0.01"
