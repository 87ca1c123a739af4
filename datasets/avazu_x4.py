"""Avazu_x4: mobile advertising, 24 fields, 32,343,172 / 4,042,897 / 4,042,898 rows, random 8:1:1.

The hour YYMMDDHH becomes the hour of the day, the weekday (0 = Sunday) and whether it is a weekend; the id is dropped. Values of one
training row are out of the vocabulary (BARS Avazu_x4; FuxiCTR's convert_hour, convert_weekday, convert_weekend).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from benchmark.data.published import Published
from benchmark.sources import Build, Column

FIELDS = (
    *("hour", "C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category", "device_id"),
    *("device_ip", "device_model", "device_type", "device_conn_type", *(f"C{n}" for n in range(14, 22))),
)


@dataclass(frozen=True, kw_only=True)
class AvazuX4(Published):
    summary = "mobile advertising, 24 fields, 40,428,967 rows (BARS split)"
    source = "Avazu, Kaggle 2014; BARS Avazu_x4"
    # BARS, tuned Avazu_x4 DCNv2
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 1e-9, "embedding_std": 1e-4, "batch_size": 10_000}

    archive: ClassVar[str] = "Avazu_x4"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "de3a27264cdabf66adf09df82328ccaa",
        "valid": "33232931d84d6452d3f956e936cab2c9",
        "test": "3ebb774a9ca74d05919b84a3d402986d",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 32_343_172, "valid": 4_042_897, "test": 4_042_898},
        {"train": 5_492_052, "valid": 686_507, "test": 686_507},
        3_750_951,
    )
    label: ClassVar[str] = "click"
    columns: ClassVar[tuple[Column, ...]] = tuple(Column(name) for name in (*FIELDS, "weekday", "weekend"))
    min_count: ClassVar[int] = 2

    def needed(self) -> tuple[str, ...]:
        return FIELDS

    def rows(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        day = pl.col("hour").str.slice(0, 6).str.to_date("%y%m%d", strict=False).dt.weekday() % 7  # ISO has Sunday as 7
        return frame.with_columns(
            pl.col("hour").str.slice(6, 2).cast(pl.Int8, strict=False).cast(pl.String),
            weekday=day.cast(pl.String),
            weekend=day.is_in((0, 6)).cast(pl.Int8).cast(pl.String),
        )
