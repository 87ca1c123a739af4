"""Spectral metrics against numpy's SVD, by invariances, known spectra and bounds; the Gaussian reference against plain sampling."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.metrics.layers import layer_metrics
from benchmark.metrics.spectral import (
    METRICS,
    centred,
    gaussian_reference,
    measured_table,
    metrics,
    spectrum,
    spectrum_of_gram,
)

SHAPES = [(200, 8), (8, 8), (5, 12), (1, 7), (7, 1), (1, 1)]


def independent(matrix: np.ndarray) -> dict[str, float]:
    """The formulas of docs/mathematics.md §4, written anew on numpy's SVD of the whole matrix."""
    s = np.linalg.svd(matrix, compute_uv=False)
    shares = s / s.sum()
    deviation = matrix - matrix.mean(0)
    covariance = deviation.T @ deviation
    return {
        "information_abundance": s.sum() / s.max(),
        "effective_rank": np.exp(-sum(p * np.log(p) for p in shares if p > 0)),
        "stable_rank": np.linalg.norm(matrix, "fro") ** 2 / np.linalg.norm(matrix, 2) ** 2,
        "participation_ratio": np.trace(covariance) ** 2 / np.sum(covariance**2) if np.any(covariance) else 0.0,
        "numerical_rank": float(np.linalg.matrix_rank(matrix, tol=1e-2 * s.max())),
        "top_share": s.max() ** 2 / np.sum(matrix**2),
    }


def measured(matrix: Tensor) -> dict[str, float]:
    return {name: float(value) for name, value in metrics(spectrum(matrix), spectrum(centred(matrix))).items()}


def matrix_of(values: list[float], rows: int = 30, seed: int = 0) -> Tensor:
    """A matrix with these singular values."""
    draw = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(rows, len(values), generator=draw, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=draw, dtype=torch.float64))
    product: Tensor = left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right
    return product


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_numpy_svd(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(shape).normal(0.3, 1, shape)
    assert spectrum(torch.from_numpy(matrix)).numpy() == pytest.approx(np.linalg.svd(matrix, compute_uv=False), rel=1e-9)
    assert measured(torch.from_numpy(matrix)) == pytest.approx(independent(matrix), rel=1e-9)


def test_leading_dimensions_are_a_batch() -> None:
    batch = torch.randn(3, 2, 20, 6, dtype=torch.float64)
    together = metrics(spectrum(batch), spectrum(centred(batch)))
    for i in range(3):
        for j in range(2):
            assert {name: float(value[i, j]) for name, value in together.items()} == pytest.approx(measured(batch[i, j]), rel=1e-12)


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 7.0, 1e30])
def test_scale_changes_nothing(factor: float) -> None:
    matrix = matrix_of([5, 3, 1, 0.2, 0.01])
    assert measured(matrix * factor) == pytest.approx(measured(matrix), rel=1e-9)


def test_rotation_and_row_order_change_nothing() -> None:
    matrix = torch.randn(40, 6, dtype=torch.float64) + 1
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    for changed in (matrix @ rotation, matrix[torch.randperm(40)], matrix[:, torch.randperm(6)], -matrix):
        assert measured(changed) == pytest.approx(measured(matrix), rel=1e-9)


def test_zero_rows_change_only_what_is_centred() -> None:
    matrix = torch.randn(40, 6, dtype=torch.float64) + 1
    before, after = measured(matrix), measured(torch.cat([matrix, torch.zeros(9, 6)]))
    del before["participation_ratio"], after["participation_ratio"]
    assert after == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("k", [1, 4, 10])
def test_equal_singular_values_use_every_dimension(k: int) -> None:
    identity = spectrum(torch.eye(k))
    found = {name: float(f(identity)) for name, f in METRICS.items()}
    assert found == pytest.approx({name: 1 / k if name == "top_share" else k for name in METRICS}, rel=1e-12)


def test_rank_one_is_one_dimension() -> None:
    values = spectrum(torch.outer(torch.arange(1.0, 31), torch.linspace(-1, 2, 8)))
    assert {name: float(f(values)) for name, f in METRICS.items()} == pytest.approx(dict.fromkeys(METRICS, 1.0), abs=1e-12)


