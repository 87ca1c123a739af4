"""What `speed stream` prints, and that both of its contestants train. How fast either is, is no test's business."""

from __future__ import annotations

import pytest

from benchmark.__main__ import main


def test_drawn_and_prepared_rows_are_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--backbones", "dnn", "--batch", "500", "--batches", "2", "--rounds", "1", "--threads", "1", "--device", "cpu"]
    assert main(["speed", "stream", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in lines if "dnn" in line] == ["prepared", "drawn"]
