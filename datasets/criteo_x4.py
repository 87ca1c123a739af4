"""Criteo_x4: display advertising, 39 fields, 36,672,493 / 4,584,062 / 4,584,062 rows, random 8:1:1.

I1-I13 become categories: floor(ln(v)^2) for v > 2, else the integer itself; 0 is taken for missing. Values of fewer than 10 training rows
are out of the vocabulary (BARS Criteo_x4; FuxiCTR's convert_to_bucket, which fills the missing with 0 and keeps no value for 0).

FuxiCTR's vocabulary (2.3.10, Tokenizer) has no entry for the missing, and what has none gets the row of values that are rare or unseen.
This suite has a row for each of the two unless ``missing_as_rare`` is set, which gives FuxiCTR's ids up to their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from benchmark.data.published import Published
from benchmark.data.transforms import log_square, without
from benchmark.sources import Build, Column, Source, setting

INTEGERS = tuple(f"I{n}" for n in range(1, 14))


@dataclass(frozen=True, kw_only=True)
class CriteoX4(Published):
    summary = "display advertising, 39 fields, 45,840,617 rows (BARS split)"
    source = "Criteo Labs, Kaggle 2014; BARS Criteo_x4"
    # BARS, tuned Criteo_x4 DCNv2
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 1e-5, "embedding_std": 1e-4, "batch_size": 10_000}

    archive: ClassVar[str] = "Criteo_x4"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "4a53bb7cbc0e4ee25f9d6a73ed824b1a",
        "valid": "fba5428b22895016e790e2dec623cb56",
        "test": "cfc37da0d75c4d2d8778e76997df2976",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 36_672_493, "valid": 4_584_062, "test": 4_584_062},
        {"train": 9_396_350, "valid": 1_174_544, "test": 1_174_544},
        910_669,
    )
    label: ClassVar[str] = "Label"
    columns: ClassVar[tuple[Column, ...]] = tuple(Column(name) for name in (*INTEGERS, *(f"C{n}" for n in range(1, 27))))
    min_count: ClassVar[int] = 10

    missing_as_rare: bool = setting(False, help="missing values share the row of rare and unseen ones, as in FuxiCTR")

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        return replace(super().load(source_path, allow_checksum_mismatch), missing_is_unseen=self.missing_as_rare)

    def rows(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.with_columns(map(log_square, INTEGERS)).with_columns(without(name, "0") for name in INTEGERS)
