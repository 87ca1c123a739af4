"""Avazu_x1: mobile advertising, 22 fields, 28,300,276 / 4,042,897 / 8,085,794 rows, split of AFN (Cheng et al., AAAI 2020).

Every training value is kept (BARS Avazu_x1; files: Hugging Face reczoo/Avazu_x1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.published import Published
from benchmark.sources import Build, Column


@dataclass(frozen=True, kw_only=True)
class AvazuX1(Published):
    summary = "mobile advertising, 22 fields, 40,428,967 rows (BARS split)"
    source = "Avazu, Kaggle 2014; split of Cheng et al., AFN, AAAI 2020 (BARS Avazu_x1)"
    # BARS, tuned Avazu_x1 DCNv2
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 0.05, "embedding_std": 1e-4, "batch_size": 4096}

    archive: ClassVar[str] = "Avazu_x1"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "f1114a07aea9e996842c71648e0f6395",
        "valid": "d9568f246357d156c4b8030fadb8b623",
        "test": "9e2fe9c48705c9315ae7a0953eb57acf",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 28_300_276, "valid": 4_042_897, "test": 8_085_794},
        {"train": 4_953_382, "valid": 678_699, "test": 1_232_985},
        1_298_577,
    )
    columns: ClassVar[tuple[Column, ...]] = tuple(Column(f"feat_{n}") for n in range(1, 23))
