"""Methods that divide the width into sets or put a second network beside them, against plain numpy loops and what they reduce to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_reductions import SCHEMA, assert_same, backbone, batch, built, plain_name, take_weights
from test_references import array, normed, seasoned
from torch import Tensor, nn
from tracked import house_backbones

from benchmark import plugins
from benchmark.errors import Incompatible, UserError
from benchmark.method import assemble
from benchmark.nn.embedding import split
from benchmark.training.evaluate import spectra


def test_shared_multi_embedding_with_dcnv2() -> None:
    """The same cross layers and first MLP layer for every set, one sample and set at a time."""
    recipe = plugins.make("backbones", "dcnv2", {"depth": 2, "hidden": [6, 5]})
    model = seasoned(built("multi_embedding_shared", recipe, 3))
    ids = batch()[0]
    embedded = array(model.table())[ids.numpy()]
    shared = model.interaction.shared
    first, [linear], [norm] = shared.readout.first, shared.head.mlp.linears, shared.head.mlp.norms
    output = model(ids)
    assert [tuple(state.shape) for state in output.states] == [(16, 3, 3, 4)] * 3
    for sample in range(len(ids)):
        hidden = []
        for s in range(3):
            x = x0 = embedded[sample, :, 4 * s : 4 * s + 4].reshape(-1)
            for layer, state in zip(shared.layers, output.states[1:], strict=True):
                x = x0 * (x @ array(layer.linear.weight)[0] + array(layer.linear.bias)[0, 0]) + x
                np.testing.assert_allclose(array(state[sample, s]).reshape(-1), x, rtol=1e-10, atol=1e-12)
            y = x @ array(first.linears[0].weight)[0] + array(first.linears[0].bias)[0, 0]
            hidden.append(np.maximum(normed(first.norms[0], y), 0))
        top = np.maximum(normed(norm, sum(hidden) / 3 @ array(linear.weight)[0] + array(linear.bias)[0, 0]), 0)
        logit = top @ array(shared.head.logit.weight)[0] + array(shared.head.logit.bias)[0]
        np.testing.assert_allclose(array(output.logits[sample]), logit, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", house_backbones())
def test_shared_multi_embedding_with_one_set_is_single_embedding(name: str) -> None:
    recipe = backbone(name)
    assert_same(built("single_embedding", recipe, 3), built("multi_embedding_shared", recipe, 3, sets=1))


def test_shared_multi_embedding_does_not_tell_its_sets_apart() -> None:
    """The columns of two sets change places: the logits stay. Multi-embedding's do not."""
    ids = batch()[0]
    for method, same in (("multi_embedding_shared", True), ("multi_embedding", False)):
        model = seasoned(built(method, backbone("dcnv2"), 3))
        before = model(ids).logits
        with torch.no_grad():
            model.table().copy_(model.table()[:, [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]])
        assert torch.allclose(before, model(ids).logits, atol=1e-12) == same


@pytest.mark.parametrize("name", house_backbones())
@pytest.mark.parametrize(("plain", "options", "scale"), [("single_embedding", {}, 1), ("multi_embedding", {"kinds": ()}, 3)])
def test_with_one_kind_it_is_multi_embedding(plain: str, options: dict[str, Any], scale: int, name: str) -> None:
    models = []
    for method in (plain, "hetero_me"):
        torch.manual_seed(3)
        models.append(built(method, backbone(name), scale, **(options if method == "hetero_me" else {})).train())
    one, other = models
    for key, value in other.state_dict().items():
        assert torch.equal(value, one.state_dict()[plain_name(key)])  # a seed starts both at the same weights
    ids = batch()[0]
    for mode in (True, False):
        outputs = []
        for model in models:
            torch.manual_seed(4)
            outputs.append(model.train(mode)(ids))
        a, b = outputs
        for mine, reference in zip((b.logits, *b.states), (a.logits, *a.states), strict=True):
            assert torch.equal(mine, reference)


def test_heterogeneous_sets_are_their_kinds_models_side_by_side() -> None:
    """Five sets, two kinds: sets 0, 2, 4 are DCNv2's multi-embedding, sets 1, 3 xDeepFM's; the logits are averaged."""
    recipe = backbone("dcnv2")
    model = seasoned(built("hetero_me", recipe, 5, kinds=["dcnv2", "xdeepfm"]))
    ids = batch()[0]
    output = model(ids)
    columns = np.arange(20).reshape(5, 4)
    expected = []
    for k, (kind, sets) in enumerate(((recipe, [0, 2, 4]), (plugins.make("backbones", "xdeepfm", {}), [1, 3]))):
        alone: Any = built("multi_embedding", kind, len(sets)).double().eval()
        alone.interaction.load_state_dict(model.interaction.kinds[k].state_dict())
        alone.embedding.load_state_dict({"weight": model.table()[:, columns[sets].reshape(-1)]})
        expected.append(alone(ids))
    torch.testing.assert_close(output.logits, (expected[0].logits + expected[1].logits) / 2)
    assert output.states[0].shape == (16, 5, 3, 4)
    torch.testing.assert_close(output.states[0][:, [1, 3]], expected[1].states[0])
    for mine, reference in zip(output.states[1:], expected[0].states[1:], strict=True):
        torch.testing.assert_close(mine, reference)


