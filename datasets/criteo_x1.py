"""Criteo_x1: display advertising, 39 fields, 33,003,326 / 8,250,124 / 4,587,167 rows, split of AFN (Cheng et al., AAAI 2020).

I1-I13 are numbers that its makers have normalised: each scales one row of the table, as FuxiCTR does with numeric features. C1-C26 are
categories, every training value kept (BARS Criteo_x1; files: Hugging Face reczoo/Criteo_x1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.published import Published
from benchmark.sources import Build, Column


@dataclass(frozen=True, kw_only=True)
class CriteoX1(Published):
    summary = "display advertising, 13 numbers and 26 categories, 45,840,617 rows (BARS split)"
    source = "Criteo Labs, Kaggle 2014; split of Cheng et al., AFN, AAAI 2020 (BARS Criteo_x1)"
    # BARS, tuned Criteo_x1 DCNv2
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 1e-5, "embedding_std": 1e-4, "batch_size": 4096}

    archive: ClassVar[str] = "Criteo_x1"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "30b89c1c7213013b92df52ec44f52dc5",
        "valid": "f73c71fb3c4f66b6ebdfa032646bea72",
        "test": "2c48b26e84c04a69b948082edae46f8c",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 33_003_326, "valid": 8_250_124, "test": 4_587_167},
        {"train": 8_456_369, "valid": 2_114_300, "test": 1_174_769},
        2_086_277,
    )
    columns: ClassVar[tuple[Column, ...]] = (
        *(Column(f"I{n}", "scaled") for n in range(1, 14)),
        *(Column(f"C{n}") for n in range(1, 27)),
    )
