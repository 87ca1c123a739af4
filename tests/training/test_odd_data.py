"""Data at the edge of what anybody has: rare positives, a rest of one row, fields of one value, many fields, a field of many values."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmark import plugins
from benchmark.config import Training
from benchmark.contracts import CTRModel
from benchmark.data.batches import Rows
from benchmark.data.store import Fold
from benchmark.errors import UserError
from benchmark.method import assemble
from benchmark.schema import Field, Schema
from benchmark.training import memory
from benchmark.training.fit import Fitted, divergence_limit, fit, make_optimizers
from benchmark.training.trial import draw_table

CPU = torch.device("cpu")
SCHEMA = Schema((Field("a", 12), Field("b", 40)), 0.4)


def fitted(fold: Fold, schema: Schema, positive_rate: float, training: Training) -> Fitted:
    torch.manual_seed(0)
    recipe = plugins.make("backbones", "dcnv2", {"depth": 1, "hidden": [16]})
    model = assemble(plugins.make("methods", "single_embedding", {}), recipe, schema, 1, 4)
    draw_table(model, training.embedding_std, 0)
    return fit(model, fold, positive_rate, training, torch.Generator().manual_seed(0), lambda entry: None)


def test_rare_positives_are_no_divergence() -> None:
    """At one in 20,000 the untrained model's ln 2 is a thousand times the constant predictor's loss, which training has yet to reach."""
    count = 20_000
    labels = np.zeros(count, np.uint8)
    labels[count // 2] = 1
    local = np.random.default_rng(0).integers(0, [12, 40], (count, 2), dtype=np.int32)
    part = Rows(local, labels, np.array([0, 12]), CPU)
    result = fitted(Fold(part, part), SCHEMA, 1 / count, Training(epochs=1, learning_rate=1e-2))
    [entry] = result.curve
    assert entry["train/loss"] > 1000 * math.log(count) / count, "the loss is not above what was the limit: the test shows nothing"
    assert 0 < result.valid["logloss"] < 1


@pytest.mark.parametrize("rate", [1e-9, 2e-5, 1e-3, 0.012, 0.03, 0.2, 0.5, 0.98, 1 - 1e-6])
def test_the_limit_of_divergence_is_out_of_a_sound_trainings_reach(rate: float) -> None:
    """Fifty times above what an untrained model and the best constant have, and below what logits in the thousands give."""
    labels = torch.tensor([1.0, 0.0], dtype=torch.float64)
    share = torch.tensor([rate, 1 - rate], dtype=torch.float64)

    def loss(logit: float) -> float:
        logits = torch.full_like(labels, logit)
        return float(functional.binary_cross_entropy_with_logits(logits, labels, share, reduction="sum"))

    constant = loss(math.log(rate / (1 - rate)))
    assert 50 * max(constant, loss(0.0)) < divergence_limit(rate) < max(loss(3000.0), loss(-3000.0))


MANY = Schema((Field("user", 10_000_002), Field("b", 40)), 0.4)


def without_memory(schema: Schema, method: str = "single_embedding", backbone: str = "dcnv2", scale: int = 1) -> CTRModel:
    with torch.device("meta"):
        return assemble(plugins.make("methods", method, {}), plugins.make("backbones", backbone, {}), schema, scale, 10)


def test_the_least_memory_is_what_a_training_holds() -> None:
    """Counted on tensors: parameters, gradients and both moments after a step, and the copy of the best epoch's weights."""
    model = assemble(plugins.make("methods", "single_embedding", {}), plugins.make("backbones", "finalmlp", {}), SCHEMA, 2, 4)
    [optimizer] = make_optimizers(model, Training())
    (model(torch.zeros(8, 2, dtype=torch.int32)).logits.sum() + sum(p.sum() for p in model.parameters())).backward()
    optimizer.step()
    held = [*model.state_dict().values(), *(value.clone() for value in model.state_dict().values())]
    held += [p.grad for p in model.parameters() if p.grad is not None]
    held += [one for state in optimizer.state.values() for one in state.values() if one.numel() > 1]
    assert memory.needed(model) == pytest.approx(sum(tensor.nbytes for tensor in held), rel=1e-3)


def test_a_field_of_ten_million_values_is_refused_before_its_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    model = without_memory(MANY)
    said = memory.require(model, CPU)
    assert said.startswith("training takes at least 2.0") and "a table of 10,000,042 x 10 numbers" in said and "\n" not in said
    monkeypatch.setattr(memory, "free", lambda device: 2_000_000_000)
    with pytest.raises(UserError, match=r"takes at least 2.0\d GB .* and 2.00 GB are free; take a lower scale"):
        memory.require(model, CPU)
    assert memory.require(without_memory(SCHEMA), CPU) == "", "what is small is not worth a line"


def test_many_columns_are_refused_for_their_dense_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cross layer of 3,000 fields has (3,000 · 10)² weights: not the table is what does not fit."""
    monkeypatch.setattr(memory, "free", lambda device: 20_000_000_000)
    wide = Schema(tuple(Field(f"f{number}", 5) for number in range(3000)), 0.4)
    with pytest.raises(UserError, match=r"takes at least 7\d\.\d\d GB .* and 3,6\d\d,\d{3},\d{3} other parameters"):
        memory.require(without_memory(wide), CPU)
    assert memory.require(without_memory(wide, backbone="dnn"), CPU) == ""


@pytest.mark.parametrize(
    ("groups", "content", "left"),
    [
        ("0::/a\n", {"a/memory.max": "900\n", "a/memory.current": "500\n", "a/memory.stat": "anon 1\ninactive_file 30\n"}, 430),
        ("0::/a/b\n", {"a/memory.max": "900\n", "a/memory.current": "500\n", "a/b/memory.max": "max\n", "a/b/memory.current": "9\n"}, 400),
        ("4:memory:/job\n", {"memory/job/memory.limit_in_bytes": "700\n", "memory/job/memory.usage_in_bytes": "900\n"}, 0),
        ("4:memory:/job\n", {"memory/job/memory.limit_in_bytes": f"{2**63 - 4096}\n", "memory/job/memory.usage_in_bytes": "9\n"}, 5 * 1024),
        ("0::/gone\n", {}, 5 * 1024),
    ],
)
def test_free_memory_is_the_least_of_what_limits_it(tmp_path: Path, groups: str, content: dict[str, str], left: int) -> None:
    (tmp_path / "groups").write_text(groups)
    (tmp_path / "meminfo").write_text("MemTotal: 90 kB\nMemFree: 1 kB\nMemAvailable: 5 kB\n")
    for name, text in content.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    assert memory.free(CPU, tmp_path / "meminfo", tmp_path / "groups", tmp_path / "tree") == left
    assert memory.free(CPU, tmp_path / "no", tmp_path / "no", tmp_path / "tree") is None
    assert (memory.free(CPU) or 0) > 1e6
