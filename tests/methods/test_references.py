"""Whole models against plain numpy loops, one sample, set and row at a time: what a test of the parts would not notice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_reductions import backbone, batch, built, step
from torch import Tensor, nn
from tracked import house_backbones

from benchmark import plugins
from benchmark.contracts import CTRModel
from benchmark.ops.dispatch import switched_off

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def seasoned(model: CTRModel) -> Any:
    """In float64, after some training batches and with parameters far from where they start; in evaluation."""
    torch.manual_seed(11)
    model = model.double().train()
    for name, parameter in model.named_parameters():
        if "decoupler" in name or "router" in name:
            nn.init.normal_(parameter, std=0.4)
    for _ in range(3):
        model(batch()[0])
    return model.eval()


def normed(norm: nn.BatchNorm1d, x: Array, part: slice = slice(None)) -> Array:
    mean, variance, weight, bias = (array(t)[part] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias))  # type: ignore[arg-type]
    scaled: Array = (x - mean) / np.sqrt(variance + norm.eps) * weight + bias
    return scaled


@pytest.mark.parametrize("structure", ["stacked", "parallel"])
@pytest.mark.parametrize(("method", "scale", "sets"), [("single_embedding", 2, 1), ("multi_embedding", 3, 3)])
def test_single_and_multi_embedding_with_dcnv2(method: str, scale: int, sets: int, structure: str) -> None:
    """Sets kept apart through the cross layers and the first MLP layer, then their mean, then the rest (docs/mathematics.md §3)."""
    recipe = plugins.make("backbones", "dcnv2", {"structure": structure, "depth": 2, "hidden": [6, 5]})
    model = seasoned(built(method, recipe, scale))
    ids = batch()[0]
    embedded = array(model.table())[ids.numpy()]
    width = embedded.shape[2] // sets
    first, hidden, crossed = model.interaction.readout.first, [], []
    for s in range(sets):
        x0 = embedded[:, :, s * width : (s + 1) * width].reshape(len(ids), -1)
        x = x0
        for layer in model.interaction.layers:
            x = x0 * (x @ array(layer.linear.weight)[s] + array(layer.linear.bias)[s, 0]) + x
        y = (x if structure == "stacked" else x0) @ array(first.linears[0].weight)[s] + array(first.linears[0].bias)[s, 0]
        hidden.append(np.maximum(normed(first.norms[0], y, slice(6 * s, 6 * s + 6)), 0))
        crossed.append(x)
    tower = model.interaction.head if structure == "stacked" else model.interaction.head.tower
    [linear], [norm] = tower.mlp.linears, tower.mlp.norms
    top = np.maximum(normed(norm, sum(hidden) / sets @ array(linear.weight)[0] + array(linear.bias)[0, 0]), 0)
    logits = top @ array(tower.logit.weight)[0] + array(tower.logit.bias)[0]
    if structure == "parallel":
        logits = logits + sum(crossed) / sets @ array(model.interaction.head.cross_logit.weight)[0]
    np.testing.assert_allclose(array(model(ids).logits), logits, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("residual", ["backbone", "never"])
def test_roblock_with_dcnv2(residual: str) -> None:
    """The four steps of every block (docs/mathematics.md §2): e_0 is what layer 0 regenerates, and the identity term is added once."""
    model = seasoned(built("roblock", backbone("dcnv2"), 3, block_residual=residual, strength=0.7))
    ids = batch()[0]
    states = model(ids).states
    x = array(model.embedding(ids))
    count, rows, width = x.shape
    sets = components = 3
    size, e0 = width // sets, None
    for block, layer, state in zip(model.interaction.blocks, model.interaction.plain.layers, states[1:], strict=True):
        direction, deflation = array(block.rebalance.direction), array(block.rebalance.deflation)
        skew = np.zeros((width, width))
        skew[np.tril_indices(width, -1)] = array(block.decoupler.below_diagonal)
        skew -= skew.T
        turn = (np.eye(width) - skew) @ np.linalg.inv(np.eye(width) + skew)
        static, maps = array(block.router.static), array(block.router.maps)
        weight = array(block.router.by_input).reshape(rows, width, sets, components)
        rms = np.sqrt(array(block.router.square))
        e = np.zeros((count, sets, rows, size))
        for i in range(count):
            for n in range(rows):
                balanced = x[i, n] - deflation[n] * (x[i, n] @ direction[n]) * direction[n]
                z = (balanced @ turn).reshape(components, size)
                for m in range(sets):
                    scores = static[n, m] + np.einsum("d,dk->k", balanced / rms[n], weight[n, :, m])
                    gates = np.exp(scores) / np.exp(scores).sum()
                    e[i, m, n] = sum(gates[k] * z[k] @ maps[m, k * size : (k + 1) * size] for k in range(components))
        e0 = e if e0 is None else e0
        term = np.zeros_like(x)
        for m in range(sets):
            mixed = e[:, m].reshape(count, -1) @ array(layer.linear.weight)[m] + array(layer.linear.bias)[m, 0]
            kept = x[:, :, m * size : (m + 1) * size] if residual == "backbone" else e[:, m]
            term[:, :, m * size : (m + 1) * size] = e0[:, m] * mixed.reshape(count, rows, size) + kept
        x = term
        np.testing.assert_allclose(array(state.transpose(1, 2).flatten(2)), x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", house_backbones())
@pytest.mark.parametrize("options", [{}, {"gates": "static"}, {"gates": "input"}, {"sets": 2, "components": 6}])
def test_roblock_is_the_same_without_the_fused_routing(name: str, options: dict[str, Any]) -> None:
    """The plain path is also the GPU's."""
    results = []
    for off in ((), ("routing",)):
        torch.manual_seed(4)
        model = built("roblock", backbone(name), 3, **options).double()
        for parameter in model.interaction.blocks.parameters():  # type: ignore[union-attr]
            nn.init.normal_(parameter, std=0.4)
        with switched_off(off):
            results.append(step(model, 0))
    (one, gradients), (other, others) = results
    torch.testing.assert_close(one.logits, other.logits, atol=1e-10, rtol=1e-10)
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, others[key], atol=1e-10, rtol=1e-8)


