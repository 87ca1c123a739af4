"""Tables as people have them, layout by oddity: each is encoded as a slow reference in pandas says, noted, or refused in one line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars as pl
import pyarrow
import pyarrow.feather
import pytest

from benchmark.__main__ import main
from benchmark.data.prepare import look_at, prepare
from benchmark.data.store import PARTS
from benchmark.data.times import moments
from benchmark.errors import UserError

Parts = Mapping[str, pandas.DataFrame]
Make = Callable[[Path, Parts], Path]
SIZES = {"train": 60, "valid": 20, "test": 20}
FIELDS = ["user", "ad"]


def people(seed: int = 0) -> Parts:
    """click, user (whole numbers) and ad (texts), of which valid and test have some that training has not."""
    draw = np.random.default_rng(seed)
    return {
        part: pandas.DataFrame(
            {
                "click": np.arange(rows) % 3 == 0,
                "user": draw.integers(0, 12 if part == "train" else 16, rows),
                "ad": [f"a{n:02}" for n in draw.integers(0, 9 if part == "train" else 12, rows)],
            }
        ).astype({"click": int})
        for part, rows in SIZES.items()
    }


def reference(parts: Parts, fields: list[str]) -> Mapping[str, tuple[list[list[int]], list[int]]]:
    """Ids and labels of each part, cell by cell: 0 missing, 1 unseen in training, 2… in the order of the texts."""

    def text(value: Any) -> str:
        return "" if value is None or value != value else str(int(value) if isinstance(value, float) and value.is_integer() else value)

    known = {field: sorted({text(value) for value in parts["train"][field]} - {""}, key=str.encode) for field in fields}
    ids = {field: {"": 0, **{value: number + 2 for number, value in enumerate(values)}} for field, values in known.items()}
    return {
        part: ([[ids[f].get(text(row[f]), 1) for f in fields] for _, row in frame.iterrows()], [int(label) for label in frame["click"]])
        for part, frame in parts.items()
    }


def packed(text: str, ending: str) -> bytes:
    pack: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}
    pack[".zst"] = lambda data: bytes(pyarrow.compress(data, "zstd", asbytes=True))
    return pack[ending](text.encode())


def streams(folder: Path, parts: Parts) -> Path:
    """As pbzip2, pixz and concatenating files write them, and as tapes fill up."""
    for (part, frame), ending in zip(parts.items(), (".xz", ".bz2", ".bz2"), strict=True):
        lines = frame.to_csv(index=False).splitlines(keepends=True)
        pieces = [packed("".join(lines[n : n + 7]), ending) for n in range(0, len(lines), 7)]
        (folder / f"{part}.csv{ending}").write_bytes(bytes(12).join(pieces) + bytes(1 << 17))
    return folder


def junk(path: Path, data: bytes = b"<html>not found</html>") -> None:
    path.write_bytes(path.read_bytes() + data)


def as_csv(separator: str = ",", header: bool = True) -> Callable[[pandas.DataFrame], str]:
    return lambda frame: frame.to_csv(index=False, sep=separator, header=header)


def as_json(frame: pandas.DataFrame) -> str:
    return "\n".join(json.dumps({key: None if value != value else value for key, value in row.items()}) for row in frame.to_dict("records"))


def as_libfm(low: str) -> Callable[[pandas.DataFrame], str]:
    """Users and ads as numbers of one space, as in He and Chua's Frappe."""
    return lambda frame: "".join(
        f"{click if click else low} {user}:1 {100 + int(ad[1:])}:1\n" for click, user, ad in frame.itertuples(index=False)
    )


def as_libffm(frame: pandas.DataFrame) -> str:
    return "".join(f"{click} 2:{100 + int(ad[1:])}:1 1:{user}:1.0 # row\n" for click, user, ad in frame.itertuples(index=False))


def texts(write: Callable[[pandas.DataFrame], str], kind: str, ending: str = "", names: Mapping[str, str] = {}) -> Make:
    def make(folder: Path, parts: Parts) -> Path:
        for part, frame in parts.items():
            (folder / f"{names.get(part, part)}{kind}{ending}").write_bytes(packed(write(frame), ending))
        return folder

    return make


def zipped(folder: Path, parts: Parts) -> Path:
    with zipfile.ZipFile(folder / "clicks.zip", "w") as archive:
        for part, frame in parts.items():
            archive.writestr(f"data/{part}.csv", frame.to_csv(index=False))
    return folder / "clicks.zip"


def typed(kind: str) -> Make:
    def make(folder: Path, parts: Parts) -> Path:
        for part, frame in parts.items():
            path = folder / f"{part}.{'parquet' if kind == 'parquet' else 'feather' if kind == 'feather' else 'arrow'}"
            table = pyarrow.Table.from_pandas(frame)
            if kind == "parquet":
                frame.to_parquet(path)
            elif kind == "feather":
                pyarrow.feather.write_feather(table, path)
            else:
                writer = pyarrow.ipc.new_stream if kind == "stream" else pyarrow.ipc.new_file
                with writer(path, table.schema) as sink:
                    sink.write_table(table, max_chunksize=7)
        return folder

    return make


def in_parts(kind: str, folder_name: str = "{}", void: bool = False) -> Make:
    """Each part a folder of files, as Spark writes it."""

    def make(folder: Path, parts: Parts) -> Path:
        for part, frame in parts.items():
            inside = folder / folder_name.format(part)
            inside.mkdir()
            (inside / "_SUCCESS").touch()
            (inside / f".part-00000{kind}.crc").write_bytes(b"x")
            for number, start in enumerate(range(0, len(frame), 17)):
                some, path = frame[start : start + 17], inside / f"part-{number:05}-c000{kind}"
                if kind == ".parquet":
                    some.to_parquet(path, index=False)
                else:
                    path.write_text(as_json(some) if kind == ".json" else some.to_csv(index=False))
            if void:
                (inside / f"part-00001-c001{kind}").touch()
                (inside / f"part-00001-c002{kind}").write_text("click,user,ad\n")
        return folder

    return make


def hive(folder: Path, parts: Parts) -> Path:
    for part, frame in parts.items():
        inside = folder / f"split={part}" / "country=x%20y"
        inside.mkdir(parents=True)
        frame.to_parquet(inside / "0.parquet", index=False)
    return folder


def pattern(folder: Path, parts: Parts) -> Path:
    for number, (part, frame) in enumerate(parts.items()):
        (folder / f"day{number}").mkdir()
        frame.assign(part=part).to_csv(folder / f"day{number}" / "clicks.csv", index=False)
    (folder / "day0" / "other.txt").write_text("no table\n")
    return folder / "day*" / "*.csv"


def one_file(change: Callable[[pandas.DataFrame], pandas.DataFrame], kind: str = ".csv") -> Make:
    """train, valid and test one after the other in one file, with their part's name in a column."""

    def make(folder: Path, parts: Parts) -> Path:
        whole = change(pandas.concat([frame.assign(part=part) for part, frame in parts.items()], ignore_index=True))
        path = folder / f"clicks{kind}"
        whole.to_csv(path, index=False) if kind == ".csv" else whole.to_parquet(path, index=False)
        return path

    return make


def dated(form: str, zone: str | None = None) -> Callable[[pandas.DataFrame], pandas.DataFrame]:
    def change(frame: pandas.DataFrame) -> pandas.DataFrame:
        days = pandas.Timestamp("2023-11-20", tz=zone) + pandas.to_timedelta(np.arange(len(frame)), unit="D")
        return frame.drop(columns="part").assign(when=days.strftime(form) if form else days)

    return change


def without_valid(folder: Path, parts: Parts) -> Path:
    pandas.concat([parts["train"], parts["valid"]]).assign(when=range(80)).to_csv(folder / "train.csv", index=False)
    parts["test"].assign(when=range(80, 100)).to_csv(folder / "test.csv", index=False)
    return folder


def within(name: str, make: Make) -> Make:
    def made(folder: Path, parts: Parts) -> Path:
        (folder / name).mkdir()
        return make(folder / name, parts)

    return made


def linked(folder: Path, parts: Parts) -> Path:
    """The files of each part behind a link to a folder elsewhere."""
    within("elsewhere", in_parts(".csv"))(folder, parts)
    for part in parts:
        (folder / "data" / part).mkdir(parents=True)
        (folder / "data" / part / "all").symlink_to(folder / "elsewhere" / part)
    return folder / "data"


def unreadable(frame: pandas.DataFrame) -> pandas.DataFrame:
    """With columns that hold no values."""
    return frame.assign(
        raw=pandas.Series([b"x"] * len(frame)),
        place=pandas.Series([{"x": 1, "y": [2]}] * len(frame)),
        more=pandas.Series([[1]] * len(frame)),
    )


def by_year(change: Callable[[pandas.DataFrame], pandas.DataFrame]) -> Make:
    """A part in folders of years and months; the second year of training is changed."""

    def made(folder: Path, parts: Parts) -> Path:
        for part, frame in parts.items():
            for year, of_year in ((2023, frame), (2024, change(frame)))[: 1 + (part == "train")]:
                (folder / part / f"year={year}" / "month=1").mkdir(parents=True)
                of_year.to_csv(folder / part / f"year={year}" / "month=1" / "part.csv", index=False)
        return folder

    return made


