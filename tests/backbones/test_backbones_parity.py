"""Whole models of the backbones that came after the first three, against plain numpy loops in float64; sizes, gradients, bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from backbone_references import REFERENCES, array, hidden
from torch import Tensor, nn

from benchmark import plugins
from benchmark.contracts import Backbone, CTRModel, Layout
from benchmark.errors import Incompatible, UserError
from benchmark.method import assemble
from benchmark.nn.tokens import FullMixing, mix_heads, number_of_tokens
from benchmark.schema import Field, Schema

SCHEMA = Schema((Field("a", 7), Field("b", 5), Field("c", 11)), 0.3)
MODULES = ("dot", "linear", "cross", "attention")
SETTINGS: dict[str, dict[str, Any]] = {
    "dnn": {"depth": 2, "units": 16, "hidden": [6]},
    "ipnn": {"depth": 2, "units": 16, "hidden": [6]},
    "nfwfm": {"hidden": [6, 5]},
    "dhen": {"depth": 2, "modules": list(MODULES), "units": 5, "hidden": [6, 5]},
    "rankmixer": {"tokens": 4, "expansion": 2, "hidden": [6, 5]},
    "rankelastor": {"tokens": 4, "expansion": 2, "hidden": [6, 5]},
}


def recipe(name: str, **changes: Any) -> Backbone:
    made: Backbone = plugins.make("backbones", name, {**SETTINGS[name], **changes})
    return made


def built(backbone: Backbone, method: str = "multi_embedding", scale: int = 3, schema: Schema = SCHEMA, dimension: int = 4) -> CTRModel:
    """With parameters far from where they start, so that gains of 1 and shifts of 0 hide nothing."""
    torch.manual_seed(11)
    model: CTRModel = assemble(plugins.make("methods", method, {}), backbone, schema, scale, dimension)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def ids(rows: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.stack([torch.randint(f.cardinality, (rows,), generator=generator) for f in SCHEMA.fields], 1) + torch.tensor([0, 7, 12])


@pytest.mark.parametrize("name", plugins.names("backbones"))
def test_no_depth_takes_all_memory(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}: depth = {2**31 - 2}; it must lie in .1, 1000"):
        plugins.make("backbones", name, {"depth": 2**31 - 2})


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("method", "scale", "sets"), [("single_embedding", 2, 1), ("multi_embedding", 3, 3)])
def test_a_whole_model_is_its_formula(name: str, method: str, scale: int, sets: int) -> None:
    """Sets kept apart through the interaction layers and the first MLP layer, then their mean, then the rest (docs/mathematics.md §3)."""
    model: Any = built(recipe(name), method, scale).double().train()
    for _ in range(3):
        model(ids())  # running statistics
    model.eval()
    embedded = array(model.table())[ids().numpy()]
    width = embedded.shape[2] // sets
    logits = []
    for sample in embedded:
        features = sum(REFERENCES[name](model, sample[:, s * width : (s + 1) * width], s) for s in range(sets)) / sets
        assert isinstance(features, np.ndarray)
        top = hidden(model.interaction.head.mlp, features, 0)
        logits.append(array(model.interaction.head.logit.weight)[0] @ top + float(array(model.interaction.head.logit.bias)[0]))
    np.testing.assert_allclose(array(model(ids()).logits), logits, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", SETTINGS)
def test_states_are_as_said(name: str) -> None:
    backbone = recipe(name)
    output = built(backbone)(ids())
    assert [tuple(state.shape[2:]) for state in output.states] == list(backbone.shapes(Layout(3, 3, 4)))
    assert len(output.states) == backbone.depth + 1 and all(state.shape[:2] == (16, 3) for state in output.states)
    if backbone.field_rows:
        assert {state.shape[2] for state in output.states} == {3}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = built(recipe(name)).train()
    model(ids(64)).logits.square().sum().backward()
    without = {n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)}
    # Batch normalisation takes out what a bias before it adds.
    normed = {f"{n.replace('norms', 'linears')}.bias" for n, part in model.named_modules() if isinstance(part, nn.BatchNorm1d)}
    assert without == normed & {n for n, _ in model.named_parameters() if ".linears." in n}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_step_in_bfloat16_is_near_that_in_float32(name: str) -> None:
    model = built(recipe(name, dropout=0.0), scale=2).train()
    full = model(ids(64)).logits
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(ids(64))
        output.logits.float().square().mean().backward()
    assert {state.dtype for state in output.states} == {torch.bfloat16}
    assert float((output.logits.float() - full).detach().abs().mean()) < 0.1 * float(full.detach().std())
    assert all(p.grad is not None and p.grad.dtype == p.dtype and bool(p.grad.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("name", SETTINGS)
def test_sets_do_not_meet_before_the_head(name: str) -> None:
    model: Any = built(recipe(name)).eval()
    states = model(ids()).states
    with torch.no_grad():
        model.table()[:, 4:8] += 1.0  # set 1
    for state, moved in zip(states, model(ids()).states, strict=True):
        assert torch.equal(state[:, [0, 2]], moved[:, [0, 2]]) and not torch.allclose(state[:, 1], moved[:, 1])


# --- sizes


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("dnn", "units", 0),
        ("ipnn", "hidden", [8, 0]),
        ("nfwfm", "dropout", 1.0),
        ("dhen", "depth", 0),
        ("dhen", "units", -1),
        ("rankmixer", "tokens", 0),
        ("rankmixer", "expansion", 0),
        ("rankelastor", "tokens", -2),
    ],
)
def test_sizes_that_no_layer_can_have_are_refused(name: str, setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{setting} = "):
        recipe(name, **{setting: value})


@pytest.mark.parametrize(("modules", "words"), [([], "modules is empty"), (["dot", "conv"], "must be one of dot, linear")])
def test_dhen_names_its_modules(modules: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        recipe("dhen", modules=modules)


@pytest.mark.parametrize("module", MODULES)
def test_dhen_works_with_each_module_alone(module: str) -> None:
    assert built(recipe("dhen", modules=[module]))(ids()).logits.isfinite().all()


@pytest.mark.parametrize(
    ("name", "settings", "fields", "dimension", "words"),
    [
        ("dnn", {}, 3, 5, "dnn: units = 16 does not divide into rows of 5"),
        ("ipnn", {}, 3, 5, "ipnn: units = 16 does not divide into rows of 5"),
        ("nfwfm", {"depth": 2}, 3, 4, "nfwfm: depth = 2, but it has one interaction layer"),
        ("nfwfm", {}, 1, 4, "nfwfm: one field has no pairs"),
        ("dhen", {}, 3, 1, "dhen: layer normalisation of rows of one number"),
        ("dhen", {}, 1, 4, "dhen: one field has no inner products"),
        ("rankmixer", {}, 3, 7, "rankmixer: 7, the dimension of a set, has no divisor from 2 to tokens = 4"),
        ("rankelastor", {}, 3, 1, "rankelastor: 1, the dimension of a set, has no divisor"),
    ],
)
def test_cells_that_cannot_be_built_say_why(name: str, settings: dict[str, Any], fields: int, dimension: int, words: str) -> None:
    """A suite with ``depths`` meets the recipe before the model: the recipe itself is accepted."""
    backbone = recipe(name, **settings)
    with pytest.raises(Incompatible, match=words):
        built(backbone, schema=Schema(SCHEMA.fields[:fields], 0.3), dimension=dimension)


@pytest.mark.parametrize(("dimension", "tokens"), [(4, 4), (10, 10), (20, 10), (40, 10), (100, 10), (7, 7), (30, 10), (64, 8)])
def test_the_number_of_tokens_divides_the_dimension(dimension: int, tokens: int) -> None:
    assert number_of_tokens(dimension, 10, "rankmixer") == tokens


# --- what the tokens' layers have in common


def test_mixing_heads_twice_is_the_identity() -> None:
    x = torch.randn(5, 2, 4, 12)
    assert torch.equal(mix_heads(mix_heads(x)), x) and not torch.equal(mix_heads(x), x)


def test_full_mixing_holds_the_mixing_of_heads_as_a_special_case() -> None:
    x = torch.randn(5, 2, 3, 6)
    full = FullMixing(2, 3, 6)
    permutation = mix_heads(torch.eye(18).view(18, 1, 3, 6)).view(18, 18)
    full.linear.weight.data[:] = permutation
    torch.testing.assert_close(full(x), mix_heads(x) + x)
