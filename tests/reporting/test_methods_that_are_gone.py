"""Records whose plug-in is no longer here keep their name everywhere, and a board says so once."""

from __future__ import annotations

from pathlib import Path

import pytest
from standin_records import record

from benchmark.__main__ import main
from benchmark.records import Record, Store
from benchmark.reporting.claims import findings
from benchmark.reporting.comparison import compare
from benchmark.reporting.export import export
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.page.content import lines

SAID = "no plug-in of that name is here now: "


def made() -> list[Record]:
    """Of a method that is here, of a preset of it, of one that is gone and its preset."""
    methods = ("single_embedding", "roblock:no_hsic", "gone", "gone:half")
    return [record(m, s, 0.8 + len(m) / 1e4 + s / 1e3, cell={"scale": 4}) for m in methods for s in (0, 1, 2)]


def test_rows_keep_their_names_and_boards_say_once_what_is_gone() -> None:
    board = rows(made())
    assert {row.method for row in board} == {"single_embedding", "roblock:no_hsic", "gone", "gone:half"}
    for text in (render(board, "table"), render(board[:1], "markdown", whole=board)):
        assert text.count(SAID) == 1 and f"{SAID}method gone; rows stand as they were recorded" in text
    assert SAID not in render(rows([r for r in made() if "gone" not in r.trial.cell.method]), "table")
    elsewhere = rows([record("single_embedding", cell={"backbone": "left"}), record("constant", cell={"backbone": "none"})])
    assert f"{SAID}backbone left; rows" in render(elsewhere, "table")
    assert {line.row.method for line in lines(made())} == {row.method for row in board}
    assert all(name in text for name in ("gone", "gone:half") for text in (compare(made(), "gone", None, "table"), export(made(), "csv")))
    assert {f.method for f in findings({"board": made()}, ["gone"]).findings} == {"gone"}


def test_a_wrong_folder_of_plug_ins_is_no_matter_of_a_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_PLUGINS", "/none/such")
    assert "gone:half" in render(rows(made()), "table")


def test_reproduce_names_the_record_and_its_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.create()
    [one] = [r for r in made() if r.trial.cell.method == "gone" and r.trial.seed == 0]
    store.write(one)
    assert main(["reproduce", one.trial_id, "--results", str(tmp_path)]) != 0
    [line] = capsys.readouterr().err.strip().splitlines()
    assert f"{one.trial_id} is of the method gone, and no plug-in of that name is here now" in line and "BENCHMARK_PLUGINS" in line
    assert "unknown" not in line and "did you mean" not in line


def test_reproduce_names_the_record_and_its_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "empty"))
    store = Store(tmp_path)
    store.create()
    one = record("single_embedding", cell={"dataset": "teachers", "backbone": "dnn"})
    store.write(one)
    assert main(["reproduce", one.trial_id, "--results", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert f"{one.trial_id} is of the data set teachers, which is neither a plug-in nor prepared here" in line and "--name teachers" in line
    assert "did you mean" not in line
