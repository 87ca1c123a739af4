"""Data at the edge of what anybody has: rare positives, a rest of one row, fields of one value, many fields, a field of many values."""

from __future__ import annotations

import math
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmark import plugins
from benchmark.config import Training
from benchmark.contracts import CTRModel
from benchmark.data.batches import Rows
from benchmark.data.store import Fold
from benchmark.errors import UserError
from benchmark.method import assemble
from benchmark.schema import Field, Schema
from benchmark.training import evaluate, memory
from benchmark.training.fit import Fitted, divergence_limit, fit, make_optimizers
from benchmark.training.trial import draw_table

CPU = torch.device("cpu")
SCHEMA = Schema((Field("a", 12), Field("b", 40)), 0.4)


def fitted(
    fold: Fold, schema: Schema, positive_rate: float, training: Training, batch_norm: bool = True, kept: list[CTRModel] | None = None
) -> Fitted:
    """``kept`` gets the model."""
    torch.manual_seed(0)
    recipe = plugins.make("backbones", "dcnv2", {"depth": 1, "hidden": [16], "batch_norm": batch_norm})
    model = assemble(plugins.make("methods", "single_embedding", {}), recipe, schema, 1, 4)
    draw_table(model, training.embedding_std, 0)
    if kept is not None:
        kept.append(model)
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


def part(local: NDArray[np.int32], seed: int = 0) -> Rows:
    """With labels drawn at .4, both classes among them."""
    labels = (np.random.default_rng(seed).random(len(local)) < 0.4).astype(np.uint8)
    labels[:2] = 0, 1
    return Rows(local, labels, np.array([0, 12]), CPU)


@pytest.mark.parametrize("rows", [64, 65, 66])
def test_a_rest_of_a_few_rows_is_trained_on_like_any_batch(rows: int) -> None:
    """One row joins the batch before it; with batch normalisation, whose variance of one row would be none."""
    random = np.random.default_rng(0)
    whole = part(random.integers(0, [12, 40], (rows, 2), dtype=np.int32))
    assert math.isfinite(fitted(Fold(whole, whole), SCHEMA, 0.4, Training(epochs=1, batch_size=32)).valid["logloss"])


@pytest.mark.parametrize(("rows", "size"), [(40, 1), (1, 32)])
def test_batches_of_one_row_are_refused_where_they_cannot_be_trained_on(rows: int, size: int) -> None:
    random = np.random.default_rng(0)
    valid = part(random.integers(0, [12, 40], (40, 2), dtype=np.int32))
    train = Rows(np.zeros((rows, 2), np.int32), np.zeros(rows, np.uint8), np.array([0, 12]), CPU)
    training = Training(epochs=1, batch_size=size)
    with pytest.raises(UserError, match=rf"batch_size = {size} with {rows} training rows .* batch normalisation .*; take at least 2"):
        fitted(Fold(train, valid), SCHEMA, 0.4, training)
    assert math.isfinite(fitted(Fold(train, valid), SCHEMA, 0.4, training, batch_norm=False).valid["logloss"])


def test_fields_of_one_value_are_trained_and_measured() -> None:
    """They tell nothing, have one learned row, and cannot collapse: they stay out of the means over fields."""
    schema = Schema((Field("one", 3), Field("b", 40)), 0.4)
    local = np.stack([np.full(300, 2), np.random.default_rng(0).integers(2, 40, 300)], 1).astype(np.int32)
    train, valid = (Rows(local, part(local, seed).labels.numpy().astype(np.uint8), np.array([0, 3]), CPU) for seed in (0, 1))
    kept: list[CTRModel] = []
    assert math.isfinite(fitted(Fold(train, valid), schema, 0.4, Training(epochs=2, batch_size=64), kept=kept).valid["auc"])
    counts = [np.array([0, 0, 300]), np.bincount(local[:, 1], minlength=40)]
    found = evaluate.spectra(kept[0], valid, schema, counts, None).metrics
    assert found["spectral/table/fields_averaged"] == 1 and all(map(math.isfinite, found.values()))
    assert found["spectral/table/one/information_abundance"] == pytest.approx(1)


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


@pytest.mark.parametrize(("which", "held"), [(resource.RLIMIT_DATA, "VmData:"), (resource.RLIMIT_AS, "VmSize:")])
def test_limits_of_the_process_count(which: int, held: str) -> None:
    """As ulimit -d and ulimit -v set them, and schedulers do."""
    now, before = memory._of_this_process(held), resource.getrlimit(which)
    assert now is not None
    resource.setrlimit(which, (now + 400_000_000, before[1]))
    try:
        left = memory.free(CPU)
        assert left is not None and 300_000_000 < left <= 400_000_000
        torch.empty(50_000_000)  # 200 MB
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            torch.empty(1_000_000_000)
    finally:
        resource.setrlimit(which, before)
