from __future__ import annotations

import csv as standard_csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmark import plugins
from benchmark.data.division import by_age
from benchmark.data.prepare import prepare
from benchmark.errors import UserError
from benchmark.sources import Source


def load(origin: Path | None, **options: Any) -> Source:
    source: Source = plugins.make("datasets", "csv", {"label": "click", **options}).load(origin)
    return source


def write(path: Path, rows: list[str], header: str = "click,a,b,t") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def column(source: Source, part: str, name: str) -> list[str]:
    """That part's cells of a column, as the encoder divides the rows."""
    if source.division is None:
        return source.parts[part].select(name).collect().to_series().to_list()
    rows = source.parts["rows"].collect()
    by = rows[source.division.column].fill_null("") if source.division.column else None
    mine = source.division.part_of(len(rows), by) == ("train", "valid", "test").index(part)
    return rows.filter(pl.Series(mine))[name].to_list()


def kinds(source: Source) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.kind) for column in source.columns)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.csv", [f"{n % 2},v{n},{n / 2},{100 - n}" for n in range(100)])


def test_the_standard_library_is_not_shadowed() -> None:
    plugins.plugin("datasets", "csv")
    assert hasattr(standard_csv, "reader")


def test_all_other_columns_are_categorical_unless_named(file: Path) -> None:
    assert kinds(load(file)) == (("a", "categorical"), ("b", "categorical"), ("t", "categorical"))
    assert kinds(load(file, numeric=("b",), categorical=("a",))) == (("a", "categorical"), ("b", "numeric"))
    assert kinds(load(file, numeric=("b",))) == (("a", "categorical"), ("b", "numeric"), ("t", "categorical"))
    assert [c.name for c in load(file, by_time="t").columns] == ["a", "b"]


def test_the_random_split_is_seeded_and_covers_every_row_once(file: Path) -> None:
    first = {part: column(load(file), part, "a") for part in ("train", "valid", "test")}
    assert [len(rows) for rows in first.values()] == [80, 10, 10]
    assert sorted(name for names in first.values() for name in names) == sorted(f"v{n}" for n in range(100))
    assert column(load(file), "test", "a") == first["test"]
    assert column(load(file, seed=1), "test", "a") != first["test"]
    assert [len(column(load(file, split="2:1:1"), part, "a")) for part in first] == [50, 25, 25]


def test_a_chronological_split_has_the_youngest_rows_in_test(file: Path) -> None:
    source = load(file, by_time="t")
    assert sorted(map(int, column(source, "test", "t"))) == list(range(91, 101))  # as numbers: 100 is young, not next to 10
    assert max(map(int, column(source, "train", "t"))) == 80


def test_rows_of_one_time_are_in_one_part(tmp_path: Path) -> None:
    """Half of the rows would end within the first of January: its rows stay together, at the nearer end of theirs."""
    days = ["2024-01-02", "2024-01-01", "2023-12-31", "2024-01-02", "2024-01-01", "2024-01-01", "2024-01-03", "2024-01-02"]
    source = load(write(tmp_path / "rows.csv", [f"{n % 2},r{n},0,{day}" for n, day in enumerate(days)]), by_time="t", split="2:1:1")
    parts = [column(source, part, "a") for part in ("train", "valid", "test")]
    assert parts == [["r1", "r2", "r4", "r5"], ["r0", "r3", "r7"], ["r6"]]


@pytest.mark.parametrize("seed", range(20))
def test_no_time_is_in_two_parts_whatever_the_times(seed: int) -> None:
    draw = np.random.default_rng(seed)
    ages = draw.integers(0, draw.integers(4, 40), 200)
    try:
        parts = by_age("rows.csv", "8:1:1", ages)
    except UserError as error:
        assert "would be empty" in str(error)
        return
    spans = [ages[parts == part] for part in range(3)]
    assert spans[0].max() < spans[1].min() and spans[1].max() < spans[2].min()


def test_a_split_column_says_the_part(tmp_path: Path) -> None:
    rows = ["0,x,1,train", "1,y,1,dev", "1,z,1,test", "1,w,1,train"]
    source = load(write(tmp_path / "rows.csv", rows), split_column="t")
    assert [column(source, part, "a") for part in ("train", "valid", "test")] == [["x", "w"], ["y"], ["z"]]
    assert [c.name for c in source.columns] == ["a", "b"]
    with pytest.raises(UserError, match="row 2, column 't': 'dive' names no part"):
        column(load(write(tmp_path / "rows.csv", ["0,x,1,train", "1,y,1,dive"]), split_column="t"), "train", "a")
    with pytest.raises(UserError, match="no row has 'test'"):
        column(load(write(tmp_path / "rows.csv", rows[:2]), split_column="t"), "train", "a")


