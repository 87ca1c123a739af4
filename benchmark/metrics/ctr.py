"""AUC and logloss of click-through-rate predictions, exact and on the tensors' device.

Of labels as they are, or expected ones over labels whose probabilities are known.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative, a tie counting one half.

    scores: (n,) any monotone score, logits included; labels: (n,) with 0 and 1. One sort; equal scores share their average rank,
    AUC = (R - P(P+1)/2) / (P·N) with R the positives' sum of ranks (Mann and Whitney, 1947). Ranks are half-integers in float64: exact to
    9·10⁷ rows. Raises ValueError when the shapes differ, a score is not finite, a label is not 0 or 1, or a class is missing.
    """
    _check(scores, labels)
    ordered, order = torch.sort(scores)
    _, sizes = torch.unique_consecutive(ordered, return_counts=True)
    ends = sizes.cumsum(0)  # rank of the last row of each run of equal scores
    seen = labels[order].to(torch.int64).cumsum(0)[ends - 1]  # positives up to that row
    positives = int(seen[-1])
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        raise ValueError(f"AUC needs both classes: {positives} positive and {negatives} negative labels")
    in_run = torch.diff(seen, prepend=seen.new_zeros(1)).double()
    rank_sum = float((in_run * (ends.double() - (sizes.double() - 1) / 2)).sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def logloss(logits: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood in nats. logits: (n,), before the sigmoid; labels: (n,) with 0 and 1.

    Computed from the logits in float64, so that no probability is clipped. Raises ValueError when the shapes differ, a logit is not
    finite or a label is not 0 or 1.
    """
    _check(logits, labels)
    return float(functional.binary_cross_entropy_with_logits(logits.double(), labels.double()))


def expected_auc(scores: Tensor, probabilities: Tensor) -> float:
    """AUC over independent labels of known probabilities p: Σ p_i (1 − p_j) [s_i > s_j], a tie counting one half, over Σ p_i (1 − p_j).

    scores s: (n,), as for ``auc``; probabilities: (n,) that each label is 1. Both sums are over i ≠ j, as one row has one label only: they
    are exactly the means, over draws of the labels, of the two numbers of pairs whose ratio ``auc`` is. Of the ratio's mean it is the
    leading term: what is left out is of the order 1/n, against a standard deviation over draws of the order 1/√n (docs/mathematics.md §5).
    With p of 0 and 1 alone it is ``auc``. One sort, float64. Raises ValueError as ``auc`` does, and for a p outside [0, 1].
    """
    _check_expected(scores, probabilities)
    p = probabilities.double()
    ordered, order = torch.sort(scores)
    _, sizes = torch.unique_consecutive(ordered, return_counts=True)
    ends = sizes.cumsum(0) - 1  # last row of each run of equal scores
    positive, negative = (_in_runs(part[order], ends) for part in (p, 1 - p))
    ahead, behind = (part.cumsum(0) - part for part in (negative, positive))
    # As the difference from a half: 0 to the last bit where all scores are equal. A row with itself is always a tie, and leaves it alone.
    excess = float((positive * ahead - negative * behind).sum())
    pairs = float(p.sum()) * float((1 - p).sum()) - float((p * (1 - p)).sum())
    if pairs <= 0:
        raise ValueError("AUC needs both classes: no pair of rows can have a positive and a negative label")
    return 0.5 + excess / (2 * pairs)


def expected_logloss(logits: Tensor, probabilities: Tensor) -> float:
    """The mean of ``logloss`` over draws of the labels, exactly: mean of p · softplus(−z) + (1 − p) · softplus(z), in nats.

    logits z: (n,), before the sigmoid; probabilities p: (n,) that each label is 1. Raises ValueError as ``logloss`` does, and for a p
    outside [0, 1].
    """
    _check_expected(logits, probabilities)
    return float(functional.binary_cross_entropy_with_logits(logits.double(), probabilities.double()))


def _in_runs(values: Tensor, ends: Tensor) -> Tensor:
    """The sum of ``values`` (n,) in each run, by the runs' last places (runs,)."""
    return torch.diff(values.cumsum(0)[ends], prepend=values.new_zeros(1))


def _check(scores: Tensor, labels: Tensor) -> None:
    _check_scores(scores, labels, "labels")
    if not bool(((labels == 0) | (labels == 1)).all()):
        raise ValueError("labels must be 0 or 1")


def _check_expected(scores: Tensor, probabilities: Tensor) -> None:
    _check_scores(scores, probabilities, "probabilities")
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise ValueError("probabilities must lie in [0, 1]")


def _check_scores(scores: Tensor, truth: Tensor, what: str) -> None:
    if scores.dim() != 1 or scores.shape != truth.shape or len(scores) == 0:
        raise ValueError(f"scores {tuple(scores.shape)} and {what} {tuple(truth.shape)} must be vectors of one length, not empty")
    if not bool(torch.isfinite(scores).all()):
        raise ValueError("scores are not finite")
