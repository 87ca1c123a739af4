"""The data sets that are prepared by name: through the real download from a local hub, and what becomes of their cells."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data.hub_server import Hub, serve

from benchmark import plugins
from benchmark.data.prepare import prepare
from benchmark.data.published import Published
from benchmark.data.transforms import log_square
from benchmark.errors import UserError

ROOT = Path(__file__).parents[2]
PUBLISHED = [name for name in plugins.names("datasets") if issubclass(plugins.plugin("datasets", name), Published)]
ROWS = {"train": 40, "valid": 8, "test": 8}


def dataset(name: str) -> Published:
    made = plugins.make("datasets", name, {})
    assert isinstance(made, Published)
    return made


def cells(made: Published, rows: int) -> dict[str, list[str]]:
    """Made-up cells in the files' own columns."""
    random = np.random.default_rng(rows)
    columns = {name: [str(v) for v in random.integers(0, 3, rows)] for name in made.needed()}
    if "hour" in columns:
        columns["hour"] = [f"141021{hour:02}" for hour in random.integers(0, 24, rows)]
    return {made.label: [str(n % 2) for n in range(rows)], **columns, "unused": ["x"] * rows}


def archive(made: Published, folder: str = "") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for part, rows in ROWS.items():
            opened.writestr(f"{folder}{part}.csv", pl.DataFrame(cells(made, rows)).write_csv(line_terminator="\r\n"))
    return packed.getvalue()


