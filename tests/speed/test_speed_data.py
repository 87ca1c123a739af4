"""What `speed data` makes up and prints. How fast anything is, is no test's business."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from benchmark.__main__ import main
from benchmark.speed import data, table
from benchmark.speed.table import FIELDS, cut, write_table

ROOT = Path(__file__).parents[2]


def test_the_table_is_as_promised(tmp_path: Path) -> None:
    ends = write_table(tmp_path / "a.csv", 3000)
    write_table(tmp_path / "b.csv", 3000)
    write_table(tmp_path / "c.csv", 3000, seed=1)
    whole = (tmp_path / "a.csv").read_bytes()
    assert whole == (tmp_path / "b.csv").read_bytes() != (tmp_path / "c.csv").read_bytes()
    frame = pl.read_csv(tmp_path / "a.csv", infer_schema=False)
    assert frame.columns == ["label", *FIELDS] and frame.shape == (3000, 40)
    assert set(frame["label"].unique()) == {"0", "1"}
    assert frame["C1"].n_unique() > frame["C20"].n_unique() > frame["C26"].n_unique()
    write_table(tmp_path / "d.csv", 1000)
    assert whole.startswith((tmp_path / "d.csv").read_bytes())
    parts = {
        part: pl.read_csv(cut(tmp_path / "a.csv", ends) / "train.csv" if part == "train" else tmp_path / "parts" / f"{part}.csv")
        for part in ("train", "valid", "test")
    }
    assert [len(rows) for rows in parts.values()] == [2400, 300, 300]
    assert pl.concat([rows.cast(pl.String) for rows in parts.values()]).equals(frame)


def test_texts_of_a_column_are_distinct() -> None:
    assert len(set(table._hashed(0, 100_000).tolist())) == 100_000


@pytest.mark.long
def test_the_command_has_its_tables_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(data, "OPENED", 1)
    assert main(["speed", "data", "--rows", "2000", "--rounds", "1", "--threads", "1", "--no-peers"]) == 0
    said = capsys.readouterr().out
    for words in ("Encoding one file", "Opening the prepared set", "Handing out shuffled batches", "resident", "mapped", "2,000"):
        assert words in said
    assert "FuxiCTR" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "10"], "--rows 10; it must be at least 1,000"),
        (["--rows", "9000000000000"], "name another folder by TMPDIR, or give fewer --rows"),
        (["--scale", "4"], "--scale is for"),
        (["--rounds", "0"], "--rounds 0; it must be at least 1"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", "data", "--no-peers", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint and len(complaint.strip().splitlines()) == 1
    assert main(["speed", "step", "--no-peers"]) == 2
    assert "--no-peers is for data only" in capsys.readouterr().err


def test_ended_by_the_user_it_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmark", "speed", "data", "--rows", "300000", "--rounds", "1", "--no-peers"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob("benchmark-speed-*/table.csv")) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors
    assert not list(tmp_path.glob("benchmark-speed-*"))
