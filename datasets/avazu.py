"""Avazu as the multi-embedding paper prepares it: Kaggle's train.csv, 40,428,967 rows, 22 fields, random 8:1:1.

All columns but id and click are categories, the hour YYMMDDHH as it is. Values of fewer than 4 rows are out of the vocabulary (Guo et al.,
ICML 2024, whose code is pytorch-fm's). That code counts over all rows before it splits; here the training rows alone count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.data.division import at_random
from benchmark.data.files import File, find_part
from benchmark.data.tables import read_table
from benchmark.sources import Column, DataSet, Source, UserError, setting

FIELDS = (
    *("hour", "C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category", "device_id"),
    *("device_ip", "device_model", "device_type", "device_conn_type", *(f"C{n}" for n in range(14, 22))),
)


@dataclass(frozen=True, kw_only=True)
class Avazu(DataSet):
    """``seed`` draws the split; ``min_count`` is the multi-embedding paper's threshold."""

    summary = "mobile advertising, 22 fields, 40,428,967 rows: Kaggle's train.csv, the multi-embedding paper's own preprocessing"
    source = "Avazu, Kaggle 2014; preprocessing of Guo et al., ICML 2024"
    training: ClassVar[Mapping[str, Any]] = {"batch_size": 2048}  # Guo et al., ICML 2024

    min_count: int = setting(4, at_least=1, help="rarer training values become out-of-vocabulary")
    seed: int = setting(0, at_least=0, help="of the random split 8:1:1")

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        if allow_checksum_mismatch:
            raise UserError("data set avazu: no checksum of Kaggle's files is known; leave --allow-checksum-mismatch out")
        if source_path is None:
            raise UserError(
                "data set avazu: Kaggle gives train.csv only to those who accept its terms; name the file or its folder by --from PATH"
            )
        file = (
            File(source_path)
            if source_path.is_file() and source_path.suffix != ".zip"
            else find_part(source_path, ("train",), (".csv", ".csv.gz", ".gz"))
        )
        table = read_table(file)
        for column in ("click", *FIELDS):
            if column not in table.columns:
                raise UserError(f"{file}: the column {column!r} is missing; this is not Kaggle's Avazu train.csv")
        return Source(
            parts={"rows": table.frame},
            shown_as={"rows": str(file)},
            label="click",
            columns=tuple(Column(name) for name in FIELDS),
            min_count=self.min_count,
            division=at_random(str(file), "8:1:1", self.seed),
        )
