"""Criteo as the multi-embedding paper prepares it: Kaggle's train.txt, 45,840,617 rows, 39 fields, random 8:1:1.

Integers v > 2 become floor(ln(v)^2), others v - 2; missing is a value of its own. Values of fewer than 10 rows are out of the vocabulary
(Guo et al., ICML 2024, whose code is pytorch-fm's). That code counts over all rows before it splits; here the training rows alone count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.data.division import at_random
from benchmark.data.files import File, find_part
from benchmark.data.tables import read_table
from benchmark.data.transforms import log_square
from benchmark.sources import Column, DataSet, Source, UserError, setting

INTEGERS = tuple(f"I{n}" for n in range(1, 14))
FIELDS = (*INTEGERS, *(f"C{n}" for n in range(1, 27)))


@dataclass(frozen=True, kw_only=True)
class Criteo(DataSet):
    """``seed`` draws the split; ``min_count`` is the multi-embedding paper's threshold."""

    summary = "display advertising, 39 fields, 45,840,617 rows: Kaggle's train.txt, the multi-embedding paper's own preprocessing"
    source = "Criteo Labs, Kaggle 2014; preprocessing of Guo et al., ICML 2024"
    training: ClassVar[Mapping[str, Any]] = {"batch_size": 2048}  # Guo et al., ICML 2024

    min_count: int = setting(10, at_least=1, help="rarer training values become out-of-vocabulary")
    seed: int = setting(0, at_least=0, help="of the random split 8:1:1")

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        if allow_checksum_mismatch:
            raise UserError("data set criteo: no checksum of Kaggle's files is known; leave --allow-checksum-mismatch out")
        if source_path is None:
            raise UserError(
                "data set criteo: Kaggle gives train.txt only to those who accept its terms; name the file or its folder by --from PATH"
            )
        file = (
            File(source_path)
            if source_path.is_file() and source_path.suffix != ".zip"
            else find_part(source_path, ("train",), (".txt", ".txt.gz", ".tsv", ".tsv.gz"))
        )
        table = read_table(file, "\t", ("label", *FIELDS))
        return Source(
            parts={"rows": table.frame.with_columns(log_square(name, 2) for name in INTEGERS)},
            shown_as={"rows": str(file)},
            label="label",
            columns=tuple(Column(name) for name in FIELDS),
            min_count=self.min_count,
            division=at_random(str(file), "8:1:1", self.seed),
        )