def test_known_spectrum() -> None:
    values = spectrum(matrix_of([4, 2, 1, 1, 0.03]))
    found = {name: float(f(values)) for name, f in METRICS.items()}
    shares = np.array([4, 2, 1, 1, 0.03]) / 8.03
    energies = np.array([16, 4, 1, 1, 0.0009])
    assert found == pytest.approx(
        {
            "information_abundance": 8.03 / 4,
            "effective_rank": np.prod(shares**-shares),
            "stable_rank": energies.sum() / 16,
            "participation_ratio": energies.sum() ** 2 / (energies**2).sum(),
            "numerical_rank": 4,
            "top_share": 16 / energies.sum(),
        },
        rel=1e-9,
    )


@pytest.mark.parametrize("shape", [(6, 4), (3, 5)])
def test_zeros_have_a_value(shape: tuple[int, int]) -> None:
    assert measured(torch.zeros(shape)) == {name: float(name == "top_share") for name in METRICS}


def test_equal_rows_have_no_spread() -> None:
    rows = torch.full((7, 5), 0.1).cumsum(1).expand(7, 5)
    assert not centred(rows).any()
    assert measured(rows)["participation_ratio"] == 0
    assert measured(rows)["effective_rank"] == pytest.approx(1, abs=1e-12)


def test_rounding_below_zero_is_no_singular_value() -> None:
    gram = torch.diag(torch.tensor([1.0, 1e-17, -1e-17], dtype=torch.float64))
    assert spectrum_of_gram(gram, 3).tolist() == [1.0, 0.0, 0.0]
    assert len(spectrum_of_gram(gram, 2)) == 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_bounds(shape: tuple[int, int], offset: float) -> None:
    found = measured(torch.randn(shape, generator=torch.Generator().manual_seed(1)) + offset)
    k = min(shape)
    for name, value in found.items():
        low, high = (1 / k, 1) if name == "top_share" else (0 if name == "participation_ratio" else 1, k)
        assert low - 1e-9 <= value <= high + 1e-9, name
    assert found["stable_rank"] <= found["information_abundance"] + 1e-9 <= found["effective_rank"] + 1e-9 or k == 1


def test_a_growing_leader_is_collapse() -> None:
    spectra = [torch.tensor([leader, 1, 0.8, 0.5], dtype=torch.float64) for leader in (1, 2, 5, 50, 1000)]
    for name, f in METRICS.items():
        course = [float(f(s)) for s in spectra]
        ordered = sorted(course, reverse=name != "top_share")
        assert course == ordered and course[0] != course[-1], name


