"""Each check finds what it is for: plug-ins that are wrong in one way, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.checking.check import check
from benchmark.checking.finding import Finding

METHOD = """import torch, random
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from torch import nn
from benchmark.contracts import CTRModel, Incompatible, Output, TableRule, no_penalty, setting, tuned
from benchmark.method import Method, Parts

def size(ids, output):
    return output.states[0].square().mean()

class Around(nn.Module):
    def __init__(self, inner, change):
        super().__init__()
        self.inner, self.change, self.seen = inner, change, 0.0
    def forward(self, x):
        return self.change(self, self.inner(x))

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "for a test"
    source = "a test"
{fields}
    def build(self, parts: Parts) -> CTRModel:
        {build}
"""
PLAIN = "return parts.model(penalty=(self.weight, size))"
WEIGHT = "    weight: float = tuned(1e3, low=1e1, high=1e4, log=True)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("methods", "backbones", "datasets"):
        (tmp_path / kind).mkdir()
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    return tmp_path


def around(change: str) -> str:
    return f"return parts.model(interaction=Around(parts.interaction(), lambda self, output: {change}))"


@pytest.mark.parametrize(
    ("name", "fields", "build", "verdict", "what", "words"),
    [
        ("sound", WEIGHT, PLAIN, "ok", "settings act", "each moves the training: weight"),
        (
            "dead_tuned",
            WEIGHT,
            "return parts.model()",
            "FAILED",
            "settings act",
            "methods/dead_tuned.py:22: weight = 10 and 10000 give the same",
        ),
        (
            "dead",
            "    rate: float = setting(0.5)\n",
            "return parts.model()",
            "note",
            "settings act",
            "rate = 0.5, 0.25, 1.0, 0.75 give the same",
        ),
        (
            "dead_choice",
            "    kind: Literal['none', 'half'] = setting('none')\n",
            "return parts.model()",
            "note",
            "settings act",
            "kind = none and half give the same loss after 3 steps, with dcnv2",
        ),
        (
            "crash_at_an_end",
            "    size: int = tuned(1, low=0, high=4)\n",
            "1 / self.size; return parts.model()",
            "FAILED",
            "settings act",
            "methods/crash_at_an_end.py:25, in build: ZeroDivisionError: division by zero (with size = 0)",
        ),
        (
            "outside",
            "    weight: float = tuned(1.0, low=2.0, high=4.0)\n",
            PLAIN,
            "FAILED",
            "settings",
            "outside.py:22: weight: the default 1.0 lies",
        ),
        (
            "bounds",
            "    weight: float = tuned(1.0, low=-1.0, high=4.0, at_least=0)\n",
            PLAIN,
            "FAILED",
            "settings",
            "weight: its range has -1.0, but",
        ),
        (
            "kinds",
            "    size: int = tuned(2, low=0.5, high=4.5)\n",
            PLAIN,
            "FAILED",
            "settings",
            "size: its range has 0.5, which is not of the type int",
        ),
        (
            "training",
            "    training: ClassVar = {'learning_rat': 1e-3}\n",
            "return parts.model()",
            "FAILED",
            "settings",
            "training.py:22: training: unknown key 'learning_rat'; did you mean 'learning_rate'",
        ),
        (
            "same_presets",
            "    presets: ClassVar = {'a': {'weight': 3.0}, 'b': {'weight': 3.0}}\n" + WEIGHT,
            PLAIN,
            "FAILED",
            "presets",
            "methods/same_presets.py:22: b is the same as a",
        ),
        ("refuses", "", "raise Incompatible('why not')", "note", "builds", "Incompatible with dcnv2: why not"),
        (
            "inert",
            WEIGHT.replace("1e3", "1e-9").replace("1e1", "1e-12"),
            PLAIN,
            "note",
            "penalty",
            "inert at the default weight: its gradient on the table",
        ),
        (
            "detached",
            WEIGHT,
            "return parts.model(penalty=(self.weight, lambda ids, output: output.states[0].detach().square().mean()))",
            "FAILED",
            "penalty",
            "but no parameter has a gradient of it: a detach() or item() too many?",
        ),
        (
            "always_penalised",
            "",
            around("output._replace(penalty=output.logits.square().mean())"),
            "FAILED",
            "output",
            "in evaluation; the contract wants 0 there",
        ),
        (
            "few_states",
            "",
            around("output._replace(states=output.states[:2])"),
            "FAILED",
            "output",
            "few_states.py:15: 2 states in training; the contract",
        ),
        (
            "first_state",
            "",
            around("output._replace(states=tuple(s.transpose(2, 3) for s in output.states))"),
            "FAILED",
            "output",
            "state 0 is of the shape (32, 1, 8, 4); the contract wants (B, S, F, d) with F = 4 and S · d = D = 8",
        ),
        (
            "deaf",
            "",
            around("output._replace(logits=output.logits.detach() * self.inner.head.logit.bias)"),
            "FAILED",
            "gradient",
            "the table, embedding.weight, gets no gradient",
        ),
        ("rising", "", around("output._replace(logits=2 * output.logits.detach() - output.logits)"), "FAILED", "loss", "it must fall"),
        (
            "hidden_state",
            "",
            around(
                "(setattr(self, 'seen', self.seen + 0.01) if self.training else None, output._replace(logits=output.logits + self.seen))[1]"
            ),
            "FAILED",
            "copy",
            "evaluation needs more than state_dict() holds",
        ),
        (
            "dice",
            "",
            around("output._replace(logits=output.logits + 1e-3 * random.random() * self.training)"),
            "FAILED",
            "seed",
            "draw random numbers from torch only",
        ),
        (
            "unused",
            "",
            "model = parts.model(); model.interaction.more = nn.Parameter(torch.ones(2)); return model",
            "note",
            "gradient",
            "no gradient: interaction.more",
        ),
        (
            "no_number",
            "",
            "model = parts.model(); model.diagnostics = lambda: {'share': float('nan')}; return model",
            "FAILED",
            "diagnostics",
            "diagnostics()['share'] is nan after an evaluation pass",
        ),
        ("double", "", "model = parts.model(); model.interaction.double(); return model", "FAILED", "output", "RuntimeError"),
    ],
)
def test_what_is_wrong_with_a_method_is_found(
    folder: Path, name: str, fields: str, build: str, verdict: str, what: str, words: str
) -> None:
    (folder / "methods" / f"{name}.py").write_text(METHOD.format(fields=fields, build=build))
    found = list(check(name, beside=("dcnv2",), cost=False))
    assert any(one.verdict == verdict and one.what == what and words in one.words for one in found), "\n".join(map(str, found))
    if verdict != "FAILED":
        assert not [str(one) for one in found if one.verdict == "FAILED"]


BACKBONE = (Path(__file__).parents[2] / "benchmark" / "checking" / "templates" / "backbone.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "what", "words"),
    [
        (
            "wrong_shapes",
            "((layout.fields, layout.dimension),) * (self.depth + 1)",
            "((layout.fields, layout.dimension),) * self.depth",
            "shapes",
            "the contract wants depth + 1 = 3 pairs, the first (4, 8)",
        ),
        ("widths", 'hidden_widths = ("hidden",)', 'hidden_widths = ("hiden",)', "shapes", "hidden_widths names hiden, which is no setting"),
        (
            "wrong_layer",
            "x0 * self.mixing(x)",
            "(x0 * self.mixing(x)).sum(2, keepdim=True)",
            "layers",
            "of a layer, (32, 1, 1, 8), is not (B, S, *(4, 8))",
        ),
        (
            "wrong_head",
            "return Tower(width",
            "return nn.Sequential(nn.Linear(width, 2)) or Tower(width",
            "layers",
            "the head gives (32, 2)",
        ),
        (
            "owns",
            "return MixedProduct(layout)",
            "return CACHE.setdefault(layout, MixedProduct(layout))",
            "recipe",
            "two instantiations share modules or parameters",
        ),
        (
            "shares_weights",
            "RowMixing(layout.sets, layout.fields, layout.fields)",
            "RowMixing(1, layout.fields, layout.fields)",
            "ok",
            "",
        ),
        (
            "sets_meet",
            "term: Tensor = x0 * self.mixing(x)",
            "term: Tensor = x0 * self.mixing(x.mean(1, keepdim=True).expand_as(x).contiguous())",
            "sets",
            "the readout of set 0 changes with the embedding of set 1",
        ),
        (
            "one_for_all",
            "return LastState(SetMLP(layout.sets, width, self.hidden[:1], self.dropout, batch_norm=True))",
            "return Shared(SetMLP(1, width, self.hidden[:1], 0.0, batch_norm=False))",
            "sets",
            "two equal sets have equal readouts",
        ),
    ],
)
def test_what_is_wrong_with_a_backbone_is_found(folder: Path, name: str, old: str, new: str, what: str, words: str) -> None:
    assert old in BACKBONE
    more = """
