"""What the README promises: its example is a whole plug-in, and its commands and flags exist."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import benchmark
from benchmark import commandline, plugins
from benchmark.__main__ import main
from benchmark.config import read_suite

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SUITE = """
datasets = ["synthetic"]
methods = ["apart"]
scales = [2]
[training]
epochs = 1
batch_size = 512
[options.datasets.synthetic]
rows = 2000
cardinalities = [3, 8, 40]
"""


def code_under(heading: str) -> str:
    """The Python of the README's section."""
    [code] = re.findall(r"```python\n(.*?)```", README.split(f"\n## {heading}\n")[1].split("\n## ")[0], re.DOTALL)
    return str(code)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder with the example; who has pasted it into methods/, as the README says, has it there."""
    code = code_under("Add a method")
    assert len(code.splitlines()) <= 40
    monkeypatch.delenv("BENCHMARK_PLUGINS", raising=False)
    if "apart" not in plugins.names("methods"):
        (tmp_path / "methods").mkdir()
        (tmp_path / "methods" / "apart.py").write_text(code)
        monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    return tmp_path


def test_the_example_method_is_listed_trained_with_every_backbone_and_on_the_board(
    private: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (private / "suite.toml").write_text(SUITE)
    monkeypatch.setenv("BENCHMARK_CACHE", str(private / "cache"))
    assert main(["list"]) == 0 and "apart" in capsys.readouterr().out
    results = str(private / "results")
    assert main(["run", str(private / "suite.toml"), "--executor", "local", "--no-track", "--results", results]) == 0
    capsys.readouterr()
    assert main(["leaderboard", "--results", results, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["method"], row["backbone"], row["status"]) for row in rows} == {
        ("apart", backbone, "finished") for backbone in plugins.names("backbones")
    }


def test_the_example_method_passes_check(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "apart"]) == 0
    assert "FAILED" not in capsys.readouterr().out


def test_the_lines_from_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    frame = pandas.DataFrame({"click": random.integers(0, 2, 900), "ad": random.integers(0, 60, 900), "price": random.random(900)})
    code = code_under("From Python")
    assert len([line for line in code.splitlines() if line]) <= 8
    names: dict[str, Any] = {"frame": frame, "__name__": "notebook"}
    for text in (code_under("Add a method"), code):
        exec(compile(text, "README.md", "exec", dont_inherit=True), names)  # without this file's __future__
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:2]] == ["finished"] * 2
    assert sorted(names["table"].index) == sorted(benchmark.results("results/mine")["method"]) == ["Apart", "single_embedding"]


def test_every_command_line_of_the_readme_parses(private: Path) -> None:
    lines = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", README, re.MULTILINE)
    assert len(lines) > 6
    for line in lines:
        commandline.parse(line.split())


def test_the_suite_file_of_the_readme_is_one(tmp_path: Path) -> None:
    text = textwrap.dedent(README.split("only `datasets` must be there:\n")[1].split("\n- ")[0])
    (tmp_path / "mine.toml").write_text(text)
    suite = read_suite(str(tmp_path / "mine.toml"))
    assert (suite.name, suite.scales, suite.training) == ("mine", (1, 4), {"epochs": 10})
    assert suite.options == {"methods": {"apart": {"weight": 0.05}}}
    (tmp_path / "least.toml").write_text(text.splitlines()[0] or text.splitlines()[1])
    assert read_suite(str(tmp_path / "least.toml")).datasets == ("clicks",)


def test_every_file_the_readme_points_to_is_there() -> None:
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target
    for place in re.findall(r"^    ((?:benchmark|methods|datasets|results)/\S*)", README, re.MULTILINE):
        assert (root / place).exists(), place
