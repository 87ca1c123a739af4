"""Generated rows without end: a training part that is drawn anew at every step, with labels from a teacher of several interaction patterns.

Field f has values with Zipf frequencies, drawn independently. The probability of label 1 has the logit

    b + c · Σ_p tanh(Σ_{(i,j) ∈ A^p} a_ij ⟨u_i^p, u_j^p⟩)

with ``patterns`` p, each with vectors u^p of its own (of ``rank`` numbers for each value) and a sparse graph A^p of pairs of fields with
signs a_ij; a pair belongs to one graph at most. What each pattern needs is of low rank, and in a table that serves them all side by side.
Control: one pattern of rank 64, with the same pairs and as many numbers for each value, in one graph.

As in ``synthetic``, vectors have mean zero under each field's frequencies, and rare values carry less: they could not be learned. Every
inner sum is scaled to the standard deviation ``gain``. b and c give the positive rate and the Bayes AUC that are set; what the AUC of the
test part is, is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from benchmark.metrics.ctr import expected_auc, expected_logloss
from benchmark.sources import Column, DataSet, Source, Stream, UserError, setting

HALF = 2e-2  # a value of this frequency has half of the mean square of a frequent value's vector
BLOCK, CHUNK = 1 << 15, 1 << 11  # rows of a block, and rows computed at once: so few that they stay in the cache
SAMPLE = 1 << 16  # rows that the teacher is scaled on
QUANTILES = 4096  # of their activations, that b and c are found on
WEIGHTS, GRAPHS, SCALE, VALID, TEST, TRAIN = range(6)  # what random numbers are drawn for
WHOLE = 2.0**32


@dataclass(frozen=True, kw_only=True)
class Teacher(DataSet):
    """Options of the generator. The training part is drawn while a model trains: no row of it comes twice."""

    summary = "generated at every step, no row twice: several interaction patterns, known Bayes AUC and logloss"
    source = "this project"
    embedded = True
    # Rows that never come back are not overfitted: neither a regulariser nor early stopping has work.
    training: ClassVar[Mapping[str, Any]] = {"batch_size": 1024, "learning_rate": 2e-3, "embedding_l2": 0.0, "epochs": 8, "patience": 8}

    rows: int = setting(500_000, at_least=1000, help="of an epoch of training; every epoch has others")
    valid_rows: int = setting(50_000, at_least=100)
    test_rows: int = setting(200_000, at_least=100)
    cardinalities: tuple[int, ...] = setting(
        (3, 5, 10, 30, 100, 300, 1000, 3000, 10_000, 20_000, 50_000, 100_000), at_least=2, help="values of each field"
    )
    zipf: float = setting(1.05, at_least=0, help="frequency of the k-th value ∝ k^-zipf")
    patterns: int = setting(4, at_least=1, help="inner sums with vectors and pairs of fields of their own")
    rank: int = setting(16, at_least=1, help="numbers of a value's vector in each pattern")
    pairs: int = setting(12, at_least=1, help="of fields, over all patterns; no pair is in two of them")
    gain: float = setting(1.0, above=0, at_most=1000, help="standard deviation of the inner sums: how far into tanh they reach")
    bayes_auc: float = setting(0.8, above=0.5, below=1, help="about: of the teacher itself")
    base_rate: float = setting(0.2, above=0, below=1)
    seed: int = setting(0, at_least=0)

    def validate(self) -> None:
        fields = len(self.cardinalities)
        possible = fields * (fields - 1) // 2
        if fields < 2:
            raise UserError(f"dataset teacher: cardinalities = {self.cardinalities}; it must be two or more fields")
        if not self.patterns <= self.pairs <= possible:
            raise UserError(
                f"dataset teacher: pairs = {self.pairs}; {fields} fields have {possible}, and each of {self.patterns} patterns needs one"
            )

    def stream(self) -> Stream:
        return TeacherStream(self, _made(self))

    def load(self, source_path: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        made = _made(self)
        names = [f"field{number}_{size}" for number, size in enumerate(self.cardinalities, start=1)]
        parts, known = {}, {}
        for part, key, rows in (("valid", VALID, self.valid_rows), ("test", TEST, self.test_rows)):
            values, coins = made.draw(self.random(key), rows)
            probability = made.probability(made.activations(values, np.float64))
            labels = (coins < probability * WHOLE).astype(np.uint8)
            parts[part] = pl.LazyFrame({"label": labels, "probability": probability, **dict(zip(names, values, strict=True))})
            chances = torch.from_numpy(probability)
            known[f"{part}/bayes_auc"] = expected_auc(chances, chances)
            known[f"{part}/bayes_logloss"] = expected_logloss(chances.logit(), chances)
        return Source(parts=parts, label="label", columns=tuple(map(Column, names)), known=known, probability="probability")

    def random(self, *key: int) -> np.random.Generator:
        """For one purpose: the same numbers whatever others were drawn."""
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(self.seed, spawn_key=key)))


class TeacherStream(Stream):
    """The training part of ``teacher``."""

    def __init__(self, teacher: Teacher, made: _Made) -> None:
        self._teacher, self._made = teacher, made
        self.rows, self.positive_rate = teacher.rows, teacher.base_rate
        self.counts = tuple(np.ceil(frequency * self.rows - 1e-6).astype(np.int64) for frequency in made.frequencies)

    def draw(self, seed: int, block: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        values, coins = self._made.draw(self._teacher.random(TRAIN, seed, block), BLOCK)
        probability = self._made.probability(self._made.activations(values, np.float32))
        return np.ascontiguousarray(values.T), (coins < probability * WHOLE).view(np.uint8)


class _Made:
    """The teacher's numbers: the same on every machine, but for the last bits of powers and exponentials."""

    def __init__(self, teacher: Teacher) -> None:
        sizes = teacher.cardinalities
        self.frequencies = [_zipf(size, teacher.zipf) for size in sizes]
        self._aliases = [_alias(frequency) for frequency in self.frequencies]
        self._edges = _graphs(teacher)
        vectors = [_vectors(teacher.random(WEIGHTS, f), frequency, teacher) for f, frequency in enumerate(self.frequencies)]
        # Type -> [pattern][field] (values, rank): a vector lies in one piece, which is fetched at once.
        exact = [[np.ascontiguousarray(v[:, p]) for v in vectors] for p in range(teacher.patterns)]
        self._tables: dict[type[Any], list[list[NDArray[Any]]]] = {np.float64: exact}
        values, _ = self.draw(teacher.random(SCALE), SAMPLE)
        sums = self._sums(values, np.float64)
        if not np.isfinite(sums).all() or not np.ptp(sums, 1).all():
            raise UserError(f"dataset teacher: zipf = {teacher.zipf:g}: all rows came out with the same values; lower it")
        factors = teacher.gain / sums.std(1, keepdims=True)
        for tables, factor in zip(exact, factors[:, 0], strict=True):
            for table in tables:
                table *= np.sqrt(factor)  # of two vectors, whose product is to have it
        self._tables[np.float32] = [[table.astype(np.float32) for table in tables] for tables in exact]
        self._b, self._c = _calibrated(np.tanh(factors * sums).sum(0), teacher.base_rate, teacher.bayes_auc)

    def draw(self, random: np.random.Generator, rows: int) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
        """Values (F, rows), and a whole number below 2³² for each row's label (rows,)."""
        drawn = random.integers(0, 1 << 32, (len(self._aliases) + 1, rows), np.uint32)
        values = np.empty((len(self._aliases), rows), np.int32)
        for column, numbers, (kept, other) in zip(values, drawn, self._aliases, strict=False):
            product = numbers.astype(np.uint64) * np.uint64(len(kept))  # its high half is a value, its low half a number below 2³² again
            value = (product >> np.uint64(32)).astype(np.int32)
            column[:] = np.where(product.astype(np.uint32) < kept.take(value), value, other.take(value))
        return values, drawn[-1]

    def activations(self, values: NDArray[np.int32], dtype: type[Any]) -> NDArray[np.float64]:
        """(rows,) Σ_p tanh(…) of values (F, rows). ``dtype``: of the inner sums."""
        total = np.zeros(values.shape[1])
        for sums in self._sums(values, dtype):
            total += np.tanh(sums, out=sums)
        return total

    def probability(self, activations: NDArray[np.float64]) -> NDArray[np.float64]:
        return _sigmoid(self._b + self._c * activations)

    def _sums(self, values: NDArray[np.int32], dtype: type[Any]) -> NDArray[np.float64]:
        """(patterns, rows) inner sums. Not with a matrix product: its threads would wait for those of a model in training."""
        tables = self._tables[dtype]
        fields, rows, rank = len(values), values.shape[1], tables[0][0].shape[1]
        found = np.empty((len(tables), rows))
        vectors, product, total = (np.empty((n, CHUNK, rank), dtype) for n in (fields, 1, 1))
        for start in range(0, rows, CHUNK):
            chunk = values[:, start : start + CHUNK]
            size = chunk.shape[1]
            for p, (edges, of_field) in enumerate(zip(self._edges, tables, strict=True)):
                for field in dict.fromkeys(field for i, j, _ in edges for field in (i, j)):
                    np.take(of_field[field], chunk[field], axis=0, out=vectors[field, :size], mode="clip")  # else it is copied once more
                total[0, :size] = 0
                for i, j, sign in edges:
                    np.multiply(vectors[i, :size], vectors[j, :size], out=product[0, :size])
                    (np.add if sign > 0 else np.subtract)(total[0, :size], product[0, :size], out=total[0, :size])
                total[0, :size].sum(1, out=found[p, start : start + size])
        return found


