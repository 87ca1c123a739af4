"""Interaction collapse as Guo et al. (ICML 2024, section 4; arXiv 2310.04400) show it on a toy: a field of few values pulls the vectors of
the others into as few directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.metrics.spectral import information_abundance, spectrum

DRAWS, VALUES, DIMENSION, BATCH, STEPS, RATE, STD = 4, 100, 10, 100, 3000, 3.0, 0.5


def abundance(tables: Tensor) -> list[float]:
    """Of each table of (draws, values, d)."""
    found: list[float] = information_abundance(spectrum(tables)).tolist()
    return found


def trained(third: int) -> tuple[list[float], list[float]]:
    """Information abundance of E_1 before and after training, for ``DRAWS`` draws of all.

    A factorisation machine of three fields, logit ⟨e_1, e_2⟩ + ⟨e_1, e_3⟩ + ⟨e_2, e_3⟩, with ``third`` values in the third. E_2 and E_3 are
    fixed; E_1 gets plain SGD on the logloss of rows that are drawn evenly, with labels that are coins.
    """
    generator = torch.Generator().manual_seed(0)
    first, second, other = (STD * torch.randn(DRAWS, size, DIMENSION, generator=generator) for size in (VALUES, VALUES, third))
    before = abundance(first)
    draws = torch.arange(DRAWS)[:, None]
    for _ in range(STEPS):
        i, j, k = (torch.randint(size, (DRAWS, BATCH), generator=generator) for size in (VALUES, VALUES, third))
        labels = torch.randint(2, (DRAWS, BATCH), generator=generator)
        e1, e2, e3 = first[draws, i], second[draws, j], other[draws, k]
        error = torch.sigmoid((e1 * e2 + e1 * e3 + e2 * e3).sum(2)) - labels  # of the loss in the logit
        first.index_put_((draws, i), -RATE / BATCH * error[..., None] * (e2 + e3), accumulate=True)
    return before, abundance(first)


def test_a_field_of_few_values_collapses_the_fields_it_meets() -> None:
    """The paper: 7.75 → 5.12 with 3 values in the third field, 7.81 → 7.36 with 100."""
    before, few = trained(3)
    _, many = trained(100)
    assert all(7.3 < value < 8.3 for value in before)
    assert all(4.3 < value < 6.2 for value in few)
    assert all(6.8 < value < 8.6 for value in many)
    assert max(few) + 1 < min(many)
