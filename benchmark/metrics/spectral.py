"""Spectral metrics: how many dimensions a matrix of embeddings really uses (docs/mathematics.md §4).

Each metric is a function of singular values; a mapping key names the matrix they were taken of: ``batch/effective_rank``.
Everything is float64 and comes from the eigenvalues of the smaller Gram matrix, which squares the condition number: a singular value
below about 1e-7·σ_1 cannot be told from rounding and is returned as 0.

The matrix of zeros uses no dimension: its ranks and its information abundance are 0, its top share is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import fmean
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-2  # of numerical_rank, relative to σ_1
TABLE_CHUNK = 1 << 17  # numbers of a table held in float64 at once: stays in the cache


def spectrum(matrix: Tensor) -> Tensor:
    """Singular values, descending. matrix: (…, m, d) -> (…, min(m, d)), float64."""
    wide = matrix.shape[-2] < matrix.shape[-1]
    a = matrix.double()
    return spectrum_of_gram(a @ a.mT if wide else a.mT @ a, min(matrix.shape[-2:]))


def spectrum_of_gram(gram: Tensor, rank: int) -> Tensor:
    """Singular values of A, descending, from its Gram matrix. gram: AᵀA or AAᵀ, (…, k, k) -> (…, min(k, rank)), float64.

    rank: the most that A can have, min(m, d). Eigenvalues below k·2⁻⁵²·λ_1, negative ones included, are rounding and become 0.
    """
    values = torch.linalg.eigvalsh(gram.double()).flip(-1)[..., :rank]
    floor = gram.shape[-1] * torch.finfo(torch.float64).eps * values[..., :1]
    return torch.where(values > floor, values, 0).sqrt()


def centred(matrix: Tensor) -> Tensor:
    """(…, m, d) -> the same in float64, less its mean row. Equal rows become exactly 0, whatever the rounding of the mean."""
    shifted = matrix.double() - matrix[..., :1, :].double()
    return shifted - shifted.mean(-2, keepdim=True)


def information_abundance(values: Tensor) -> Tensor:
    """Σσ_i / σ_1, in [1, k] (Guo et al., ICML 2024). values: singular values, (…, k) descending -> (…)"""
    return _ratio(values.sum(-1), values[..., 0])


def effective_rank(values: Tensor) -> Tensor:
    """exp(−Σ p_i ln p_i), p = σ/Σσ, in [1, k] (Roy and Vetterli, EUSIPCO 2007). values: (…, k) -> (…)"""
    total = values.sum(-1)
    shares = _ratio(values, total.unsqueeze(-1))
    return torch.where(total > 0, torch.special.entr(shares).sum(-1).exp(), 0)


def stable_rank(values: Tensor) -> Tensor:
    """‖A‖_F² / σ_1², in [1, k] (Rudelson and Vershynin, 2007). values: (…, k) descending -> (…)"""
    return _ratio(values.square().sum(-1), values[..., 0].square())


def participation_ratio(values: Tensor) -> Tensor:
    """(Σλ_i)² / Σλ_i², λ = σ², in [1, k]. values: singular values of the *centred* matrix, (…, k) -> (…)"""
    energies = values.square()
    return _ratio(energies.sum(-1).square(), energies.square().sum(-1))


def numerical_rank(values: Tensor) -> Tensor:
    """The number of singular values above 1e-2·σ_1. values: (…, k) descending -> (…)"""
    return (values > TOLERANCE * values[..., :1]).sum(-1).double()


def top_share(values: Tensor) -> Tensor:
    """σ_1² / Σσ_i², in [1/k, 1]: the energy in the leading direction. values: (…, k) descending -> (…)"""
    energies = values.square()
    return torch.where(energies[..., 0] > 0, _ratio(energies[..., 0], energies.sum(-1)), 1)


METRICS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {f.__name__: f for f in (information_abundance, effective_rank, stable_rank, participation_ratio, numerical_rank, top_share)}
)


def metrics(values: Tensor, centred_values: Tensor) -> dict[str, Tensor]:
    """Every metric of a matrix: (…, k) singular values, and those of the centred matrix -> (…) each.

    The participation ratio is by definition that of the centred matrix, the others are those of the matrix as it stands.
    """
    return {name: f(centred_values if f is participation_ratio else values) for name, f in METRICS.items()}


def gaussian_reference(rows: int, columns: int, is_centred: bool = False) -> Mapping[str, float]:
    """The mean of each metric over standard Gaussian matrices (rows × columns), centred first if asked for.

    Even noise does not reach the bound min(m, d). Centring takes one row: the spectrum is that of rows − 1.
    """
    plain, less = _gaussian(rows - is_centred, columns), _gaussian(rows - 1, columns)
    return {name: (less if f is participation_ratio else plain)[name] for name, f in METRICS.items()}


@lru_cache(maxsize=4096)
def _gaussian(rows: int, columns: int) -> Mapping[str, float]:
    """The mean of each metric, a function of the singular values alone, over Gaussian matrices: drawn exactly, at a cost of k² for any m.

    The Bartlett factor of a Wishart matrix, reduced to two diagonals (Dumitriu and Edelman, J. Math. Phys. 43, 2002, β = 1): with
    m ≥ k, B has the diagonal χ_m, χ_{m−1}, …, χ_{m−k+1} and below it χ_{k−1}, …, χ_1, and its singular values are distributed
    as those of an m×k Gaussian matrix. Fixed seed; more draws where the matrix is small and the metrics vary most.
    """
    from scipy.linalg import eigvalsh_tridiagonal  # a third of a second, for those who take spectra

    m, k = max(rows, columns), min(rows, columns)
    if k < 1:
        return MappingProxyType({name: 0.0 for name in METRICS})
    draw = np.random.default_rng((m, k))
    count = min(512, max(2, 4096 // k))
    diagonal = np.sqrt(draw.chisquare(np.arange(m, m - k, -1), (count, k)))
    below = np.sqrt(draw.chisquare(np.arange(k - 1, 0, -1), (count, k - 1)))
    main = diagonal**2
    main[:, 1:] += below**2
    side = below * diagonal[:, :-1]
    energies = np.stack([eigvalsh_tridiagonal(a, b)[::-1] for a, b in zip(main, side, strict=True)])
    values = torch.from_numpy(energies.clip(min=0)).sqrt()
    return MappingProxyType({name: float(f(values).mean()) for name, f in METRICS.items()})


class Measured(NamedTuple):
    """The metrics of some matrices, and of the main ones the singular values that they were made of."""

    metrics: dict[str, float]
    values: dict[str, Tensor]  # matrix -> its singular values over the largest, σ_i/σ_1: (k,) descending, float64


def normalised(values: Tensor) -> Tensor:
    """σ_i/σ_1; of the matrix of zeros zeros. values: (…, k) descending -> the same"""
    return _ratio(values, values[..., :1])


def measured_table(table: Tensor, sets: int, names: Sequence[str], counts: Sequence[np.ndarray]) -> Measured:
    """Metrics of an embedding table. table: (V, D), one field after the other; sets: S, D = S·d; counts: for each field, how often
    each of its values occurs in training (V_f,).

    A value that training never saw keeps its initial row, and is left out. {"table/<field>/<metric>" …} for the V_f×D matrix;
    ``table_freq`` weights a row by the square root of its value's frequency, whose Gram matrix is that of a batch in expectation;
    ``table_set`` is the mean over sets of the V_f×d matrices. ``table`` and ``table_set`` also ``…_over_gaussian``.
    "table/<metric>" … are means over the fields with at least D values (d for ``table_set``): a field with fewer cannot collapse, it
    cannot fill the space to begin with. ``table/fields_averaged`` counts them; where there is none, the means are absent.

    Singular values are of "table/<field>", V_f×D, and of "table": the learned rows of all fields in one matrix.
    Raises ValueError when table, sets, names and counts do not fit together.
    """
    sizes = [len(c) for c in counts]
    if sum(sizes) != len(table) or len(names) != len(counts) or table.shape[1] % sets:
        raise ValueError(f"a table {tuple(table.shape)} of {sets} sets does not fit {len(names)} fields of {sum(sizes)} values")
    width = table.shape[1]
    result: dict[str, float] = {}
    kept: dict[str, Tensor] = {}
    whole, all_learned = torch.zeros(width, width, dtype=torch.float64, device=table.device), 0
    averaged: dict[str, list[dict[str, float]]] = {"table": [], "table_freq": [], "table_set": []}
    for name, rows, count in zip(names, torch.split(table, sizes), counts, strict=True):
        learned = int((count > 0).sum())
        if learned == 0:
            continue
        gram, values, found = _field_metrics(rows, torch.from_numpy(np.asarray(count, dtype=np.float64)), sets)
        whole += gram
        all_learned += learned
        kept[f"table/{name}"] = normalised(values)
        for matrix, means in found.items():
            columns = width // sets if matrix == "table_set" else width
            named = keyed("/", means, {} if matrix == "table_freq" else gaussian_reference(learned, columns))
            result |= {f"{matrix}/{name}{key}": value for key, value in named.items()}
            if learned >= columns:
                averaged[matrix].append(named)
    for matrix, fields in averaged.items():
        # One learned value, centred, is 0, and so is its Gaussian's: that field has no such ratio.
        for key in dict.fromkeys(key for field in fields for key in field):
            result[f"{matrix}{key}"] = fmean(field[key] for field in fields if key in field)
    result["table/fields_averaged"] = float(len(averaged["table"]))
    if all_learned:
        kept["table"] = normalised(spectrum_of_gram(whole, all_learned))
    return Measured(result, kept)


def _field_metrics(table: Tensor, counts: Tensor, sets: int) -> tuple[Tensor, Tensor, dict[str, dict[str, float]]]:
    """Of one field the Gram matrix of its learned rows (D, D), their singular values (k,), and matrix -> metric -> value.

    table: (V_f, D); counts: (V_f,) float64. One pass for the means, one for the Grams.
    """
    width = table.shape[1]
    learned = int((counts > 0).sum())
    total = counts.sum()
    shift = table[int(counts.argmax())].double()  # any learned row: equal rows then have a Gram matrix of exactly 0
    mean, expected = torch.zeros_like(shift), torch.zeros_like(shift)
    for rows, weights in _learned(table, counts):
        mean += (rows - shift).sum(0) / learned
        expected += (weights / total) @ (rows - shift)
    kinds = ("plain", "centred", "weighted", "weighted_centred")
    gram = {kind: torch.zeros(width, width, dtype=torch.float64, device=table.device) for kind in kinds}
    for rows, weights in _learned(table, counts):
        roots = (weights / total).sqrt().unsqueeze(1)
        parts = (rows, rows - shift - mean, roots * rows, roots * (rows - shift - expected))
        for kind, part in zip(kinds, parts, strict=True):
            gram[kind] += part.mT @ part
    limit = min(learned, width)
    spectra = {kind: spectrum_of_gram(value, limit) for kind, value in gram.items()}
    found = {
        "table": mean_of(each(spectra["plain"], spectra["centred"])),
        "table_freq": mean_of(each(spectra["weighted"], spectra["weighted_centred"])),
        "table_set": mean_of(each(*(spectrum_of_gram(_blocks(gram[kind], sets), learned) for kind in ("plain", "centred")))),
    }
    return gram["plain"], spectra["plain"], found


def _learned(table: Tensor, counts: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows (n, D) that training saw, in float64, and their counts (n,), a chunk at a time."""
    step = max(1, TABLE_CHUNK // table.shape[1])
    for rows, weights in zip(torch.split(table, step), torch.split(counts.to(table.device), step), strict=True):
        seen = weights > 0
        yield rows[seen].double(), weights[seen]


def _blocks(gram: Tensor, sets: int) -> Tensor:
    """(S·d, S·d) -> (S, d, d): the Gram matrices of the sets stand on the diagonal."""
    size = len(gram) // sets
    return gram.view(sets, size, sets, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)


def each(values: Tensor, centred_values: Tensor) -> Tensor:
    """The metrics of ``METRICS`` in their order, for each of M matrices: (…, k) twice -> (6, M)."""
    return torch.stack([value.flatten() for value in metrics(values, centred_values).values()])


def mean_of(values: Tensor) -> dict[str, float]:
    """(6, M) -> the mean of each metric over the matrices"""
    return dict(zip(METRICS, values.mean(1).tolist(), strict=True))


def keyed(prefix: str, means: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    """<prefix><metric>, and <prefix><metric>_over_gaussian where the reference has a value that can be divided by."""
    found = {f"{prefix}{name}": value for name, value in means.items()}
    ratios = {f"{prefix}{name}_over_gaussian": means[name] / value for name, value in reference.items() if value > 0}
    return found | ratios


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, and 0 where the denominator is 0."""
    return torch.where(denominator > 0, numerator / torch.where(denominator > 0, denominator, 1), 0)