CACHE: dict[Layout, nn.Module] = {}


class Shared(nn.Module):
    def __init__(self, first: SetMLP) -> None:
        super().__init__()
        self.first = first

    def forward(self, states: tuple[Tensor, ...]) -> Tensor:
        count, sets = states[0].shape[:2]
        return self.first(states[0].flatten(2).flatten(0, 1).unsqueeze(1)).view(count, sets, -1)
"""
    (folder / "backbones" / f"{name}.py").write_text(BACKBONE.replace(old, new) + more)
    failed = [one for one in check(name, beside=("single_embedding",), cost=False) if one.verdict == "FAILED"]
    if what == "ok":  # a weight that broadcasts: the readouts' own differ
        assert not failed
        return
    assert failed and all(f"{name}.py:" in one.words for one in failed[:1])
    assert any(one.what == what and words in one.words for one in failed), "\n".join(map(str, failed))


DATASET = """import numpy as np
import polars as pl
from dataclasses import dataclass
from benchmark.sources import Column, DataSet, Source
@dataclass(frozen=True, kw_only=True)
class Mine(DataSet):
    summary = "for a test"
    source = "a test"
    embedded = True
    def load(self, origin, allow_checksum_mismatch=False):
        random = np.random.default_rng({seed})
        label = random.integers(0, 2, 300)
        frame = pl.DataFrame({{"label": {label}, "a": random.integers(0, 9, 300), "b": {column}}}).lazy()
        {end}
