"""Methods that change the embedding before the interaction, against their formulas in plain numpy loops in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_reductions import SCHEMA, assert_same, backbone, batch, built, step, take_weights
from test_references import Array, array
from torch import Tensor, nn
from tracked import house_backbones

from benchmark.errors import UserError
from benchmark.nn.whitening import IterNorm

TRANSFORMS = ("iternorm", "rank_one", "directspec", "embedding_dropout", "layer_norm")
COLLAPSED = torch.diag(2.0 ** -torch.arange(6.0, dtype=torch.float64))  # singular values that halve


def collapsed(rows: int, fields: int = 3) -> Tensor:
    """(rows, fields, 6) with a mean of its own and a steep spectrum in every field"""
    generator = torch.Generator().manual_seed(3)
    turn = torch.linalg.qr(torch.randn(fields, 6, 6, generator=generator, dtype=torch.float64))[0]
    x = torch.randn(rows, fields, 6, generator=generator, dtype=torch.float64)
    return torch.einsum("bfi,ij,fjk->bfk", x, COLLAPSED, turn) + torch.linspace(-1, 1, 6, dtype=torch.float64)


def newton(sigma: Array, steps: int) -> Array:
    power = np.eye(len(sigma))
    for _ in range(steps):
        power = 1.5 * power - 0.5 * np.linalg.matrix_power(power, 3) @ sigma / np.trace(sigma)
    whitening: Array = power / np.sqrt(np.trace(sigma))
    return whitening


def test_iternorm_is_newtons_iteration_on_every_field() -> None:
    module = IterNorm(fields=3, width=6, steps=5, eps=1e-3, momentum=0.1).double()
    nn.init.normal_(module.scale)
    nn.init.normal_(module.shift)
    batches = [collapsed(40), collapsed(40).flip(2), collapsed(40) + 0.3]
    outputs = [module(x) for x in batches]
    running_mean, running_matrix = np.zeros((3, 6)), np.zeros((3, 6, 6))
    for x, y in zip(batches, outputs, strict=True):
        for f in range(3):
            values = array(x[:, f])
            mean = values.mean(0)
            sigma = sum(np.outer(v - mean, v - mean) for v in values) / len(values) + 1e-3 * np.eye(6)
            matrix = newton(sigma, 5)
            running_mean[f] += mean / 3  # of the first ten batches: plain means
            running_matrix[f] += matrix / 3
            expected = (values - mean) @ matrix * array(module.scale[f, 0]) + array(module.shift[f, 0])
            np.testing.assert_allclose(array(y[:, f]), expected, rtol=1e-9, atol=1e-12)
    evaluated = module.eval()(batches[0])
    for f in range(3):
        expected = (array(batches[0][:, f]) - running_mean[f]) @ running_matrix[f] * array(module.scale[f, 0]) + array(module.shift[f, 0])
        np.testing.assert_allclose(array(evaluated[:, f]), expected, rtol=1e-9, atol=1e-12)


def test_iternorm_becomes_exponential_after_the_first_batches() -> None:
    module = IterNorm(fields=1, width=2, steps=3, eps=1e-5, momentum=0.25)
    for value in (1.0, 2.0, 3.0, 4.0, 8.0):
        module(torch.full((5, 1, 2), value))
    torch.testing.assert_close(module.mean[0, 0, 0], torch.tensor(0.75 * 2.5 + 0.25 * 8.0))  # of four batches the mean, then 0.25


def test_iternorm_centres_and_whitens() -> None:
    x = collapsed(400)
    before = torch.linalg.eigvalsh(torch.cov(x[:, 0].T))
    spread = float(before[-1] / before[0])
    for steps, most in ((3, spread / 5), (5, spread / 20), (7, spread / 100)):
        y = IterNorm(fields=3, width=6, steps=steps, eps=1e-9, momentum=0.1).double()(x).detach()
        torch.testing.assert_close(y.mean(0), torch.zeros(3, 6, dtype=torch.float64), atol=1e-9, rtol=0)
        for f in range(3):
            values = torch.linalg.eigvalsh(torch.cov(y[:, f].T, correction=0))
            assert float(values[-1] / values[0]) < most and float(values[-1]) < 1.001


def test_iternorm_of_a_collapsed_field_is_precise_in_float32() -> None:
    """Of a field with a hundred times less variance in most directions; with nine steps rounding would have grown to 1."""
    x = (torch.randn(500, 1, 40, generator=torch.Generator().manual_seed(2)) * 0.6 ** torch.arange(40) * 0.05).double()
    module = IterNorm(fields=1, width=40, steps=7, eps=1e-5, momentum=0.1)
    torch.testing.assert_close(module(x.float()).double(), module.double()(x), atol=1e-2, rtol=0)


def test_iternorm_lets_the_gradient_through_its_iteration() -> None:
    module = IterNorm(fields=2, width=3, steps=5, eps=1e-2, momentum=0.1).double()
    x = torch.randn(7, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: (module(x) * weight).sum(), (x,))


@pytest.mark.parametrize("deflation", ["adaptive", "fixed"])
def test_rank_one_takes_a_part_of_the_leading_direction(deflation: str) -> None:
    """One batch: the running Gram matrix is the batch's, and many power steps give its leading eigenvector."""
    recipe = backbone("dcnv2")
    model = built("rank_one", recipe, 3, strength=0.6, deflation=deflation, power_steps=500).double().train()
    ids = batch()[0]
    model(ids)
    embedded = array(model.table())[ids.numpy()]  # type: ignore[arg-type]
    state = array(model.eval()(ids).states[0])[:, 0]
    for f in range(len(SCHEMA.fields)):
        x = embedded[:, f]
        _, sigma, right = np.linalg.svd(x, full_matrices=False)
        rms = np.sqrt((sigma**2).sum() / x.shape[1])
        epsilon = 0.6 * (max(0.0, 1 - rms / sigma[0]) if deflation == "adaptive" else 1.0)
        expected = [row - epsilon * (row @ right[0]) * right[0] for row in x]
        np.testing.assert_allclose(state[:, f], expected, rtol=1e-6, atol=1e-8)
    assert model.diagnostics()["leading_over_rms_after"] < model.diagnostics()["leading_over_rms_before"]


