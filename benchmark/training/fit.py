"""The training loop: Adam, learning-rate drop and early stopping on validation AUC, the best epoch's weights restored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Never

import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from benchmark.config import Training
from benchmark.contracts import Adam, CTRModel
from benchmark.data.batches import TrainingRows, batch_sizes
from benchmark.data.store import Fold
from benchmark.errors import UserError
from benchmark.training import cowclip
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.doses import calibrate, doses
from benchmark.training.evaluate import NotFinite, score
from benchmark.training.verify import nan_in_penalty, verify_alone, verify_output

Report = Callable[[Mapping[str, float]], None]
CURVE_SAMPLE = 1 << 10  # validation rows that models show their state on
# An epoch's mean loss above both has diverged. The first is in multiples of the constant predictor's logloss, the entropy of the base rate:
# FinalMLP may start at 20 times and still learn. Where positives are rare, that entropy says nothing of the first steps: an untrained
# model's logits are near 0 and its loss is near ln 2 whatever the base rate, 3,000 times the entropy at one positive in 50,000. So the
# second is in multiples of ln 2: 69 nats, logits on the wrong side by as much over a whole epoch. Above a base rate of 1.3 % the first is
# the larger.
DIVERGED = 1000.0
DIVERGED_RARE = 100.0


class Diverged(Exception):
    """The loss or the scores are no numbers any more, or far above the constant predictor's. Carries the curve so far."""

    def __init__(self, reason: str, curve: tuple[Mapping[str, float], ...]) -> None:
        super().__init__(reason)
        self.curve = curve


@dataclass
class Fitted:
    """The model now has the weights of ``best_epoch``."""

    best_epoch: int
    valid: Mapping[str, float]  # auc and logloss at the best epoch
    curve: tuple[Mapping[str, float], ...]
    samples_per_second: float  # median over epochs, training part only
    seconds: float  # training and validation, all epochs
    evaluation_seconds: float = 0.0  # of them, validation
    doses: Mapping[str, float] = field(default_factory=dict)  # first/…, best/…: after the first epoch and of the best one (docs/methods.md)
    logloss_epoch: int = 0  # of the best validation logloss, which most models reach before the best AUC
    logloss_valid: float = math.nan  # at that epoch
    logloss_weights: Mapping[str, torch.Tensor] | None = None  # of that epoch; None where it is ``best_epoch``
    paused: bool = False  # it would have gone on but for ``until``


@dataclass
class _Reached:
    """Where the loop is after an epoch: plain values and tensors, so that a checkpoint holds it as it is."""

    best_weights: Mapping[str, torch.Tensor]
    lowest_weights: Mapping[str, torch.Tensor]  # of the lowest validation logloss
    learning_rate: float
    epoch: int = 0
    best: Mapping[str, float] = field(default_factory=lambda: {"auc": -math.inf})
    best_epoch: int = 0
    best_by_rule: float | None = None
    lowest: float = math.inf
    lowest_epoch: int = 0
    curve: list[Mapping[str, float]] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    evaluation: float = 0.0  # seconds
    seconds: float = 0.0  # of all, in the process before
    measured: dict[str, float] = field(default_factory=dict)
    is_over: bool = False


