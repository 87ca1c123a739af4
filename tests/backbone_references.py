"""Backbones in numpy, from their formulas: one sample at a time, of one set, in plain loops. What their models are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from torch import Tensor, nn

Array = NDArray[np.float64]


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def hidden(mlp: Any, x: Array, s: int) -> Array:
    """Linear, batch normalisation (if any) with the running statistics, ReLU, for every layer of a SetMLP."""
    for layer, norm in zip(mlp.linears, mlp.norms, strict=True):
        y = linear(layer, x, s)
        x = np.maximum(y if isinstance(norm, nn.Identity) else batch_norm(norm, y, s), 0)
    return x


def batch_norm(norm: Any, y: Array, s: int) -> Array:
    part = slice(s * len(y), (s + 1) * len(y))
    mean, variance, gain, shift = (array(t)[part] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    result: Array = (y - mean) / np.sqrt(variance + norm.eps) * gain + shift
    return result


def row_norm(norm: Any, x: Array, s: int) -> Array:
    rows = [(row - row.mean()) / np.sqrt(row.var() + 1e-5) * array(norm.gain)[s, 0] + array(norm.shift)[s, 0] for row in x]
    return np.stack(rows)


def products(x: Array) -> Array:
    return np.array([x[i] @ x[j] for i in range(len(x)) for j in range(i + 1, len(x))])


def gelu(x: Array) -> Array:
    result: Array = x * (1 + erf(x / np.sqrt(2))) / 2
    return result


def linear(layer: Any, x: Array, s: int) -> Array:
    result: Array = x @ array(layer.weight)[s] + (0 if layer.bias is None else array(layer.bias)[s, 0])
    return result


def by_token(layer: Any, x: Array, s: int) -> Array:
    return np.stack([linear(layer.linear, row, s * len(x) + t) for t, row in enumerate(x)])


def tokenised(tokenise: Any, x: Array, s: int) -> Array:
    if isinstance(tokenise, nn.Identity):
        return x
    flat = x.flatten()
    piece = len(flat) // tokenise.tokens
    return by_token(tokenise.project, np.stack([flat[t * piece : (t + 1) * piece] for t in range(tokenise.tokens)]), s)


def dnn(model: Any, x: Array, s: int) -> Array:
    for layer in model.interaction.layers:
        x = hidden(layer.hidden, x.flatten(), s)
    return x


def ipnn(model: Any, x: Array, s: int) -> Array:
    x = np.concatenate([x.flatten(), products(x)])
    for layer in model.interaction.layers:
        x = hidden(layer.hidden, x, s)
    return x


def nfwfm(model: Any, x: Array, s: int) -> Array:
    [layer] = model.interaction.layers
    pairs = [(i, j) for i in range(len(x)) for j in range(i + 1, len(x))]
    pooled = sum(r * x[i] * x[j] for r, (i, j) in zip(array(layer.weight)[s], pairs, strict=True))
    assert isinstance(pooled, np.ndarray)
    return hidden(model.interaction.readout.first, batch_norm(model.interaction.readout.norm, pooled, s), s)


def dhen(model: Any, x: Array, s: int) -> Array:
    for layer in model.interaction.layers:
        dot, rows, cross, attention = layer.parts
        total = x + linear(dot.project, hidden(dot.hidden, products(x), s), s).reshape(x.shape)
        total += array(rows.weight)[s].T @ x
        total += x * linear(cross.term.linear, x.flatten(), s).reshape(x.shape)
        query, key, value = np.split(linear(attention.inputs, x, s), 3, 1)
        mixed = np.zeros_like(x)
        for n in range(len(x)):
            weights = np.exp([query[n] @ key[m] / np.sqrt(x.shape[1]) for m in range(len(x))])
            mixed[n] = sum(w * value[m] for m, w in enumerate(weights / weights.sum()))
        y = row_norm(attention.norms[0], x + linear(attention.outputs, mixed, s), s)
        y = row_norm(attention.norms[1], y + linear(attention.down, np.maximum(linear(attention.up, y, s), 0), s), s)
        x = row_norm(layer.norm, total + array(attention.mixing.weight)[s].T @ y, s)
    return hidden(model.interaction.readout.first, x.flatten(), s)


def rankmixer(model: Any, x: Array, s: int) -> Array:
    for layer in model.interaction.layers:
        x = tokenised(layer.tokenise, x, s)
        heads = [np.split(token, len(x)) for token in x]
        mixed = np.stack([np.concatenate([token[h] for token in heads]) for h in range(len(x))])
        y = row_norm(layer.norms[0], mixed + x, s)
        x = row_norm(layer.norms[1], y + by_token(layer.ffn.down, gelu(by_token(layer.ffn.up, y, s)), s), s)
    return hidden(model.interaction.readout.first, x.mean(0), s)


def rankelastor(model: Any, x: Array, s: int) -> Array:
    for layer in model.interaction.layers:
        x = tokenised(layer.tokenise, x, s)
        mixed = x + linear(layer.mixing.linear, x.flatten(), s).reshape(x.shape)
        y = row_norm(layer.norm, mixed, s)
        gated = gelu(by_token(layer.ffn.gate, y, s)) * by_token(layer.ffn.value, y, s)
        x = by_token(layer.ffn.down, gated, s) + by_token(layer.ffn.residual, y, s)
    return hidden(model.interaction.readout.first, x.flatten(), s)


REFERENCES: dict[str, Callable[[Any, Array, int], Array]] = {
    "dnn": dnn,
    "ipnn": ipnn,
    "nfwfm": nfwfm,
    "dhen": dhen,
    "rankmixer": rankmixer,
    "rankelastor": rankelastor,
}
