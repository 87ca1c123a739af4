"""What ``check`` finds of a state that a method changes at each epoch: numbers that go wrong later, and what a checkpoint does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.checking.check import check

METHOD = """from dataclasses import dataclass
import torch
from torch import nn
from benchmark.method import CTRModel, Method, Parts, TableRule

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "for a test"
    source = "a test"
    def build(self, parts: Parts) -> CTRModel:
        transform = Faded()
        rule = Each(transform)
        return parts.model(transform=transform, penalty=(0.1, lambda ids, output: rule.term(output)), table_rule=rule)

class Faded(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("share", torch.ones(()))
    def forward(self, x):
        return x * self.share

class Each(TableRule):
    def __init__(self, transform):
        self.transform, self.epoch, self.past = transform, 0, []
    def term(self, output):
        return output.states[0].square().mean(){term}
    def epoch_starts(self, epoch, table, optimizer):
        self.epoch = epoch
        self.past.append(epoch)
        self.transform.share.copy_({share})
"""


@pytest.mark.parametrize(
    ("name", "changes", "verdict", "words"),
    [
        ("renewed", {"share": "1 / torch.tensor(1.0 + self.epoch) + self.transform.share / 2"}, "ok", "two give finite numbers"),
        ("forgetful", {"share": "torch.tensor(1.0 / len(self.past))"}, "FAILED", "methods/forgetful.py:22: train/loss of epoch 2 is"),
        (
            "later",
            {"term": " * (1.0 if self.epoch < 2 else torch.nan)"},
            "FAILED",
            "later.py:13: in epoch 2 the penalty is not finite",
        ),
        ("scores", {"share": "torch.tensor(1.0 if self.epoch < 2 else torch.inf)"}, "FAILED", "in epoch 2"),
    ],
)
def test_what_goes_wrong_after_the_first_epoch_is_found(folder: Path, name: str, changes: dict[str, str], verdict: str, words: str) -> None:
    text = METHOD
    for part, default in (("term", ""), ("share", "torch.tensor(1.0)")):
        text = text.replace(f"{{{part}}}", changes.get(part, default))
    (folder / "methods" / f"{name}.py").write_text(text)
    found = list(check(name, beside=("dnn",), cost=False))
    assert any(one.verdict == verdict and one.what == "epochs" and words in one.words for one in found), "\n".join(map(str, found))
    assert verdict == "FAILED" or not [str(one) for one in found if one.verdict == "FAILED"]