def fit(
    model: CTRModel,
    fold: Fold,
    positive_rate: float,
    training: Training,
    generator: torch.Generator,
    report: Report,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
    until: int = 0,
) -> Fitted:
    """Train on ``fold.train`` with its ``positive_rate``, choose the epoch on ``fold.valid``. Raises Diverged, ContractError and,
    for batches that the model cannot be trained on, UserError.

    A model without parameters is not trained. The embedding L2 of docs/mathematics.md §5, (λ/2)‖E‖² over the whole table every step, is
    Adam's ``weight_decay`` of the table's group: the same gradient λE without a pass of its own.

    ``checkpoint``: where a training that was killed, or has paused, goes on from; to the last bit the same on a CPU. ``until``: the epoch
    after which it pauses if it is not over; 0: it does not.
    """
    started = time.perf_counter()
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        constant = score(model, fold.valid)
        return Fitted(0, constant, (), math.nan, time.perf_counter() - started, logloss_valid=constant["logloss"])
    _require_rows(model, len(fold.train), training.batch_size)
    optimizers = make_optimizers(model, training)
    rule, table = model.table_rule(), model.table()
    if table is not None:
        rule.training_starts(table, optimizers[-1], training.embedding_std)
    limit = divergence_limit(positive_rate)
    sample = next(fold.valid.sample(CURVE_SAMPLE).batches(CURVE_SAMPLE))[0]
    found = None if checkpoint is None else checkpoint.load(model, optimizers, generator, fold.train.device)
    if found is not None:
        at = _Reached(**found)
        started -= at.seconds
    else:
        weights = _copy(model)
        at = _Reached(best_weights=weights, lowest_weights=weights, learning_rate=training.learning_rate)
    last = min(until or training.epochs, training.epochs)
    while at.epoch < last and not at.is_over:
        at.epoch += 1
        with tqdm(
            total=len(fold.train), unit="sample", unit_scale=True, desc=f"epoch {at.epoch}/{training.epochs}", disable=not progress
        ) as bar:
            if at.curve:
                bar.set_postfix_str(f"valid AUC {at.best['auc']:.5f}")
            if table is not None:
                rule.epoch_starts(at.epoch, table, optimizers[-1])
            loss, speed = train_epoch(model, optimizers, fold.train, training, generator, bar, at.epoch)
        if not math.isfinite(loss) or loss > limit:
            raise Diverged(f"training loss {loss:.4g} in epoch {at.epoch}", tuple(at.curve))
        scoring = time.perf_counter()
        try:
            valid = score(model, fold.valid)
        except NotFinite:
            raise Diverged(f"scores are not finite in epoch {at.epoch}", tuple(at.curve)) from None
        with torch.no_grad():
            model(sample)  # what the model's own curve is of: the rows scored last are neighbours in the file
            own = {f"model/{name}": float(value) for name, value in model.curve().items()}  # NumPy's are nothing that a checkpoint holds
        at.evaluation += time.perf_counter() - scoring
        at.speeds.append(speed)
        at.curve.append(
            {
                "epoch": float(at.epoch),
                "train/loss": loss,
                "valid/auc": valid["auc"],
                "valid/logloss": valid["logloss"],
                "learning_rate": at.learning_rate,
                "samples_per_second": speed,
                **own,
            }
        )
        report(at.curve[-1])
        with torch.no_grad():
            told = None if table is None else rule.dose(table, optimizers[-1])
        by_rule = None if told is None else float(told)
        if at.epoch == 1:
            at.measured |= _at("first", by_rule, _doses(model, fold.train, training))
        if valid["auc"] > at.best["auc"]:
            at.best, at.best_epoch, at.best_weights, at.best_by_rule = valid, at.epoch, _copy(model), by_rule
        if valid["logloss"] < at.lowest:
            at.lowest, at.lowest_epoch = valid["logloss"], at.epoch
            at.lowest_weights = at.best_weights if at.best_epoch == at.epoch else _copy(model)
        if at.best_epoch < at.epoch:
            at.is_over = at.epoch - at.best_epoch >= training.patience
            at.learning_rate *= training.plateau_factor
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] *= training.plateau_factor
        if checkpoint is not None:
            at.seconds = time.perf_counter() - started
            checkpoint.save(model, optimizers, generator, vars(at), at_once=at.epoch == until)
    model.load_state_dict(at.best_weights)
    at.measured |= _at("best", at.best_by_rule, _doses(model, fold.train, training))
    verify_alone(model, next(iter(fold.valid.batches(64)))[0])
    at.speeds.sort()
    return Fitted(
        at.best_epoch,
        at.best,
        tuple(at.curve),
        at.speeds[len(at.speeds) // 2],
        time.perf_counter() - started,
        at.evaluation,
        at.measured,
        at.lowest_epoch,
        at.lowest,
        None if at.lowest_epoch == at.best_epoch else at.lowest_weights,
        paused=at.epoch < training.epochs and not at.is_over,
    )


def make_optimizers(model: CTRModel, training: Training) -> list[torch.optim.Optimizer]:
    """Adam (Kingma and Ba, ICLR 2015); the embedding L2 is the weight decay of the table's group, see ``fit``.

    The last one has the table: Adam, or an optimiser of the method's own (``contracts.TableRule``).
    """
    table = model.table()
    rate, l2 = cowclip.dense_rate(training), cowclip.l2(training)
    own = None if table is None else model.table_rule().optimizer(table, training.learning_rate, l2)
    own_rules = model.adam()
    by_rule: dict[Adam, list[torch.nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad and parameter is not table:
            by_rule.setdefault(own_rules.get(parameter, Adam()), []).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": of, "weight_decay": 0.0, "eps": rule.epsilon, "lr": rate * rule.rate} for rule, of in by_rule.items()
    ]
    if table is not None and own is None:
        groups.append({"params": [table], "weight_decay": l2})
    adam = [torch.optim.Adam(groups, lr=training.learning_rate, fused=True)] if groups else []
    return [*adam, *([] if own is None else [own])]


@contextmanager
def precision(training: Training, device: torch.device) -> Iterator[torch.autocast]:
    """Around training: its arithmetic, and the context for each forward pass. Parameters, statistics, loss and optimiser stay float32, and
    so does evaluation.

    bf16: activations and products in bfloat16 (autocast). tf32: a GPU's products with TensorFloat-32 inputs; a CPU has none, and
    computes in float32.
    """
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = training.precision == "tf32"
    try:
        yield torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bf16")
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def train_epoch(
    model: CTRModel,
    optimizers: Sequence[torch.optim.Optimizer],
    train: TrainingRows,
    training: Training,
    generator: torch.Generator,
    bar: tqdm[Never],
    epoch: int,
) -> tuple[float, float]:
    """One pass over ``train``: mean logloss (without penalty) and samples per second. Raises ContractError.

    ``epoch``: 1, 2, … of the training; in the first CowClip's rules warm up.
    """
    model.train()
    rule, table = model.table_rule(), model.table()
    clip = cowclip.row_clip(model, training)
    warm_up = cowclip.warm_up(optimizers, table, len(batch_sizes(len(train), training.batch_size)), training) if epoch == 1 else None
    parameters = [parameter for optimizer in optimizers for group in optimizer.param_groups for parameter in group["params"]]
    started = time.perf_counter()
    total = torch.zeros((), dtype=torch.float64, device=train.device)
    penalty_alone = torch.zeros((), dtype=torch.bool, device=train.device)  # whether it was no number while the loss was one
    seen = 0
    with precision(training, train.device) as forward_pass:
        for step, (ids, labels) in enumerate(train.shuffled(training.batch_size, generator)):
            if warm_up is not None:
                warm_up(step)
            if table is not None:
                rule.batch_starts(ids, table, optimizers[-1])
            with forward_pass:
                output = model(ids)
            if step == 0:
                verify_output(model, ids, output)
            loss = functional.binary_cross_entropy_with_logits(output.logits.to(labels.dtype), labels)
            calibrate(model, loss)
            penalty_alone |= ~output.penalty.detach().isfinite() & loss.detach().isfinite()
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            (loss + output.penalty).backward()
            if clip is not None:
                clip(ids)
            if training.gradient_clip > 0:
                torch.nn.utils.clip_grad_norm_(parameters, training.gradient_clip)
            for optimizer in optimizers:
                optimizer.step()
            total += loss.detach() * len(labels)  # stays on the device: reading it would make every step wait
            seen += len(labels)
            if not bar.disable:
                bar.update(len(labels))
                if step % 20 == 0:
                    bar.set_postfix_str(f"loss {float(total) / seen:.4f}")
    if bool(penalty_alone):
        raise nan_in_penalty(model, epoch)
    return float(total) / seen, seen / (time.perf_counter() - started)


def _doses(model: CTRModel, train: TrainingRows, training: Training) -> dict[str, float]:
    with precision(training, train.device) as forward_pass:
        return doses(model, train, training.batch_size, forward_pass)


def _at(epoch: str, by_rule: float | None, found: Mapping[str, float]) -> dict[str, float]:
    rule = {} if by_rule is None else {f"{epoch}/table_rule": by_rule}
    return rule | {f"{epoch}/{name}": value for name, value in found.items()}


def _require_rows(model: CTRModel, rows: int, size: int) -> None:
    """Raises UserError where batch normalisation would get a batch of one row, whose variance is 0 by 0."""
    if 1 in batch_sizes(rows, size) and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        raise UserError(
            f"training: batch_size = {size} with {rows:,} training rows makes batches of one row, on which batch normalisation cannot be "
            "trained; take at least 2, or a backbone without it (batch_norm = false)"
        )


def divergence_limit(positive_rate: float) -> float:
    """The mean logloss of an epoch, in nats, above which a training has diverged. positive_rate: of the training part, in (0, 1)."""
    entropy = -(positive_rate * math.log(positive_rate) + (1 - positive_rate) * math.log(1 - positive_rate))
    return max(DIVERGED * entropy, DIVERGED_RARE * math.log(2))


def _copy(model: CTRModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