def without_rows(folder: Path) -> None:
    """Part files of a task that had none, as engines write them."""
    for ending in (".gz", ".xz"):
        (folder / "train" / f"zz.csv{ending}").write_bytes(packed("", ending))


def spoilt(make: Make, change: Callable[[Path], Any]) -> Make:
    def made(folder: Path, parts: Parts) -> Path:
        path = make(folder, parts)
        change(folder)
        return path

    return made


def floats(parts: Parts) -> Parts:
    """A missing cell in valid and test turns pandas' whole numbers into floats."""
    changed = dict(parts)
    for part in ("valid", "test"):
        changed[part] = parts[part].astype({"user": float})
        changed[part].loc[3, "user"] = np.nan
    return changed


CSV = {"label": "click"}
BY_PART = {**CSV, "split_column": "part"}
BY_DAY = {**CSV, "by_time": "when", "split": "60:20:20"}
LIBFM: dict[str, Any] = {}

ENCODED: dict[str, tuple[Make, dict[str, Any]]] = {
    "csv": (texts(as_csv(), ".csv"), CSV),
    "tsv": (texts(as_csv("\t"), ".tsv"), CSV),
    "txt, semicolons": (texts(as_csv(";"), ".txt"), {**CSV, "separator": ";"}),
    "txt, tabs as a shell passes them": (texts(as_csv("\t"), ".txt"), {**CSV, "separator": "\\t"}),
    "csv.gz": (texts(as_csv(), ".csv", ".gz"), CSV),
    "csv.zst": (texts(as_csv(), ".csv", ".zst"), CSV),
    "csv.xz": (texts(as_csv(), ".csv", ".xz"), CSV),
    "csv.bz2": (texts(as_csv(), ".csv", ".bz2"), CSV),
    "bz2 and xz, streams behind one another and zeros": (streams, CSV),
    "other spellings": (texts(as_csv(), ".csv", "", {"valid": "dev"}), CSV),
    "zip": (zipped, CSV),
    "no header": (texts(as_csv(header=False), ".csv"), {**CSV, "columns": ("click", "user", "ad")}),
    "JSON lines": (texts(as_json, ".jsonl"), CSV),
    "JSON lines, whole numbers in several forms": (
        texts(
            lambda f: "".join(as_json(f[n : n + 1]).replace(', "ad', [", ", ".00, ", "e0, "][n % 3] + '"ad') + "\n" for n in range(len(f))),
            ".jsonl",
        ),
        CSV,
    ),
    "JSON lines, objects in a column that is no field": (
        texts(lambda f: as_json(unreadable(f).drop(columns="raw")), ".jsonl"),
        {**CSV, "exclude": ("place", "more")},
    ),
    "JSON lines, compressed": (texts(as_json, ".ndjson", ".zst"), CSV),
    "libfm, labels 0 and 1": (texts(as_libfm("0"), ".libfm"), LIBFM),
    "libsvm, labels -1 and 1": (texts(as_libfm("-1"), ".libsvm"), LIBFM),
    "libsvm with a mark before it": (texts(lambda frame: "\ufeff" + as_libfm("-1")(frame), ".libsvm"), LIBFM),
    "libffm": (texts(as_libffm, ".ffm", ".gz"), LIBFM),
    "Parquet": (typed("parquet"), CSV),
    "Parquet, columns without values that are no fields": (
        lambda folder, parts: typed("parquet")(folder, {part: unreadable(frame) for part, frame in parts.items()}),
        {**CSV, "exclude": ("raw", "place", "more")},
    ),
    "Parquet in a folder with brackets": (within("a[1]", typed("parquet")), CSV),
    "Feather in a folder with brackets": (within("a[1]", typed("feather")), CSV),
    "folders behind links": (linked, CSV),
    "part files of CSV, some empty and compressed": (spoilt(in_parts(".csv"), without_rows), CSV),
    "part files of Parquet, one without columns": (
        spoilt(in_parts(".parquet"), lambda f: pandas.DataFrame().to_parquet(f / "train" / "zz.parquet")),
        CSV,
    ),
    "Arrow file": (typed("file"), CSV),
    "Arrow stream": (typed("stream"), CSV),
    "Feather": (typed("feather"), CSV),
    "folders of part files": (in_parts(".parquet"), CSV),
    "folders called train.parquet": (in_parts(".parquet", "{}.parquet"), CSV),
    "part files of CSV, two without rows": (in_parts(".csv", void=True), CSV),
    "part files of JSON": (in_parts(".json", "{}.json"), CSV),
    "Hive's folders": (hive, {**CSV, "split_column": "split", "exclude": ("country",)}),
    "a pattern": (pattern, BY_PART),
    "one file with a column of parts": (one_file(lambda frame: frame), BY_PART),
    "by ISO dates": (one_file(dated("%Y-%m-%d")), BY_DAY),
    "by days in their usual form": (one_file(dated("%d.%m.%Y")), {**BY_DAY, "date_format": "%d.%m.%Y"}),
    "by days in figures alone": (one_file(dated("%d%m%Y")), {**BY_DAY, "date_format": "%d%m%Y"}),
    "by days in figures alone, year first": (one_file(dated("%Y%m%d")), BY_DAY),
    "by times with a zone": (one_file(dated("%Y-%m-%dT%H:%M:%S%z", "Europe/Berlin")), BY_DAY),
    "by a column of datetimes": (one_file(dated(""), ".parquet"), BY_DAY),
    "by a column of datetimes with a zone": (one_file(dated("", "Europe/Berlin"), ".parquet"), BY_DAY),
    "by a column of datetimes at half an hour from UTC": (one_file(dated("", "-05:30"), ".parquet"), BY_DAY),
    "train and test, valid by time": (without_valid, {**CSV, "by_time": "when", "split": "60:20"}),
}


@pytest.mark.parametrize("name", ENCODED)
def test_it_is_encoded_as_the_reference_says(name: str, cache: Path, tmp_path: Path) -> None:
    make, options = ENCODED[name]
    parts = people()
    prepared = prepare("csv", options, make(tmp_path, parts), alias="mine")
    fields = FIELDS
    if not options:  # users and ads are numbers there, in the order of the fields
        parts = {part: frame.assign(ad=[str(100 + int(ad[1:])) for ad in frame["ad"]]) for part, frame in parts.items()}
    expected = reference(parts, fields)
    for part in PARTS:
        ids, labels = prepared.arrays(part)
        assert (ids.tolist(), labels.tolist()) == expected[part]


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_whole_floats_of_typed_files_meet_whole_numbers(kind: str, cache: Path, tmp_path: Path) -> None:
    parts = floats(people())
    prepared = prepare("csv", CSV, typed(kind)(tmp_path, parts), alias="mine")
    assert {part: prepared.arrays(part)[0].tolist() for part in PARTS} == {part: ids for part, (ids, _) in reference(parts, FIELDS).items()}


