"""Controls of size and methods that change what layers see, against their formulas in plain numpy loops and against what they reduce to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_reductions import assert_same, backbone, batch, built
from test_references import Array, array, normed, seasoned
from torch import Tensor
from tracked import house_backbones

from benchmark import plugins
from benchmark.contracts import Layout
from benchmark.errors import Incompatible, UserError
from benchmark.method import Parts, assemble
from benchmark.nn.model import Interaction
from benchmark.schema import Field, Schema

TEN = Schema(tuple(Field(f"field{i}", 20) for i in range(10)), 0.3)
SIZE_OF = {"wide_head": "multi_embedding", "wider_head": "ensemble"}
TOO_LARGE = {"wide_head": {("dcnv2", 4), ("rankelastor", 4)}, "wider_head": set()}  # layers of one set alone have more parameters than it
BACKBONES = house_backbones()
READERS = {
    "dcnv2": {"depth": 2, "hidden": [6, 5]},
    "xdeepfm": {"maps": 3, "hidden": [6, 5]},
    "ipnn": {"units": 16, "hidden": [5]},
    "nfwfm": {},
}


def dense(method: str, recipe: Any, scale: int) -> int:
    with torch.device("meta"):
        model = assemble(plugins.make("methods", method, {}), recipe, TEN, scale, 10)
    table = model.table()
    assert table is not None
    return sum(p.numel() for p in model.parameters() if p is not table)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("control", SIZE_OF)
def test_a_wide_head_has_the_dense_parameters_of_what_it_is_a_control_of(control: str, name: str, scale: int) -> None:
    recipe = plugins.make("backbones", name, {})
    if (name, scale) in TOO_LARGE[control]:
        with pytest.raises(Incompatible, match=f"{control}: {name} with the narrowest hidden layers has .* dense parameters"):
            dense(control, recipe, scale)
        return
    target = dense(SIZE_OF[control], recipe, scale)
    assert abs(dense(control, recipe, scale) / target - 1) <= 0.02


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("control", SIZE_OF)
def test_a_wide_head_at_scale_one_is_single_embedding(control: str, name: str) -> None:
    assert_same(built("single_embedding", backbone(name), 1), built(control, backbone(name), 1))


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("control, function", [("wide_head", "wide"), ("wider_head", "wider")])
def test_a_wide_head_differs_in_hidden_widths_alone(control: str, function: str, name: str) -> None:
    """By about one factor, and at multiples of what each has to be a multiple of."""
    wide: Callable[[Parts], Any] = plugins.plugin("methods", control).build.__globals__[function]
    recipe = plugins.make("backbones", name, {})
    parts = Parts(TEN, 2, 10, recipe)
    wider, factors = wide(parts), []
    for field in dataclasses.fields(recipe):
        before, after = getattr(recipe, field.name), getattr(wider, field.name)
        if field.name not in recipe.hidden_widths:
            assert before == after
            continue
        pairs = list(zip(before, after, strict=True)) if isinstance(before, tuple) else [(before, after)]
        assert all(b % recipe.width_step(field.name, parts.layout()) == 0 for _, b in pairs)
        factors += [b / a for a, b in pairs]
    assert factors and max(factors) / min(factors) < 1.06


@pytest.mark.parametrize("name", BACKBONES)
def test_hidden_widths_take_every_multiple_of_their_step_and_nothing_else(name: str) -> None:
    layout, recipe = Layout(2, 3, 4), backbone(name)
    assert set(recipe.hidden_widths) <= {field.name for field in dataclasses.fields(recipe)}
    for width in recipe.hidden_widths:
        step, several = recipe.width_step(width, layout), isinstance(getattr(recipe, width), tuple)
        for units in (step, 3 * step, step + 1):
            chosen: dict[str, Any] = {width: (units, units) if several else units}
            other = dataclasses.replace(recipe, **chosen)
            if units % step:
                with pytest.raises(Incompatible):
                    Interaction(other, layout)
            else:
                assert Interaction(other, layout)(torch.zeros(5, 2, 3, 4)).logits.shape == (5,)


def test_finalmlp_streams_divide_by_rows_and_fusion_heads() -> None:
    recipe = plugins.make("backbones", "finalmlp", {"heads": 6, "units1": 24, "units2": 24})
    assert recipe.width_step("units1", Layout(1, 3, 4)) == 12
    parts = Parts(TEN, 2, 4, plugins.make("backbones", "finalmlp", {"heads": 16}))
    assert dense_units(parts) and all(units % 16 == 0 for units in dense_units(parts))


def dense_units(parts: Parts) -> list[int]:
    model: Any = plugins.make("methods", "wide_head", {}).build(parts)
    return [stream.linears[0].weight.shape[2] for layer in model.interaction.layers for stream in (layer.stream1, layer.stream2)]


def test_a_backbone_without_hidden_layers_has_no_wide_head() -> None:
    with pytest.raises(Incompatible, match="wide_head: dcnv2 as configured has no hidden layer to scale"):
        built("wide_head", plugins.make("backbones", "dcnv2", {"hidden": []}), 3)


@pytest.mark.parametrize("name", BACKBONES)
def test_an_ensemble_of_one_is_single_embedding(name: str) -> None:
    assert_same(built("single_embedding", backbone(name), 3), built("ensemble", backbone(name), 3, sets=1))


@pytest.mark.parametrize("name", BACKBONES)
def test_an_ensemble_is_the_mean_logit_of_models_that_share_nothing(name: str) -> None:
    """Each rebuilt as single embedding at scale 1, from its columns of the table and its part of every weight."""
    model = seasoned(built("ensemble", backbone(name), 3))
    heads = [model.interaction.interaction.head, *model.interaction.heads]
    assert len({id(head) for head in heads}) == 3
    ids, logits = batch()[0], []
    output = model(ids)
    for s in range(3):
        alone: Any = built("single_embedding", backbone(name), 1).double().eval()
        together = model.interaction.interaction.state_dict()
        mine = {
            key: together[key] if together[key].shape == value.shape else together[key].chunk(3)[s]
            for key, value in alone.interaction.state_dict().items()
            if not key.startswith("head.")
        }
        alone.interaction.load_state_dict(mine, strict=False)
        alone.interaction.head.load_state_dict(heads[s].state_dict())
        alone.embedding.load_state_dict({"weight": model.table()[:, 4 * s : 4 * s + 4]})
        result = alone(ids)
        logits.append(array(result.logits))
        for state, reference in zip(output.states, result.states, strict=True):
            torch.testing.assert_close(state[:, s : s + 1], reference)
    np.testing.assert_allclose(array(output.logits), np.mean(logits, 0), rtol=1e-10, atol=1e-12)
    assert np.std(logits, 0).min() > 0


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, 0),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "linear": lambda z: z,
}


def generated(encoder: Any, z: Array, gamma: float, activation: str, residual: bool) -> Array:
    """z (F, D) of one sample -> g (F, D)"""
    flat = z.reshape(-1)
    made = gamma * ACTIVATIONS[activation](flat @ array(encoder.linear.weight)[0])
    return (made + flat if residual else made).reshape(z.shape)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("residual", [True, False])
def test_generated_features_take_the_embeddings_place_in_dcnv2(activation: str, residual: bool) -> None:
    """One sample at a time; every cross layer has an encoder, which reads that layer's input."""
    recipe = plugins.make("backbones", "dcnv2", READERS["dcnv2"])
    model = seasoned(built("feature_generation", recipe, 2, gamma=1.5, activation=activation, residual=residual))
    ids = batch()[0]
    output = model(ids)
    for sample, x in enumerate(array(model.table())[ids.numpy()]):
        for layer, state in zip(model.interaction.layers, output.states[1:], strict=True):
            g = generated(layer.encoder, x, 1.5, activation, residual)
            mixed = x.reshape(-1) @ array(layer.layer.linear.weight)[0] + array(layer.layer.linear.bias)[0, 0]
            x = x + g * mixed.reshape(x.shape)
            np.testing.assert_allclose(array(state[sample, 0]), x, rtol=1e-10, atol=1e-12)


