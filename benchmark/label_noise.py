"""How far the draw of test labels and test rows moves a difference between methods: the same trained models, scored in four ways.

    python -m benchmark.label_noise     # prints the table of docs/mathematics.md §5: ten small trainings

Test rows of the data set ``teacher`` are cut into parts of 6,000. Of each part, and of all rows at once, the difference in AUC of two
methods is taken for every seed, by labels as they were drawn and by their probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import api
from benchmark.contracts import CTRModel
from benchmark.data.batches import Rows
from benchmark.data.store import Prepared
from benchmark.errors import UserError
from benchmark.metrics.ctr import auc, expected_auc

METHODS = ("single_embedding", "multi_embedding")
SEEDS = 5
PART = 6000  # rows, as many as ``synthetic`` has for its test
DATA: Mapping[str, Any] = {
    "rows": 100_000,
    "valid_rows": 20_000,
    "test_rows": 1_000_000,
    "cardinalities": [3, 5, 10, 30, 100, 300, 1000, 3000],
}
MODEL: Mapping[str, Any] = {"scale": 2, "training": {"epochs": 3}, "backbone_options": {"units": 80, "hidden": [64]}, "threads": 1}
BATCH = 8192


@dataclass(frozen=True)
class Noise:
    """Of the paired difference in AUC, scored in one way."""

    rows: int
    labels: str  # "drawn" or "expected"
    mean: float
    between_seeds: float  # standard deviation over seeds on the same test rows: root mean square over the test parts
    between_parts: float  # standard deviation over test parts of the mean over seeds; NaN for one part


def measure(data: Prepared, backbone: str, seeds: int, part: int, model: Mapping[str, Any]) -> list[Noise]:
    """The four ways: ``part`` rows or all, labels drawn or expected. Raises UserError where a training fails, or p is not known."""
    test = data.test(torch.device("cpu"))
    if test.probabilities is None:
        raise UserError(f"data set {data.name}: the probabilities of its labels are not known")
    logits = [[_trained(method, backbone, data, seed, model, test) for method in METHODS] for seed in range(seeds)]
    found = []
    for rows in (part, len(test)):
        parts = [slice(start, start + rows) for start in range(0, len(test) - rows + 1, rows)]
        for labels, metric, truth in (("drawn", auc, test.labels), ("expected", expected_auc, test.probabilities)):
            differences = np.array(
                [[metric(ours[of], truth[of]) - metric(control[of], truth[of]) for control, ours in logits] for of in parts]
            )
            found.append(_noise(rows, labels, differences))
    return found


def _noise(rows: int, labels: str, differences: NDArray[np.float64]) -> Noise:
    """differences: (parts, seeds)"""
    means = differences.mean(1)
    between_parts = float(means.std(ddof=1)) if len(means) > 1 else math.nan
    return Noise(rows, labels, float(means.mean()), float(np.sqrt(differences.var(1, ddof=1).mean())), between_parts)


def _trained(method: str, backbone: str, data: Prepared, seed: int, model: Mapping[str, Any], test: Rows) -> Tensor:
    """(n,) logits of the test rows"""
    kept: list[CTRModel] = []
    record = api.train(method, backbone, data, seed=seed, keep=kept.append, **model)
    if not kept:
        raise UserError(f"{method}, seed {seed}: {record.status}: {record.reason}")
    with torch.no_grad():
        return torch.cat([kept[0](ids).logits for ids, _ in test.batches(BATCH)])


def main() -> None:
    found = measure(api.prepared("teacher", DATA), "dnn", SEEDS, PART, MODEL)
    print("difference in AUC, 1e-5: multi-embedding less single embedding, DNN of width 20")
    print(f"{'test rows':>10} {'labels':9} {'mean':>8} {'sd over seeds':>14} {'sd of the mean over test parts':>31}")
    for one in found:
        mean, seeds, parts = (f"{1e5 * value:.1f}" for value in (one.mean, one.between_seeds, one.between_parts))
        print(f"{one.rows:>10,} {one.labels:9} {mean:>8} {seeds:>14} {'-' if math.isnan(one.between_parts) else parts:>31}")


if __name__ == "__main__":
    main()