@lru_cache(maxsize=2)  # of all trials of a process
def _made(teacher: Teacher) -> _Made:
    return _Made(teacher)


def _zipf(size: int, exponent: float) -> NDArray[np.float64]:
    frequency = np.arange(1.0, size + 1) ** -exponent
    frequency /= frequency.sum()
    return frequency


def _alias(frequency: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Walker's alias method (1974), built as by Vose (1991): for a k drawn evenly and a number below 2³², the value is k where the number
    lies below kept[k], else other[k].
    """
    size = len(frequency)
    share = (frequency * size).tolist()
    kept, other = [1.0] * size, list(range(size))
    low = [k for k, of_k in enumerate(share) if of_k < 1]
    high = [k for k, of_k in enumerate(share) if of_k >= 1]
    while low and high:
        small, large = low.pop(), high[-1]
        kept[small], other[small] = share[small], large
        share[large] -= 1 - share[small]
        if share[large] < 1:
            low.append(high.pop())
    return np.minimum(np.array(kept) * WHOLE, WHOLE - 1).astype(np.uint32), np.array(other, np.int32)


def _graphs(teacher: Teacher) -> list[list[tuple[int, int, int]]]:
    """For each pattern its pairs of fields with their signs."""
    random = teacher.random(GRAPHS)
    pairs = list(combinations(range(len(teacher.cardinalities)), 2))
    picked = random.permutation(len(pairs))[: teacher.pairs]
    chosen = [(*pairs[k], sign) for k, sign in zip(picked, random.choice((-1, 1), len(picked)).tolist(), strict=True)]
    return [chosen[p :: teacher.patterns] for p in range(teacher.patterns)]


def _vectors(random: np.random.Generator, frequency: NDArray[np.float64], teacher: Teacher) -> NDArray[np.float64]:
    """(values, patterns, rank) of a field: mean 0 and mean square 1 under ``frequency`` in each pattern."""
    vectors = random.standard_normal((len(frequency), teacher.patterns, teacher.rank))
    vectors *= np.sqrt(frequency / (frequency + HALF))[:, None, None]
    vectors -= np.tensordot(frequency, vectors, 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # of one value alone, which is refused where rows are drawn
        centred: NDArray[np.float64] = vectors / np.sqrt(np.tensordot(frequency, vectors**2, 1).mean(1))[:, None]
    return centred


def _calibrated(activations: NDArray[np.float64], rate: float, auc: float) -> tuple[float, float]:
    """b and c with which the mean probability is ``rate`` and its expected AUC ``auc``, on quantiles of the activations; by bisection.

    Raises UserError where there are none.
    """
    points = np.quantile(activations, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    low, high = 0.0, 64.0
    for _ in range(40):
        c = (low + high) / 2
        chances = torch.from_numpy(_sigmoid(_intercept(c * points, rate) + c * points))
        low, high = (c, high) if expected_auc(chances, chances) < auc else (low, c)
    b = _intercept(c * points, rate)
    chances = torch.from_numpy(_sigmoid(b + c * points))
    for name, wanted, found in (("base_rate", rate, float(chances.mean())), ("bayes_auc", auc, expected_auc(chances, chances))):
        if abs(found - wanted) > 1e-3 * min(wanted, 1 - wanted):
            raise UserError(f"dataset teacher: {name} = {wanted} is out of reach; move it towards 0.5, or move gain towards 1")
    return b, c


def _intercept(logits: NDArray[np.float64], rate: float) -> float:
    """The b with mean(sigmoid(logits + b)) = rate."""
    low, high = -200.0, 200.0
    for _ in range(60):
        b = (low + high) / 2
        low, high = (b, high) if _sigmoid(b + logits).mean() < rate else (low, b)
    return b


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-x))
    return probability
