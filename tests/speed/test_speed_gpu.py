"""What ``speed gpu`` measures, from end to end on the CPU with tiny sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.__main__ import main


def test_every_part_is_measured_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.json"
    assert main(["speed", "gpu", "--device", "cpu", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [one for one in found["step"] if "failed" in one] == []
    assert len(found["step"]) == 2 * 2 + 2  # two models and another batch, in two precisions each
    assert all(one["samples_per_second"] > 0 for one in found["step"])
    assert found["epoch"]["resident"] and found["epoch"]["rows"] == 2048 and found["evaluation"]["rows"] == 1024
    assert "multi_embedding · dcnv2, 20" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", "gpu", "--device", "cpu", "--out", str(tmp_path / "none" / "gpu.json")]) != 0
    assert "cannot be written" in capsys.readouterr().err
