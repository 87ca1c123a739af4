"""The teacher: labels from its formula, worked out row by row; frequencies; what is scaled; a stream that is a function of its numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import plugins
from benchmark.data.ensure import ensure_prepared
from benchmark.errors import UserError
from benchmark.metrics.ctr import expected_auc
from benchmark.training.evaluate import score

SMALL: dict[str, Any] = {"rows": 5000, "valid_rows": 2000, "test_rows": 4000, "cardinalities": [3, 10, 50, 400, 2000], "pairs": 8}


def make(**options: object) -> Any:
    return plugins.make("datasets", "teacher", {**SMALL, **options})


def test_the_logit_is_that_of_the_formula() -> None:
    teacher = make(patterns=3, rank=4)
    made = teacher.stream()._made
    values, _ = made.draw(teacher.random(9), 20)
    found = made.probability(made.activations(values, np.float64))
    for row in range(20):
        total = 0.0
        for edges, tables in zip(made._edges, made._tables[np.float64], strict=True):
            total += np.tanh(sum(sign * tables[i][values[i, row]] @ tables[j][values[j, row]] for i, j, sign in edges))
        assert found[row] == pytest.approx(1 / (1 + np.exp(-made._b - made._c * total)), abs=1e-12)
    assert np.allclose(made.probability(made.activations(values, np.float32)), found, atol=1e-5)  # as the stream has it


@pytest.mark.parametrize(("patterns", "pairs"), [(4, 8), (1, 10), (3, 7)])
def test_no_pair_of_fields_is_in_two_graphs(patterns: int, pairs: int) -> None:
    graphs = make(patterns=patterns, pairs=pairs).stream()._made._edges
    edges = [(i, j) for graph in graphs for i, j, _ in graph]
    assert len(graphs) == patterns and len(set(edges)) == len(edges) == pairs
    assert all(i < j for i, j in edges) and {sign for graph in graphs for *_, sign in graph} <= {-1, 1}
    assert max(map(len, graphs)) - min(map(len, graphs)) <= 1


def test_values_follow_zipf_and_counts_say_so() -> None:
    teacher = make(zipf=1.0)
    stream = teacher.stream()
    values = np.concatenate([stream.draw(7, block)[0] for block in range(3)])
    for field, size in enumerate(SMALL["cardinalities"]):
        frequency = 1 / np.arange(1, size + 1) / (1 / np.arange(1, size + 1)).sum()
        seen = np.bincount(values[:, field], minlength=size)
        expected = frequency * len(values)
        assert ((seen - expected) ** 2 / expected).sum() < size + 6 * np.sqrt(2 * size)  # χ², whose deviation is √(2 · size)
        assert np.array_equal(stream.counts[field], np.ceil(frequency * stream.rows - 1e-6))


def test_rate_and_bayes_auc_are_as_set_and_every_pattern_has_its_part() -> None:
    teacher = make(bayes_auc=0.75, base_rate=0.1, gain=0.7)
    made = teacher.stream()._made
    values, _ = made.draw(teacher.random(9), 50_000)
    sums = made._sums(values, np.float64)
    assert sums.std(1) == pytest.approx(np.full(4, 0.7), rel=0.05)
    probability = torch.from_numpy(made.probability(made.activations(values, np.float64)))
    assert float(probability.mean()) == pytest.approx(0.1, abs=0.003)
    assert expected_auc(probability, probability) == pytest.approx(0.75, abs=0.005)


def test_labels_of_the_stream_come_from_the_probability() -> None:
    teacher = make()
    stream = teacher.stream()
    values, labels = stream.draw(3, 1)
    p = stream._made.probability(stream._made.activations(np.ascontiguousarray(values.T), np.float64))
    for low in np.arange(0, 0.8, 0.2):
        inside = (p >= low) & (p < low + 0.2)
        assert abs((labels[inside] - p[inside]).sum()) < 4 * np.sqrt((p[inside] * (1 - p[inside])).sum()) + 1


def test_blocks_are_a_function_of_their_numbers() -> None:
    def drawn(of_epoch: int, block: int, **options: object) -> bytes:
        values, labels = make(**options).stream().draw(of_epoch, block)
        return bytes(values.tobytes() + labels.tobytes())

    sys.modules[type(make()).__module__]._made.cache_clear()
    first = drawn(1 << 61, 0)
    sys.modules[type(make()).__module__]._made.cache_clear()  # another process makes the teacher anew
    others = [drawn(1 << 61, 1), drawn(5, 0), drawn(1 << 61, 0, seed=1)]
    assert drawn(1 << 61, 0) == first and len({first, *others}) == 4
    assert drawn(1 << 61, 0, rows=1000) == first  # the length of an epoch is none of the teacher's business


def test_the_probability_itself_scores_the_bayes_metrics(cache: Path) -> None:
    prepared = ensure_prepared("teacher", SMALL)
    test = prepared.test(torch.device("cpu"))
    assert test.probabilities is not None

    class Bayes(torch.nn.Module):
        """Knows the rows by their order."""

        def __init__(self) -> None:
            super().__init__()
            self.next = 0

        def forward(self, ids: torch.Tensor) -> Any:
            assert test.probabilities is not None
            self.next += len(ids)
            logits = test.probabilities[self.next - len(ids) : self.next].logit()
            return type("Output", (), {"logits": logits})

    found = score(Bayes(), test)  # type: ignore[arg-type]
    for name, value in found.items():
        assert value == pytest.approx(prepared.known[f"test/bayes_{name}"], abs=1e-12)
    assert any("expected" in note for note in prepared.notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pairs": 11}, "pairs = 11; 5 fields have 10"),
        ({"pairs": 3}, "each of 4 patterns needs one"),
        ({"cardinalities": [5]}, "two or more fields"),
        ({"bayes_auc": 0.5}, "bayes_auc"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(**options)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"zipf": 500.0}, "zipf = 500: all rows came out with the same values"),
        ({"gain": 1e-3}, "bayes_auc = 0.8 is out of reach"),
        ({"bayes_auc": 0.9999999}, "bayes_auc = 0.9999999 is out of reach"),
        ({"base_rate": 1e-300}, "base_rate = 1e-300 is out of reach"),
    ],
)
def test_what_no_teacher_gives_is_said_without_a_warning(options: dict[str, float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(**options).load(None)
