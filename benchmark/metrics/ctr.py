"""AUC and logloss of click-through-rate predictions, exact and on the tensors' device."""

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


def _check(scores: Tensor, labels: Tensor) -> None:
    if scores.dim() != 1 or scores.shape != labels.shape or len(scores) == 0:
        raise ValueError(f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)} must be vectors of one length, not empty")
    if not bool(torch.isfinite(scores).all()):
        raise ValueError("scores are not finite")
    if not bool(((labels == 0) | (labels == 1)).all()):
        raise ValueError("labels must be 0 or 1")