def command(hub: Hub, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = hub.environment(tmp_path / "hub", BENCHMARK_CACHE=str(tmp_path / "cache"), PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def test_there_are_seven() -> None:
    assert sorted(PUBLISHED) == [
        *("avazu_x1", "avazu_x4", "criteo_x1", "criteo_x4", "frappe_x1", "kkbox_x1", "movielenslatest_x1"),
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_is_prepared_from_its_archive_and_trains(cache: Path, tmp_path: Path, name: str) -> None:
    made = dataset(name)
    path = tmp_path / f"{made.archive}.zip"
    path.write_bytes(archive(made, folder=f"{made.archive}/"))
    with pytest.raises(UserError, match=rf"{made.archive}\.zip:.*train differs from the official file.*--allow-checksum-mismatch"):
        prepare(name, {}, path)
    prepared = prepare(name, {}, path, allow_checksum_mismatch=True)
    assert prepared.rows == ROWS
    assert [field.name for field in prepared.schema.fields] == [column.name for column in made.columns]
    *notes, mismatch = prepared.notes
    assert len(notes) == 3 + len(made.remarks) and all(note.startswith(f"{name}: ") for note in notes)
    assert mismatch.startswith(
        f"differs from the build of BARS: train has 40 rows (there {made.build.rows['train']:,}), train has 20 positives"
    )
    [scaled] = {(field.cardinality, field.factors > 0) for field in prepared.schema.fields if field.factors} or [None]
    assert scaled == ((1, True) if name == "criteo_x1" else None)
    sums = ["genre_ids", "artist_name"] if name == "kkbox_x1" else []
    assert [(field.name, field.pooling) for field in prepared.schema.fields if field.bags] == [(one, "sum") for one in sums]


def test_a_name_is_enough(tmp_path: Path) -> None:
    """Downloaded, refused for its checksum, taken when told so, not downloaded again, trained on."""
    made = dataset("criteo_x1")
    with serve({("reczoo/Criteo_x1", "Criteo_x1.zip"): archive(made)}) as hub:
        refused = command(hub, tmp_path, "prepare", "criteo_x1")
        assert refused.returncode == 2
        assert "train differs from the official file" in refused.stderr and "delete" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        assert not list((tmp_path / "cache" / "datasets").glob("[!.]*"))
        taken = command(hub, tmp_path, "prepare", "criteo_x1", "--allow-checksum-mismatch")
        assert taken.returncode == 0, taken.stderr
        assert "criteo_x1: train 40, valid 8, test 8 rows, 39 fields" in taken.stdout
        assert len(hub.downloads) == 1
    trained = command(hub, tmp_path, "train", "--dataset", "criteo_x1", "--epochs", "1", "--batch-size", "16")
    assert trained.returncode == 0, trained.stderr
    record = json.loads(trained.stdout)
    assert record["status"] == "finished" and len(record["notes"]) == 4  # three checksums, and rows that are not those of BARS


def test_a_damaged_archive_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    whole = archive(dataset("frappe_x1"))
    with serve({("reczoo/Frappe_x1", "Frappe_x1.zip"): whole[: len(whole) // 2]}) as hub:
        result = command(hub, tmp_path, "prepare", "frappe_x1", "--allow-checksum-mismatch")
    assert result.returncode == 2
    [line] = result.stderr.strip().splitlines()
    assert "Frappe_x1.zip" in line and "damaged or truncated" in line
    assert not list((tmp_path / "cache" / "datasets").glob("[!.]*"))


def test_criteo_x4_as_fuxictr_has_it(cache: Path, tmp_path: Path) -> None:
    """FuxiCTR's rule in its own order (Tokenizer of 2.3.10): entries for the values of enough rows, then one for whatever has no entry."""
    random = np.random.default_rng(3)
    made = dataset("criteo_x4")
    counts = {"train": 400, "valid": 60, "test": 60}
    for part, rows in counts.items():
        columns = {
            name: random.choice(["", "0", "1", "7", "30", "1000", "rare"], rows, p=(0.2, 0.2, 0.2, 0.2, 0.1, 0.09, 0.01))
            for name in made.needed()
        }
        pl.DataFrame({made.label: [n % 2 for n in range(rows)], **columns}).write_csv(tmp_path / f"{part}.csv")
    apart, merged = (prepare("criteo_x4", options, tmp_path, True) for options in ({}, {"missing_as_rare": True}))
    assert merged.folder != apart.folder and merged.fingerprint != apart.fingerprint
    assert [f.cardinality for f in merged.schema.fields] == [f.cardinality for f in apart.schema.fields]  # row 0 is then FuxiCTR's padding
    files = {part: pl.read_csv(tmp_path / f"{part}.csv", infer_schema=False) for part in counts}
    for place, field in enumerate(merged.schema.fields):
        number = field.name.startswith("I")

        def token(cell: str | None, number: bool = number) -> int | str:
            if not number or cell == "rare":  # FuxiCTR would refuse a text among numbers
                return cell or ""
            value = int(cell or 0)
            return math.floor(math.log(value) ** 2) if value > 2 else value

        seen = Counter(map(token, files["train"][field.name]))
        vocabulary = {value: index for index, value in enumerate((v for v, n in seen.items() if n >= 10 and v != (0 if number else "")), 1)}
        other = len(vocabulary) + 1
        for part in counts:
            theirs = [vocabulary.get(token(cell), other) for cell in files[part][field.name]]
            ours = merged.arrays(part)[0][:, place].tolist()
            assert len(set(zip(theirs, ours, strict=True))) == len(set(theirs)) == len(set(ours))  # one to one
            assert [id_ == 1 for id_ in ours] == [id_ == other for id_ in theirs]
        assert merged.value_counts()[place][0] == 0 < apart.value_counts()[place][0]
        assert merged.value_counts()[place].sum() == counts["train"]


def test_log_squares_are_those_of_the_formula() -> None:
    texts = ["", "0", "1", "2", "3", "7", "8", "20", "-1", "-2", "1382", "65535", "57"]
    for otherwise in (0, 2):
        found = pl.DataFrame({"v": [text or None for text in texts]}).select(log_square("v", otherwise))["v"].to_list()
        expected = [
            None if not text else str(math.floor(math.log(int(text)) ** 2) if int(text) > 2 else int(text) - otherwise) for text in texts
        ]
        assert found == expected


def test_criteo_x4_takes_zero_for_missing() -> None:
    frame = pl.LazyFrame({name: ["0", "1", None, "-1", "100"] for name in dataset("criteo_x4").needed()})
    found = dataset("criteo_x4").rows(frame).collect()
    assert found["I1"].to_list() == [None, "1", None, "-1", "21"]
    assert found["C1"].to_list() == ["0", "1", None, "-1", "100"]


def test_avazu_x4_hours() -> None:
    """21 October 2014 was a Tuesday, the 25th a Saturday, the 26th a Sunday."""
    frame = pl.LazyFrame({name: ["14102100", "14102523", "14102609"] for name in dataset("avazu_x4").needed()})
    found = dataset("avazu_x4").rows(frame).collect()
    assert found.select("hour", "weekday", "weekend").rows() == [("0", "2", "0"), ("23", "6", "1"), ("9", "0", "1")]


def test_kkbox_cells() -> None:
    frame = pl.LazyFrame({name: ["0", "1", "10", "11", "60", "61", "95", "96", None] for name in dataset("kkbox_x1").needed()})
    frame = frame.with_columns(
        genre_ids=pl.Series(["465 458", "465", None, "", "1 2 3 4", "x|y z", "b", "c", "d"]),
        isrc=pl.Series(["TWUM71200043", "US", None, "", "J", "a", "b", "c", "d"]),
    )
    found = dataset("kkbox_x1").rows(frame).collect()
    assert found["bd"].to_list() == [None, "1", "1", "2", "6", "7", "7", None, None]
    assert found["genre_ids"].to_list()[:6] == ["465|458", "465", None, "", "1|2|3", "x¦y|z"]
    assert found["isrc"].to_list()[:5] == ["TW", "US", None, "", "J"]


def test_criteo_of_the_multi_embedding_paper(cache: Path, tmp_path: Path) -> None:
    """Kaggle's train.txt has no header line. Rows without a value in one field, or with one too rare, stay."""
    random = np.random.default_rng(0)
    rows = [[n % 2, *random.integers(-2, 60, 13), *random.integers(0, 5, 26)] for n in range(500)]
    lines = ["\t".join("" if k and v == 4 else str(v) for k, v in enumerate(row)) for row in rows]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n")
    prepared = prepare("criteo", {"min_count": 3}, tmp_path)
    assert prepared.rows == {"train": 400, "valid": 50, "test": 50}
    assert [field.name for field in prepared.schema.fields][:2] == ["I1", "I2"] and len(prepared.schema.fields) == 39
    assert prepared == prepare("criteo", {"min_count": 3}, tmp_path / "train.txt")
    for field in prepared.schema.fields[13:]:
        assert field.cardinality == 2 + 4  # 0 to 3; 4 is the empty cell here
    (tmp_path / "train.txt").write_text("\n".join([*lines[:7], lines[7].rpartition("\t")[0], *lines[8:]]) + "\n")
    with pytest.raises(UserError, match=r"train\.txt: line 8: 39 cells"):
        prepare("criteo", {}, tmp_path)
    with pytest.raises(UserError, match="Kaggle"):
        prepare("criteo", {"seed": 1}, None)


def test_avazu_of_the_multi_embedding_paper(cache: Path, tmp_path: Path, shared: Path) -> None:
    frame = pl.read_csv(shared / "avazu_9k" / "avazu_9k.csv.gz", infer_schema=False).drop("split")
    frame.write_csv(tmp_path / "train.csv")
    prepared = prepare("avazu", {}, tmp_path)
    assert len(prepared.schema.fields) == 22 and sum(prepared.rows.values()) == len(frame)
    assert prepare("avazu", {"min_count": 1}, tmp_path).schema.values > prepared.schema.values
    frame.drop("C21").write_csv(tmp_path / "train.csv")
    with pytest.raises(UserError, match="'C21' is missing"):
        prepare("avazu", {}, tmp_path)


def test_frappe_has_fuxictrs_ids_up_to_their_order(cache: Path, shared: Path) -> None:
    """FuxiCTR's rule, written out: tokens by falling count then by text, ids from 1; the next is out-of-vocabulary; 0 is padding."""
    prepared = prepare("frappe_x1", {}, shared / "frappe", allow_checksum_mismatch=True)
    parts = {part: pl.read_csv(shared / "frappe" / f"{part}.csv.gz", infer_schema=False) for part in ("train", "valid", "test")}
    for place, field in enumerate(prepared.schema.fields):
        counted = Counter(parts["train"][field.name].to_list())
        order = sorted(counted, key=lambda token, c=counted: (-c[token], token))  # type: ignore[misc]
        theirs = {token: number for number, token in enumerate(order, start=1)}
        assert len(theirs) + 2 == field.cardinality
        for part, frame in parts.items():
            ours = prepared.arrays(part)[0][:, place].tolist()
            pairs = set(zip(ours, [theirs.get(token, len(theirs) + 1) for token in frame[field.name].to_list()], strict=True))
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.long
def test_movielens_as_a_users_file_trains(cache: Path, tmp_path: Path, shared: Path) -> None:
    """Ratings made 0/1 by the user, split by time."""
    rated = pl.read_csv(shared / "ml100k" / "inter.csv.gz", infer_schema=False)
    rated.with_columns((pl.col("rating").cast(pl.Int8) >= 4).cast(pl.Int8)).write_csv(tmp_path / "ml100k.csv")
    environment = {**os.environ, "BENCHMARK_CACHE": str(cache)}
    prepared = [sys.executable, "-m", "benchmark", "prepare", str(tmp_path / "ml100k.csv"), "--label", "rating", "--by-time", "timestamp"]
    subprocess.run(prepared, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    training = ["train", "--dataset", "ml100k", "--epochs", "1", "--batch-size", "4096", "--threads", "1"]
    result = subprocess.run(
        [sys.executable, "-m", "benchmark", *training], cwd=ROOT, env=environment, check=True, capture_output=True, text=True, timeout=200
    )
    record = json.loads(result.stdout)
    assert record["status"] == "finished" and record["metrics"]["test/auc"] > 0.6