@pytest.mark.parametrize("length", ["kept", "filtered"])
def test_directspec_filters_the_different_rows_of_every_field(length: str) -> None:
    model = built("directspec", backbone("dcnv2"), 3, alpha=0.9, tau=3.0, length=length).double().train()
    ids = batch()[0]
    table = array(model.table())  # type: ignore[arg-type]
    state = array(model(ids).states[0])[:, 0]
    for f in range(len(SCHEMA.fields)):
        values = sorted(set(ids[:, f].tolist()))
        unit = {v: table[v] / np.linalg.norm(table[v]) for v in values}
        for sample, v in enumerate(ids[:, f].tolist()):
            weights = np.array([np.exp(3.0 * unit[v] @ unit[w]) for w in values])
            pushed = unit[v] - 0.9 * sum(p * unit[w] for p, w in zip(weights / weights.sum(), values, strict=True))
            if length == "kept":
                pushed = pushed / max(np.linalg.norm(pushed), 0.1)
            np.testing.assert_allclose(state[sample, f], np.linalg.norm(table[v]) * pushed, rtol=1e-9, atol=1e-12)


def test_directspec_evens_out_a_collapsed_spectrum_and_filters_no_more_rows_than_it_may() -> None:
    model: Any = built("directspec", backbone("dcnv2"), 3, alpha=0.9)
    rows = collapsed(300)[:, 0]

    def shares(matrix: Tensor) -> Tensor:
        values = torch.linalg.svdvals(torch.nn.functional.normalize(matrix, dim=1))
        squares: Tensor = values.square()
        return squares / squares.sum()

    assert float(shares(model.embedding.filtered(rows))[0]) < 0.8 * float(shares(rows)[0])
    model = built("directspec", backbone("dcnv2"), 3, alpha=0.9, rows=50)
    ids = torch.arange(300).unsqueeze(1).repeat(2, 1)
    once = model.embedding.spread(rows.unsqueeze(1).repeat(2, 1, 1), ids).squeeze(1)
    assert torch.equal(once[:300], once[300:])  # a value is filtered in all its samples or in none
    assert int((once[:300] != rows).any(1).sum()) == 50


def test_directspec_makes_no_row_of_what_rounding_leaves() -> None:
    """Rows that all point one way are nothing after the whole filter; brought back to their length they would be noise."""
    model: Any = built("directspec", backbone("dcnv2"), 3, alpha=1.0)
    rows = torch.arange(1.0, 6.0).unsqueeze(1) * torch.tensor([1.0, 2.0, -3.0])
    assert float(model.embedding.filtered(rows).norm(dim=1).div(rows.norm(dim=1)).max()) < 1e-5
    model = built("directspec", backbone("dcnv2"), 3, alpha=0.95)  # .05 is left of each, which is half of the shortest
    assert torch.allclose(model.embedding.filtered(rows), rows / 2, rtol=1e-4)


def test_directspec_gives_every_sample_of_a_value_its_gradient() -> None:
    model: Any = built("directspec", backbone("dcnv2"), 3)
    weight = torch.randn(8, 2, 3, dtype=torch.float64)
    ids = torch.tensor([[0, 5], [0, 6], [1, 5], [2, 7], [2, 7], [2, 5], [3, 8], [0, 9]])

    def filtered(table: Tensor) -> Tensor:
        moved: Tensor = model.embedding.spread(table[ids], ids)
        return (moved * weight).sum()

    assert torch.autograd.gradcheck(filtered, (torch.randn(10, 3, dtype=torch.float64, requires_grad=True),))


