"""Whether a US flight arrives 15 minutes late or more: January to June 2001, 2,917,129 flights, 11 fields, positive rate 0.208.

``data/flights-3m.parquet`` of the npm package vega-datasets: 3,000,000 flights that arrived, drawn at random from the On-Time Performance
statistics of the US Bureau of Transportation Statistics, which airlines must report to (14 CFR Part 234). Terms: the package's code is
under the BSD-3-Clause licence; of the data it says "License Terms Not Explicitly Specified".

The time is that of the *actual* departure (scheduled time plus delay, says the package's script), so it gives away a part of the label.
A third of the flights leave at a whole five minutes, as timetables have it, and 18 % of them are late, of the others 22 %; of those that
leave between 23:00 and 4:00, 42 % are. Therefore the minute is dropped, and only departures of 6:00 to 22:59 are kept. Something of the
delay remains in the hour: higher values than a timetable alone allows are possible, for all methods alike.

Three crosses make the table large, 122,319 values in all: origin × day and destination × day (weather and congestion at an airport on a
day), route × hour.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from benchmark.data.division import at_random
from benchmark.data.packages import Package, read_package
from benchmark.sources import Column, DataSet, Source, UserError, setting

FILE = "data/flights-3m.parquet"
PACKAGE = Package(
    manager="npm",
    name="vega-datasets",
    version="3.2.1",
    archive="vega-datasets-3.2.1.tgz",
    sha256="6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
    size=17_630_305,
    # The package's datapackage.json states the file's git id, 9c4e0b480a1a60954a7e5c6bcc43e1c91a73caaa.
    files={FILE: "dbeb920c90f59b6ccaff823dcc3d08f25a97fa1ce128d93f40be4e931f5900b0"},
)
NEEDED = ("date", "delay", "distance", "origin", "destination")
LATE = 15  # minutes after the scheduled arrival: late in the Bureau's own statistics
FIRST, LAST = 6, 22  # hours of departure that are kept
FIELDS = (
    *("origin", "destination", "route", "day", "weekday", "month", "hour", "distance"),
    *("origin_day", "destination_day", "route_hour"),
)


@dataclass(frozen=True, kw_only=True)
class Flights(DataSet):
    """``seed`` draws the split. A ``train_fraction`` leaves validation and test as they are: how much a method gains from more data."""

    summary = "US flights of 2001 that arrive late, 11 fields with three crosses, 2,917,129 rows"
    source = "US Bureau of Transportation Statistics; npm package vega-datasets 3.2.1, flights-3m.parquet"
    # As large tables of rare values are trained: no L2, stopped when validation falls. On a sixteenth of the training rows it does from the
    # third epoch on (DNN, single embedding: 0.742, then 0.735), and L2 of 1e-4 changes nothing about that.
    training: ClassVar = {"embedding_l2": 0.0, "batch_size": 4096, "patience": 1}

    seed: int = setting(0, at_least=0, help="of the random split 8:1:1")
    train_fraction: float = setting(1.0, above=0, at_most=1, help="of the training rows that are used, e.g. 0.0625; the other parts stay")

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        packed = read_package(PACKAGE, source_path, allow_checksum_mismatch)
        shown_as, data = packed.files[FILE]
        try:
            frame = pl.scan_parquet(io.BytesIO(data))
            columns = frame.collect_schema().names()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise UserError(f"{shown_as}: not a readable Parquet file: {' '.join(str(error).split())[:200]}") from None
        for column in NEEDED:
            if column not in columns:
                raise UserError(f"{shown_as}: the column {column!r} is missing; this is not flights-3m.parquet of {PACKAGE.name}")
        return Source(
            parts={"rows": rows(frame)},
            shown_as={"rows": shown_as},
            label="late",
            columns=tuple(Column(name) for name in FIELDS),
            division=at_random(shown_as, "8:1:1", self.seed, self.train_fraction),
            notes=packed.notes,
        )


def rows(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The label ``late`` and the fields, of the package's rows that are kept, in its order."""
    date, hour = pl.col("date"), pl.col("date").dt.hour()
    route = pl.concat_str("origin", "destination", separator="-")
    day = date.dt.date().cast(pl.String)
    return frame.filter(hour.is_between(FIRST, LAST)).select(
        "origin",
        "destination",
        "distance",
        late=(pl.col("delay") >= LATE).cast(pl.UInt8),
        route=route,
        day=day,
        weekday=date.dt.weekday(),  # 1 = Monday
        month=date.dt.month(),
        hour=hour,
        origin_day=pl.concat_str("origin", day, separator=" "),
        destination_day=pl.concat_str("destination", day, separator=" "),
        route_hour=pl.concat_str(route, hour, separator=" "),
    )
