"""One family: with its parts switched off RoBlock is multi-embedding, and multi-embedding with one set is single embedding."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from tracked import is_tracked

from benchmark import plugins
from benchmark.contracts import Backbone, CTRModel, Layout, Output
from benchmark.errors import Incompatible, UserError
from benchmark.method import assemble
from benchmark.schema import Field, Schema

SCHEMA = Schema((Field("a", 7), Field("b", 5), Field("c", 11)), 0.3)
SMALL: dict[str, dict[str, Any]] = {
    "finalmlp": {"units1": 24, "units2": 12},
    "dnn": {"units": 24, "hidden": [8]},
    "ipnn": {"units": 24, "hidden": [8]},
    "nfwfm": {"hidden": [8, 6]},
    "dhen": {"depth": 2, "modules": ["dot", "linear", "cross", "attention"], "units": 6, "hidden": [8, 6]},
    "rankmixer": {"tokens": 4, "expansion": 2, "hidden": [8, 6]},
    "rankelastor": {"tokens": 4, "expansion": 2, "hidden": [8, 6]},
}
OFF: dict[str, Any] = {
    "strength": 0.0,
    "decoupler": "identity",
    "gates": "one_hot",
    "maps": "identity",
    "block_residual": "never",
    "hsic_weight": 0.0,
}


def backbone(name: str) -> Backbone:
    recipe: Backbone = plugins.make("backbones", name, SMALL.get(name, {}))
    return recipe


def fits(name: str) -> bool:
    """Whether the recipe can be had at these sizes. Of the house's own it must, SMALL gives it some; another may say Incompatible."""
    try:
        for layout in (Layout(1, 3, 4), Layout(1, 3, 12), Layout(3, 3, 4)):
            backbone(name).shapes(layout)
    except Incompatible:
        return is_tracked("backbones", name)
    return True


BACKBONES = [name for name in plugins.names("backbones") if fits(name)]


def built(method: str, recipe: Backbone, scale: int, **options: Any) -> CTRModel:
    model: CTRModel = assemble(plugins.make("methods", method, options), recipe, SCHEMA, scale, 4)
    table = model.table()
    if table is not None:
        torch.nn.init.normal_(table, std=0.5, generator=torch.Generator().manual_seed(7))
    return model


