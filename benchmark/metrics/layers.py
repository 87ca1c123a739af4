"""Spectral metrics of a layer's representation, and what Gaussian rows reach that repeat as the sample's do (docs/mathematics.md §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.metrics.spectral import METRICS, Measured, centred, each, gaussian_reference, keyed, mean_of, normalised, spectrum

FLAT_INSTANCES = 1024  # instances of the matrix `flat`: its Gram matrix is of their number
INSTANCES = 256  # samples whose own matrix is looked at
LAYER_CHUNK = 1 << 24  # numbers of a layer held in float64 at once (128 MiB)
DRAWS = (4, 64)  # Gaussian tables that a reference is the mean of, at least and at most
DRAWN = 1 << 21  # numbers of all these tables, where the least is not more

Counts = NDArray[np.int64]


def layer_metrics(
    states: Tensor, learned: Sequence[int] | None = None, repeats: Sequence[Counts] | Counts | None = None
) -> dict[str, float]:
    """The metrics of ``measured_layer``."""
    return measured_layer(states, learned, repeats).metrics


def measured_layer(states: Tensor, learned: Sequence[int] | None = None, repeats: Sequence[Counts] | Counts | None = None) -> Measured:
    """Metrics of one layer's representation. states: (B, S, N, d) -> {"<matrix>/<metric>", "<matrix>/<metric>_over_gaussian"}

    batch          for each row n its B×(S·d) matrix, sets side by side; mean over the rows
    batch_set      for each row and set its B×d matrix; mean over both
    flat           B×(N·S·d), on the first 1,024 instances
    instance       for each sample its N×(S·d) matrix; mean over the first 256 samples
    …_centred      batch and flat less their mean row

    learned: where rows are fields, how many values each field has in training. A row with fewer than S·d (d for batch_set) cannot fill
    the space to begin with, and stays out of the means of batch and batch_set; ``rows_averaged`` counts the others.
    repeats: how often each different instance stands among the B, (k,) with sum B: one array, or one for each row n. Then there is also
    "<matrix>/<metric>_over_repeated_gaussian" of the three matrices named batch: the mean over their rows of the metric over
    ``repeated_reference``'s.

    Singular values are of "batch": at each position i the mean of σ_i/σ_1 over the rows that the means of batch are over.
    Raises ValueError when a state is not finite, or repeats do not fit it.
    """
    count, sets, rows, size = states.shape
    if not bool(torch.isfinite(states).all()):
        raise ValueError("states are not finite")
    found: dict[str, list[Tensor]] = {"batch": [], "batch_centred": [], "batch_set": []}
    curves: list[Tensor] = []  # σ_i/σ_1 of each row's batch matrix, (n, k)
    step = max(1, LAYER_CHUNK // (count * sets * size))
    for part in torch.split(states, step, dim=2):
        by_row = part.permute(2, 0, 1, 3).double()  # (n, B, S, d)
        joined = by_row.flatten(2)
        less = centred(joined)
        values, less_values = spectrum(joined), spectrum(less)
        curves.append(normalised(values))
        found["batch"].append(each(values, less_values))
        found["batch_centred"].append(each(less_values, less_values))
        if sets > 1:
            in_sets = spectrum(by_row.transpose(1, 2)), spectrum(less.view(*by_row.shape).transpose(1, 2))
            found["batch_set"].append(each(*in_sets))
    if sets == 1:
        found["batch_set"] = found["batch"]
    flat = states[:FLAT_INSTANCES].flatten(1)
    values, less_values = spectrum(flat), spectrum(centred(flat))
    found["flat"], found["flat_centred"] = [each(values, less_values)], [each(less_values, less_values)]
    samples = states[:INSTANCES].transpose(1, 2).flatten(2)
    found["instance"] = [each(spectrum(samples), spectrum(centred(samples)))]
    shapes: dict[str, tuple[int, int]] = {
        "batch": (count, sets * size),
        "batch_set": (count, size),
        "flat": (flat.shape[0], flat.shape[1]),
        "instance": (rows, sets * size),
    }
    every = torch.ones(rows, dtype=torch.bool)
    able = {width: every if learned is None else torch.tensor(learned) >= width for width in (sets * size, size)}
    result = {"rows_averaged": float(able[sets * size].sum())}
    for name, parts in found.items():
        height, width = shapes[name.removesuffix("_centred")]
        is_centred = name.endswith("_centred")
        matrices = torch.cat(parts, dim=1)  # (6, matrices), rows outermost
        chosen = torch.ones(matrices.shape[1], dtype=torch.bool)
        if name.startswith("batch"):
            chosen = able[width].repeat_interleave(matrices.shape[1] // rows)
        if not bool(chosen.any()):
            continue
        result |= keyed(f"{name}/", mean_of(matrices[:, chosen]), gaussian_reference(height, width, is_centred))
        if repeats is not None and name.startswith("batch"):
            references = _references(repeats, (count, rows), width, is_centred).repeat_interleave(matrices.shape[1] // rows, dim=1)
            result |= _over(f"{name}/", matrices[:, chosen], references[:, chosen])
    filled = able[sets * size]
    return Measured(result, {"batch": torch.cat(curves)[filled].mean(0)} if bool(filled.any()) else {})


def repeated_reference(repeats: Counts, columns: int, is_centred: bool = False) -> Mapping[str, float]:
    """The mean of each metric over matrices of standard Gaussian rows (Σ repeats × columns) of which row i stands repeats[i] times.

    repeats: (k,), in any order. With the occurrences of a field's values in a sample this is what a freshly drawn table reaches there: few
    frequent values weigh as much as all others, so that it is less than what a Gaussian matrix of as many rows reaches.
    Where nothing repeats it is ``gaussian_reference``.
    """
    if repeats.max() == 1:
        return gaussian_reference(len(repeats), columns, is_centred)
    return _repeated(np.sort(repeats).astype(np.int64).tobytes(), columns)[is_centred]


@lru_cache(maxsize=512)
def _repeated(sorted_repeats: bytes, columns: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """``repeated_reference``, plain and centred, from a fixed seed.

    A row that stands c times adds to the Gram matrix what √c times it adds once: k rows are drawn and weighted, not Σc.
    """
    counts = np.frombuffer(sorted_repeats, dtype=np.int64)
    shares = counts / counts.sum()
    weights = torch.from_numpy(np.sqrt(shares))[:, None]
    draw = np.random.default_rng((len(counts), columns))
    found: list[Tensor] = []
    least, most = DRAWS
    for _ in range(min(most, max(least, DRAWN // (len(counts) * columns)))):
        table = torch.from_numpy(draw.standard_normal((len(counts), columns)))
        less = table - torch.from_numpy(shares) @ table
        values, less_values = spectrum(weights * table), spectrum(weights * less)
        found.append(torch.cat([each(values, less_values), each(less_values, less_values)], dim=1))
    plain, less_mean = torch.stack(found).mean(0).T.tolist()  # (2, 6)
    return dict(zip(METRICS, plain, strict=True)), dict(zip(METRICS, less_mean, strict=True))


def _references(repeats: Sequence[Counts] | Counts, shape: tuple[int, int], columns: int, is_centred: bool) -> Tensor:
    """(6, N): of each row n, in the order of ``METRICS``. shape: (B, N)"""
    count, rows = shape
    of_rows = [repeats] * rows if isinstance(repeats, np.ndarray) else repeats
    if len(of_rows) != rows or any(counts.sum() != count for counts in of_rows):
        raise ValueError(f"repeats of {len(of_rows)} rows do not fit states of {rows} rows and {count} instances")
    return torch.tensor([list(repeated_reference(counts, columns, is_centred).values()) for counts in of_rows], dtype=torch.float64).T


def _over(prefix: str, matrices: Tensor, references: Tensor) -> dict[str, float]:
    """The mean over M matrices of each metric over its reference: (6, M) twice. Of equal rows, centred, both are 0: they have no ratio."""
    found = {}
    for name, values, reached in zip(METRICS, matrices, references, strict=True):
        some = reached > 0
        if bool(some.any()):
            found[f"{prefix}{name}_over_repeated_gaussian"] = float((values[some] / reached[some]).mean())
    return found
