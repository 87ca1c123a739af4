"""Whole models: without an operation's fused form they compute the same, forward and backward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from tracked import house_backbones

from benchmark import plugins
from benchmark.contracts import CTRModel
from benchmark.method import assemble
from benchmark.ops import dispatch, dropout
from benchmark.schema import Field, Schema

SCHEMA = Schema((Field("a", 7), Field("b", 5), Field("c", 11)), 0.3)
# Small, and of widths that every backbone divides; a backbone without an entry is built as it comes.
SMALL: dict[str, dict[str, Any]] = {
    "finalmlp": {"units1": 24, "units2": 12},
    "dnn": {"units": 24, "hidden": [8]},
    "ipnn": {"units": 24, "hidden": [8]},
    "dcnv2": {"hidden": [8, 6]},
    "xdeepfm": {"hidden": [8, 6]},
    "nfwfm": {"hidden": [8, 6]},
    "dhen": {"depth": 2, "units": 6, "hidden": [8, 6]},
    "rankmixer": {"tokens": 4, "expansion": 2, "hidden": [8, 6]},
    "rankelastor": {"tokens": 4, "expansion": 2, "hidden": [8, 6]},
}


@pytest.fixture(autouse=True)
def one_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks are random, but with and without the fused dropout the same."""
    monkeypatch.setattr(dropout, "sfc64", dropout.bernoulli)


def step(model: CTRModel) -> dict[str, Tensor]:
    ids = torch.stack([torch.randint(f.cardinality, (16,), generator=torch.Generator().manual_seed(5)) for f in SCHEMA.fields], 1)
    torch.manual_seed(1)  # masks, and RoBlock's choice of rows
    output = model(ids + torch.tensor([0, 7, 12]))
    (output.logits.square().sum() + output.penalty).backward()
    found = {f"d {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"logits": output.logits.detach(), "penalty": output.penalty.detach()} | found | dict(model.named_buffers())


def built(method: str, backbone: str) -> CTRModel:
    torch.manual_seed(4)
    recipe = plugins.make("backbones", backbone, SMALL.get(backbone, {}))
    model: CTRModel = assemble(plugins.make("methods", method, {}), recipe, SCHEMA, 3, 4)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.double().train()


@pytest.mark.parametrize("backbone", house_backbones())
@pytest.mark.parametrize("method", ["single_embedding", "multi_embedding", "roblock"])
def test_a_model_is_the_same_without_each_fused_form_and_without_all(method: str, backbone: str) -> None:
    with dispatch.switched_off([]):
        expected = step(built(method, backbone))
    for off in (*((name,) for name in dispatch.names()), dispatch.names()):
        with dispatch.switched_off(off):
            found = step(built(method, backbone))
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, atol=1e-10, rtol=1e-8, msg=f"without {off}: {key}")
