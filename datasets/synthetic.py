"""Generated rows whose labels are drawn from a known probability, so that the best possible metrics are known too.

Field f has values with Zipf frequencies, drawn independently. The logit of a row is that of a factorisation machine (Rendle, ICDM
2010): intercept + Σ_f w_f[x_f] + Σ_{f<g} ⟨v_f[x_f], v_g[x_g]⟩ with v of a low rank. w and v have mean zero under each field's
frequencies, so that the pairwise part is invisible to a linear model; rare values carry less (they could not be learned). With
probability ``noise`` the label is a coin of the base rate instead. *Bayes* metrics are those of the probability that drew the labels:
no model does better on the same rows; with ``expected_metrics`` off, in expectation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from benchmark.metrics.ctr import auc, expected_auc, expected_logloss, logloss
from benchmark.sources import Column, DataSet, Source, UserError, setting

HALF = 100.0  # a value with this many expected rows carries half of a frequent value's weight


@dataclass(frozen=True, kw_only=True)
class Synthetic(DataSet):
    """Options of the generator. Rows are split 8:1:1."""

    summary = "generated: Zipf values, planted low-rank interaction, known Bayes AUC and logloss"
    source = "this project; interaction as in Rendle, Factorization Machines, ICDM 2010"
    embedded = True
    training: ClassVar[Mapping[str, Any]] = {"batch_size": 1024, "embedding_l2": 1e-2}

    rows: int = setting(60_000, at_least=100, help="all parts together")
    cardinalities: tuple[int, ...] = setting((3, 5, 10, 30, 100, 300, 1000, 3000), at_least=2, help="values of each field")
    zipf: float = setting(1.2, at_least=0, help="frequency of the k-th value ∝ k^-zipf")
    rank: int = setting(4, at_least=1, help="of the planted interaction")
    signal: float = setting(2.0, above=0, help="standard deviation of the logit")
    interaction: float = setting(0.5, at_least=0, at_most=1, help="share of the logit's variance in the pairwise part")
    noise: float = setting(0.02, at_least=0, below=1, help="share of labels that are drawn regardless of the row")
    base_rate: float = setting(0.3, above=0, below=1)
    expected_metrics: bool = setting(
        True, formerly=False, help="valid and test metrics are expected ones over the labels; false: of one draw of labels"
    )
    seed: int = setting(0, at_least=0)

    def validate(self) -> None:
        if len(self.cardinalities) < 2:
            raise UserError(f"dataset synthetic: cardinalities = {self.cardinalities}; it must be two or more fields")

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        values, probability, labels = self.draw()
        names = [f"field{number}_{size}" for number, size in enumerate(self.cardinalities, start=1)]
        cells = {name: column.astype(np.int32) for name, column in zip(names, values.T, strict=True)}
        frame = pl.DataFrame({"label": labels, "probability": probability, **cells})
        train, valid = self.rows * 8 // 10, self.rows // 10
        parts = {
            "train": slice(0, train),
            "valid": slice(train, train + valid),
            "test": slice(train + valid, self.rows),
        }
        known = {}
        for part in ("valid", "test"):
            chances, truth = torch.from_numpy(probability[parts[part]]), torch.from_numpy(labels[parts[part]])
            if not 0 < truth.sum() < len(truth):
                raise UserError(f"dataset synthetic: every {part} label came out the same; raise rows, or move base_rate towards 0.5")
            logits = chances.logit(eps=1e-15)
            exact = self.expected_metrics
            known[f"{part}/bayes_auc"] = expected_auc(chances, chances) if exact else auc(chances, truth)
            known[f"{part}/bayes_logloss"] = expected_logloss(logits, chances) if exact else logloss(logits, truth)
        return Source(
            parts={part: frame[rows].lazy() for part, rows in parts.items()},
            label="label",
            columns=tuple(Column(name) for name in names),
            known=known,
            probability="probability" if self.expected_metrics else None,
        )

    def draw(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
        """values (rows, fields) from 0, probability (rows,), labels (rows,)."""
        random = np.random.default_rng(self.seed)
        linear = np.zeros(self.rows)
        total, squares = np.zeros((self.rows, self.rank)), np.zeros(self.rows)
        values = np.empty((self.rows, len(self.cardinalities)), np.int64)
        for field, size in enumerate(self.cardinalities):
            frequency = np.arange(1, size + 1) ** -self.zipf
            frequency /= frequency.sum()
            expected = frequency[:, None] * self.rows
            weights = random.standard_normal((size, 1 + self.rank)) * np.sqrt(expected / (expected + HALF))
            weights -= frequency @ weights
            with np.errstate(divide="ignore", invalid="ignore"):  # of one value alone, which is refused below
                weights /= np.sqrt((frequency @ weights**2).mean())  # every field says about equally much
            drawn = random.permutation(size)  # so that a value's name does not tell its frequency
            ranks = random.choice(size, self.rows, p=frequency)
            values[:, field] = drawn[ranks]
            chosen = weights[ranks]
            linear += chosen[:, 0]
            total += chosen[:, 1:]
            squares += (chosen[:, 1:] ** 2).sum(1)
        pairs = ((total**2).sum(1) - squares) / 2  # Σ_{f<g} ⟨v_f, v_g⟩
        if not np.isfinite(linear + pairs).all() or not np.ptp(linear) or not np.ptp(pairs):
            raise UserError(f"dataset synthetic: zipf = {self.zipf:g}: all rows came out with the same values; lower it, or raise rows")
        with np.errstate(over="ignore"):  # a signal so strong leaves no base rate, which is refused
            logit = self.signal * (np.sqrt(1 - self.interaction) * _standard(linear) + np.sqrt(self.interaction) * _standard(pairs))
        probability = (1 - self.noise) * _sigmoid(logit + _intercept(logit, self.base_rate)) + self.noise * self.base_rate
        labels = (random.random(self.rows) < probability).astype(np.uint8)
        return values, probability, labels


def _standard(x: NDArray[np.float64]) -> NDArray[np.float64]:
    standard: NDArray[np.float64] = (x - x.mean()) / x.std()
    return standard


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-x))
    return probability


def _intercept(logit: NDArray[np.float64], rate: float) -> float:
    """The b with mean(sigmoid(logit + b)) = rate, by bisection."""
    low, high = -100.0, 100.0
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, and the probability 0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if _sigmoid(logit + middle).mean() < rate else (low, middle)
    if max(-low, high) == 100.0:
        raise UserError(f"dataset synthetic: base_rate = {rate:g} is out of reach; move it towards 0.5, or lower signal")
    return (low + high) / 2