def test_generated_features_take_the_embeddings_place_in_products() -> None:
    """xDeepFM's maps, IPNN's ⟨g_i, e_j⟩ and NFwFM's r_ij g_i ⊙ e_j with i < j: state 1 of one sample at a time."""
    ids = batch()[0]
    for name in ("xdeepfm", "ipnn", "nfwfm"):
        model = seasoned(built("feature_generation", plugins.make("backbones", name, READERS[name]), 2, gamma=1.5))
        states, layer = model(ids).states, model.interaction.layers[0]
        for sample, e in enumerate(array(model.table())[ids.numpy()]):
            g, fields = generated(layer.encoder, e, 1.5, "relu", True), range(len(e))
            pairs = [(i, j) for i in fields for j in fields if i < j]
            if name == "xdeepfm":
                weight = array(layer.layer.weight)[0].reshape(3, 3, 3)
                expected = np.array([sum(w[i, j] * e[i] * g[j] for i in fields for j in fields) for w in weight])
            elif name == "nfwfm":
                expected = sum(r * g[i] * e[j] for r, (i, j) in zip(array(layer.layer.weight)[0], pairs, strict=True))[None]
            else:
                inputs, hidden = np.concatenate((e.reshape(-1), [g[i] @ e[j] for i, j in pairs])), layer.layer.hidden
                linear = hidden.linears[0]
                units = normed(hidden.norms[0], inputs @ array(linear.weight)[0] + array(linear.bias)[0, 0])
                expected = np.maximum(units, 0).reshape(-1, 8)
            np.testing.assert_allclose(array(states[1][sample, 0]), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", BACKBONES)
def test_nothing_generated_is_single_embedding_and_no_product_is_incompatible(name: str) -> None:
    """γ = 0 with what the encoder read: xDeepFM, IPNN and NFwFM get their embedding back; DCNv2 its own layer's input."""
    if name not in READERS:
        with pytest.raises(Incompatible, match=f"feature_generation: no layer of {name} multiplies with the embedding"):
            built("feature_generation", backbone(name), 3)
        return
    recipe = plugins.make("backbones", "dcnv2", {"depth": 1}) if name == "dcnv2" else backbone(name)
    one, other = built("single_embedding", recipe, 3), built("feature_generation", recipe, 3, gamma=0.0)
    weights = {key.replace(".layer.", "."): key for key in other.state_dict() if ".encoder." not in key}
    assert set(weights) == set(one.state_dict())
    other.load_state_dict({weights[key]: value for key, value in one.state_dict().items()}, strict=False)
    a, b = one.eval()(batch()[0]), other.eval()(batch()[0])
    torch.testing.assert_close((a.logits, *a.states), (b.logits, *b.states))


def softening(width: int = 6, **options: Any) -> Any:
    method = plugins.make("methods", "spectral_softening", {"floor": 1e-9, **options})
    return method.build(Parts(Schema((Field("a", 9), Field("b", 9)), 0.3), 1, width, backbone("dcnv2"))).transform.double()


def steep(rows: int, seed: int = 3) -> Tensor:
    """(rows, 2, 6): singular values that halve in field 0, nearly even ones in field 1"""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    x = torch.randn(rows, 2, 6, generator=generator, dtype=torch.float64)
    return torch.stack((x[:, 0] * 2.0 ** -torch.arange(6) @ turn, 0.01 * x[:, 1]), 1)


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
def test_softening_raises_singular_values_to_a_power(tau: float) -> None:
    """Of one batch, by numpy's own decomposition; τ = 1 changes nothing, τ = 0 makes all σ_rms."""
    x = steep(50)
    y = softening(tau=tau, learned=False)(x)
    for f in range(2):
        u, values, v = np.linalg.svd(array(x[:, f]), full_matrices=False)
        rms = np.sqrt(np.mean(values**2))
        np.testing.assert_allclose(array(y[:, f]), u * (rms * (values / rms) ** tau) @ v, rtol=1e-8, atol=1e-12)
        if tau == 1:
            np.testing.assert_allclose(array(y[:, f]), array(x[:, f]), rtol=1e-9, atol=1e-12)
        elif tau == 0:
            np.testing.assert_allclose(array(y[:, f].T @ y[:, f]), rms**2 * np.eye(6), atol=1e-9 * rms**2)


def test_softening_uses_the_running_gram_matrix_in_training_and_evaluation() -> None:
    module = softening(momentum=0.4)
    batches = [steep(40, seed) for seed in range(4)]
    outputs = [module(x) for x in batches]
    running = np.zeros((2, 6, 6))
    tau = 0.5
    for count, (x, y) in enumerate(zip(batches, outputs, strict=True), 1):
        for f in range(2):
            values = array(x[:, f])
            running[f] += max(1 / count, 0.4) * (values.T @ values / len(values) - running[f])
            squares, basis = np.linalg.eigh(running[f])
            matrix = basis @ np.diag((squares / squares.mean()) ** ((tau - 1) / 2)) @ basis.T
            np.testing.assert_allclose(array(y[:, f]), values @ matrix, rtol=1e-7, atol=1e-12)
    evaluated = module.eval()(batches[0])
    for f in range(2):
        squares, basis = np.linalg.eigh(running[f])
        matrix = basis @ np.diag((squares / squares.mean()) ** -0.25) @ basis.T
        np.testing.assert_allclose(array(evaluated[:, f]), array(batches[0][:, f]) @ matrix, rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(module(batches[0][:1]), evaluated[:1])


def test_the_exponent_of_each_field_is_learned() -> None:
    module = softening(tau=0.3).eval()
    module.train()(steep(40))
    module.eval()
    weight = torch.randn(40, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: torch.func.functional_call(module, {"exponent": a}, steep(40)) * weight, (module.exponent,))
    assert module.diagnostics()["tau_mean"] == pytest.approx(0.3)


def test_softening_leaves_dead_directions_and_empty_fields_alone() -> None:
    """Two values in six dimensions, and zeros: finite, and no longer than the floor allows where a later batch steps out of the span."""
    module = softening(floor=1e-2)
    x = torch.zeros(30, 2, 6, dtype=torch.float64)
    x[:15, 0, 0], x[15:, 0, 1] = 1.0, 0.5
    y = module(x.requires_grad_())
    y.sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all()) and bool(y.isfinite().all()) and not bool(y[:, 1].any())
    out = module.eval()(torch.eye(6, dtype=torch.float64)[:, None].expand(-1, 2, -1))[2:, 0].norm(dim=1)
    rms = math.sqrt((0.5 + 0.125) / 6)
    torch.testing.assert_close(out, torch.full_like(out, (1e-2 * math.sqrt(0.5) / rms) ** -0.5))


def test_softening_starts_after_its_warm_up() -> None:
    module, x = softening(warmup=2), steep(40)
    assert [bool(torch.allclose(module(x), x, rtol=1e-9)) for _ in range(3)] == [True, True, False]


def test_what_cannot_be_learned_from_is_named() -> None:
    for tau in (0.0, 1.0):
        with pytest.raises(UserError, match=f"spectral_softening: tau = {tau} cannot be learned from; set learned = false"):
            softening(tau=tau)