def test_a_folder_of_three_files(cache: Path, tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        write(tmp_path / f"{name}.csv", [f"0,{name},1,1", "1,x,1,1"])
    source = load(tmp_path)
    assert [column(source, part, "a")[0] for part in ("train", "valid", "test")] == ["train", "val", "test"]
    with pytest.raises(UserError, match="already holds the three parts"):
        load(tmp_path, split="8:1:1")
    write(tmp_path / "val.csv", ["0,1"], header="click,a")
    with pytest.raises(UserError, match=r"val\.csv: unknown column 'b'"):
        prepare("csv", {"label": "click"}, tmp_path, alias="mine")
    (tmp_path / "test.csv").unlink()
    with pytest.raises(UserError, match="there is no test file"):
        load(tmp_path)


def test_parquet_and_tsv_give_the_same_rows(file: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(file, infer_schema=False)
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_csv(tmp_path / "rows.tsv", separator="\t")
    expected = column(load(file), "test", "a")
    assert column(load(tmp_path / "rows.parquet"), "test", "a") == column(load(tmp_path / "rows.tsv"), "test", "a") == expected


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (["0,x,1,1", "1,y,2,1"], {"label": "clik"}, "unknown column 'clik'; did you mean 'click'?"),
        (["0,x,1,1", "3,y,2,1"], {}, "row 2, column 'click': '3' is no label"),
        (["0,x,1,1", ",y,2,1"], {}, "row 2, column 'click': an empty cell is no label"),
        (["0,x,1,1", "1,y,two,1"], {"numeric": ("b",)}, "row 2, column 'b': 'two' is not a number"),
        (["0,x,1,1", "1,y"], {}, "line 3: 2 cells"),
        (["0,x,1,1", "1,y,2,1,9"], {}, "line 3: 5 cells"),
        (["0,x,1,1", "1,y,2,1"], {"categorical": ("aa",)}, "unknown column 'aa'; did you mean 'a'?"),
        (["0,x,1,1", "1,y,2,1"], {}, "2 rows, split 8:1:1: valid would be empty"),
        (["0,x,1,1", "1,y,2,"], {"by_time": "t"}, "row 2, column 't': an empty cell"),
    ],
)
def test_bad_input_is_one_line_with_its_place(cache: Path, tmp_path: Path, rows: list[str], options: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "rows.csv", rows)
    with pytest.raises(UserError) as caught:
        prepare("csv", {"label": "click", **options}, path, alias="mine")
    assert [entry.name for entry in (cache / "datasets").iterdir()] == [".mine.lock"]
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "8:2"}, "split = 8:2; it is one table"),
        ({"split": "8:1:x"}, "split = '8:1:x'"),
        ({"split": "8:1:0"}, "split = '8:1:0'"),
        ({"split": "8:1:nan"}, "split = '8:1:nan'"),
        ({"split_column": "t", "by_time": "b"}, "drop split and by_time"),
        ({"categorical": ("a", "a")}, "'a' is named 2 times"),
        ({"numeric": ("click",)}, "'click' is named 2 times"),
        ({"min_count": 0}, "min_count = 0"),
        ({"buckts": 3}, "unknown key 'buckts'"),
    ],
)
def test_bad_options(file: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        load(file, **options)
    assert said in str(caught.value)


def test_the_label_must_be_given(file: Path) -> None:
    with pytest.raises(UserError, match="there is no column 'label'; name the one with 0 and 1 by --label"):
        load(file, label="label")
    with pytest.raises(UserError, match="--from PATH"):
        load(None)
    with pytest.raises(UserError, match="separator"):
        load(file, separator="||")
    with pytest.raises(UserError, match="no column besides the label"):
        load(write(file, ["0", "1"], header="click"))


def test_avazu_rows_with_a_split_column(cache: Path, shared: Path) -> None:
    path = shared / "avazu_9k" / "avazu_9k.csv.gz"
    fields = tuple(c for c in pl.read_csv(path, n_rows=1).columns if c not in ("id", "click", "split"))
    prepared = prepare("csv", {"label": "click", "split_column": "split", "categorical": fields}, path, alias="avazu_9k")
    assert prepared.rows == {"train": 8087, "valid": 480, "test": 432}
    frame = pl.read_csv(path, infer_schema=False).filter(pl.col("split") == "train")
    assert [f.cardinality for f in prepared.schema.fields] == [frame[name].n_unique() + 2 for name in fields]


def test_movielens_ratings_are_no_labels(cache: Path, shared: Path) -> None:
    with pytest.raises(UserError, match=r"inter\.csv\.gz: row 1, column 'rating': '3' is no label"):
        prepare("csv", {"label": "rating", "by_time": "timestamp"}, shared / "ml100k" / "inter.csv.gz", alias="ml100k")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seed": 3, "by_time": "t"}, "seed = 3 is of a random split, and by_time says the part of each row"),
        ({"seed": 3, "split_column": "t"}, "seed = 3 is of a random split, and split_column says"),
        ({"pooling": "sum"}, "pooling = sum is of multi columns, and there are none"),
        ({"most_values": 4}, "most_values = 4 is of multi columns, and there are none"),
    ],
)
def test_a_setting_that_cannot_act_is_refused(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("label,a,t\n" + "0,x,1\n1,y,2\n" * 20)
    with pytest.raises(UserError) as caught:
        prepare("csv", {"label": "label", **settings}, path, alias="mine")
    assert said in str(caught.value)


def test_what_stands_for_no_value_is_none_of_several_either(tmp_path: Path) -> None:
    """A note on the values of such a column asks for it to be named; it was taken out of cells that hold nothing else."""
    cells = ["x|NA|y", "NA", "NA|\\N", "NA|x", "", "NAx|y"]
    path = write(tmp_path / "t.csv", [f"{n % 2},{cell},NA" for n, cell in enumerate(cells)], "click,m,c")
    source = load(path, multi=("m",), null_values=("NA", "\\N"))
    rows = source.parts["rows"].collect()
    assert [cell or None for cell in rows["m"]] == ["x|y", None, None, "x", None, "NAx|y"] and rows["c"].null_count() == len(cells)