def batch(rows: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    local = torch.stack([torch.randint(f.cardinality, (rows,), generator=generator) for f in SCHEMA.fields], 1)
    offsets = torch.tensor([0, 7, 12])
    return local + offsets, torch.rand(rows, generator=generator).round()


def step(model: CTRModel, seed: int) -> tuple[Output, dict[str, Tensor]]:
    ids, labels = batch()
    torch.manual_seed(seed)  # dropout
    output = model(ids)
    (torch.nn.functional.binary_cross_entropy_with_logits(output.logits, labels) + output.penalty).backward()
    return output, {plain_name(name): p.grad for name, p in model.named_parameters() if p.grad is not None}


def plain_name(name: str) -> str:
    """A parameter's name in single embedding: without the modules that methods put around the interaction and the table."""
    return re.sub(r"^interaction\.(interaction|plain|shared|kinds\.0)\.", "interaction.", name).replace("embedding.table.", "embedding.")


def take_weights(other: CTRModel, one: CTRModel) -> None:
    """Parameters and buffers of ``one`` in the places of ``other`` that have their names; every one of them has such a place."""
    weights = one.state_dict()
    places = {name: plain_name(name) for name in other.state_dict()}
    assert set(weights) <= set(places.values())
    other.load_state_dict({name: weights[plain] for name, plain in places.items() if plain in weights}, strict=False)


def assert_same(one: CTRModel, other: CTRModel) -> None:
    """Same outputs, states and gradients with the same weights, in training and evaluation, to 1e-6."""
    one, other = one.double(), other.double()
    take_weights(other, one)
    (a, gradients_a), (b, gradients_b) = step(one, 0), step(other, 0)
    torch.testing.assert_close(a.logits, b.logits, atol=1e-6, rtol=1e-6)
    for name, gradient in gradients_a.items():
        torch.testing.assert_close(gradient, gradients_b[name], atol=1e-6, rtol=1e-6)
    a, b = one.eval()(batch()[0]), other.eval()(batch()[0])
    torch.testing.assert_close((a.logits, *a.states), (b.logits, *b.states), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("scale", [1, 3])
def test_roblock_with_everything_off_is_multi_embedding(name: str, scale: int) -> None:
    recipe = backbone(name)
    assert_same(built("multi_embedding", recipe, scale), built("roblock", recipe, scale, **OFF))


@pytest.mark.parametrize("name", BACKBONES)
def test_multi_embedding_with_one_set_is_single_embedding(name: str) -> None:
    recipe = backbone(name)
    assert_same(built("single_embedding", recipe, 3), built("multi_embedding", recipe, 3, sets=1))


@pytest.mark.parametrize("name", BACKBONES)
def test_roblock_states_stay_as_wide_as_the_table(name: str) -> None:
    output = built("roblock", backbone(name), 3).eval()(batch()[0])
    assert {state.shape[1] * state.shape[3] for state in output.states} == {12}


def test_every_roblock_parameter_gets_a_gradient() -> None:
    for options in ({}, {"gates": "static"}, {"gates": "input"}, {"decoupler": "free"}, {"hsic_kernel": "linear"}, {"direction": "random"}):
        model = built("roblock", backbone("dcnv2"), 3, **options)
        _, gradients = step(model, 0)
        names = [plain_name(name) for name, _ in model.named_parameters()]
        missing = {n for n in names if n not in gradients or not bool(gradients[n].abs().sum() > 0)}
        # Batch normalisation takes out what a bias before it adds.
        assert missing == {"interaction.readout.first.linears.0.bias", "interaction.head.mlp.linears.0.bias"}, options


def test_roblock_shows_its_internal_state() -> None:
    model = built("roblock", backbone("dcnv2"), 3)
    model.eval()(batch()[0])
    at_start = model.curve()
    assert abs(at_start["layer0/gate_entropy_moved"]) < 1e-6
    model.train()
    step(model, 0)
    model.eval()(batch()[0])
    found = model.diagnostics()
    assert found["layer0/gate_entropy_moved"] == pytest.approx(found["layer0/gate_entropy"] - at_start["layer0/gate_entropy"], abs=1e-6)
    for name in ("deflation", "leading_over_rms_before", "leading_over_rms_after", "nhsic_unbiased", "gate_entropy", "gate_cosine"):
        assert f"layer0/{name}" in found
    assert found["layer0/leading_over_rms_after"] <= found["layer0/leading_over_rms_before"]
    assert 0 <= found["layer0/gate_entropy"] < 0.9  # heads start apart
    assert (
        {"layer0/gate_entropy", "layer0/gate_entropy_moved", "layer0/gate_cosine", "layer0/gate_sd"} <= model.curve().keys() <= found.keys()
    )


def test_decoupler_preserves_singular_values() -> None:
    model = built("roblock", backbone("dcnv2"), 3)
    decoupler = model.interaction.blocks[0].decoupler  # type: ignore[union-attr, index]
    for parameter in decoupler.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(30, 3, 12)
    z = x @ decoupler()
    torch.testing.assert_close(torch.linalg.svdvals(z.transpose(0, 1)), torch.linalg.svdvals(x.transpose(0, 1)), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(x, z, atol=1e-2)


def test_components_may_differ_from_sets() -> None:
    output = built("roblock", backbone("xdeepfm"), 3, sets=2, components=6)(batch()[0])
    assert output.states[0].shape[1:] == (2, 3, 6)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("multi_embedding", {"sets": 5}, "width 12 .* is not divisible by 5 sets"),
        ("roblock", {"sets": 5}, "width 12 .* is not divisible by 5 sets"),
        ("roblock", {"components": 7}, "is not divisible by 7 components"),
        ("roblock", {"components": 6, "maps": "identity"}, "maps = identity needs as many components as sets, not 6 and 3"),
        ("roblock", {"components": 6, "gates": "one_hot"}, "gates = one_hot needs as many components as sets, not 6 and 3"),
        ("roblock", {"strength": 1.5}, r"strength = 1.5; it must lie in \[0, 1\]"),
        ("roblock", {"power_steps": 0}, "power_steps = 0; it must be at least 1"),
        ("roblock", {"hsic_weight": -1.0}, "hsic_weight = -1.0; it must not be negative"),
        ("roblock", {"hsic_samples": 3}, "hsic_samples = 3; it must be at least 4"),
        ("roblock", {"hsic_rows": 0}, "hsic_rows = 0; it must be at least 1"),
    ],
)
def test_impossible_settings_are_named(method: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        built(method, backbone("dcnv2"), 3, **options)


def test_finalmlp_says_when_units_do_not_divide() -> None:
    with pytest.raises(Incompatible, match="units1 = 24 does not divide into rows of 20"):
        built("single_embedding", backbone("finalmlp"), 5)


def test_the_hsic_penalty_turns_the_basis_and_leaves_the_table_alone() -> None:
    """With gradient "basis" the table's gradient is that without a penalty, and the decoupler's is not; with "all" both differ."""

    def gradients(**options: Any) -> dict[str, Tensor]:
        torch.manual_seed(3)
        recipe = plugins.make("backbones", "dcnv2", {"dropout": 0.0})  # its masks would differ with the rows that are drawn
        model = built("roblock", recipe, 3, **options).double()
        return step(model, 0)[1]

    without, basis, everything = (
        gradients(hsic_weight=weight, hsic_gradient=kind) for weight, kind in ((0.0, "all"), (5.0, "basis"), (5.0, "all"))
    )
    table, turn = "embedding.weight", "interaction.blocks.3.decoupler.below_diagonal"  # the last block: nothing behind it has a penalty
    torch.testing.assert_close(basis[table], without[table])
    assert not torch.allclose(everything[table], without[table])
    torch.testing.assert_close(basis[turn], everything[turn])
    assert not torch.allclose(basis[turn], without[turn])


@pytest.mark.parametrize(
    ("name", "kind", "kept"),
    [("dcnv2", "backbone", True), ("dcnv2", "never", False), ("xdeepfm", "backbone", False), ("xdeepfm", "always", True)],
)
def test_the_block_residual_keeps_the_path_that_was_not_rebalanced(name: str, kind: str, kept: bool) -> None:
    """Layers that give zero leave exactly what the residual path brings."""
    recipe = plugins.make("backbones", name, {"maps": 3} if name == "xdeepfm" else {})
    model = built("roblock", recipe, 3, block_residual=kind, strength=1.0).eval()
    for parameter in model.interaction.plain.layers.parameters():  # type: ignore[union-attr]
        torch.nn.init.zeros_(parameter)
    states = model(batch()[0]).states
    assert all(torch.equal(a, b) for a, b in pairwise(states)) == kept


@pytest.mark.parametrize("components", [2, 3, 6])
def test_gates_start_equally_near_one_hot_for_every_number_of_components(components: int) -> None:
    model = built("roblock", backbone("dcnv2"), 3, components=components, gates="static", gate_sharpness=4.0)
    gates = model.interaction.blocks[0].router.gates(torch.zeros(1, 3, 12), None)  # type: ignore[union-attr, index]
    own = gates[0, :, torch.arange(3), torch.arange(3) % components]
    torch.testing.assert_close(own, torch.sigmoid(torch.tensor(4.0)).expand(3, 3))


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_field_that_is_constant_in_evaluation_does_not_blow_up_the_reported_dependence(kernel: str) -> None:
    model = built("roblock", backbone("dcnv2"), 3, hsic_kernel=kernel)
    step(model, 0)
    ids, _ = batch(300)
    ids[:, 1] = 8
    model.eval()(ids)
    found = model.diagnostics()
    for layer in range(4):
        assert -0.5 < found[f"layer{layer}/nhsic_unbiased"] < 1.5
