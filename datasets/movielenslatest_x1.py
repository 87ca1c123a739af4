"""MovielensLatest_x1: whether a user gave a movie a tag; 3 fields, 1,404,801 / 401,372 / 200,686 rows.

GroupLens: Harper and Konstan, The MovieLens Datasets, ACM TiiS 2015 (research use; no redistribution). Split of Cheng et al., AFN, AAAI
2020 (BARS MovielensLatest_x1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.published import Published
from benchmark.sources import Build, Column


@dataclass(frozen=True, kw_only=True)
class MovielensLatestX1(Published):
    summary = "tags of movies, 3 fields, 2,006,859 rows (BARS split)"
    source = "Harper and Konstan, ACM TiiS 2015; split of Cheng et al., AFN, AAAI 2020 (BARS MovielensLatest_x1)"
    # BARS, tuned MovielensLatest_x1 DCNv2
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 0.01, "embedding_std": 1e-4, "batch_size": 4096}

    archive: ClassVar[str] = "MovielensLatest_x1"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "efc8bceeaa0e895d566470fc99f3f271",
        "valid": "e1930223a5026e910ed5a48687de8af1",
        "test": "54e8c6baff2e059fe067fb9b69e692d0",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 1_404_801, "valid": 401_372, "test": 200_686},
        {"train": 467_878, "valid": 134_225, "test": 66_850},
        90_236,
    )
    columns: ClassVar[tuple[Column, ...]] = (Column("user_id"), Column("item_id"), Column("tag_id"))

    def paired(self) -> tuple[str, str]:
        return "user_id", "item_id"
