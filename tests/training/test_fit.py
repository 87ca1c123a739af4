"""The training loop: which epoch it keeps, when it stops, and what the embedding L2 and the clipping do to a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark import plugins
from benchmark.config import Training
from benchmark.contracts import CTRModel, Output, TableRule, no_penalty
from benchmark.data.batches import Rows
from benchmark.data.store import Fold
from benchmark.faults import ContractError
from benchmark.method import assemble
from benchmark.schema import Field, Schema
from benchmark.training.doses import doses
from benchmark.training.evaluate import NotFinite, score
from benchmark.training.fit import Diverged, Fitted, fit, make_optimizers

SCHEMA = Schema((Field("a", 12), Field("b", 40)), 0.4)
CPU = torch.device("cpu")
SMALL = Training(batch_size=64, epochs=4, learning_rate=1e-2, embedding_l2=0.0)


def rows(count: int, seed: int) -> Rows:
    """Labels that depend on field a and, more weakly, on field b."""
    random = np.random.default_rng(seed)
    local = np.stack([random.integers(f.cardinality, size=count) for f in SCHEMA.fields], 1).astype(np.int32)
    logit = np.sin(local[:, 0] * 2.0) + 0.5 * np.cos(local[:, 1] * 3.0)
    labels = (random.random(count) < 1 / (1 + np.exp(-2 * logit))).astype(np.uint8)
    return Rows(local, labels, np.array([0, 12]), CPU)


@pytest.fixture(scope="module")
def fold() -> Fold:
    return Fold(rows(1500, 0), rows(600, 1))


def model(seed: int = 0, method: str = "single_embedding") -> CTRModel:
    torch.manual_seed(seed)
    recipe = plugins.make("backbones", "dcnv2", {"depth": 1, "hidden": [16]})
    built: CTRModel = assemble(plugins.make("methods", method, {}), recipe, SCHEMA, 1, 4)
    table = built.table()
    if table is not None:
        nn.init.normal_(table, std=0.05)
    return built


def fitted(built: CTRModel, fold: Fold, training: Training, seed: int = 0) -> tuple[Fitted, list[Mapping[str, float]]]:
    reported: list[Mapping[str, float]] = []
    return fit(built, fold, SCHEMA.positive_rate, training, torch.Generator().manual_seed(seed), reported.append), reported


def test_the_best_epochs_weights_come_back(fold: Fold) -> None:
    built = model()
    result, reported = fitted(built, fold, replace(SMALL, epochs=12, learning_rate=5e-2, patience=12, plateau_factor=1.0))
    aucs = [entry["valid/auc"] for entry in result.curve]
    assert result.best_epoch == 1 + aucs.index(max(aucs)) < len(aucs), "the last epoch was the best: the test shows nothing"
    assert score(built, fold.valid) == result.valid and result.valid["auc"] == max(aucs)
    assert tuple(reported) == result.curve and [entry["epoch"] for entry in reported] == list(range(1, 13))


def test_the_weights_of_the_best_logloss_are_kept_beside_them(fold: Fold) -> None:
    built = model()
    result, _ = fitted(built, fold, replace(SMALL, epochs=12, learning_rate=5e-2, patience=12, plateau_factor=1.0))
    losses = [entry["valid/logloss"] for entry in result.curve]
    assert result.logloss_epoch == 1 + losses.index(min(losses)) < result.best_epoch, "both are best at once: the test shows nothing"
    assert result.logloss_weights is not None and result.logloss_valid == min(losses) < result.valid["logloss"]
    built.load_state_dict(result.logloss_weights)
    assert score(built, fold.valid)["logloss"] == result.logloss_valid
    once, _ = fitted(model(), fold, replace(SMALL, epochs=1))
    assert once.logloss_weights is None and once.logloss_epoch == once.best_epoch == 1


def test_the_rate_drops_and_training_stops_without_progress(fold: Fold) -> None:
    """Weights of a rate of 1e-30 do not move: no epoch is better than the first."""
    result, _ = fitted(model(), fold, replace(SMALL, learning_rate=1e-30, patience=3, epochs=20))
    rates = [entry["learning_rate"] for entry in result.curve]
    assert result.best_epoch == 1 and rates == pytest.approx([1e-30, 1e-30, 1e-31, 1e-32], rel=1e-6)


def test_the_same_seed_gives_the_same_curve(fold: Fold) -> None:
    def losses(seed: int) -> list[float]:
        return [entry["train/loss"] for entry in fitted(model(seed), fold, SMALL, seed)[0].curve]

    assert losses(3) == losses(3) != losses(4)


class Watched(CTRModel):
    """A bilinear model that writes its gradients down as the optimiser finds them."""

    def __init__(self, penalty_of_l2: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = nn.Parameter(torch.randn(52, 3, generator=generator))
        self.other = nn.Parameter(torch.randn(3, generator=generator))
        self.l2 = penalty_of_l2

    def table(self) -> nn.Parameter:
        return self.weight

    def forward(self, ids: Tensor) -> Output:
        a, b = self.weight[ids].unbind(1)
        logits = (a * b) @ self.other
        penalty = self.l2 / 2 * self.weight.square().sum() if self.training else no_penalty(logits)
        return Output(logits, (), penalty)


def test_embedding_l2_is_half_lambda_times_the_whole_tables_square(fold: Fold) -> None:
    """λ as the training's setting moves the weights as the explicit term (λ/2)‖E‖² of the loss does; not those outside the table."""
    strength = 0.05
    by_setting, explicit = Watched(), Watched(penalty_of_l2=strength)
    fitted(by_setting, fold, replace(SMALL, epochs=2, embedding_l2=strength, patience=9))
    fitted(explicit, fold, replace(SMALL, epochs=2, patience=9))
    torch.testing.assert_close(by_setting.weight, explicit.weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(by_setting.other, explicit.other, rtol=1e-4, atol=1e-5)
    without = Watched()
    fitted(without, fold, replace(SMALL, epochs=2, patience=9))
    assert not torch.allclose(by_setting.weight, without.weight, atol=1e-2)


@pytest.mark.parametrize("limit", [0.0, 1e-3])
def test_gradients_are_clipped_to_the_norm(fold: Fold, limit: float) -> None:
    built = Watched()
    fitted(built, fold, replace(SMALL, epochs=1, gradient_clip=limit))
    norm = float(sum(p.grad.square().sum() for p in built.parameters() if p.grad is not None)) ** 0.5
    assert (norm <= 1e-3 * (1 + 1e-5)) == (limit > 0)


def test_a_model_without_parameters_is_not_trained(fold: Fold) -> None:
    result, reported = fitted(model(method="constant"), fold, SMALL)
    assert (result.best_epoch, result.curve, reported) == (0, (), []) and result.valid["auc"] == 0.5


@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_a_diverging_training_says_so(fold: Fold, rate: float) -> None:
    with pytest.raises(Diverged, match=r"training loss|not finite") as caught:
        fitted(model(), fold, replace(SMALL, learning_rate=rate))
    assert isinstance(caught.value.curve, tuple)


def test_scores_that_are_no_numbers_are_refused(fold: Fold) -> None:
    class Broken(Watched):
        def forward(self, ids: Tensor) -> Output:
            return super().forward(ids)._replace(logits=torch.full((len(ids),), torch.nan))

    with pytest.raises(NotFinite):
        score(Broken(), fold.valid)


def test_the_penalty_is_trained_on_but_not_reported(fold: Fold) -> None:
    class Penalised(Watched):
        def forward(self, ids: Tensor) -> Output:
            output = super().forward(ids)
            return output._replace(penalty=output.penalty + 1e4 * (self.other - 1).square().sum()) if self.training else output

    built: Any = Penalised()
    result, _ = fitted(built, fold, replace(SMALL, epochs=40, patience=99, learning_rate=5e-2, plateau_factor=1.0))
    torch.testing.assert_close(built.other, torch.ones(3), atol=0.2, rtol=0)
    assert all(entry["train/loss"] < 10 for entry in result.curve)


def test_tensorfloat32_is_on_in_training_and_off_in_evaluation(fold: Fold) -> None:
    """A GPU's products look at this flag of torch; a CPU ignores it."""
    seen: dict[bool, set[bool]] = {True: set(), False: set()}

    class Watched(CTRModel):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model()

        def table(self) -> nn.Parameter | None:
            return self.inner.table()

        def forward(self, ids: Tensor) -> Output:
            seen[self.training].add(torch.backends.cuda.matmul.allow_tf32)
            return self.inner(ids)  # type: ignore[no-any-return]

    fitted(Watched(), fold, replace(SMALL, epochs=2, precision="tf32"))
    assert seen == {True: {True}, False: {False}} and not torch.backends.cuda.matmul.allow_tf32


def test_precision_is_of_training_alone(fold: Fold) -> None:
    """bf16 gives other numbers, near by; parameters and scores stay float32, and a CPU's tf32 is float32."""
    results = {}
    for precision in ("fp32", "tf32", "bf16"):
        built = model()
        results[precision], _ = fitted(built, fold, replace(SMALL, precision=precision))
        assert all(p.dtype == torch.float32 for p in built.parameters())
        assert built.eval()(torch.zeros(2, 2, dtype=torch.int32)).logits.dtype == torch.float32
    assert results["tf32"].curve[0]["train/loss"] == results["fp32"].curve[0]["train/loss"] != results["bf16"].curve[0]["train/loss"]
    assert abs(results["bf16"].valid["auc"] - results["fp32"].valid["auc"]) < 0.03


def test_a_method_may_say_how_its_table_is_trained(fold: Fold) -> None:
    """An optimiser of its own, and a word at the start of training, of each epoch and of each batch; the dense part stays with Adam."""

    class Rule(TableRule):
        def __init__(self) -> None:
            self.words: list[str] = []

        def optimizer(self, table: nn.Parameter, learning_rate: float, l2: float) -> torch.optim.Optimizer:
            return torch.optim.SGD([table], lr=learning_rate)

        def training_starts(self, table: nn.Parameter, optimizer: torch.optim.Optimizer, std: float) -> None:
            assert std == SMALL.embedding_std
            self.words.append("training")

        def epoch_starts(self, epoch: int, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
            self.words.append(f"epoch {epoch}")
            nn.init.constant_(table, 0.5)

        def batch_starts(self, ids: Tensor, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
            assert isinstance(optimizer, torch.optim.SGD) and optimizer.param_groups[0]["params"] == [table] and ids.shape[1] == 2
            self.words.append("batch")
            self.seen = table.detach().clone()

    rule = Rule()

    class Ruled(Watched):
        def table_rule(self) -> TableRule:
            return rule

    built = Ruled()
    dense = built.other.detach().clone()
    fitted(built, fold, replace(SMALL, epochs=2, learning_rate=1e-3))
    assert rule.words == ["training", "epoch 1", *["batch"] * 24, "epoch 2", *["batch"] * 24]
    assert float((rule.seen - 0.5).abs().max()) < 0.01, "the table was not reset at the start of the last epoch"
    assert not torch.equal(built.other, dense)


def test_the_dose_of_a_rule_is_of_the_first_and_of_the_best_epoch(fold: Fold) -> None:
    class Rule(TableRule):
        epoch = 0

        def epoch_starts(self, epoch: int, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
            self.epoch = epoch

        def dose(self, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> float:
            assert not torch.is_grad_enabled()
            return self.epoch / 100

    built: Any = model()
    built._rule = Rule()
    result, _ = fitted(built, fold, replace(SMALL, epochs=12, learning_rate=5e-2, patience=12, plateau_factor=1.0))
    assert 1 < result.best_epoch < 12, "the best epoch is the first or the last: the test shows nothing"
    assert result.doses == {"first/table_rule": 0.01, "best/table_rule": result.best_epoch / 100}


def test_the_dose_of_a_penalty_is_of_the_best_epochs_model(fold: Fold) -> None:
    training = replace(SMALL, epochs=12, learning_rate=5e-2, patience=12, plateau_factor=1.0)
    built = model(method="vicreg")
    result, _ = fitted(built, fold, training)
    assert 1 < result.best_epoch < 12, "the best epoch is the first or the last: the test shows nothing"
    assert doses(built, fold.train, training.batch_size, nullcontext()) == {"penalty": result.doses["best/penalty"]}
    assert result.doses["best/penalty"] != result.doses["first/penalty"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda o: tuple(o), "forward returns of the type tuple; the contract wants Output"),
        (lambda o: o._replace(logits=o.logits.unsqueeze(1)), r"logits are of the shape \(64, 1\); the contract wants .* \(64,\)"),
        (lambda o: o._replace(states=list(o.states)), "states are of the type list"),
        (lambda o: o._replace(states=(o.logits,)), r"state 0 is of the shape \(64,\); the contract wants \(B, S, N, d\)"),
        (lambda o: o._replace(penalty=o.logits.detach()), r"the penalty is of the shape \(64,\); the contract wants a scalar"),
        (lambda o: o._replace(penalty=o.penalty + torch.nan), "the penalty is not finite while the logloss is"),
    ],
)
def test_what_breaks_the_contract_is_named_in_its_words(fold: Fold, broken: Callable[[Output], Any], words: str) -> None:
    class Broken(Watched):
        def forward(self, ids: Tensor) -> Output:
            output = super().forward(ids)
            return broken(output) if self.training else output

    with pytest.raises(ContractError, match=words):
        fitted(Broken(), fold, SMALL)


def test_a_score_that_depends_on_its_batch_is_named(fold: Fold) -> None:
    class Leaking(Watched):
        def forward(self, ids: Tensor) -> Output:
            output = super().forward(ids)
            return output._replace(logits=output.logits - output.logits.mean())

    with pytest.raises(ContractError, match=r"evaluation leaks the batch: a sample's logit is \S+ in a batch of 64 and \S+ alone"):
        fitted(Leaking(), fold, SMALL)


def test_a_gradient_below_adams_epsilon_moves_the_gates_and_nothing_else() -> None:
    """Adam's first step is η·g/(|g| + ε): of 1e-11 the gates' whole rate with their ε, a thousandth of the rate with the usual one."""
    torch.manual_seed(0)
    recipe = plugins.make("backbones", "dcnv2", {"depth": 2, "hidden": [16]})
    built = assemble(plugins.make("methods", "roblock", {"gate_rate": 3.0}), recipe, SCHEMA, 2, 4)
    before = {name: parameter.detach().clone() for name, parameter in built.named_parameters()}
    for parameter in built.parameters():
        parameter.grad = torch.full_like(parameter, 1e-11)
    for optimizer in make_optimizers(built, replace(SMALL, learning_rate=0.01)):
        optimizer.step()
    moved = {name: float((parameter.detach() - before[name]).abs().mean()) for name, parameter in built.named_parameters()}
    gates = {name for name in moved if name.endswith(("router.static", "router.by_input"))}
    assert len(gates) == 4
    for name, step in moved.items():
        assert step == pytest.approx(0.03 if name in gates else 1e-5, rel=0.02), name


def test_a_models_own_curve_is_of_a_random_sample_of_validation_rows() -> None:
    """Rows in order of time: those that are scored last are of the last day alone."""

    class Shown(Watched):
        day = 0.0

        def forward(self, ids: Tensor) -> Output:
            if not self.training:
                self.day = float(ids[:, 1].float().mean())
            return super().forward(ids)

        def curve(self) -> dict[str, float]:
            return {"day": self.day}

    days = np.repeat(np.arange(40, dtype=np.int32), 500)
    by_time = Rows(np.stack([days % 12, days], 1), (np.arange(len(days)) % 2).astype(np.uint8), np.array([0, 12]), CPU)
    found, _ = fitted(Shown(), Fold(rows(1500, 0), by_time), replace(SMALL, epochs=1))
    assert found.curve[0]["model/day"] == pytest.approx(12 + 19.5, abs=2)  # of 1,024 rows the standard deviation is .36
