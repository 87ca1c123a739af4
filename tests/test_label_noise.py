"""The four ways of scoring the same models: what is measured, on differences whose deviations are known, and that it runs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmark import api, label_noise
from benchmark.errors import UserError


def test_deviations_are_those_of_the_differences() -> None:
    """A difference that is the sum of a seed's part and a test part's."""
    of_part, of_seed = np.array([[1.0], [2.0], [6.0]]), np.array([[0.0, 4.0]])
    found = label_noise._noise(10, "drawn", of_part + of_seed)
    assert (found.mean, found.between_seeds) == pytest.approx((5.0, math.sqrt(8)))
    assert found.between_parts == pytest.approx(np.std([1, 2, 6], ddof=1))
    assert math.isnan(label_noise._noise(10, "drawn", of_seed).between_parts)


def test_it_scores_the_same_models_in_four_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    data = api.prepared("synthetic", {"rows": 3000, "cardinalities": [3, 10, 40]})
    small = {"scale": 2, "dimension": 2, "training": {"epochs": 1}, "backbone_options": {"units": 4, "hidden": [4]}, "threads": 1}
    found = label_noise.measure(data, "dnn", 2, 100, small)
    assert [(one.rows, one.labels) for one in found] == [(100, "drawn"), (100, "expected"), (300, "drawn"), (300, "expected")]
    assert all(math.isfinite(one.mean) and one.between_seeds > 0 for one in found)
    sampled = api.prepared("synthetic", {"rows": 3000, "cardinalities": [3, 10, 40], "expected_metrics": False})
    with pytest.raises(UserError, match="not known"):
        label_noise.measure(sampled, "dnn", 2, 100, small)