def test_layer_norm_is_that_of_each_field() -> None:
    model: Any = built("layer_norm", backbone("dcnv2"), 3, eps=1e-3).double()
    nn.init.normal_(model.transform.scale)
    nn.init.normal_(model.transform.shift)
    ids = batch()[0]
    embedded, state = array(model.table())[ids.numpy()], array(model(ids).states[0])[:, 0]
    for sample in range(len(ids)):
        for f in range(len(SCHEMA.fields)):
            x = embedded[sample, f]
            expected = (x - x.mean()) / np.sqrt(x.var() + 1e-3) * array(model.transform.scale[f]) + array(model.transform.shift[f])
            np.testing.assert_allclose(state[sample, f], expected, rtol=1e-9, atol=1e-12)


def test_embedding_dropout_zeroes_entries_and_scales_the_rest_up() -> None:
    model = built("embedding_dropout", backbone("dcnv2"), 3, rate=0.25).train()
    ids = batch(3000)[0]
    torch.manual_seed(0)
    x, state = model.table()[ids], model(ids).states[0][:, 0]  # type: ignore[index]
    dropped = state == 0
    torch.testing.assert_close(state[~dropped], (x / 0.75)[~dropped])
    assert abs(float(dropped.double().mean()) - 0.25) < 0.01
    correlation = torch.corrcoef(dropped[:, 0].double().T) - torch.eye(12)
    assert float(correlation.abs().max()) < 0.1  # entries, not whole vectors


@pytest.mark.parametrize("name", house_backbones())
@pytest.mark.parametrize(
    ("method", "options"), [("rank_one", {"strength": 0.0}), ("embedding_dropout", {"rate": 0.0}), ("embedding_dropout", {"rate": 0.4})]
)
def test_switched_off_it_is_single_embedding(method: str, options: dict[str, Any], name: str) -> None:
    recipe = backbone(name)
    one, other = built("single_embedding", recipe, 3), built(method, recipe, 3, **options)
    if options.get("rate") != 0.4:
        assert_same(one, other)
        return
    other.load_state_dict(one.state_dict())
    ids = batch()[0]
    assert torch.equal(one.eval()(ids).logits, other.eval()(ids).logits)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_directspec_in_evaluation_is_single_embedding_and_with_alpha_0_in_training_too(alpha: float) -> None:
    recipe = backbone("dcnv2")
    one = built("single_embedding", recipe, 3)
    other: Any = built("directspec", recipe, 3, alpha=alpha)
    take_weights(other, one)
    (a, _), (b, _) = step(one, 0), step(other, 0)
    assert torch.equal(a.logits, b.logits) == (alpha == 0)
    for trained, reference in zip(other.buffers(), one.buffers(), strict=True):
        trained.copy_(reference)  # of batch normalisation
    ids = batch()[0]
    a, b = one.eval()(ids), other.eval()(ids)
    for mine, plain in zip((b.logits, *b.states), (a.logits, *a.states), strict=True):
        assert torch.equal(mine, plain)


@pytest.mark.parametrize("method", TRANSFORMS)
def test_training_in_bfloat16_keeps_activations_in_it_and_statistics_out_of_it(method: str) -> None:
    model = built(method, backbone("dcnv2"), 3).train()
    ids = batch()[0]
    results = []
    for enabled in (False, True):
        torch.manual_seed(1)  # dropout, power iteration
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = model(ids)
        assert {state.dtype for state in output.states} == {torch.bfloat16 if enabled else torch.float32}
        output.logits.float().sum().backward()
        table = model.table()
        assert table is not None and table.grad is not None and table.grad.dtype == torch.float32 and bool(table.grad.isfinite().all())
        results.append(output.states[0].float())
    assert {b.dtype for b in model.buffers() if b.is_floating_point()} <= {torch.float32}
    if method not in ("embedding_dropout", "rank_one"):  # masks for another type, a direction that has moved on
        torch.testing.assert_close(*results, atol=0.1, rtol=0.05)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("iternorm", {"steps": 0}, r"iternorm: steps = 0; it must lie in \[1, 7\]"),
        ("iternorm", {"steps": 8}, r"iternorm: steps = 8; it must lie in \[1, 7\]"),
        ("iternorm", {"eps": 0.0}, "iternorm: eps = 0.0; it must be greater than 0"),
        ("iternorm", {"momentum": 0.0}, r"iternorm: momentum = 0.0; it must lie in \(0, 1\]"),
        ("rank_one", {"strength": -0.1}, r"rank_one: strength = -0.1; it must lie in \[0, 1\]"),
        ("rank_one", {"power_steps": 0}, "rank_one: power_steps = 0; it must be at least 1"),
        ("directspec", {"alpha": 1.1}, r"directspec: alpha = 1.1; it must lie in \[0, 1\]"),
        ("directspec", {"tau": -1.0}, "directspec: tau = -1.0; it must not be negative"),
        ("directspec", {"rows": 0}, "directspec: rows = 0; it must be at least 1"),
        ("embedding_dropout", {"rate": 1.0}, r"embedding_dropout: rate = 1.0; it must lie in \[0, 1\)"),
        ("layer_norm", {"eps": 0.0}, "layer_norm: eps = 0.0; it must be greater than 0"),
    ],
)
def test_impossible_settings_are_named(method: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        built(method, backbone("dcnv2"), 3, **options)