def test_a_field_that_few_libffm_files_have_is_missing_in_the_others(cache: Path, tmp_path: Path) -> None:
    """As if each part were one file: fields 3 (a category) and 10 (a number) are in one file of train and of test each."""
    lines = {
        part: [f"{n % 2} 1:{n % 5}:1" + (f" 3:{n}:1 10:7:{n / 4}" if n // 4 % 3 == rare else "") + f" 2:{n % 3}:1\n" for n in range(24)]
        for part, rare in (("train", 1), ("valid", 3), ("test", 2))
    }
    for part, of_part in lines.items():
        (tmp_path / "whole").mkdir(exist_ok=True)
        (tmp_path / "whole" / f"{part}.ffm").write_text("".join(of_part))
        (tmp_path / "parted" / part).mkdir(parents=True)
        for start in range(0, 24, 4):
            (tmp_path / "parted" / part / f"{start:02}.ffm").write_text("".join(of_part[start : start + 4]))
    whole, parted = (prepare("csv", {"buckets": 4}, tmp_path / folder, alias=folder) for folder in ("whole", "parted"))
    assert [(field.name, field.cardinality) for field in parted.schema.fields] == [(f.name, f.cardinality) for f in whole.schema.fields]
    assert [field.name for field in parted.schema.fields] == ["f1", "f2", "f3", "f10"]
    for part in PARTS:
        (ids, labels), (expected, given) = parted.arrays(part), whole.arrays(part)
        assert np.array_equal(ids, expected) and np.array_equal(labels, given)


def tagged(write: Callable[[pandas.DataFrame], str], kind: str) -> Make:
    """One to four of six tags in each row, as text with bars between them or as a list."""

    def make(folder: Path, parts: Parts) -> Path:
        draw = np.random.default_rng(2)
        for part, frame in parts.items():
            lists = [draw.permutation(6)[: draw.integers(1, 5)].tolist() for _ in range(len(frame))]
            whole = frame.drop(columns="ad").assign(
                tags=pandas.Series(["|".join(map(str, one)) if kind == ".csv" else one for one in lists])
            )
            if kind == ".parquet":
                whole.to_parquet(folder / f"{part}.parquet", index=False)
            else:
                (folder / f"{part}{kind}").write_text(write(whole))
        return folder

    return make


def tags_as_libffm(frame: pandas.DataFrame) -> str:
    return "".join(f"{click} 1:{user}:1 {' '.join(f'2:{tag}:1' for tag in tags)}\n" for click, user, tags in frame.itertuples(index=False))


TAGGED: dict[str, tuple[Make, dict[str, Any]]] = {
    "text": (tagged(lambda frame: frame.to_csv(index=False), ".csv"), {**CSV, "multi": ("tags",)}),
    "lists in Parquet": (tagged(str, ".parquet"), {**CSV, "multi": ("tags",)}),
    "lists in JSON": (tagged(as_json, ".jsonl"), {**CSV, "multi": ("tags",)}),
    "libffm": (tagged(tags_as_libffm, ".ffm"), {"multi": ("f2",)}),
}


@pytest.mark.parametrize("name", TAGGED)
def test_several_values_in_a_cell_are_its_rows(name: str, cache: Path, tmp_path: Path) -> None:
    """The bag that a cell's id stands for has the rows of its values, as plain sets have them; the bound cuts from the end."""
    make, options = TAGGED[name]
    parts = people()
    prepared = prepare("csv", {**options, "most_values": 3}, make(tmp_path, parts), alias="mine")
    draw = np.random.default_rng(2)
    [bags] = prepared.schema.bags_of().values()
    starts = np.concatenate([[0], np.cumsum(bags.sizes)])
    for part, frame in parts.items():
        ids = prepared.arrays(part)[0][:, 1]
        for bag in ids[: len(frame)].tolist():
            tags = draw.permutation(6)[: draw.integers(1, 5)].tolist()[:3]
            assert sorted(bags.members[starts[bag] : starts[bag + 1]].tolist()) == sorted(2 + tag for tag in tags)


@pytest.mark.parametrize("kind", [".parquet", ".jsonl"])
def test_a_list_s_value_with_a_bar_is_one(kind: str, cache: Path, tmp_path: Path) -> None:
    for part in PARTS:
        frame = pandas.DataFrame({"click": [0, 1] * 4, "tags": [["x|y", "z"], ["z"]] * 4})
        if kind == ".parquet":
            frame.to_parquet(tmp_path / f"{part}.parquet")
        else:
            (tmp_path / f"{part}{kind}").write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    prepared = prepare("csv", {**CSV, "multi": ("tags",)}, tmp_path, alias="mine")
    [bags] = prepared.schema.bags_of().values()
    assert prepared.schema.fields[0].cardinality == 2 + 2 and sorted(bags.sizes.tolist()) == [1, 1, 1, 2]


@pytest.mark.parametrize("kind", [".libsvm", ".ffm"])
@pytest.mark.parametrize("place", ["parts", "part files"])
def test_a_number_that_is_1_throughout_a_file_stays_a_number(kind: str, place: str, cache: Path, tmp_path: Path) -> None:
    """Its index is 9 and no value: as a number it would go to the last bucket."""
    mark = "2:" if kind == ".ffm" else ""

    def lines(values: list[float]) -> str:
        return "".join(f"{n % 2} {mark.replace('2', '1')}{n % 3}:1 {mark}9:{value}\n" for n, value in enumerate(values))

    spread, ones = [0.5 + n for n in range(8)], [1.0] * 4
    if place == "parts":
        for part in PARTS:
            (tmp_path / f"{part}{kind}").write_text(lines(spread if part == "train" else ones))
    else:
        for part in PARTS:
            (tmp_path / part).mkdir()
            (tmp_path / part / f"0{kind}").write_text(lines(spread if part == "train" else ones))
            (tmp_path / part / f"1{kind}").write_text(lines(ones))
    prepared = prepare("csv", {"buckets": 8}, tmp_path, alias="mine")
    assert len(set(prepared.arrays("train")[0][:8, 1].tolist())) > 3
    assert prepared.arrays("test")[0][:, 1].max() < prepared.arrays("train")[0][:8, 1].max()


def test_a_random_valid_is_cut_from_train_and_test_stays(cache: Path, tmp_path: Path) -> None:
    prepared = prepare("csv", {**CSV, "exclude": ("when",)}, without_valid(tmp_path, people()), alias="mine")
    assert prepared.rows == {"train": 72, "valid": 8, "test": 20}
    assert prepared.arrays("test")[1].tolist() == people()["test"]["click"].tolist()


def odd(**columns: Callable[[pandas.DataFrame, np.random.Generator], Any]) -> Make:
    """500 rows in each part, with some columns more."""

    def make(folder: Path, parts: Parts) -> Path:
        draw = np.random.default_rng(1)
        for part in parts:
            frame = pandas.DataFrame(
                {"click": draw.integers(0, 2, 500), "user": draw.integers(0, 40, 500), "ad": draw.integers(0, 40, 500)}
            )
            for name, made in columns.items():
                frame[name] = made(frame, draw)
            frame.to_csv(folder / f"{part}.csv", index=False)
        return folder

    return make


def rare_in(part: str, change: Callable[[pandas.DataFrame], pandas.DataFrame], **columns: Callable[[pandas.DataFrame], Any]) -> Make:
    def make(folder: Path, parts: Parts) -> Path:
        odd(**{name: lambda f, draw, made=made: made(f) for name, made in columns.items()})(folder, parts)
        change(pandas.read_csv(folder / f"{part}.csv")).to_csv(folder / f"{part}.csv", index=False)
        return folder

    return make


def part_file(change: Callable[[pandas.DataFrame], pandas.DataFrame]) -> Make:
    """Two files a part, of which the second is changed."""

    def make(folder: Path, parts: Parts) -> Path:
        for part, frame in parts.items():
            (folder / part).mkdir()
            frame.to_parquet(folder / part / "0.parquet", index=False)
            change(frame).to_parquet(folder / part / "1.parquet", index=False)
        return folder

    return make


def within_delta(folder: Path, parts: Parts) -> Path:
    (folder / "train" / "day=1").mkdir(parents=True)
    (folder / "train" / "_delta_log").mkdir()
    parts["train"].to_parquet(folder / "train" / "day=1" / "0.parquet", index=False)
    return folder / "train"


def arrow_twice(folder: Path, parts: Parts) -> Path:
    for part, frame in parts.items():
        table = pyarrow.Table.from_pandas(frame, preserve_index=False).rename_columns(["click", "user", "user"])
        with pyarrow.ipc.new_stream(folder / f"{part}.arrow", table.schema) as sink:
            sink.write_table(table)
    return folder


def iceberg(folder: Path, parts: Parts) -> Path:
    for name in ("data", "metadata"):
        (folder / "train" / name).mkdir(parents=True)
    (folder / "train" / "metadata" / "version-hint.text").write_text("1")
    parts["train"].to_parquet(folder / "train" / "data" / "0.parquet", index=False)
    return folder / "train"


def row_each(users: int) -> str:
    return "".join(f"{n % 2},{n},{n % 3}\n" for n in range(users))


def rewritten(path: Path, pattern: str, by: str) -> int:
    """Returns how many characters it has now."""
    return path.write_text(re.sub(pattern, by, path.read_text()))


def typed_with(kind: str, **columns: Callable[[pandas.DataFrame], Any]) -> Make:
    return lambda folder, parts: typed(kind)(folder, {part: f.assign(**{n: m for n, m in columns.items()}) for part, f in parts.items()})


def typed_odd(**columns: Callable[[pandas.DataFrame], Any]) -> Make:
    return lambda folder, parts: typed("parquet")(
        folder, {part: pandas.concat([f] * 9).assign(**{n: made for n, made in columns.items()}) for part, f in parts.items()}
    )


def first_in(folder: Path) -> Path:
    return min(path for path in folder.iterdir() if path.suffix == ".csv" and path.stat().st_size)


def cut(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


def appended(name: str, line: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text((folder / name).read_text().rstrip("\n") + f"\n{line}\n")


NOTED: dict[str, tuple[Make, dict[str, Any], str]] = {
    "ids with a point in one part": (texts(as_csv(), ".csv"), CSV, "user: whole numbers are written with a point in one part"),
    "values that training has not": (
        rare_in("test", lambda f: f.assign(ad=f["ad"] + 1000)),
        CSV,
        "test has values that training has not seen in most rows: ad 100.0%",
    ),
    "other positive rates": (
        rare_in("valid", lambda f: f.assign(click=f.index % 10 == 0).astype(int)),
        CSV,
        "the positive rate of valid is 0.1",
    ),
    "rows of test in train": (
        lambda folder, parts: (odd()(folder, parts), (folder / "test.csv").write_bytes((folder / "train.csv").read_bytes()))[0],
        CSV,
        "100.0% of test's rows stand in train as well",
    ),
    "index of pandas in CSV": (texts(lambda f: f.to_csv(), ".csv"), CSV, "'Unnamed: 0' is the index of a pandas frame"),
    "index of pandas in Parquet": (
        lambda folder, parts: typed("parquet")(folder, {part: f.sample(frac=1, random_state=0) for part, f in parts.items()}),
        CSV,
        "'__index_level_0__' is the index of a pandas frame",
    ),
    "a row's own number": (odd(row=lambda f, draw: [f"r{n}" for n in range(len(f))]), CSV, "row: almost every row has a value of its own"),
    "seconds": (odd(ts=lambda f, draw: 1_700_000_000 + 60 * draw.integers(0, 300, len(f))), CSV, "ts: looks like a time"),
    "dates": (odd(day=lambda f, draw: [f"2024-01-{1 + n % 28:02}" for n in range(len(f))]), CSV, "day: looks like a time"),
    "prices": (odd(price=lambda f, draw: draw.integers(0, 9000, len(f)) / 100), CSV, "price: looks like numbers"),
    "NA among numbers": (
        odd(age=lambda f, draw: [n % 77 if n % 50 else "NA" for n in range(len(f))]),
        CSV,
        "age: has 'NA' among numbers",
    ),
    "a constant": (odd(country=lambda f, draw: "x"), CSV, "country: constant"),
    "a column twice": (odd(ad_name=lambda f, draw: "n" + f["ad"].astype(str)), CSV, "ad_name: says the same as ad"),
    "the label": (odd(bought=lambda f, draw: f["click"].map({0: "no", 1: "yes"})), CSV, "bought: tells the label nearly alone (AUC 1.000)"),
    "nearly the label, as a number": (
        odd(seconds=lambda f, draw: f["click"] * 1000 + draw.integers(0, 1001, len(f))),
        {**CSV, "numeric": ("seconds",)},
        "seconds: tells the label nearly alone",
    ),
    "several values in a cell": (
        odd(tags=lambda f, draw: ["a|b" if n % 3 else "c" for n in range(len(f))]),
        CSV,
        "tags: cells hold several values",
    ),
    "lists as text": (
        odd(tags=lambda f, draw: [f"[{n % 4}, {n % 5}]" for n in range(len(f))]),
        CSV,
        "tags: cells hold lists written as text",
    ),
    "decimal commas": (odd(price=lambda f, draw: [f"{n % 90},{n % 10}" for n in range(len(f))]), CSV, "price: has commas in its numbers"),
    "thousands with commas": (
        odd(price=lambda f, draw: [f"{1000 + n * 7:,}" for n in range(len(f))]),
        CSV,
        "price: has commas in its numbers",
    ),
    "--multi without a bar": (
        odd(tags=lambda f, draw: ["a;b" if n % 3 else "c" for n in range(len(f))]),
        {**CSV, "multi": ("tags",)},
        "tags: no cell holds several values; they stand with | between them",
    ),
    "more values in a cell than are taken": (
        odd(tags=lambda f, draw: ["|".join(map(str, range(n % 5))) for n in range(len(f))]),
        {**CSV, "multi": ("tags",), "most_values": 3},
        "tags: cells hold up to 4 values, as far as was looked, of which the first 3 are taken",
    ),
    "blanks beside bars": (
        odd(tags=lambda f, draw: ["a | b" if n % 3 else "b|a" for n in range(len(f))]),
        {**CSV, "multi": ("tags",)},
        "tags: 2 values differ from another only in case, in blanks or quotation marks around the text or in unseen marks, as 'a' and 'a '",
    ),
    "blanks around some texts": (
        odd(site=lambda f, draw: [f"s{n % 7}{' ' * (n % 2)}" for n in range(len(f))]),
        CSV,
        "site: 7 values differ from another only in case, in blanks or quotation marks around the text or in unseen marks, as 's0'",
    ),
    "cases that differ, in test alone": (
        rare_in("test", lambda f: f.assign(site=["BERLIN", "berlin"] * 250), site=lambda f: ["Berlin", "Oslo"] * 250),
        CSV,
        "site: 2 values differ from another only in case, in blanks or quotation marks around the text or in unseen marks, as 'BERLIN'",
    ),
    "one character written in two ways": (
        odd(site=lambda f, draw: ["e\u0301" if n % 2 else "\u00e9" for n in range(len(f))]),
        CSV,
        "site: 1 value differs from another only in case",
    ),
    "a mark that nobody sees": (odd(site=lambda f, draw: ["a\u200b" if n % 2 else "a" for n in range(len(f))]), CSV, "'a' and 'a\\u200b'"),
    "long numbers as spreadsheets shorten them": (
        odd(phone=lambda f, draw: [f"4.9{n % 7}E+{10 + n % 3}" for n in range(len(f))]),
        CSV,
        "phone: writes numbers as 4.90E+10",
    ),
    "ids that a float does not hold": (
        typed_odd(user=lambda f: 2.0**60 + 2.0**40 * f["user"]),
        CSV,
        "user: writes numbers as 1.15",
    ),
    "a part file twice": (
        spoilt(in_parts(".csv"), lambda f: shutil.copy(first_in(f / "train"), f / "train" / "copy.csv")),
        CSV,
        "train/copy.csv and train/part-00000-c000.csv hold the same bytes",
    ),
    "a part file of Parquet with texts for numbers": (
        part_file(lambda f: f.astype({"user": str})),
        CSV,
        "user: whole numbers in train/0.parquet, texts in train/1.parquet: what is one value may be written in two ways",
    ),
    "files of one name in Hive's folders, one with words for numbers": (
        by_year(lambda f: f.assign(user="u" + f["user"].astype(str))),
        CSV,
        "user: numbers in year=2023/month=1/part.csv, texts in year=2024/month=1/part.csv: what is one value may be",
    ),
    "a part file of Parquet with floats for whole numbers": (
        part_file(lambda f: f.assign(user=f["user"] + 0.5)),
        CSV,
        "user: whole numbers in train/0.parquet, floats in train/1.parquet: 7 and 7.0 are one value, but",
    ),
    "a part of CSV with words for numbers": (
        rare_in("valid", lambda f: f.assign(user="u" + f["user"].astype(str))),
        CSV,
        "user: numbers in ",
    ),
    "seconds in train and milliseconds in test": (
        rare_in("test", lambda f: f.assign(when=1_700_000_000_000 + f.index), when=lambda f: 1_700_000_000 + f.index),
        {**CSV, "numeric": ("when",)},
        "seconds since 1970 in ",
    ),
    "dates in train and numbers in valid": (
        rare_in("valid", lambda f: f.assign(when=1_700_000_000 + f.index), when=lambda f: "2024-01-31"),
        CSV,
        "when: ISO dates or times in ",
    ),
    "true beside a text of it in JSON": (
        spoilt(texts(as_json, ".jsonl"), appended("train.jsonl", '{"click": 1, "user": true, "ad": "a01"}')),
        CSV,
        "train.jsonl: user holds numbers (line 1: ",
    ),
    "1 beside a text of it in JSON": (
        spoilt(texts(as_json, ".jsonl"), appended("test.jsonl", '{"click": 1, "user": "1", "ad": "a01"}')),
        CSV,
        'texts (line 21: "1"): 1, "1" and true become one value, "true" another',
    ),
    "texts of numbers in one file of JSON": (
        spoilt(texts(as_json, ".jsonl"), lambda f: rewritten(f / "test.jsonl", r'"user": (\d+)', r'"user": "\1"')),
        CSV,
        "user: numbers in ",
    ),
    "a column that is empty in test": (
        rare_in("test", lambda f: f.assign(ad="")),
        CSV,
        "test has no value at all where training has some: ad",
    ),
    "libfm with a field twice in a line": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("test.libfm", "1 3:1 4:1")),
        LIBFM,
        "f2 has an index among those of f1 in the first lines (line 21: 4)",
    ),
    "libfm with a field twice in one of its first lines": (
        spoilt(texts(as_libfm("0"), ".libfm"), lambda f: rewritten(f / "train.libfm", r"\A(.*\n){6}.*", "1 3:1 4:1")),
        LIBFM,
        "train.libfm: f2 has an index among those of f1 in the first lines (line 1: 4)",
    ),
    "libfm with a field twice in many of its first lines": (
        spoilt(texts(as_libfm("0"), ".libfm"), lambda f: rewritten(f / "train.libfm", r"(?m)^(\d [0-4]:1) 10[01]:1$", r"\1 9:1")),
        LIBFM,
        "train.libfm: f2 has an index among those of f1 in the first lines (line ",
    ),
    **{
        f"ids as narrow floats, {kind}": (
            typed_with(kind, user=lambda f: (2**25 + f["user"] * 4).astype("float32")),
            CSV,
            "user is stored as float32, which does not tell whole numbers of 16,777,216 and more apart, as 3355",
        )
        for kind in ("parquet", "file", "stream")
    },
    "ids as narrow floats in test, a float that is no id and a missing one": (
        spoilt(
            typed("parquet"),
            lambda f: (
                (frame := pandas.read_parquet(f / "test.parquet"))
                .assign(user=frame["user"].astype("float32").where(frame.index != 0).mask(frame.index == 1, 2.0**24))
                .to_parquet(f / "test.parquet")
            ),
        ),
        CSV,
        "test.parquet: user is stored as float32",
    ),
    "errors of spreadsheets among texts": (
        odd(site=lambda f, draw: [["s1", "#DIV/0!", "s2", "#REF!", "s3"][n % 5] for n in range(len(f))]),
        CSV,
        "site: has '#DIV/0!', '#REF!' in 600 cells (40.0%): an error of a spreadsheet, which is a value here: name it in --null-values "
        "'#DIV/0!,#REF!'",
    ),
    "errors of spreadsheets among numbers, in test alone": (
        rare_in("test", lambda f: f.assign(price=["#VALUE!", *range(499)]), price=lambda f: range(500)),
        CSV,
        "price: has '#VALUE!' in 1 cell (0.1%)",
    ),
    "errors of spreadsheets among several values": (
        odd(tags=lambda f, draw: ["a|#N/A" if n % 3 else "c" for n in range(len(f))]),
        {**CSV, "multi": ("tags",)},
        "tags: has '#N/A': an error of a spreadsheet",
    ),
    "numbers that a spreadsheet had no room for": (
        odd(price=lambda f, draw: ["####" if n == 3 else n for n in range(len(f))]),
        CSV,
        "price: has '####' in 3 cells",
    ),
    "a row of totals behind all that is looked at": (
        spoilt(odd(), lambda f: (f / "train.csv").write_text("click,user,ad\n" + "0,1,2\n1,2,3\n" * 11_000 + row_each(40) + "0,Total,7\n")),
        CSV,
        "user: has 'Total' among numbers",
    ),
    "numbers that a spreadsheet shortened behind all that is looked at": (
        spoilt(
            odd(), lambda f: (f / "train.csv").write_text("click,user,ad\n" + "0,1,2\n1,2,3\n" * 11_000 + row_each(40) + "0,1.23E+11,7\n")
        ),
        CSV,
        "user: writes numbers as 1.23E+11",
    ),
    "a part file whose whole numbers have a point": (
        lambda folder, parts: spoilt(
            in_parts(".csv"), lambda f: [rewritten(path, r"(?m)^(\d,\d+),", r"\1.0,") for path in sorted((f / "train").glob("*.csv"))[3:]]
        )(folder, {part: pandas.concat([frame] * 3) for part, frame in parts.items()}),
        CSV,
        "user: writes a number in several ways ('0', '0.0')",
    ),
    "words for some ids of test": (
        rare_in("test", lambda f: f.assign(user=[f"u{n}" if n % 5 < 2 else n for n in f["user"]])),
        CSV,
        "user: has 'u0', 'u1', 'u10' and 13 more among numbers",
    ),
    "decimal commas in a third of the rows": (
        odd(price=lambda f, draw: [f"{n % 90}{'.,'[n % 3 == 0]}{n % 7}" for n in range(len(f))]),
        CSV,
        "price: writes numbers in several forms (",
    ),
    "brackets for negative numbers": (
        odd(price=lambda f, draw: [f"({n % 190})" if n % 3 == 0 else n % 190 for n in range(len(f))]),
        CSV,
        "price: writes numbers in several forms ('0', '(0)')",
    ),
    "prices with a currency": (
        odd(price=lambda f, draw: [f"${n % 90}.{n % 7}0" for n in range(len(f))]),
        CSV,
        "price: writes numbers with more than figures and a point, as '$0.00'",
    ),
    "percentages": (
        odd(rate=lambda f, draw: [f"{n % 90}.{n % 7}%" for n in range(len(f))]),
        CSV,
        "rate: writes numbers with more than figures and a point, as '0.0%'",
    ),
    "quotation marks within some cells": (
        odd(shop=lambda f, draw: [[f"s{n % 7}", f'"s{n % 7}"', f"'s{n % 7}", f'="s{n % 7}"'][n % 4] for n in range(len(f))]),
        CSV,
        "shop: 21 values differ from another only in case, in blanks or quotation marks around the text",
    ),
    "truths in several words": (
        odd(flag=lambda f, draw: [["yes", "Y", "1", "no"][n % 4] for n in range(len(f))]),
        CSV,
        "flag: says one truth in several ways ('1', 'y', 'yes')",
    ),
    "dates in two forms": (
        odd(day=lambda f, draw: [f"2024-01-{1 + n % 28:02}" if n % 2 else f"{1 + n % 28:02}.01.2024" for n in range(len(f))]),
        CSV,
        "day: writes dates in several forms ('2024-01-02', '01.01.2024')",
    ),
    "codes that a spreadsheet took for dates": (
        odd(size=lambda f, draw: [["2-Mar", "7-8", "12-14", "Jun-10"][n % 4] for n in range(len(f))]),
        CSV,
        "size: has '2-Mar', 'Jun-10' among other texts: did a spreadsheet take codes like 3-2 for dates?",
    ),
    "what JavaScript prints of an object": (
        odd(site=lambda f, draw: [["[object Object]", "s1"][n % 2] for n in range(len(f))]),
        CSV,
        "site: has 1 value as '[object Object]', which a program or a wrong encoding left",
    ),
    "an encoding taken for another": (
        odd(site=lambda f, draw: [["M\u00c3\u00bcnchen", "Oslo"][n % 2] for n in range(len(f))]),
        CSV,
        "site: has 1 value as 'M\u00c3\u00bcnchen', which a program or a wrong encoding left",
    ),
    "long numbers that a spreadsheet cut to 15 digits": (
        odd(card=lambda f, draw: [f"{400_012_341_234_123 + 7 * n}0" for n in draw.integers(0, 90, len(f))]),
        CSV,
        "card: its numbers of 16 digits and more all end in 0: a spreadsheet keeps 15 digits",
    ),
    "long numbers that were doubles": (
        odd(user=lambda f, draw: [int(float(2**60 + 123_456_789 * n)) for n in draw.integers(0, 90, len(f))]),
        CSV,
        "user: its whole numbers from 9,007,199,254,740,992 on are all such as float64 holds",
    ),
    "numbers that were narrow floats": (
        odd(user=lambda f, draw: [int(np.float32(2**25 + 13 * n)) for n in draw.integers(0, 900, len(f))]),
        CSV,
        "user: its whole numbers from 16,777,216 on are all such as float32 holds",
    ),
    "columns whose names differ in case": (
        texts(lambda f: as_json(f[::2]) + "\n" + as_json(f[1::2].rename(columns={"ad": "Ad"})), ".jsonl"),
        CSV,
        "the columns 'ad' and 'Ad' differ in their names only in case or blanks",
    ),
    "a key that many lines of test lack": (
        spoilt(texts(as_json, ".jsonl"), lambda f: rewritten(f / "test.jsonl", r', "ad": "a0[0-5]"', "")),
        CSV,
        "test lacks values that training has in more rows, or has some that training lacks: ad (missing in ",
    ),
    "decimals that were narrow floats, in test": (
        rare_in("test", lambda f: f.assign(rate=f["rate"].astype("float32").astype(float)), rate=lambda f: f.index % 60 / 10),
        CSV,
        "rate: has numbers that differ only in digits that float32 does not hold ('0.1', '0.10000000149011612')",
    ),
    "exponents beside decimals": (
        odd(rate=lambda f, draw: ["1e-05" if n % 9 == 0 else ".5" if n % 9 == 2 else f"{n % 90 / 100000:.5f}" for n in range(len(f))]),
        CSV,
        "rate: writes a number in several ways ('0.00001', '1e-05')",
    ),
    "a spreadsheet's days among dates": (
        odd(day=lambda f, draw: [f"2024-01-{1 + n % 28:02}" if n % 2 else 45_290 + n % 28 for n in range(len(f))]),
        CSV,
        "day: holds dates and numbers ('2024-01-02', '45290')",
    ),
    "a word among dates": (
        odd(day=lambda f, draw: [f"2024-01-{1 + n % 28:02}" if n % 50 else "unknown" for n in range(len(f))]),
        CSV,
        "day: has 'unknown' among dates",
    ),
    "the rows of train twice": (
        spoilt(odd(), lambda f: (f / "train.csv").write_text((text := (f / "train.csv").read_text()) + text.partition("\n")[2])),
        CSV,
        "every row of train stands there 2 times, or a multiple of it",
    ),
    "train and test with each other's names": (
        lambda folder, parts: texts(as_csv(), ".csv")(folder, {**parts, "train": parts["test"], "test": parts["train"]}),
        CSV,
        "test has 60 rows, train 20: are the parts what they are called?",
    ),
    "a part file and its compressed copy": (
        spoilt(
            in_parts(".csv"),
            lambda f: (f / "train" / "part-00000-c000.csv.gz").write_bytes(gzip.compress(first_in(f / "train").read_bytes())),
        ),
        CSV,
        "train/part-00000-c000.csv and train/part-00000-c000.csv.gz are named like one file and its copy",
    ),
    "a part file and a download of it": (
        spoilt(
            in_parts(".csv"),
            lambda f: (f / "train" / "part-00000-c000 (1).csv").write_text(first_in(f / "train").read_text() + "1,2,a01\n"),
        ),
        CSV,
        "train/part-00000-c000.csv and train/part-00000-c000 (1).csv are named like one file and its copy",
    ),
    "rows without a value": (
        spoilt(odd(), lambda f: (f / "train.csv").write_text((f / "train.csv").read_text() + "1,,\n0,,\n" * 4)),
        CSV,
        "8 of train's 508 rows have no value in any field",
    ),
    "rows of valid in test, in another order": (
        lambda folder, parts: (
            odd()(folder, parts),
            pandas.read_csv(folder / "valid.csv").sample(frac=1, random_state=0).to_csv(folder / "test.csv", index=False),
        )[0],
        CSV,
        "100.0% of test's rows stand in valid as well",
    ),
    "numbers of another unit in test": (
        rare_in("test", lambda f: f.assign(price=f["price"] * 100), price=lambda f: 1 + f.index % 97),
        {**CSV, "numeric": ("price",)},
        "test has numbers at one end of training's in most rows: price (highest bucket: ",
    ),
    "a time that stands for none": (
        one_file(lambda f: dated("%Y-%m-%d")(f).replace({"when": {"2023-11-20": "1970-01-01"}})),
        BY_DAY,
        "when: 1 row is of 1970-01-01, further from all others than these span",
    ),
    "leading zeros in some rows": (
        odd(zone=lambda f, draw: [f"{n % 7:0{2 + n % 2}}" for n in range(len(f))]),
        CSV,
        "zone: writes a number in several ways ('00', '000')",
    ),
    "a point in some rows": (
        odd(shop=lambda f, draw: [f"{n % 7}" if n < 300 else f"{n % 7}.0" for n in range(len(f))]),
        CSV,
        "shop: writes a number in several ways ('0', '0.0')",
    ),
    "words for a missing cell": (
        odd(site=lambda f, draw: [["s1", "NULL", "s2", r"\N"][n % 4] for n in range(len(f))]),
        CSV,
        r"site: has 'NULL', '\\N': if that stands for a missing cell, name it in --null-values",
    ),
    "US dates": (odd(day=lambda f, draw: [f"{1 + n % 12}/{1 + n % 28}/2024" for n in range(len(f))]), CSV, "day: looks like a time"),
    "day-first times": (
        odd(day=lambda f, draw: [f"{1 + n % 28:02}.{1 + n % 12:02}.2024 12:{n % 60:02}" for n in range(len(f))]),
        CSV,
        "day: looks like a time",
    ),
    "a column of parts that is not named": (
        one_file(lambda f: f),
        {**CSV, "split": "8:1:1"},
        "part: says train, valid or test: name it in --split-column",
    ),
    "a table that is no part": (
        texts(as_csv(), ".csv", "", {"valid": "eval"}),
        CSV,
        "beside the parts lie tables that are not read: eval.csv",
    ),
    "a row in the place of names": (
        spoilt(odd(), lambda f: [path.write_text(path.read_text().replace("click,user,ad\n", "1,20,21\n")) for path in f.iterdir()]),
        {"label": "1"},
        "the columns' names (1, 20, 21, …) look like a row",
    ),
    "columns that training has not": (
        spoilt(texts(as_libffm, ".ffm"), appended("test.ffm", "1 1:3:1 7:1:1")),
        LIBFM,
        "test has columns that train has not, which are left out: f7",
    ),
    "a test part that is older": (
        lambda folder, parts: (
            without_valid(folder, parts),
            (folder / "test.csv").write_text(parts["test"].assign(when=range(20)).to_csv()),
        )[0],
        {**CSV, "by_time": "when"},
        "20 of test's 20 rows are older than the youngest of valid",
    ),
    "the span of times": (
        one_file(dated("%Y-%m-%d")),
        BY_DAY,
        "divided by when: train 2023-11-20 … 2024-01-18, valid 2024-01-19 … 2024-02-07",
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_is_suspicious_is_noted_and_stays_with_the_data(name: str, cache: Path, tmp_path: Path) -> None:
    make, options, said = NOTED[name]
    parts = floats(people()) if name == "ids with a point in one part" else people()
    prepared = prepare("csv", options, make(tmp_path, parts), alias="mine")
    assert any(said in note for note in prepared.notes), prepared.notes


def test_nothing_is_noted_where_nothing_is_odd(cache: Path, tmp_path: Path) -> None:
    """Hashes like 123e4567 and numbers with zeros before them are texts; a version and an address are no dates and no decimals; ids whose
    last bits are zeros were not rounded.
    """
    plain = odd(
        site=lambda f, draw: draw.integers(0, 90, len(f)),
        code=lambda f, draw: [f"{n:05}" for n in draw.integers(0, 90, len(f))],
        hashed=lambda f, draw: [f"{n * 2654435761 % 2**32:08x}" for n in draw.integers(0, 90, len(f))],
        version=lambda f, draw: [f"{n // 9}.{n % 9}.0" for n in draw.integers(0, 90, len(f))],
        address=lambda f, draw: [f"10.0.{n // 9}.{n}" for n in draw.integers(0, 90, len(f))],
        named=lambda f, draw: [f" n, {n} " for n in draw.integers(0, 90, len(f))],
        sku=lambda f, draw: [f"{n // 9}-{n % 9}" for n in draw.integers(0, 90, len(f))],
        age=lambda f, draw: draw.choice(["18-25", "26-35", "36-50", "50+"], len(f)),
        size=lambda f, draw: draw.choice(["S", "M", "38", "40"], len(f)),
        tag=lambda f, draw: [f"#tag{n}!" for n in draw.integers(0, 90, len(f))],
        clock=lambda f, draw: [f"{n % 24:02}:{n % 60:02}" for n in draw.integers(0, 9000, len(f))],
        income=lambda f, draw: 30_000_000 + 1000 * draw.integers(0, 90, len(f)),
        hashed_64=lambda f, draw: [n * 0x9E3779B97F4A7C15 % 2**63 for n in draw.integers(0, 90, len(f)).tolist()],
        counted=lambda f, draw: (1_300_000_000_000 + 977 * draw.integers(0, 90, len(f))) << 22,  # Twitter's ids
        microseconds=lambda f, draw: (1_700_006_400 + 3600 * draw.integers(0, 30, len(f))) * 1_000_000,
        rating=lambda f, draw: draw.integers(0, 10, len(f)) / 2,
        agent=lambda f, draw: [f"Mozilla/5.0 (X{n}; rv:{n})" for n in draw.integers(0, 90, len(f))],
        place=lambda f, draw: draw.choice(["日本", "中国", "São Paulo", "Zürich"], len(f)),
    )
    assert prepare("csv", CSV, plain(tmp_path, people()), alias="mine").notes == ()


@pytest.mark.parametrize("sizes", [(2, 50), (50, 5000), (5, 8, 40), (2, 900)])
def test_nothing_is_noted_of_libsvm_whose_indices_are_counted_within_fields(sizes: tuple[int, ...], cache: Path, tmp_path: Path) -> None:
    """Though almost all indices of one field may be above those of another."""
    draw = np.random.default_rng(0)
    columns = [draw.integers(1, size + 1, 5000) for size in sizes]
    lines = (" ".join([str(n % 2), *(f"{index}:1" for index in row)]) for n, row in enumerate(zip(*columns, strict=True)))
    (tmp_path / "x.libsvm").write_text("\n".join(lines))
    assert not [note for note in prepare("csv", {}, tmp_path / "x.libsvm", alias="mine").notes if "index" in note]


@pytest.mark.parametrize("lines", [1, 20, 200])
@pytest.mark.parametrize("place", range(3))
def test_lines_with_a_field_twice_are_noted_wherever_they_stand(place: int, lines: int, cache: Path, tmp_path: Path) -> None:
    """4000 lines of four fields, their indices counted on; in some the field ``place`` is there twice, and its neighbour is not."""
    draw = np.random.default_rng(place)
    rows = np.array([1, 8, 30, 400]) + np.stack([draw.integers(0, size, 4000) for size in (7, 22, 370, 90)], 1)
    for row in draw.choice(4000, lines, replace=False):
        rows[row, place : place + 2] = np.sort(draw.choice(np.unique(rows[:, place]), 2, replace=False))
    text = "\n".join(" ".join([str(n % 2), *(f"{index}:1" for index in row)]) for n, row in enumerate(rows.tolist()))
    (tmp_path / "x.libsvm").write_text(text)
    notes = prepare("csv", {}, tmp_path / "x.libsvm", alias="mine").notes
    assert any(f"f{place + 2} has an index among those of f{place + 1} in the first lines (line " in note for note in notes), notes


def lists(folder: Path, parts: Parts) -> Path:
    return typed("parquet")(folder, {part: frame.assign(tags=pandas.Series([["a", "b"]] * len(frame))) for part, frame in parts.items()})


def archived(folder: Path, parts: Parts) -> Path:
    texts(as_csv(), ".csv")(folder, parts)
    return Path(shutil.make_archive(str(folder / "x"), "gztar", folder))


REFUSED: dict[str, tuple[Make, dict[str, Any], str]] = {
    "a table of dates in another form": (one_file(dated("%m/%d/%Y")), BY_DAY, "row 1, column 'when': '11/20/2023' is no time"),
    "a time that cannot be read": (
        one_file(lambda f: dated("%Y-%m-%d")(f).replace({"when": {"2024-01-09": "unknown"}})),
        BY_DAY,
        "row 51, column 'when': 'unknown' is no time like that of row 1",
    ),
    "no time in a row": (
        one_file(
            lambda f: f.drop(columns="part").assign(when=pandas.Series(range(len(f)), dtype="Int64").where(lambda days: days != 50)),
            ".parquet",
        ),
        BY_DAY,
        "row 51, column 'when': an empty cell is no time",
    ),
    "a year that no calendar has": (one_file(lambda f: dated("0000-%m-%d")(f)), BY_DAY, "'0000-11-20' is no time of the years 1 to 9999"),
    "a year that none has in UTC": (one_file(dated("0001-01-01T00:00:%S+14:00")), BY_DAY, "is no time of the years 1 to 9999, in UTC"),
    "a zone's name in a format": (one_file(dated("%d")), {**BY_DAY, "date_format": "%d %Z"}, "a zone's name does not say how far"),
    "one time in all rows": (one_file(dated("2024-01-01")), BY_DAY, "valid would be empty; rows of one time stay in one part"),
    "a test part with times of another form": (
        spoilt(without_valid, lambda f: (f / "test.csv").write_text("click,user,ad,when\n0,1,a01,2024-01-01\n")),
        {**CSV, "by_time": "when"},
        "test.csv: column 'when': its times are of another form than those of ",
    ),
    "days as numbers that end with the year": (
        one_file(dated("%d%m%Y")),
        BY_DAY,
        "column 'when': its numbers end with a year, as '20112023' does, and do not grow with time; name their form by --date-format",
    ),
    "seconds among milliseconds": (
        one_file(lambda f: f.drop(columns="part").assign(when=[(1_700_000_000 + n) * (1000 if n > 70 else 1) for n in range(len(f))])),
        BY_DAY,
        "row 72, column 'when': '1700000000' and '1700000071000' are seconds and milliseconds since 1970",
    ),
    "a Delta table": (
        spoilt(in_parts(".parquet"), lambda f: (f / "train" / "_delta_log").mkdir()),
        CSV,
        "train: a Delta table (_delta_log is there), some of whose files hold rows that were changed or deleted",
    ),
    "a pattern within a Delta table": (
        lambda folder, parts: within_delta(folder, parts) / "day=*" / "*.parquet",
        CSV,
        "train: a Delta table (_delta_log is there)",
    ),
    "a folder within a Delta table": (lambda folder, parts: within_delta(folder, parts) / "day=1", CSV, "train: a Delta table"),
    "a file of a Delta table": (lambda folder, parts: within_delta(folder, parts) / "day=1" / "0.parquet", CSV, "train: a Delta table"),
    "the data of an Iceberg table": (
        lambda folder, parts: iceberg(folder, parts) / "data",
        CSV,
        "train: an Iceberg table (metadata/version-hint.text is there)",
    ),
    "seconds in train and milliseconds in test by time": (
        spoilt(
            rare_in("test", lambda f: f.assign(when=1_700_000_000_000 + f.index), when=lambda f: 1_700_000_000 + f.index),
            lambda f: (f / "valid.csv").unlink(),
        ),
        {**CSV, "by_time": "when"},
        "test.csv: column 'when': its times are milliseconds since 1970, those of ",
    ),
    "libfm with entries in another order": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("train.libfm", "1 101:1 3:1")),
        LIBFM,
        "train.libfm: line 61: its entries stand in another order than those of the first lines (f1 has 101)",
    ),
    "libfm with entries in another order in test": (
        spoilt(texts(as_libfm("0"), ".libfm"), lambda f: rewritten(f / "test.libfm", r"(\d+:1) (\d+:1)", r"\2 \1")),
        LIBFM,
        "test.libfm: line 1: its entries stand in another order than those of the first lines",
    ),
    "two columns of an Arrow stream with one name": (arrow_twice, CSV, "train.arrow: two columns are called 'user'; rename one of them"),
    "a column of Parquet without a name": (
        lambda folder, parts: typed("parquet")(folder, {part: f.rename(columns={"ad": ""}) for part, f in parts.items()}),
        CSV,
        "train.parquet: column 3 has no name",
    ),
    "a tar archive": (archived, CSV, "x.tar.gz: a tar archive is not read; unpack it"),
    "a format that does not fit": (one_file(dated("%d.%m.%Y")), {**BY_DAY, "date_format": "%Y/%m/%d"}, "is no time of the form %Y/%m/%d"),
    "files of two kinds": (
        spoilt(in_parts(".csv"), lambda f: (f / "train" / "p.parquet").write_bytes(b"PAR1")),
        CSV,
        "it holds .csv and .parquet files",
    ),
    "a link that leads nowhere": (
        spoilt(in_parts(".csv"), lambda f: (f / "train" / "zz.csv").symlink_to(f / "gone.csv")),
        CSV,
        "zz.csv: a link that leads nowhere",
    ),
    "a link that leads back": (
        spoilt(in_parts(".csv"), lambda f: (f / "train" / "again").symlink_to(f)),
        CSV,
        "is here twice, by a link",
    ),
    "files of train and test with other names": (
        texts(as_csv(), ".csv", "", {"train": "clicks-training", "valid": "more", "test": "clicks_test"}),
        CSV,
        "clicks-training.csv and clicks_test.csv are named like parts",
    ),
    "folders of train and test further down": (
        lambda folder, parts: within("2024", in_parts(".csv"))(folder, parts).parent,
        CSV,
        "are named like parts; put each into a folder",
    ),
    "a header line among the rows": (
        spoilt(texts(as_csv(), ".csv"), lambda f: (f / "test.csv").write_text((f / "test.csv").read_text() * 2)),
        CSV,
        "test.csv: row 21, column 'click': 'click' is no label, but the column's name: is it a header line among the rows?",
    ),
    "part files of train and test in one folder": (
        texts(as_csv(), ".csv", "", {"train": "train_0", "valid": "train_1", "test": "test_0"}),
        CSV,
        "train_1.csv and test_0.csv are named like parts",
    ),
    "Hive's folders with a key more": (
        spoilt(hive, lambda f: shutil.copytree(f / "split=test" / "country=x%20y", f / "split=train" / "country=x%20y" / "z=1")),
        CSV,
        "it has the column 'z', unlike ",
    ),
    "Hive's folders with a key twice": (
        lambda folder, parts: within("split=x", hive)(folder, parts).parent,
        CSV,
        "its folders say twice what 'split' is",
    ),
    "names of columns that Parquet has itself": (
        typed("parquet"),
        {**CSV, "columns": ("click", "user", "ad")},
        "columns says how .csv, .tsv, .txt are read; a .parquet file says it itself",
    ),
    "a packed Parquet file": (
        lambda folder, parts: (typed("parquet")(folder, parts) / "test.parquet").rename(folder / "x.parquet.gz"),
        CSV,
        "a compressed .parquet file is not read; unpack it",
    ),
    "a pattern of nothing": (lambda folder, parts: folder / "day*" / "*.csv", CSV, "no file has such a name"),
    "part files with other columns": (
        spoilt(in_parts(".csv"), lambda f: (f / "train" / "zz.csv").write_text("click,user\n1,2\n")),
        CSV,
        "zz.csv: it lacks the column 'ad', unlike ",
    ),
    "something else among part files": (
        spoilt(in_parts(".csv"), lambda f: (f / "train" / "readme.md").touch()),
        CSV,
        "readme.md: this type of file is not read",
    ),
    "a part twice": (spoilt(in_parts(".csv"), lambda f: (f / "train.csv").touch()), CSV, "train and train.csv are both there"),
    "train without test": (spoilt(texts(as_csv(), ".csv"), lambda f: (f / "test.csv").unlink()), CSV, "there is no test file"),
    "three shares of two parts": (without_valid, {**CSV, "split": "8:1:1"}, "train and test are there: cut train in two, like 9:1"),
    "two shares of one table": (one_file(lambda f: f), {**CSV, "split": "9:1"}, "it is one table: cut it in three, like 8:1:1"),
    "no label of that name": (texts(as_csv(), ".csv"), {}, "there is no column 'label'; name the one with 0 and 1 by --label"),
    "NA in a numeric column": (
        odd(age=lambda f, draw: [n % 77 if n % 50 else "NA" for n in range(len(f))]),
        {**CSV, "numeric": ("age",)},
        "row 1, column 'age': 'NA' is not a number",
    ),
    "a zst file cut off": (spoilt(texts(as_csv(), ".csv", ".zst"), cut("train.csv.zst")), CSV, "train.csv.zst: damaged or truncated"),
    "an xz file cut off": (spoilt(texts(as_csv(), ".csv", ".xz"), cut("train.csv.xz")), CSV, "train.csv.xz: damaged or truncated"),
    "a bz2 file cut off": (spoilt(texts(as_csv(), ".csv", ".bz2"), cut("train.csv.bz2")), CSV, "train.csv.bz2: damaged or truncated"),
    "something behind an xz file": (
        spoilt(texts(as_csv(), ".csv", ".xz"), lambda f: junk(f / "train.csv.xz")),
        CSV,
        "train.csv.xz: damaged or truncated",
    ),
    "something behind a bz2 file": (
        spoilt(texts(as_csv(), ".csv", ".bz2"), lambda f: junk(f / "train.csv.bz2")),
        CSV,
        "train.csv.bz2: damaged or truncated",
    ),
    "a letter behind a bz2 file": (
        spoilt(texts(as_csv(), ".csv", ".bz2"), lambda f: junk(f / "train.csv.bz2", b"B")),
        CSV,
        "something that is none stands behind its last one",
    ),
    "names of columns for a file that has them": (
        texts(as_csv(), ".csv"),
        {"label": "label", "columns": ("label", "user", "ad")},
        "train.csv: line 1 has 'click' in the place of 'label': a header line? --columns is for files without one",
    ),
    "a seed where the parts are there": (
        texts(as_csv(), ".csv"),
        {"label": "click", "seed": 1},
        "it already holds the three parts; drop seed",
    ),
    "buckets without numbers": (
        texts(as_csv(), ".csv"),
        {"label": "click", "buckets": 8},
        "buckets = 8 is of numeric columns, and there are none; name them by --numeric",
    ),
    "an Arrow stream cut off": (spoilt(typed("stream"), cut("train.arrow")), CSV, "train.arrow: "),
    "lists in Parquet": (lists, CSV, "column 'tags' holds List(String): sequences are not supported as one value; name it in --multi"),
    "JSON that is none": (spoilt(texts(as_json, ".jsonl"), appended("test.jsonl", "{click: 1}")), CSV, "test.jsonl: line 21: not JSON"),
    "a JSON array": (texts(lambda f: f.to_json(orient="records"), ".json"), CSV, "line 1: no object; every line must be one"),
    "a key that only a late line has": (
        lambda folder, parts: spoilt(texts(as_json, ".jsonl"), appended("train.jsonl", '{"click": 1, "user": 3, "ad": "a01", "new": 2}'))(
            folder, {**parts, "train": pandas.concat([parts["train"]] * 20)}
        ),
        CSV,
        "train.jsonl: line 1201: key 'new' is in none of the first 1000 lines",
    ),
    "half a character in JSON": (
        spoilt(texts(as_json, ".jsonl"), appended("test.jsonl", '{"click": 1, "user": 3, "ad": "\\ud800"}')),
        CSV,
        "test.jsonl: line 21: holds half a character",
    ),
    "a list in JSON": (
        spoilt(texts(as_json, ".jsonl"), appended("test.jsonl", '{"click": 1, "user": [3], "ad": "a01"}')),
        CSV,
        "test.jsonl: line 21, key 'user': holds a list",
    ),
    "libfm without a value": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("train.libfm", "1 3:1")),
        LIBFM,
        "line 61: 1 entries, but the first",
    ),
    "libfm with fewer entries in a part": (
        spoilt(texts(as_libfm("0"), ".libfm"), lambda f: (f / "test.libfm").write_text("1 3:1\n0 4:1\n")),
        LIBFM,
        "test.libfm: 1 entries a line, but ",
    ),
    "libfm with three labels": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("train.libfm", "-1 3:1 101:1")),
        LIBFM,
        "up to line 61 there are the labels -1 and 0; a label is 0 or 1, or -1 or 1",
    ),
    "libfm with a wrong label": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("train.libfm", "2 3:1 101:1")),
        LIBFM,
        "line 61: '2' is no label",
    ),
    "libfm with a number among categories": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("test.libfm", "1 3:0.5 101:1")),
        LIBFM,
        "line 21: f1 has the value 0.5; of a field with several indices only 1 is read",
    ),
    "libfm with a word": (
        spoilt(texts(as_libfm("0"), ".libfm"), appended("test.libfm", "1 3:1 qid")),
        LIBFM,
        "line 21: 'qid' is not index:value",
    ),
    "libffm with a field twice": (
        spoilt(texts(as_libffm, ".ffm"), appended("test.ffm", "1 1:3:1 1:4:1 2:100:1")),
        LIBFM,
        "line 21: f1 has 2 entries; name it in --multi",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_and_leaves_nothing(name: str, cache: Path, tmp_path: Path) -> None:
    make, options, said = REFUSED[name]
    path = make(tmp_path, people())
    with pytest.raises(UserError) as caught:
        prepare("csv", options, path, alias="mine")
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    left = [entry.name for entry in (cache / "datasets").iterdir()] if (cache / "datasets").exists() else []
    assert left in ([], [".mine.lock"])


def test_a_pattern_that_the_shell_took_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts(as_csv(), ".csv")(tmp_path, people())
    assert main(["prepare", *(str(tmp_path / f"{part}.csv") for part in PARTS), "--label", "click"]) == 2
    assert "3 files; name their folder, or put a pattern in quotation marks" in capsys.readouterr().err


def test_a_dry_run_shows_every_column_and_writes_nothing(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = odd(price=lambda f, draw: ["#N/A", *draw.integers(0, 9000, len(f) - 1) / 100])(tmp_path, people())
    assert main(["prepare", str(path), "--label", "click", "--exclude", "ad", "--dry-run", "--name", "mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[2:6]] == [
        ["click", "label"],
        ["user", "categorical"],
        ["ad", "no"],
        ["price", "categorical"],
    ]
    assert lines[6:] == [
        "seen in the first 500 rows",
        "note: price: looks like numbers: name it in --numeric to put them into buckets",
        "note: price: has '#N/A': an error of a spreadsheet, which is a value here: name it in --null-values '#N/A'",
    ]
    assert not cache.exists()


@pytest.mark.parametrize("alias", ["a b", "synthetic"])
def test_a_dry_run_refuses_the_name_that_prepare_refuses(alias: str, cache: Path, tmp_path: Path) -> None:
    path = texts(as_csv(), ".csv")(tmp_path, people())
    said = []
    for command in (look_at, prepare):
        with pytest.raises(UserError, match="data set name") as caught:
            command("csv", CSV, path, alias=alias)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("label", ["2", "yes", None])
def test_a_dry_run_refuses_the_label_that_prepare_refuses(label: str | None, cache: Path, tmp_path: Path) -> None:
    """What a column tells of a label in other values is no AUC."""
    path = tmp_path / "rows.parquet"
    pandas.DataFrame({"click": [*("0", "1") * 50, label], "user": list(map(str, range(101)))}).to_parquet(path)
    said = []
    for command in (look_at, prepare):
        with pytest.raises(UserError, match=r"rows\.parquet: row 101, column 'click': .* is no label; a label is 0 or 1") as caught:
            command("csv", CSV, path)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_dry_run_says_in_a_line_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 300}.csv"
    with pytest.raises(UserError) as caught:
        look_at("csv", CSV, path)
    assert str(caught.value) == f"{path}: cannot be read (File name too long)"


def test_the_published_layout_of_criteo_needs_no_header(cache: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for part, rows in SIZES.items():
        lines = ("\t".join(map(str, [n % 2, *draw.integers(0, 9, 39)])) for n in range(rows))
        (tmp_path / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    prepared = prepare("csv", {"columns": ("criteo",), "numeric": ("I1",)}, tmp_path, alias="mine")
    assert [field.name for field in prepared.schema.fields] == [*(f"I{n}" for n in range(1, 14)), *(f"C{n}" for n in range(1, 27))]


def test_frappe_in_libfm_s_form_is_frappe_id_by_id(cache: Path, tmp_path: Path, shared: Path) -> None:
    for form in ("csv", "libfm"):
        (tmp_path / form).mkdir()
    for part in PARTS:
        rows = pandas.read_csv(shared / "frappe" / f"{part}.csv.gz", dtype=str)[:: 100 if part == "train" else 20]
        rows.to_csv(tmp_path / "csv" / f"{part}.csv", index=False)
        lines = (
            " ".join(["-1" if label == "0" else "1", *(f"{one}:1" for one in values)]) for label, *values in rows.itertuples(index=False)
        )
        (tmp_path / "libfm" / f"{part}.libfm").write_text("\n".join(lines))
    found, expected = (prepare("csv", {}, tmp_path / form, alias=f"of_{form}") for form in ("libfm", "csv"))
    for part in PARTS:
        for mine, others in zip(found.arrays(part), expected.arrays(part), strict=True):
            assert np.array_equal(mine, others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "date_format", ["%d.%m.%Y %-H:%M", "%d.%m.%Y %k:%M", "%d.%m.%Y %_H.%M", "%-d/%-m/%y %l:%M %p", "%D %r", "%F %I:%M %p"]
)
def test_a_form_of_time_keeps_the_hours_however_they_are_padded(date_format: str) -> None:
    """As a form of days alone it would take the rows of a day for one time."""
    times = [datetime(2024, 1, 30, 7, 5) + timedelta(hours=5 * n) for n in range(20)]
    texts = pl.Series([time.strftime(date_format.replace("%_H", "%k")) for time in times])
    found, shown = moments("t.csv", "when", texts, date_format)
    assert [shown(moment) for moment in found] == [str(time) for time in times]


def test_a_number_of_nanoseconds_is_shown_with_all_its_digits() -> None:
    found, shown = moments("t.csv", "when", pl.Series(["1700000000123456789", "1700000000123456790"]))
    assert [shown(moment) for moment in found] == ["1700000000123456789", "1700000000123456790"]
    found, shown = moments("t.csv", "when", pl.Series(["1.5", "3"]))
    assert [shown(moment) for moment in found] == ["1.5", "3"]


@pytest.mark.parametrize("labels", ["0 1", "0.000000 1.000000", "-1.000000 1.000000", "-1 +1", "0.0 1.0"])
def test_a_libsvm_label_may_be_written_as_programs_do(labels: str, tmp_path: Path, cache: Path) -> None:
    negative, positive = labels.split()
    path = tmp_path / "rows.libsvm"
    path.write_text("".join(f"{positive if n % 3 else negative} {n % 4}:1 {10 + n % 5}:1\n" for n in range(60)))
    prepared = prepare("csv", {}, path, alias="labelled")
    assert sum(prepared.rows.values()) == 60 and prepared.schema.positive_rate == pytest.approx(2 / 3, abs=0.1)
