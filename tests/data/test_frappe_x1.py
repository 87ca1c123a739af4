from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from benchmark.data.ensure import ensure_prepared
from benchmark.data.prepare import prepare
from benchmark.errors import UserError

HEADER = b"label,user,item,daytime,weekday,isweekend,homework,cost,weather,country,city\r\n"


def test_the_vocabulary_has_the_sizes_that_fuxictr_finds(cache: Path, shared: Path) -> None:
    """956, 4084, … are FuxiCTR's on these files, its padding and out-of-vocabulary rows included."""
    with pytest.raises(UserError, match=r"train differs.*--allow-checksum-mismatch"):
        prepare("frappe_x1", {}, shared / "frappe")
    prepared = prepare("frappe_x1", {}, shared / "frappe", allow_checksum_mismatch=True)
    assert [f.cardinality for f in prepared.schema.fields] == [956, 4084, 9, 9, 4, 5, 4, 11, 82, 235]
    assert prepared.rows == {"train": 202_027, "valid": 57_722, "test": 28_860}
    assert prepared.schema.positive_rate == pytest.approx(67_604 / 202_027)
    assert float(prepared.test(torch.device("cpu")).labels.sum()) == 9_536
    [note] = prepared.notes  # none says that rows, positives or values were not those of BARS's own build
    assert "train differs from the official file" in note
    assert "fbd8de4619f105047887dffba1012b9d instead of ba7306e6c4fc19dd2cd84f2f0596d158" in note
    assert ensure_prepared("frappe_x1", {}) == prepared == prepare("frappe_x1", {}, None, allow_checksum_mismatch=True)
    for origin, why in ((shared / "frappe", "train differs"), (None, "--from FOLDER")):  # tests are offline
        with pytest.raises(UserError, match=why):
            prepare("frappe_x1", {}, origin)
    assert ensure_prepared("frappe_x1", {}) == prepared
    assert prepared.training == {"embedding_l2": 0.05, "embedding_std": 1e-4, "batch_size": 4096}


def test_files_that_are_missing_or_foreign(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--from FOLDER"):
        prepare("frappe_x1", {}, None)
    with pytest.raises(UserError, match="no such file or folder"):
        prepare("frappe_x1", {}, tmp_path / "absent")
    with pytest.raises(UserError, match="there is no train file"):
        prepare("frappe_x1", {}, tmp_path)
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.csv.gz").write_bytes(gzip.compress(HEADER.replace(b",city", b",town") + b"1,1,1,1,1,1,1,1,1,1,1\r\n"))
    with pytest.raises(UserError, match=r"train\.csv\.gz: train differs from the official file"):
        prepare("frappe_x1", {}, tmp_path)
    with pytest.raises(UserError, match=r"train\.csv\.gz: the column 'city' is missing"):
        prepare("frappe_x1", {}, tmp_path, allow_checksum_mismatch=True)


def test_every_part_that_differs_is_noted(cache: Path, tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.csv").write_bytes(HEADER + b"1,1,1,1,1,1,1,1,1,1,1\r\n0,2,2,2,2,2,2,2,2,2,2\r\n")
    prepared = prepare("frappe_x1", {}, tmp_path, allow_checksum_mismatch=True)
    *notes, mismatch = prepared.notes
    assert [note.split()[1] for note in notes] == ["train", "valid", "test"]
    assert mismatch.endswith("the fields have 20 values (there 5,379)")