"""
END = 'return Source({"train": frame[:200], "valid": frame[200:250], "test": frame[250:]}, "label", (Column("a"), Column("b")))'


@pytest.mark.parametrize(
    ("name", "changes", "verdict", "what", "words"),
    [
        ("fair", {}, "ok", "unseen", "valid 0.0%, test 0.0%"),
        (
            "telling",
            {"column": "label * 2 + random.integers(0, 2, 300)"},
            "note",
            "leak",
            "the values of b (1.000) alone predict the label",
        ),
        ("fresh_each_time", {"seed": ""}, "FAILED", "fingerprint", "datasets/fresh_each_time.py:10: "),
        (
            "one_label",
            {"label": "np.r_[label[:250], np.ones(50, int)]"},
            "FAILED",
            "rows",
            "datasets/one_label.py:10: test: every label is 1",
        ),
        ("raising", {"end": "1 / 0"}, "FAILED", "rows", "datasets/raising.py:14, in load: ZeroDivisionError"),
        ("unknown_values", {"column": "np.arange(300)"}, "ok", "unseen", "valid 50.0%, test 50.0%"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_found(
    folder: Path, name: str, changes: dict[str, str], verdict: str, what: str, words: str
) -> None:
    text = DATASET.format(**{"seed": "3", "label": "label", "column": "random.integers(0, 5, 300)", "end": END, **changes})
    (folder / "datasets" / f"{name}.py").write_text(text)
    found = list(check(name))
    assert any(one.verdict == verdict and one.what == what and words in one.words for one in found), "\n".join(map(str, found))


def test_a_name_says_which_plugin(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "methods" / "twofold.py").write_text(METHOD.format(fields="", build="return parts.model()"))
    (folder / "datasets" / "twofold.py").write_text(DATASET.format(seed="3", label="label", column="label", end=END))
    for arguments, words in (
        (["twofold"], "check twofold: several plug-ins have this name; add --kind method or --kind dataset"),
        (["robloc"], "check: unknown plug-in 'robloc'; did you mean 'roblock'"),
        (["roblock", "--kind", "backbone"], "check: unknown plug-in 'roblock'"),
        (["roblock:no_hsi"], "method roblock: unknown preset 'no_hsi'; did you mean 'no_hsic'"),
        (["roblock", "--from", "x.csv"], "check roblock: --from is for data sets only"),
    ):
        assert main(["check", *arguments]) == 2
        shown = capsys.readouterr()
        assert words in shown.err and not shown.out
    assert main(["check", "twofold", "--kind", "dataset"]) == 0
    assert capsys.readouterr().out.startswith("ok      file         datasets/twofold.py: one data set, Mine: for a test\n")


def test_a_data_set_of_files_is_read_from_where_it_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = DATASET.format(seed="3", label="label", column="label", end="return self.read(origin)").replace(
        "embedded = True", "embedded = False"
    )
    reading = "    def read(self, origin):\n        frame = pl.scan_csv(origin)\n        " + END.replace("frame[:200]", "frame.head(20)")
    (folder / "datasets" / "filed.py").write_text(
        text + reading.replace("frame[200:250]", "frame.head(9)").replace("frame[250:]", "frame.tail(9)")
    )
    table = folder / "rows.csv"
    table.write_text("label,a,b\n" + "".join(f"{n % 2},{n % 5},{n % 3}\n" for n in range(40)))
    assert main(["check", "filed"]) == 0 and "--from PATH" in capsys.readouterr().out
    assert main(["check", "filed", "--from", str(table)]) == 0
    assert "train 20 (50.0% positive), valid 9" in capsys.readouterr().out
    assert not (folder / "cache").exists()


def test_a_finding_is_one_line() -> None:
    assert str(Finding("FAILED", "loss", "x.py:3: it must fall")) == "FAILED  loss         x.py:3: it must fall"