def plain_nhsic(x: Array, y: Array) -> float:
    """Biased HSIC with RBF kernels of the median bandwidth, normalised: x, y (m, e), one pair of samples at a time."""

    def centred_kernel(z: Array) -> Array:
        m = len(z)
        squares = np.array([[((z[i] - z[j]) ** 2).sum() for j in range(m)] for i in range(m)])
        apart = [squares[i, j] for i in range(m) for j in range(i) if squares[i, j] > 1e-12]
        kernel = np.exp(-squares / sorted(apart)[(len(apart) - 1) // 2])
        middle = np.eye(m) - np.ones((m, m)) / m
        centred: Array = middle @ kernel @ middle
        return centred

    k, l = centred_kernel(x), centred_kernel(y)
    return float(np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l)))


@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_the_penalty_is_beta_times_the_mean_normalised_hsic_summed_over_blocks(strength: float) -> None:
    """Of the components that the turned basis makes of the rebalanced rows."""
    model: Any = built("roblock", backbone("dcnv2"), 3, hsic_weight=0.5, hsic_rows=9, strength=strength).double()
    torch.manual_seed(3)
    for block in model.interaction.blocks:
        nn.init.normal_(block.decoupler.below_diagonal, std=0.4)
    ids = batch()[0]
    output = model.train()(ids)
    expected = 0.0
    for block, state in zip(model.interaction.blocks, output.states[:-1], strict=True):
        x = array(state.transpose(1, 2).flatten(2))  # (m, N, D)
        count, rows, width = x.shape
        direction, deflation = array(block.rebalance.direction), array(block.rebalance.deflation)
        turn = array(block.decoupler())
        np.testing.assert_allclose(turn @ turn.T, np.eye(width), atol=1e-9)
        assert np.abs(turn - np.eye(width)).max() > 0.3
        for n in range(rows):
            along = x[:, n] @ direction[n] if strength else np.zeros(count)
            z = (x[:, n] - deflation[n] * np.outer(along, direction[n])) @ turn
            parts = [z[:, k * 4 : (k + 1) * 4] for k in range(3)]
            expected += 0.5 * sum(plain_nhsic(parts[k], parts[j]) for k in range(3) for j in range(k)) / 3 / rows
    assert float(output.penalty.detach()) == pytest.approx(expected, rel=1e-6)
