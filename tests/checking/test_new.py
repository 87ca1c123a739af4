"""``new`` writes plug-ins that pass ``check`` and can be run as they stand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.checking import new
from benchmark.discovery import HOME, PACKAGE, Kind

SUITE = """
datasets = ["my_rows"]
methods = ["my_penalty"]
backbones = ["my_layers"]
[training]
epochs = 2
batch_size = 200
"""


def test_what_new_writes_passes_check_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCHMARK_PLUGINS", raising=False)
    for kind, name in (("method", "my_penalty"), ("backbone", "my_layers"), ("dataset", "my_rows")):
        assert main(["new", kind, name, "--in", str(folder)]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[0] == f"{folder / (kind + 's') / name}.py: written; it is listed and run as it stands"
        assert shown[1:3] == [f"export BENCHMARK_PLUGINS={folder}", f"python -m benchmark check {name}"]
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(folder))
    for name in ("my_penalty", "my_layers", "my_rows"):
        assert main(["check", name]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert all(line.startswith("ok  ") for line in shown), "\n".join(shown)
    (tmp_path / "suite.toml").write_text(SUITE)
    results = tmp_path / "results"
    assert main(["run", str(tmp_path / "suite.toml"), "--executor", "local", "--no-track", "--results", str(results)]) == 0
    [record] = [json.loads(path.read_text()) for path in (results / "records").glob("*.json")]
    assert record["status"] == "finished" and record["metrics"]["test/auc"] > 0.5
    assert main(["new", "method", "another", "--in", str(folder)]) == 0
    assert "export" not in capsys.readouterr().out, "the folder is named already"


def test_the_projects_own_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home: dict[Kind, Path] = {"methods": tmp_path / "methods", "backbones": tmp_path / "backbones", "datasets": tmp_path / "datasets"}
    for kind, path in home.items():
        path.mkdir()
        monkeypatch.setitem(HOME, kind, path)
    assert new.write("methods", "mine", None)[1:] == [
        "python -m benchmark check mine",
        "python -m benchmark run quick --methods single_embedding mine",
    ]
    assert (tmp_path / "methods" / "mine.py").is_file()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my-method", "the name is that of a Python file"),
        ("_draft", "the name is that of a Python file"),
        ("class", "the name is that of a Python file"),
        ("roblock", "a plug-in has this name already; name another"),
        ("all", "the word has a meaning of its own in suites; name another"),
        ("there", "there is a file or folder of this name already; name another, or remove it"),
    ],
)
def test_names_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    monkeypatch.delenv("BENCHMARK_PLUGINS", raising=False)
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "there.py").write_text("")
    assert main(["new", "method", name, "--in", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert os.listdir(tmp_path / "methods") == ["there.py"]


def test_an_installed_suite_asks_for_a_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(new, "BUILTIN", PACKAGE / "_builtin")
    assert main(["new", "backbone", "mine"]) == 2
    assert "name a folder of your own by --in FOLDER" in capsys.readouterr().err
