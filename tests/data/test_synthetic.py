from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import plugins
from benchmark.config import Training
from benchmark.data.ensure import ensure_prepared, ensure_recorded
from benchmark.data.store import PARTS, Prepared
from benchmark.errors import UserError
from benchmark.metrics.ctr import auc


def make(**options: object) -> Any:
    return plugins.make("datasets", "synthetic", options)


def test_known_bayes_metrics_equal_an_independent_recomputation() -> None:
    dataset = make(rows=3000)
    known = dataset.load(None).known
    _, probability, _ = dataset.draw()
    for part, rows in (("valid", slice(2400, 2700)), ("test", slice(2700, 3000))):
        p = probability[rows]
        weights = np.outer(p, 1 - p) * (1 - np.eye(len(p)))
        ahead = np.greater.outer(p, p) + np.equal.outer(p, p) / 2
        assert known[f"{part}/bayes_auc"] == pytest.approx((weights * ahead).sum() / weights.sum(), abs=1e-12)
        assert known[f"{part}/bayes_logloss"] == pytest.approx(-np.mean(p * np.log(p) + (1 - p) * np.log(1 - p)), abs=1e-12)


def test_known_bayes_metrics_of_one_draw_of_labels() -> None:
    dataset = make(rows=3000, expected_metrics=False)
    known = dataset.load(None).known
    _, probability, labels = dataset.draw()
    for part, rows in (("valid", slice(2400, 2700)), ("test", slice(2700, 3000))):
        p, y = probability[rows], labels[rows]
        pairs = p[y == 1][:, None] - p[y == 0]
        assert known[f"{part}/bayes_auc"] == pytest.approx(((pairs > 0) + (pairs == 0) / 2).mean(), abs=1e-12)
        assert known[f"{part}/bayes_logloss"] == pytest.approx(-np.mean(np.log(np.where(y == 1, p, 1 - p))), abs=1e-12)


def test_expected_metrics_change_nothing_but_the_measure(cache: Path) -> None:
    """The same rows and labels, other metrics: so it is other data, with a note. What it was called before stays as it was."""
    exact, sampled = (ensure_prepared("synthetic", {"rows": 1000, "expected_metrics": on}) for on in (True, False))
    for part in PARTS:
        (ids, labels), (other_ids, other_labels) = exact.arrays(part), sampled.arrays(part)
        assert np.array_equal(ids, other_ids) and np.array_equal(labels, other_labels)
    assert exact.fingerprint != sampled.fingerprint and exact.notes and not sampled.notes
    assert (exact.recorded, sampled.recorded) == ({"rows": 1000, "expected_metrics": True}, {"rows": 1000})
    assert ensure_prepared("synthetic", {"rows": 1000}).fingerprint == exact.fingerprint
    for prepared in (exact, sampled):
        assert ensure_recorded("synthetic", prepared.recorded).fingerprint == prepared.fingerprint
    valid = exact.fold(torch.device("cpu")).valid
    assert valid.probabilities is not None
    assert np.array_equal(valid.probabilities.numpy(), make(rows=1000).draw()[1][800:900])  # to the last bit


def test_labels_come_from_the_probability() -> None:
    _, p, y = make().draw()
    assert p.mean() == pytest.approx(0.3, abs=1e-6)
    for low in np.arange(0, 1, 0.1):
        inside = (p >= low) & (p < low + 0.1)
        deviation = (y[inside] - p[inside]).sum() / np.sqrt((p[inside] * (1 - p[inside])).sum())
        assert abs(deviation) < 4


def test_it_is_deterministic_and_the_seed_matters() -> None:
    first, again, other = make(rows=500).draw(), make(rows=500).draw(), make(rows=500, seed=1).draw()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_values_follow_zipf() -> None:
    values, _, _ = make(rows=50_000, cardinalities=(50, 4), zipf=1.0).draw()
    counts = np.sort(np.bincount(values[:, 0], minlength=50))[::-1]
    expected = 50_000 / np.arange(1, 51) / (1 / np.arange(1, 51)).sum()
    assert np.allclose(counts[:10], expected[:10], rtol=0.1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For tiny tensors: threads that wait for a busy core make these ten times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_default_needs_interactions(cache: Path, one_thread: None) -> None:
    """Bayes AUC near 0.85; a factorisation machine beats a logistic regression by far within five epochs."""
    prepared = ensure_prepared("synthetic", {})
    assert 0.83 < prepared.known["test/bayes_auc"] < 0.87
    assert {"batch_size", "embedding_l2"} <= set(prepared.training)
    Training(**prepared.training)
    linear, machine = fitted_auc(prepared, 0), fitted_auc(prepared, 8)
    assert linear + 0.02 < machine < prepared.known["test/bayes_auc"]


def test_the_pairwise_part_is_invisible_to_a_linear_model(cache: Path, one_thread: None) -> None:
    prepared = ensure_prepared("synthetic", {"interaction": 1.0})
    assert fitted_auc(prepared, 0) < 0.56 < 0.8 < prepared.known["test/bayes_auc"]


def fitted_auc(prepared: Prepared, rank: int) -> float:
    """Test AUC of a logistic regression (rank 0) or a factorisation machine after five epochs."""
    cpu = torch.device("cpu")
    generator = torch.Generator().manual_seed(0)
    weight = torch.zeros(prepared.schema.values, 1, requires_grad=True)
    vectors = (torch.randn(prepared.schema.values, rank, generator=generator) * 0.01).requires_grad_()

    def logits(ids: torch.Tensor) -> torch.Tensor:
        v = torch.nn.functional.embedding(ids, vectors)
        return torch.nn.functional.embedding(ids, weight).sum((1, 2)) + (v.sum(1).square().sum(1) - v.square().sum((1, 2))) / 2

    optimizer = torch.optim.Adam([weight, vectors], lr=1e-2)
    train = prepared.fold(cpu).train
    for _ in range(5):
        for ids, labels in train.shuffled(1024, generator):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits(ids), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    [(ids, labels)] = prepared.test(cpu).batches(10**6)
    with torch.no_grad():
        return auc(logits(ids), labels)


@pytest.mark.parametrize(
    "options",
    [
        {"rows": 10},
        {"cardinalities": [5]},
        {"cardinalities": [5, 1]},
        {"noise": 1.0},
        {"base_rate": 0.0},
        {"rank": 0},
        {"interaction": 1.5},
    ],
)
def test_impossible_options_are_named(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(options))):
        make(**options)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"zipf": 1e308}, r"zipf = 1e\+308: all rows came out with the same values; lower it, or raise rows"),
        ({"zipf": 30.0}, "zipf = 30: all rows came out with the same values"),
        ({"signal": 300.0}, "base_rate = 0.3 is out of reach; move it towards 0.5, or lower signal"),
        ({"signal": 1e308}, "base_rate = 0.3 is out of reach"),
        ({"base_rate": 1e-300}, "base_rate = 1e-300 is out of reach"),
    ],
)
def test_what_no_rows_can_be_drawn_from_is_said_without_a_warning(options: dict[str, float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(rows=1000, **options).load(None)


@pytest.mark.filterwarnings("error")
def test_the_base_rate_is_kept_as_far_as_it_can_be() -> None:
    for signal in (2.0, 50.0):
        _, probability, _ = make(rows=1000, signal=signal, base_rate=0.1, noise=0.0).draw()
        assert probability.mean() == pytest.approx(0.1, abs=1e-9)


def test_one_class_is_explained() -> None:
    with pytest.raises(UserError, match="raise rows"):
        make(rows=100, base_rate=0.001).load(None)
