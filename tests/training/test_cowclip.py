"""CowClip's rules against a reference in NumPy, row by row and step by step; with nothing to clip nothing changes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from benchmark import plugins
from benchmark.checking import cell
from benchmark.config import Suite, Training, Trial
from benchmark.contracts import CTRModel, Output, no_penalty
from benchmark.data.batches import Rows
from benchmark.errors import UserError
from benchmark.nn.embedding import EmbeddingTable
from benchmark.schema import Bags, Field, Schema
from benchmark.search.cells import default_trial, expand
from benchmark.training.cowclip import RowClip
from benchmark.training.fit import make_optimizers, train_epoch
from benchmark.values import from_dict, to_dict

BAGS = [[0], [1], [2, 2, 4], [3], [1, 4]]  # rows of the field x; one of them twice in a bag
NUMBERS = [0.0, -2, 0.5, 3]  # of the field s; 0 is a missing one
WIDTH, SIZE, FLOOR = 3, 40, 3e-4
RULES = Training(batch_size=SIZE, cowclip_base_batch=SIZE // 4, cowclip_floor=FLOOR, learning_rate=0.01, embedding_l2=0.05)
METHODS = [name for name in plugins.names("methods") if name != "constant"]  # which has no table


def schema(values: int) -> Schema:
    """Of ``values`` values in the first field."""
    stored = Bags(np.array([len(bag) for bag in BAGS], np.int32), np.array([row for bag in BAGS for row in bag], np.int32))
    fields = (Field("a", values), Field("x", 5, bags=5, pooling="mean"), Field("s", 1, 4))
    return Schema(fields, 0.4, np.array(NUMBERS, np.float32), stored)


def rows(values: int, count: int = 3 * SIZE + 7) -> Rows:
    random = np.random.default_rng(0)
    drawn = [(values * random.random(count) ** 3).astype(int), random.integers(5, size=count), random.integers(4, size=count)]
    local = np.stack(drawn, 1)
    labels = random.integers(0, 2, count).astype(np.uint8)
    return Rows(local.astype(np.int32), labels, np.array([0, values, values + 5]), cell.CPU)


class Sum(CTRModel):
    """logit = Σ_f ⟨a, x_f⟩: the gradients are a line each."""

    def __init__(self, given: Schema) -> None:
        super().__init__()
        self.embedding = EmbeddingTable(given, WIDTH)
        self.a = nn.Parameter(torch.tensor([1.0, -0.5, 0.25]))
        # Norms of rows over four orders of magnitude: some are clipped, some are not, some lie below the floor.
        norms = torch.logspace(-4, 0, given.values)[torch.randperm(given.values, generator=torch.Generator().manual_seed(1))]
        drawn = torch.randn(given.values, WIDTH, generator=torch.Generator().manual_seed(2))
        self.embedding.weight.data = functional.normalize(drawn) * norms.unsqueeze(1)

    def table(self) -> nn.Parameter:
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Output:
        x = self.embedding(ids)
        logits = (x.float() @ self.a).sum(1)
        return Output(logits, (x.unsqueeze(1),), no_penalty(logits))


class Reference:
    """The same model, Adam and the rules, in float64 with a loop over samples and rows."""

    def __init__(self, model: Sum, training: Training, values: int) -> None:
        self.w, self.a = model.embedding.weight.detach().double().numpy(), model.a.detach().double().numpy()
        self.training, self.values = training, values
        self.moments = {name: (np.zeros_like(x), np.zeros_like(x)) for name, x in (("w", self.w), ("a", self.a))}
        self.steps = 0
        self.seen: Counter[str] = Counter()

    def members(self, ids: list[int]) -> list[tuple[int, float]]:
        """Rows of a sample, and what each is multiplied by."""
        a, x, s = ids[0], ids[1] - self.values, ids[2] - self.values - 5
        bag = BAGS[x]
        return [(a, 1.0), *((self.values + row, 1 / len(bag)) for row in bag), (self.values + 5, NUMBERS[s])]

    def step(self, batch: NDArray[np.int64], labels: NDArray[np.float64], warm: float) -> None:
        gradient_w, gradient_a, counts = np.zeros_like(self.w), np.zeros_like(self.a), Counter[int]()
        for ids, y in zip(batch.tolist(), labels.tolist(), strict=True):
            found = self.members(ids)
            total = sum(factor * self.w[row] for row, factor in found)
            error = (1 / (1 + math.exp(-float(total @ self.a))) - y) / len(labels)
            gradient_a += error * total
            for row, factor in found:
                gradient_w[row] += error * factor * self.a
                counts[row] += factor != 0
        for row, count in counts.items():
            length = float(np.linalg.norm(gradient_w[row]))
            bound = count * max(float(np.linalg.norm(self.w[row])), self.training.cowclip_floor * math.sqrt(WIDTH))
            if count and length > bound:
                gradient_w[row] *= bound / length
            self.seen["clipped" if count and length > bound else "kept"] += 1
        k = self.training.batch_size / self.training.cowclip_base_batch
        self.steps += 1
        self.w = self.adam("w", self.w, gradient_w + k * self.training.embedding_l2 * self.w, self.training.learning_rate)
        self.a = self.adam("a", self.a, gradient_a, math.sqrt(k) * self.training.learning_rate * warm)

    def adam(self, name: str, x: NDArray[Any], gradient: NDArray[Any], rate: float) -> NDArray[Any]:
        first, second = self.moments[name]
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        self.moments[name] = first, second
        root = np.sqrt(second / (1 - 0.999**self.steps)) + 1e-8
        moved: NDArray[Any] = x - rate * first / (1 - 0.9**self.steps) / root
        return moved


def epochs(model: CTRModel, data: Rows, training: Training, firsts: tuple[bool, ...] = (True, False)) -> list[torch.optim.Optimizer]:
    optimizers, generator = make_optimizers(model, training), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    with tqdm(disable=True) as bar:
        for is_first in firsts:
            train_epoch(model, optimizers, data, training, generator, bar, 1 if is_first else 2)
    return optimizers


@pytest.mark.parametrize("values", [60, 2000])  # fewer rows in the table than in a batch, and more
def test_two_epochs_are_those_of_the_reference(values: int) -> None:
    model, data = Sum(schema(values)), rows(values)
    reference = Reference(model, RULES, values)
    generator = torch.Generator().manual_seed(0)
    for epoch in (1, 2):
        for step, (ids, labels) in enumerate(data.shuffled(SIZE, generator)):
            reference.step(ids.numpy(), labels.double().numpy(), (step + 1) / 4 if epoch == 1 else 1.0)
    epochs(model, data, RULES)
    assert min(reference.seen["clipped"], reference.seen["kept"]) > 20, "all or none were clipped: the test shows little"
    # Not to 1e-6: a first step of Adam is the sign of a gradient, and one near 0 has what float32 has left of it.
    np.testing.assert_allclose(model.embedding.weight.detach().numpy(), reference.w, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(model.a.detach().numpy(), reference.a, rtol=1e-5)


@pytest.mark.parametrize("rule", ["clip", "L2", "rate", "warm-up"])
def test_the_reference_tells_each_rule_from_its_absence(rule: str) -> None:
    without = {
        "clip": replace(RULES, cowclip_floor=1e30),
        "L2": replace(RULES, embedding_l2=RULES.embedding_l2 / 4),
        "rate": replace(RULES, cowclip_base_batch=SIZE, embedding_l2=4 * RULES.embedding_l2),
        "warm-up": RULES,
    }
    models = [Sum(schema(60)) for _ in range(2)]
    epochs(models[0], rows(60), RULES)
    epochs(models[1], rows(60), without[rule], (rule != "warm-up", False))
    whole = [torch.cat([one.embedding.weight.detach().flatten(), one.a.detach()]) for one in models]
    assert float((whole[0] - whole[1]).abs().max()) > 1e-3


def test_counts_are_of_the_rows_that_take_part() -> None:
    table = EmbeddingTable(schema(4), 2)
    ids = torch.tensor([[0, 4 + 2, 9 + 1], [0, 4 + 0, 9 + 0], [3, 4 + 2, 9 + 3]], dtype=torch.int32)
    found, there = table.occurrences(ids)
    counts = torch.zeros(10).index_add_(0, found, there)
    assert counts.tolist() == [2, 0, 0, 1, 1, 0, 4, 0, 2, 2]  # a 0, 0, 3; x {2, 2, 4}, {0}, {2, 2, 4}; s twice, and once missing
    plain = EmbeddingTable(Schema((Field("a", 3), Field("b", 2)), 0.5), 2)
    found, there = plain.occurrences(torch.tensor([[0, 3], [0, 4], [2, 3]], dtype=torch.int32))
    assert found.tolist() == [0, 3, 0, 4, 2, 3] and there.tolist() == [1] * 6


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["single_embedding", "multi_embedding", "factorised_table", "adaptive_decay", "roblock"])
def test_with_nothing_to_clip_at_the_base_a_step_is_todays(method: str, precision: Any) -> None:
    today = Training(batch_size=cell.BATCH, precision=precision, embedding_l2=0.01)
    states = []
    for training in (today, replace(today, cowclip_base_batch=cell.BATCH, cowclip_floor=1e30)):
        model = case(method).build()
        epochs(model, cell.rows(200), training, (False, False))
        states.append(model.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("method", METHODS)
def test_the_rules_reach_every_methods_table(method: str) -> None:
    """Four fields, one multi-valued and one scaled. With a table of rows near 0 the clip acts in the first step."""
    tables = []
    for floor in (1e-12, 1e30):
        model = case(method).build(std=1e-6)
        training = Training(batch_size=cell.BATCH, cowclip_base_batch=cell.BATCH // 4, cowclip_floor=floor)
        losses = cell.train(model, cell.rows(100), replace(training, epochs=2))
        table = model.table()
        assert table is not None and all(map(math.isfinite, losses)) and bool(table.isfinite().all())
        tables.append(table.detach().clone())
    assert not torch.equal(*tables)


def case(method: str) -> cell.Case:
    made = plugins.make("methods", method, {})
    return cell.Case(made, plugins.make("backbones", "dcnv2", {"depth": 1, "hidden": (64,)}) if made.uses_backbone else None)


def test_rates_in_each_step() -> None:
    """Of the table, of the dense part and of RoBlock's gates, which have three times the rate of the dense part."""
    model = case("roblock").build()
    training = Training(batch_size=50, cowclip_base_batch=200, learning_rate=0.01)  # a smaller batch than the base: half of the rate
    optimizers = make_optimizers(model, training)
    rates: list[set[tuple[bool, float]]] = []
    step = optimizers[0].step

    def noted(*arguments: Any) -> Any:
        groups = optimizers[0].param_groups
        rates.append({(group["params"][0] is model.table(), round(group["lr"], 12)) for group in groups})
        return step(*arguments)

    optimizers[0].step = noted  # type: ignore
    with tqdm(disable=True) as bar:
        for is_first in (True, False):
            train_epoch(model, optimizers, cell.rows(200), training, torch.Generator().manual_seed(0), bar, 1 if is_first else 2)
    gates = {rate / 0.005 for is_table, rate in rates[-1] if not is_table} - {1.0}
    assert len(gates) == 1
    expected = [0.25, 0.5, 0.75, 1.0] + 4 * [1.0]
    assert rates == [{(True, 0.01), *((False, round(0.005 * part * rate, 12)) for rate in (1.0, *gates))} for part in expected]


