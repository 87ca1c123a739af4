"""Each check finds what it is for: methods that are wrong in one way, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.checking.check import check
from benchmark.checking.cost import check_cost

METHOD = """import torch, random
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from torch import nn
from benchmark.contracts import Adam, CTRModel, Incompatible, Output, TableRule, UserError, no_penalty, setting, tuned
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
            "choice_or_none",
            "    kind: Literal['none', 'half'] | None = setting(None)\n",
            "return parts.model()",
            "note",
            "settings act",
            "kind = None, none, half give the same loss",
        ),
        (
            "several_or_none",
            "    sizes: tuple[int, ...] | None = setting(None)\n",
            "return parts.model()",
            "note",
            "settings act",
            "sizes = None, 1, 2, nothing give the same loss",
        ),
        (
            "flag_or_none",
            "    flag: bool | None = setting(None)\n",
            "return parts.model()",
            "note",
            "settings act",
            "flag = None, False, True give the same loss",
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
            "counts_calls",
            "",
            around("(setattr(self, 'seen', self.seen + 0.01), output._replace(logits=output.logits + self.seen))[1]"),
            "FAILED",
            "dose",
            "two evaluations of one batch differ",
        ),
        (
            "infinite",
            "",
            around("output._replace(states=(output.states[0] / 0, *output.states[1:]))"),
            "FAILED",
            "output",
            "15: state 0 is not",
        ),
        (
            "two_tables",
            "",
            "t = parts.table(); t.other, t.up = parts.table(3), nn.Linear(3, parts.width); "
            "t.forward = lambda ids: type(t).forward(t, ids) + t.up(t.other(ids)); return parts.model(table=t)",
            "ok",
            "bf16",
            "trains in bfloat16",
        ),
        (
            "foreign_ids",
            "",
            "m = parts.model(); m.embedding.forward = lambda ids: nn.functional.embedding(ids, m.embedding.weight); return m",
            "FAILED",
            "output",
            "methods/foreign_ids.py:24, in <lambda>: IndexError: index out of range in self: ids are global, and those of scaled",
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
        (
            "between_epochs",
            "    pull: float = tuned(0.5, low=0.1, high=0.9)\n",
            "rule = TableRule(); rule.epoch_starts = lambda epoch, table, _: table.data.mul_(self.pull if epoch > 1 else 1); "
            "return parts.model(table_rule=rule)",
            "ok",
            "settings act",
            "each moves the training: pull",
        ),
        (
            "beside_another",
            WEIGHT + "    def validate(self):\n        if self.weight < 1e3: raise UserError('weight is too small for kind')\n",
            PLAIN,
            "FAILED",
            "settings",
            "beside_another.py:22: weight = 10.0 is refused beside the defaults, and a tuner draws it: weight is too small for kind; take",
        ),
        (
            "factory",
            "    sizes: tuple[int, ...] = field(default_factory=lambda: (4, 2))\n",
            "return parts.model()",
            "note",
            "settings act",
            "sizes = 4,2, 2,1, 4, nothing give the same loss",
        ),
        (
            "former",
            "    former = 'old'\n    presets: ClassVar = {'new': {'weight': 2e3}}\n" + WEIGHT,
            PLAIN,
            "FAILED",
            "presets",
            "former.py:22: former is 'old', which is no preset; known: new",
        ),
        (
            "text",
            "",
            "return parts.model(penalty=('0.1', size))",
            "FAILED",
            "output",
            "text.py:8: the penalty's weight is '0.1'; the contract",
        ),
        (
            "rates",
            "",
            "model = parts.model(); model.adam = lambda: {model.table(): 2.0}; return model",
            "FAILED",
            "loss",
            "rates.py:23: adam() gives an object of the class float for a parameter; the contract wants Adam(",
        ),
        (
            "rate_of_nothing",
            "",
            "model = parts.model(); model.adam = lambda: {'weight': Adam(rate=2.0)}; return model",
            "FAILED",
            "loss",
            "adam() names what is no parameter of the model: training passes it over",
        ),
        (
            "other_table",
            "",
            "rule = TableRule(); rule.optimizer = lambda *_: torch.optim.SGD([nn.Parameter(torch.ones(2))], 0.1); "
            "return parts.model(table_rule=rule)",
            "FAILED",
            "loss",
            "optimizer() returns one that has other parameters than the table",
        ),
        (
            "no_optimiser",
            "",
            "rule = TableRule(); rule.optimizer = lambda *_: 0.1; return parts.model(table_rule=rule)",
            "FAILED",
            "loss",
            "optimizer() returns an object of the class float; the contract wants one of torch's, or None",
        ),
        ("odds", "", around("output._replace(logits=output.logits.sigmoid())"), "note", "loss", "all logits lie in 0 … 1 afterwards"),
        ("frozen", "", "m = parts.model(); m.table().requires_grad_(False); return m", "note", "gradient", "the table is not trained"),
        (
            "curve",
            "",
            "model = parts.model(); model.curve = lambda: {'size': 'large'}; return model",
            "FAILED",
            "diagnostics",
            "curve()['size'] is 'large'; the contract wants a number",
        ),
        (
            "hoards",
            "",
            around("(vars(self).setdefault('past', []).append(output.logits), output)[1]"),
            "FAILED",
            "memory",
            "6 steps leave 12 tensors more, the next 12",
        ),
        (
            "in_anothers_file",
            "",
            "return parts.model(sets=1.0)",
            "FAILED",
            "builds",
            "methods/in_anothers_file.py:24, in build: benchmark/backbones/dcnv2.py",
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


@pytest.mark.parametrize(
    ("name", "fields", "build", "words"),
    [
        ("nowhere", "", "raise Incompatible('needs a GPU')", "nowhere.py:23: Incompatible with dcnv2, dhen"),
        (
            "sanity",
            "    uses_backbone = False\n",
            "return parts.model()",
            "sanity.py:24: Incompatible with no backbone: sanity",
        ),
    ],
)
def test_a_method_that_can_be_built_with_nothing_has_failed(folder: Path, name: str, fields: str, build: str, words: str) -> None:
    (folder / "methods" / f"{name}.py").write_text(METHOD.format(fields=fields, build=build))
    [failed] = [one for one in check(name, cost=False) if one.verdict == "FAILED"]
    assert failed.what == "builds" and failed.words.startswith(f"methods/{words}")


@pytest.mark.parametrize(
    ("name", "build", "words"),
    [
        ("few_fields", "1 / (parts.fields - 12); return parts.model()", "few_fields.py:24, in build: ZeroDivisionError"),
        ("in_steps", around("output._replace(logits=output.logits + torch.ones(32))"), "in_steps.py:"),
    ],
)
def test_a_method_that_fails_where_its_cost_is_measured_is_a_finding(folder: Path, name: str, build: str, words: str) -> None:
    """There are more fields there, and larger batches."""
    (folder / "methods" / f"{name}.py").write_text(METHOD.format(fields="", build=build))
    [found] = check_cost([name], "dcnv2", "the plug-in")
    assert (found.verdict, found.what) == ("FAILED", "cost") and words in found.words
