"""Switches: where they come from, how long they hold, and what a wrong name says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.ops import dispatch


@pytest.fixture(autouse=True)
def not_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_off", None)


def test_the_environment_names_what_is_off_and_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_WITHOUT", "routing, dropout")
    assert dispatch.without() == ("dropout", "routing") and not dispatch.enabled("dropout") and dispatch.enabled("cin")
    monkeypatch.setenv("BENCHMARK_WITHOUT", "cin")
    assert dispatch.without() == ("dropout", "routing")


@pytest.mark.parametrize("named", ["", " , "])
def test_nothing_is_off_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("BENCHMARK_WITHOUT", named)
    assert dispatch.without() == () and all(dispatch.enabled(name) for name in dispatch.names())


def test_an_unknown_name_is_the_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_WITHOUT", "droput")
    for ask in (dispatch.without, lambda: dispatch.enabled("cin")):
        with pytest.raises(UserError, match=r"BENCHMARK_WITHOUT.*did you mean 'dropout'"):
            ask()
    with pytest.raises(UserError, match="did you mean 'cin'"), dispatch.switched_off(["cim"]):
        pass


def test_within_a_process_just_the_named_are_off_and_then_those_from_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_WITHOUT", "routing")
    with pytest.raises(ZeroDivisionError), dispatch.switched_off(["cin"]):
        assert dispatch.without() == ("cin",)
        with dispatch.switched_off(dispatch.names()):
            assert dispatch.without() == dispatch.names()
        assert dispatch.without() == ("cin",)
        raise ZeroDivisionError
    assert dispatch.without() == ("routing",) and os.environ["BENCHMARK_WITHOUT"] == "routing"


def test_names_are_the_files_of_the_room() -> None:
    files = {path.stem for path in Path(dispatch.__file__).parent.glob("[!_]*.py")}
    assert set(dispatch.names()) == files - {"dispatch"} and {"cin", "dropout", "embedding", "hidden", "routing"} <= files


def test_a_command_says_a_wrong_name_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    monkeypatch.setenv("BENCHMARK_WITHOUT", "hiden")
    words = "train --dataset synthetic --backbone dnn --method single_embedding --threads 1 --device cpu"
    assert main(words.split()) == 2
    shown = capsys.readouterr().err
    assert "did you mean 'hidden'" in shown and len(shown.splitlines()) == 1, shown
