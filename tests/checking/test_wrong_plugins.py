"""Plug-ins that break the contract: ``check`` and ``run`` name each in one line, with file, line number and the contract's words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.__main__ import main

HEAD = """import torch
from torch import nn
from dataclasses import dataclass
from benchmark.contracts import CTRModel, Output, no_penalty, setting, tuned
from benchmark.method import Method, Parts
from benchmark.nn.embedding import EmbeddingTable, split

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "for a test"
    source = "a test"
"""
BUILD = "    def build(self, parts: Parts) -> CTRModel:\n        "
AROUND = """
class Around(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
    def forward(self, x):
        output = self.inner(x)
        return {returned}
"""
INTERACTION = f"{BUILD}return parts.model(interaction=Around(parts.interaction()))\n" + AROUND
TRANSFORM = f"""{BUILD}return parts.model(transform=Change(parts))

class Change(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(parts.width))
    def forward(self, x):
        {{body}}
"""
PENALTY = f"""{BUILD}return parts.model(penalty=(0.1, criterion))

def criterion(ids, output):
    return {{returned}}
"""
# Name -> the file's text after HEAD, the line that is named, and the words. HEAD has 11 lines.
WRONG = {
    "logits": (
        INTERACTION.format(returned="output._replace(logits=output.logits.unsqueeze(1))"),
        19,
        "the contract wants a tensor of the shape (B,)",
    ),
    "states": (
        INTERACTION.format(returned="output._replace(states=tuple(state.flatten(1) for state in output.states))"),
        19,
        "the contract wants (B, S, N, d)",
    ),
    "vector_penalty": (
        PENALTY.format(returned="output.states[0].square().mean((1, 2, 3))"),
        15,
        "the contract wants a scalar tensor: take its mean or sum",
    ),
    "nan_penalty": (
        PENALTY.format(returned="(output.states[0].mean() - 1e9).log()"),
        15,
        "the penalty is not finite while the logloss is: guard its logarithms, roots and quotients",
    ),
    "no_super": (
        f"""{BUILD}return Model(parts)

class Model(CTRModel):
    def __init__(self, parts):
        self.embedding = parts.table()
    def table(self):
        return self.embedding.weight
    def forward(self, ids):
        return Output(self.embedding(ids).sum((1, 2)), (), no_penalty(ids))
""",
        17,
        "call super().__init__() first in __init__ of a model",
    ),
    "raises": (f"{BUILD}raise ValueError('three sets\\nwanted')\n", 13, "in build: ValueError: three sets wanted"),
    "leaf": (TRANSFORM.format(body="self.scale += 1; return x * self.scale"), 20, "forward changes a parameter in place (the table?)"),
    "cuda": (
        TRANSFORM.format(body="return x * self.scale.cuda()"),
        20,
        "a model does not choose its device: leave out .cuda() and .to(device)",
    ),
    "space": (
        f"    weight: float = setting(0.1)\n    space = {{'wieght': (0.0, 1.0)}}\n{BUILD}return parts.model()\n",
        13,
        "Mine.space is the old form; a setting says its range itself: weight: float = tuned(",
    ),
    "unannotated": (
        f"    weight = 0.1\n{BUILD}return parts.model()\n",
        12,
        "has no annotation, so it is no setting; write weight: float = ",
    ),
    "leak": (TRANSFORM.format(body="return (x - x.mean(0)) * self.scale"), 19, "evaluation leaks the batch"),
    "no_model": (f"{BUILD}parts.model()\n", 12, "build returns None; the contract wants a CTRModel"),
    "no_tensor": (
        TRANSFORM.format(body="return [x]"),
        19,
        "forward of the transform returns an object of the class list; the contract wants a tensor (B, F, D)",
    ),
    "number_penalty": (PENALTY.format(returned="0.5"), 15, "the penalty's criterion returns 0.5; the contract wants a scalar tensor"),
    "no_pair": (f"{BUILD}return parts.model(penalty=0.1)\n", 13, "penalty = 0.1; the contract wants (weight, criterion)"),
    "weighs": (
        f"{BUILD}return parts.model(penalty=(0.1, lambda ids, output: output.states[0].mean(), 'relative'))\n",
        13,
        "the penalty weighs 'relative'; the contract wants 'share' or 'absolute'",
    ),
    "class_transform": (
        f"{BUILD}return parts.model(transform=nn.Identity)\n",
        13,
        "transform = the class Identity; the contract wants a module",
    ),
    "no_weight": (f"{BUILD}return parts.model(table=nn.Identity())\n", 13, "the contract wants a module with the parameter weight (V, D)"),
    "rule": (f"{BUILD}return parts.model(table_rule=torch.optim.SGD)\n", 13, "table_rule = the class SGD; the contract wants an object"),
    "two_classes": (
        f"{BUILD}return parts.model()\n\n@dataclass(frozen=True, kw_only=True)\nclass Other(Mine):\n    summary = 'another'\n",
        16,
        "a plug-in file defines exactly one Method; this one defines 2: Mine, Other",
    ),
}
SUITE = """
datasets = ["synthetic"]
methods = ["{name}"]
backbones = ["dcnv2"]
[training]
epochs = 1
batch_size = 512
[options.datasets.synthetic]
rows = 1000
cardinalities = [3, 8]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "methods").mkdir()
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_plugin_is_named_in_one_line_by_check_and_by_run(wrong: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, line, words = WRONG[wrong]
    name = f"wrong_{wrong}"
    (folder / "methods" / f"{name}.py").write_text(HEAD + text)
    place = f"methods/{name}.py:{line}"

    assert main(["check", name]) == 1
    shown = capsys.readouterr()
    [failed] = [one for one in shown.out.splitlines() if not one.startswith(("ok", "note"))]
    assert failed.startswith("FAILED") and place in failed and words in failed
    assert "Traceback" not in shown.out + shown.err

    (folder / "suite.toml").write_text(SUITE.format(name=name))
    code = main(["run", str(folder / "suite.toml"), "--executor", "local", "--no-track", "--results", str(folder / "results")])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    if code == 1:
        [record] = [json.loads(path.read_text()) for path in (folder / "results" / "records").glob("*.json")]
        assert record["status"] == "failed"
        said = record["reason"]
    else:
        assert code == 2
        [said] = [one for one in shown.err.splitlines() if one.startswith("error: ")]
    assert place in said and words in said and "\n" not in said