@pytest.mark.parametrize("shape", [(16, 10), (10, 16), (12, 12), (300, 4), (4, 1)])
@pytest.mark.parametrize("is_centred", [False, True])
def test_gaussian_reference_equals_plain_sampling(shape: tuple[int, int], is_centred: bool) -> None:
    draws = torch.randn(4000, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    less = spectrum(centred(draws))
    sampled = metrics(less if is_centred else spectrum(draws), less)
    reference = gaussian_reference(*shape, is_centred)
    for name, values in sampled.items():
        error = float(values.std()) * (1 / 4000 + 1 / 400) ** 0.5  # the reference is a mean of some 400 draws
        assert reference[name] == pytest.approx(float(values.mean()), abs=4.5 * error + 1e-9), name


def test_gaussian_reference_is_fixed_symmetric_and_cheap() -> None:
    assert gaussian_reference(16, 10)["information_abundance"] == pytest.approx(5.5, abs=0.1)  # docs/mathematics.md §4
    assert gaussian_reference(10, 16)["effective_rank"] == gaussian_reference(16, 10)["effective_rank"]
    started = time.perf_counter()
    large = gaussian_reference(1_000_003, 100)
    assert time.perf_counter() - started < 1
    assert large["effective_rank"] == pytest.approx(100, rel=1e-3)
    assert gaussian_reference(1, 5, True) == dict.fromkeys(METRICS, 0.0)


def grouped(found: Mapping[str, float], matrix: str) -> dict[str, float]:
    return {name: found[f"{matrix}/{name}"] for name in METRICS}


def averaged(matrices: list[np.ndarray]) -> dict[str, float]:
    each = [independent(m) for m in matrices]
    return {name: float(np.mean([e[name] for e in each])) for name in METRICS}


@pytest.mark.parametrize("sets", [1, 3])
def test_layer_matrices(sets: int) -> None:
    rows, size, count = 4, 2, 50
    x = (torch.randn(count, sets, rows, size, generator=torch.Generator().manual_seed(2)) + 0.5).double()
    found = layer_metrics(x.float())
    a = x.float().double().numpy()
    joined = [np.concatenate([a[:, s, n] for s in range(sets)], axis=1) for n in range(rows)]
    flat = a.reshape(count, -1)
    instances = [np.concatenate([a[i, s] for s in range(sets)], axis=1) for i in range(count)]
    expected = {
        "batch": averaged(joined),
        "batch_centred": averaged([m - m.mean(0) for m in joined]),
        "batch_set": averaged([a[:, s, n] for s in range(sets) for n in range(rows)]),
        "flat": independent(flat),
        "flat_centred": independent(flat - flat.mean(0)),
        "instance": averaged(instances),
    }
    for matrix, values in expected.items():
        assert grouped(found, matrix) == pytest.approx(values, rel=1e-7), matrix
    shapes = {"batch": (count, sets * size), "batch_set": (count, size), "flat": flat.shape, "instance": (rows, sets * size)}
    for matrix, values in expected.items():
        reference = gaussian_reference(*shapes[matrix.removesuffix("_centred")], matrix.endswith("_centred"))
        for name in METRICS:
            assert found[f"{matrix}/{name}_over_gaussian"] == pytest.approx(values[name] / reference[name], rel=1e-7)
    assert len(found) == 2 * len(METRICS) * len(expected) + 1 and found["rows_averaged"] == rows


def test_rows_of_fields_with_fewer_values_than_columns_stay_out_of_the_means() -> None:
    """Three sets of two columns: field 1 fills neither 6 nor 2 columns, field 2 fills a set."""
    x = torch.randn(50, 3, 3, 2, generator=torch.Generator().manual_seed(2))
    found = layer_metrics(x, [40, 1, 5])
    alone, two = layer_metrics(x[:, :, :1]), layer_metrics(x[:, :, [0, 2]])
    assert grouped(found, "batch") == pytest.approx(grouped(alone, "batch"))
    assert grouped(found, "batch_centred") == pytest.approx(grouped(alone, "batch_centred"))
    assert grouped(found, "batch_set") == pytest.approx(grouped(two, "batch_set"))
    assert found["rows_averaged"] == 1
    assert not any(name.startswith("batch/") for name in layer_metrics(x, [5, 1, 5]))


def test_layer_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(30, 2, 7, 3)
    whole = layer_metrics(x)
    monkeypatch.setattr("benchmark.metrics.layers.LAYER_CHUNK", 2 * 30 * 6)
    assert layer_metrics(x) == pytest.approx(whole, rel=1e-12)


def test_layer_of_noise_is_at_the_reference() -> None:
    found = layer_metrics(torch.randn(600, 2, 12, 5, generator=torch.Generator().manual_seed(3)))
    for name, value in found.items():
        if name.endswith("_over_gaussian"):
            assert value == pytest.approx(1, abs=0.05), name


def test_layer_of_one_direction_is_collapsed_in_every_matrix() -> None:
    direction = torch.randn(6)
    x = (torch.randn(40, 1, 3, 1) * direction).reshape(40, 1, 3, 6)
    found = layer_metrics(x)
    for matrix in ("batch", "batch_centred", "batch_set", "instance"):
        assert found[f"{matrix}/effective_rank"] == pytest.approx(1, abs=1e-5), matrix
    assert found["flat/effective_rank"] > 2  # three rows vary independently along that direction


def test_layer_edge_cases_have_finite_values() -> None:
    for x in (torch.zeros(9, 2, 3, 4), torch.ones(9, 1, 3, 4), torch.randn(1, 1, 3, 4), torch.randn(2, 2, 1, 1)):
        assert all(np.isfinite(value) for value in layer_metrics(x).values())
    with pytest.raises(ValueError, match="not finite"):
        layer_metrics(torch.full((3, 1, 2, 2), torch.nan))


def table_case() -> tuple[Tensor, list[str], list[np.ndarray]]:
    draw = np.random.default_rng(4)
    counts = [draw.integers(1, 90, 40), np.array([0, 0, 5, 1, 7]), draw.integers(0, 3, 25), np.zeros(3, dtype=np.int64)]
    return torch.from_numpy(draw.normal(0.2, 1, (73, 6))).float(), ["item", "weekday", "user", "unused"], counts


@pytest.mark.parametrize("sets", [1, 2])
def test_table_matrices(sets: int) -> None:
    table, names, counts = table_case()
    found = measured_table(table, sets, names, counts).metrics
    start, size = 0, 6 // sets
    fields: dict[str, dict[str, dict[str, float]]] = {}
    for name, count in zip(names[:3], counts[:3], strict=True):
        rows = table[start : start + len(count)].double().numpy()[count > 0]
        start += len(count)
        share = count[count > 0] / count.sum()
        weighted = independent(rows * np.sqrt(share)[:, None])
        covariance = (rows - share @ rows).T @ np.diag(share) @ (rows - share @ rows)
        weighted["participation_ratio"] = np.trace(covariance) ** 2 / np.sum(covariance**2)
        fields[name] = {
            "table": independent(rows),
            "table_freq": weighted,
            "table_set": averaged([rows[:, s * size : (s + 1) * size] for s in range(sets)]),
        }
        for matrix, values in fields[name].items():
            assert grouped(found, f"{matrix}/{name}") == pytest.approx(values, rel=1e-7), (name, matrix)
        reference = gaussian_reference(len(rows), 6)
        for metric in METRICS:
            ratio = fields[name]["table"][metric] / reference[metric]
            assert found[f"table/{name}/{metric}_over_gaussian"] == pytest.approx(ratio, rel=1e-7)
    assert found["table/fields_averaged"] == 2  # weekday has 3 learned values for 6 columns
    for matrix in ("table", "table_freq", "table_set"):
        eligible = ["item", "user", *(["weekday"] if matrix == "table_set" and sets == 2 else [])]
        mean = {metric: np.mean([fields[f][matrix][metric] for f in eligible]) for metric in METRICS}
        assert grouped(found, matrix) == pytest.approx(mean, rel=1e-7), matrix
    assert not any("unused" in key for key in found)
    assert not any(key.startswith("table_freq") and key.endswith("_over_gaussian") for key in found)


def test_frequency_weights_give_the_spectrum_of_the_data() -> None:
    table, count = torch.randn(12, 4), np.arange(1, 13)
    found = measured_table(table, 1, ["f"], [count]).metrics
    rows = table.double().numpy().repeat(count, axis=0)
    assert grouped(found, "table_freq/f") == pytest.approx(independent(rows), rel=1e-7)


def test_rows_never_seen_do_not_count() -> None:
    table, names, counts = table_case()
    other = table.clone()
    seen = torch.from_numpy(np.concatenate(counts) > 0)
    other[~seen] = 1e6
    assert measured_table(other, 2, names, counts).metrics == measured_table(table, 2, names, counts).metrics


def test_table_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    table, names, counts = table_case()
    whole = measured_table(table, 2, names, counts).metrics
    monkeypatch.setattr("benchmark.metrics.spectral.TABLE_CHUNK", 6 * 7)
    assert measured_table(table, 2, names, counts).metrics == pytest.approx(whole, rel=1e-9)


def test_no_eligible_field_no_mean() -> None:
    found = measured_table(torch.randn(5, 6), 1, ["weekday"], [np.ones(5)]).metrics
    assert found["table/fields_averaged"] == 0
    assert "table/weekday/effective_rank" in found and "table/effective_rank" not in found


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_field_with_one_value_in_a_table_of_width_one(order: slice) -> None:
    """Logistic regression's table: such a field has no spread to divide by, the mean of that ratio is over the others."""
    counts = [np.array([0, 0, 9]), np.array([0, 1, 4, 4])][order]
    found = measured_table(torch.randn(7, 1), 1, ["constant", "other"][order], counts).metrics
    assert found["table/fields_averaged"] == 2
    for metric in METRICS:
        assert f"table/{metric}_over_gaussian" in found
    ratio = "participation_ratio_over_gaussian"
    assert f"table/constant/{ratio}" not in found and found[f"table/{ratio}"] == found[f"table/other/{ratio}"]


def test_table_that_does_not_fit_is_refused() -> None:
    for sets, names, counts in ((1, ["a"], [np.ones(4)]), (4, ["a"], [np.ones(5)]), (1, ["a", "b"], [np.ones(5)])):
        with pytest.raises(ValueError, match="does not fit"):
            measured_table(torch.randn(5, 6), sets, names, counts)
