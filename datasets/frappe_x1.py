"""Frappe_x1: which app a user used in which context; 10 fields, 202,027 / 57,722 / 28,860 rows, positive rate 0.33.

Log: Baltrunas, Church, Karatzoglou, Oliver, "Frappe: Understanding the Usage and Perception of Mobile App Recommendations
In-The-Wild", arXiv:1505.03014 (research use; no redistribution). Every log row is a positive with two negatives of the same user and
context, split 7:2:1 at random: He and Chua (NFM, SIGIR 2017), reused by Cheng et al. (AFN, AAAI 2020). As "Frappe_x1" in BARS
(github.com/reczoo/BARS; files at huggingface.co/datasets/reczoo/Frappe_x1), which states the MD5 of each file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.contracts import Column, DataSet, Source, UserError
from benchmark.data.files import content_md5, find_part
from benchmark.data.tables import read_table

MD5 = {  # of the uncompressed files
    "train": "ba7306e6c4fc19dd2cd84f2f0596d158",
    "valid": "88d51bf2173505436d3a8f78f2a59da8",
    "test": "3470f6d32713dc5f7715f198ca7c612a",
}
FIELDS = ("user", "item", "daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city")


@dataclass(frozen=True, kw_only=True)
class Frappe(DataSet):
    """No options: the published split is the data set."""

    summary: ClassVar[str] = "app usage in context, 10 fields, 288,609 rows (BARS split)"
    source: ClassVar[str] = "Baltrunas et al., arXiv:1505.03014; split of He and Chua, SIGIR 2017 (BARS Frappe_x1)"
    training: ClassVar[Mapping[str, Any]] = {"embedding_l2": 0.05, "embedding_std": 1e-4, "batch_size": 4096}  # BARS, tuned Frappe_x1 DCNv2

    def load(self, origin: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        if origin is None:
            raise UserError("data set frappe_x1: name the folder with train.csv, valid.csv and test.csv (or .csv.gz) by --from FOLDER")
        parts, notes = {}, []
        for part, official in MD5.items():
            path = find_part(origin, (part,), (".csv", ".csv.gz"))
            found = content_md5(path)
            if found != official:
                what = f"{part} differs from the official file (md5 {found} instead of {official})"
                if not allow_checksum_mismatch:
                    raise UserError(f"{path}: {what}; to use it all the same, and have every board say so, add --allow-checksum-mismatch")
                notes.append(f"frappe_x1: {what}")
            table = read_table(path)
            for column in ("label", *FIELDS):
                if column not in table.columns:
                    raise UserError(f"{path}: the column {column!r} is missing; this is not a Frappe_x1 file")
            parts[part] = table.frame
        return Source(parts=parts, label="label", columns=tuple(Column(name) for name in FIELDS), notes=tuple(notes))