def test_spectra_of_heterogeneous_sets_are_those_of_the_table_and_of_the_cells_backbone() -> None:
    """State 0 has four sets, the deeper ones two: what layer 0 adds is the difference of no two states."""
    ids, labels = batch(200)

    class Sample:
        def batches(self, size: int) -> list[tuple[Tensor, Tensor]]:
            return [(ids, labels)]

    sample: Any = Sample()
    counts = [np.bincount(ids[:, f] - first, minlength=SCHEMA.fields[f].cardinality) for f, first in enumerate((0, 7, 12))]
    found = spectra(built("hetero_me", backbone("dcnv2"), 4), sample, SCHEMA, counts, plugins.plugin("backbones", "dcnv2")).metrics
    for name in ("table/c/effective_rank", "layer0/flat/effective_rank", "layer4/flat/effective_rank", "layer2/term/batch/effective_rank"):
        assert f"spectral/{name}" in found
    assert not any(name.startswith("spectral/layer1/term") for name in found)


@pytest.mark.parametrize(
    ("name", "scale", "types"),
    [
        ("dcnv2", 2, ["CrossTerm", "CINLayer"]),
        ("dcnv2", 4, ["CrossTerm", "CINLayer", "StreamLayer"]),
        ("xdeepfm", 2, ["CINLayer", "CrossTerm"]),
        ("finalmlp", 3, ["StreamLayer", "CrossTerm", "CINLayer"]),
    ],
)
def test_the_cells_backbone_comes_first_and_no_kind_twice(name: str, scale: int, types: list[str]) -> None:
    model: Any = built("hetero_me", backbone(name), scale)
    assert [type(kind.layers[0]).__name__ for kind in model.interaction.kinds] == types


def test_a_kind_that_does_not_suit_the_width_is_named() -> None:
    recipe = plugins.make("backbones", "dcnv2", {})
    with pytest.raises(Incompatible, match=r"hetero_me: .*finalmlp: units1 = 400 does not divide into rows of 12"):
        assemble(plugins.make("methods", "hetero_me", {"kinds": ["finalmlp"], "sets": 2}), recipe, SCHEMA, 2, 12)


def test_parallel_dnn_with_dcnv2() -> None:
    """The plain model's logit plus an MLP's on the same embedding, one sample at a time."""
    recipe = plugins.make("backbones", "dcnv2", {"depth": 2, "hidden": [6, 5]})
    model = seasoned(built("parallel_dnn", recipe, 2, hidden=[7, 4]))
    ids = batch()[0]
    embedded = array(model.table())[ids.numpy()]
    plain, total = array(model.interaction.interaction(split(model.embedding(ids), 1)).logits), array(model(ids).logits)
    mlp, logit = model.interaction.tower.mlp, model.interaction.tower.logit
    for sample in range(len(ids)):
        x = embedded[sample].reshape(-1)
        for linear, norm in zip(mlp.linears, mlp.norms, strict=True):
            x = np.maximum(normed(norm, x @ array(linear.weight)[0] + array(linear.bias)[0, 0]), 0)
        expected = plain[sample] + x @ array(logit.weight)[0] + array(logit.bias)[0]
        np.testing.assert_allclose(total[sample], expected, rtol=1e-10, atol=1e-12)


def test_parallel_dnn_whose_last_unit_is_zero_is_single_embedding() -> None:
    recipe = backbone("dcnv2")
    one = built("single_embedding", recipe, 3)
    other: Any = built("parallel_dnn", recipe, 3)
    take_weights(other, one)
    nn.init.zeros_(other.interaction.tower.logit.weight)
    nn.init.zeros_(other.interaction.tower.logit.bias)
    ids = batch()[0]
    a, b = one.eval()(ids), other.eval()(ids)
    for mine, reference in zip((b.logits, *b.states), (a.logits, *a.states), strict=True):
        assert torch.equal(mine, reference)


@pytest.mark.parametrize(("name", "options"), [("xdeepfm", {}), ("finalmlp", {}), ("dcnv2", {"structure": "parallel"})])
def test_parallel_dnn_refuses_a_second_one(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(Incompatible, match="has a DNN on the embedding already"):
        built("parallel_dnn", plugins.make("backbones", name, options), 2)


@pytest.mark.parametrize("method", ["multi_embedding_shared", "hetero_me", "parallel_dnn"])
def test_training_in_bfloat16_reaches_every_weight(method: str) -> None:
    model = built(method, backbone("dcnv2"), 3).train()
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(batch()[0])
    (output.logits.float() * torch.linspace(-1, 1, 16)).sum().backward()
    assert {state.dtype for state in output.states} == {torch.bfloat16}
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("multi_embedding_shared", {"sets": 5}, "multi_embedding_shared: width 12 .* is not divisible by 5 sets; change sets"),
        ("hetero_me", {"sets": 5}, "hetero_me: width 12 .* is not divisible by 5 sets; change sets"),
        ("hetero_me", {"kinds": ["dcnv"]}, "hetero_me: kinds = dcnv; it must be one of .*dcnv2"),
        ("parallel_dnn", {"dropout": 1.0}, r"parallel_dnn: dropout = 1.0; it must lie in \[0, 1\)"),
        ("parallel_dnn", {"hidden": [4, 0]}, "parallel_dnn: hidden = .*; it must be at least 1"),
    ],
)
def test_impossible_settings_are_named(method: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        built(method, backbone("dcnv2"), 3, **options)
