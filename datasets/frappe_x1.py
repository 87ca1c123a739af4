"""Frappe_x1: which app a user used in which context; 10 fields, 202,027 / 57,722 / 28,860 rows, positive rate 0.33.

Log: Baltrunas, Church, Karatzoglou, Oliver, "Frappe: Understanding the Usage and Perception of Mobile App Recommendations
In-The-Wild", arXiv:1505.03014 (research use; no redistribution). Every log row is a positive with two negatives of the same user and
context, split 7:2:1 at random: He and Chua (NFM, SIGIR 2017), reused by Cheng et al. (AFN, AAAI 2020). As "Frappe_x1" in BARS
(github.com/reczoo/BARS; files at huggingface.co/datasets/reczoo/Frappe_x1), which states the MD5 of each file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.data.published import Published
from benchmark.sources import Build, Column

FIELDS = ("user", "item", "daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city")


@dataclass(frozen=True, kw_only=True)
class Frappe(Published):
    summary = "app usage in context, 10 fields, 288,609 rows (BARS split)"
    source = "Baltrunas et al., arXiv:1505.03014; split of He and Chua, SIGIR 2017 (BARS Frappe_x1)"
    # BARS, tuned Frappe_x1 DCNv2
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 0.05, "embedding_std": 1e-4, "batch_size": 4096}

    archive: ClassVar[str] = "Frappe_x1"
    md5: ClassVar[Mapping[str, str]] = {
        "train": "ba7306e6c4fc19dd2cd84f2f0596d158",
        "valid": "88d51bf2173505436d3a8f78f2a59da8",
        "test": "3470f6d32713dc5f7715f198ca7c612a",
    }
    build: ClassVar[Build] = Build(
        "BARS",
        {"train": 202_027, "valid": 57_722, "test": 28_860},
        {"train": 67_604, "valid": 19_063, "test": 9_536},
        5_379,
    )
    columns: ClassVar[tuple[Column, ...]] = tuple(Column(name) for name in FIELDS)

    def paired(self) -> tuple[str, str]:
        return "user", "item"
