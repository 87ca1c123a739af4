"""What Gaussian rows reach that repeat as a sample's do: by plain sampling, and by a table that has not been trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.metrics.layers import layer_metrics, measured_layer, repeated_reference
from benchmark.metrics.spectral import METRICS, centred, gaussian_reference, metrics, spectrum

RATIO = "_over_repeated_gaussian"


def repeats_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(values, return_counts=True)[1]


def zipf(size: int, exponent: float, count: int, seed: int) -> NDArray[np.int64]:
    shares = np.arange(1, size + 1) ** -exponent
    drawn: NDArray[np.int64] = np.random.default_rng(seed).choice(size, count, p=shares / shares.sum())
    return drawn


@pytest.mark.parametrize("is_centred", [False, True])
@pytest.mark.parametrize(("repeats", "columns"), [((30, 9, 5, 3, 2, 1, 1, 1, 1, 1), 4), ((40, 1, 1), 6), ((7, 2), 2), ((1,) * 9, 3)])
def test_the_reference_is_that_of_whole_matrices(repeats: tuple[int, ...], columns: int, is_centred: bool) -> None:
    draw = np.random.default_rng(7)
    tables = torch.from_numpy(draw.standard_normal((3000, len(repeats), columns)))
    whole = tables.repeat_interleave(torch.tensor(repeats), dim=1)
    less = spectrum(centred(whole))
    expected = {name: float(value.mean()) for name, value in metrics(less if is_centred else spectrum(whole), less).items()}
    found = repeated_reference(np.array(repeats), columns, is_centred)
    assert list(found) == list(METRICS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.12), name  # of 64 draws of the smallest matrices there are
    assert found == repeated_reference(np.array(repeats[::-1]), columns, is_centred)
    if max(repeats) == 1:
        assert found == gaussian_reference(len(repeats), columns, is_centred)


@pytest.mark.parametrize(("width", "plain"), [(10, 0.98), (40, 0.93)])
def test_an_untrained_table_is_at_its_ceiling(width: int, plain: float) -> None:
    """Values as frequent as Frappe's users, items and cities: a plain Gaussian matrix of as many rows is out of its reach."""
    ids = np.stack([zipf(957, 0.9, 4096, 1), zipf(4082, 1.1, 4096, 2), zipf(233, 1.0, 4096, 3)], axis=1)
    found: dict[str, list[float]] = {}
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        tables = [1e-4 * torch.randn(size, width, generator=generator) for size in (957, 4082, 233)]
        states = torch.stack([table[column] for table, column in zip(tables, ids.T, strict=True)], dim=1)
        one = layer_metrics(states.unsqueeze(1), repeats=[repeats_of(column) for column in ids.T])
        sets = layer_metrics(states.view(len(ids), 3, 2, -1).transpose(1, 2), repeats=[repeats_of(column) for column in ids.T])
        for matrix, of in (("batch", one), ("batch_centred", one), ("batch", sets), ("batch_set", sets)):
            found.setdefault(matrix, []).append(of[f"{matrix}/effective_rank{RATIO}"])
            found.setdefault("abundance", []).append(of[f"{matrix}/information_abundance{RATIO}"])
        found.setdefault("plain", []).append(one["batch/effective_rank_over_gaussian"])
    assert np.mean(found.pop("plain")) < plain
    for matrix, values in found.items():
        assert np.mean(values) == pytest.approx(1, abs=0.03), matrix
        assert np.std(values) < 0.05, matrix


def test_rows_behind_the_embedding_repeat_where_the_whole_instance_does() -> None:
    """Noise that is a function of the instance: one array of repeats serves every row."""
    instances = zipf(500, 1.2, 2000, 4)
    states = torch.randn(500, 2, 6, 5, generator=torch.Generator().manual_seed(5))[instances]
    found = layer_metrics(states, repeats=repeats_of(instances))
    for matrix in ("batch", "batch_centred", "batch_set"):
        assert found[f"{matrix}/effective_rank{RATIO}"] == pytest.approx(1, abs=0.03), matrix
        assert found[f"{matrix}/effective_rank_over_gaussian"] < 0.97, matrix
    alone = layer_metrics(states[:50], repeats=np.ones(50, np.int64))
    for name, value in alone.items():
        if name.endswith(RATIO):
            assert value == pytest.approx(alone[name.replace(RATIO, "_over_gaussian")])


def test_the_rows_that_are_averaged_are_the_same() -> None:
    ids = np.stack([zipf(400, 0.5, 600, 6), zipf(3, 0.5, 600, 7)], axis=1)
    repeats = [repeats_of(column) for column in ids.T]
    states = torch.randn(400, 1, 2, 6, generator=torch.Generator().manual_seed(8))[ids[:, 0]]
    both, first = layer_metrics(states, [400, 3], repeats), layer_metrics(states[:, :, :1], None, repeats[:1])
    assert both[f"batch/effective_rank{RATIO}"] == pytest.approx(first[f"batch/effective_rank{RATIO}"])
    assert not any(name.endswith(RATIO) for name in layer_metrics(states, [3, 3], repeats))


def test_edges() -> None:
    one_row = layer_metrics(torch.ones(9, 1, 3, 4), repeats=np.array([9]))
    assert all(np.isfinite(value) for value in one_row.values())
    assert f"batch_centred/effective_rank{RATIO}" not in one_row and f"batch/effective_rank{RATIO}" in one_row
    with pytest.raises(ValueError, match="do not fit"):
        layer_metrics(torch.randn(9, 1, 3, 4), repeats=[np.array([9])] * 2)
    with pytest.raises(ValueError, match="do not fit"):
        layer_metrics(torch.randn(9, 1, 3, 4), repeats=np.array([8]))


def test_singular_values_are_of_the_rows_that_can_fill_the_width_of_all_sets() -> None:
    """Two sets of three numbers: four values fill one of them, and not both; σ_i/σ_1 by NumPy, mean over the two rows left."""
    states = torch.from_numpy(np.random.default_rng(0).standard_normal((50, 2, 4, 3)))
    found = measured_layer(states, [2, 4, 6, 9])
    curves = [np.linalg.svd(states[:, :, row].flatten(1).numpy(), compute_uv=False) for row in (2, 3)]
    np.testing.assert_allclose(found.values["batch"].numpy(), np.mean([values / values[0] for values in curves], 0), rtol=1e-9)
    assert found.metrics["rows_averaged"] == 2
    assert not measured_layer(states, [2, 4, 5, 5]).values, "no row can fill it"