def test_nothing_is_read_from_the_device() -> None:
    """A meta tensor has no numbers: what asks for one, or for how many there are, raises."""
    for values in (60, 2000):
        table = EmbeddingTable(schema(values), WIDTH).to("meta")
        table.weight.grad = torch.zeros_like(table.weight)
        RowClip(table, FLOOR)(torch.zeros(SIZE, 3, dtype=torch.int32, device="meta"))


def test_a_table_in_a_module_of_its_own_is_refused_in_a_line() -> None:
    class Own(Sum):
        def __init__(self) -> None:
            super().__init__(schema(4))
            self.embedding = nn.Embedding(10, WIDTH)  # type: ignore[assignment]

    with pytest.raises(UserError, match=r"^training: cowclip_base_batch = 10 needs .* of Own is not an EmbeddingTable; build it with"):
        epochs(Own(), rows(4), RULES)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cowclip_base_batch": -1}, "training: cowclip_base_batch = -1; it must not be negative"),
        ({"cowclip_base_batch": 64, "cowclip_floor": 0}, "training: cowclip_floor = 0.0; it must be greater than 0"),
        ({"cowclip_floor": 1e-3}, "training: cowclip_floor = 0.001 has no effect without cowclip_base_batch; set that too"),
        ({"cowclip_base_batch": "1k"}, r"test: cowclip_base_batch = '1k'; it must be of type int"),
    ],
)
def test_bad_settings_get_a_line(settings: Mapping[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as found:
        from_dict(Training, settings, "test")
    assert "\n" not in str(found.value)


def test_a_grid_may_choose_among_floors() -> None:
    floors = {"cowclip_floor": [1e-5, 1e-4]}
    Suite(name="test", datasets=("synthetic",), training={"cowclip_base_batch": 64}, grid=floors)
    with pytest.raises(UserError, match=r"cowclip_floor = 0\.0001 has no effect without cowclip_base_batch"):
        Suite(name="test", datasets=("synthetic",), grid=floors)


def test_ids_name_the_rules_only_where_they_are_set(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of before there were any has no such keys, and keeps its id."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    data = {"datasets": {"synthetic": {"rows": 2000, "cardinalities": [3, 8, 40, 90]}}}
    suite = Suite(name="test", datasets=("synthetic",), methods=("single_embedding",), backbones=("dnn",), options=data)
    [made] = expand(suite)
    trial = default_trial(made, "final", 0, 1)
    content = to_dict(trial)
    before = {name: value for name, value in content["training"].items() if not name.startswith("cowclip")}
    assert len(before) == len(content["training"]) - 2
    assert from_dict(Trial, {**content, "training": before}, "record").trial_id == trial.trial_id
    changes = [{"cowclip_base_batch": 64}, {"cowclip_base_batch": 64, "cowclip_floor": 1e-3}]
    ids = {replace(trial, training=replace(trial.training, **one)).trial_id for one in changes}  # type: ignore[arg-type]
    assert len(ids | {trial.trial_id}) == 3
