"""Paths as a user types them, and what others may read of what is written."""

from __future__ import annotations

import argparse
import os
import stat
import time
from pathlib import Path

import pytest

from benchmark import commandline
from benchmark.__main__ import main
from benchmark.config import Cell, Training, Trial
from benchmark.records import Record, Store

PATHS = {"DIR", "FILE", "PATH", "FOLDER", "A B", "RECORD", "DATASET"}  # metavars of what may be a path


def arguments() -> list[tuple[str, argparse.Action]]:
    [commands] = [a for a in commandline.parser()._actions if isinstance(a, argparse._SubParsersAction)]
    found = [(name, action) for name, command in commands.choices.items() for action in command._actions]
    chosen = [(f"{name} {action.dest}", action) for name, action in found if action.metavar in PATHS or action.dest == "suite"]
    return [entry for entry in chosen if entry[0] != "describe dataset"]  # the name of one that is prepared


@pytest.mark.parametrize(("name", "action"), arguments(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_path_may_begin_with_the_home_folder(name: str, action: argparse.Action, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert callable(action.type)
    assert str(action.type("~/x")) == "/somewhere/x"
    assert str(action.type("x/~y")) == "x/~y"
    with pytest.raises(argparse.ArgumentTypeError, match="no home folder"):
        action.type("~no-such-user/x")


def test_results_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--results=~/runs"]) == 0
    assert f"0 records in {tmp_path}/runs/records" in capsys.readouterr().out
    assert not (tmp_path / "~").exists()
    assert main(["status", "--results=~no-such-user/runs"]) == 2
    assert "no home folder" in capsys.readouterr().err


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_records_have_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    cell = Cell(dataset="toy", data="f" * 12, backbone="dcnv2", method="m", scale=1, depth=1)
    trial = Trial(cell=cell, stage="final", training=Training(), backbone={}, method={})
    before = os.umask(umask)
    try:
        store = Store(tmp_path)
        store.create()
        for _ in range(2):  # one that is replaced has them, too
            store.write(Record(trial=trial, status="diverged"))
        assert [stat.S_IMODE(path.stat().st_mode) for path in store.paths()] == [mode]
    finally:
        os.umask(before)


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    for name, hours in ((".old.tmp", 25), (".young.tmp", 1), ("mine.tmp", 25), (".old.json", 25)):
        path = store.folder / name
        path.touch()
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    store.create()
    assert {path.name for path in store.folder.iterdir()} == {".young.tmp", "mine.tmp", ".old.json"}
