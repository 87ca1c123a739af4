"""KKBox_x1: whether a listener plays a song again within a month, 13 fields, 5,901,932 / 737,743 / 737,743 rows, random 8:1:1.

genre_ids and artist_name are sequences: their texts between spaces, of which the first three are taken and their embeddings added up. BARS
has them so (its dataset_config.yaml: type sequence, max_len 3, encoder MaskedSumPooling; space and the first ones were FuxiCTR's defaults).
isrc becomes its country (two letters), bd an age group of ten years (FuxiCTR's extract_country_code and bucketize_age); values that come
fewer than 10 times in training are out of the vocabulary.

FuxiCTR differs in two things: a cell without a value adds a zero there, here the row of missing cells; and there a fourth text counts
towards the ten, here it is as if it were not in the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from benchmark.data.published import Published
from benchmark.data.transforms import several
from benchmark.sources import Build, Column

FIELDS = (
    *("msno", "song_id", "source_system_tab", "source_screen_name", "source_type", "city", "gender", "registered_via", "language"),
    *("genre_ids", "artist_name", "isrc", "bd"),
)
SEQUENCES, LONGEST = ("genre_ids", "artist_name"), 3


@dataclass(frozen=True, kw_only=True)
class KKBoxX1(Published):
    summary = "songs played again, 13 fields, 7,377,418 rows (BARS split)"
    source = "KKBOX, WSDM Cup 2018 (Kaggle); BARS KKBox_x1"
    # BARS, tuned KKBox_x1 DCN
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 5e-4, "embedding_std": 1e-4, "batch_size": 10_000}

    archive: ClassVar[str] = "KKBox_x1"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "195b1ae8fc2d9267d7c8656c07ea1304",
        "valid": "398e97ac139611a09bd61a58e4240a3e",
        "test": "8c5f7add05a6f5258b6b3bcc00ba640b",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 5_901_932, "valid": 737_743, "test": 737_743},
        {"train": 2_971_724, "valid": 371_466, "test": 371_466},
    )
    columns: ClassVar[tuple[Column, ...]] = tuple(
        Column(name, "multi", "sum", LONGEST) if name in SEQUENCES else Column(name) for name in FIELDS
    )
    min_count: ClassVar[int] = 10

    def paired(self) -> tuple[str, str]:
        return "msno", "song_id"

    def rows(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        age = pl.col("bd").cast(pl.Float64, strict=False)
        group = pl.min_horizontal((age / 10).ceil(), 7).cast(pl.Int8).cast(pl.String)
        return frame.with_columns(
            *(several(name, " ", LONGEST) for name in SEQUENCES),
            pl.col("isrc").str.slice(0, 2),
            bd=pl.when(age.is_between(1, 95)).then(group),
        )
