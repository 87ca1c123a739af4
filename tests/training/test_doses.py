"""What a mitigation does to its model, against figures worked out by hand; and that measuring it changes nothing."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark import plugins
from benchmark.contracts import CTRModel, Output, no_penalty
from benchmark.data.batches import Rows
from benchmark.method import Method, Parts, assemble
from benchmark.nn.dose import adam_step, change
from benchmark.nn.model import CALIBRATION, AssembledModel, Penalty
from benchmark.schema import Field, Schema
from benchmark.training.doses import calibrate, doses, gradient_norms, knock_outs

SCHEMA = Schema((Field("a", 7), Field("b", 5), Field("c", 11)), 0.3)
WIDTH, COUNT = 4, 64
AS_IT_IS = contextlib.nullcontext()


def rows(count: int = COUNT) -> Rows:
    random = np.random.default_rng(0)
    local = np.stack([random.integers(0, field.cardinality, count) for field in SCHEMA.fields], 1).astype(np.int32)
    return Rows(local, (random.random(count) < 0.4).astype(np.uint8), np.array([0, 7, 12]), torch.device("cpu"))


class Sum(nn.Module):
    """The logit is the sum of all numbers of the embedding."""

    def forward(self, x0: Tensor) -> Output:
        logits = x0.sum((1, 2, 3))
        return Output(logits, (x0,), no_penalty(logits))


def summed(**parts: Any) -> CTRModel:
    model = Parts(SCHEMA, 1, WIDTH, None).model(interaction=Sum(), **parts)
    table = model.table()
    assert table is not None
    nn.init.normal_(table, std=0.3, generator=torch.Generator().manual_seed(1))
    return model


def built(method: str, scale: int = 3, backbone: str = "dcnv2", **options: Any) -> CTRModel:
    made: Method = plugins.make("methods", method, options)
    torch.manual_seed(0)
    model = assemble(made, plugins.make("backbones", backbone, {}), SCHEMA, scale, WIDTH)
    table = model.table()
    assert table is not None
    nn.init.normal_(table, std=0.3, generator=torch.Generator().manual_seed(1))
    return model


def test_a_penalty_s_dose_is_the_ratio_of_the_gradients_on_the_table() -> None:
    """Of mean x² and the logloss of a sum, both differentiated by hand."""
    model, data = summed(penalty=(0.7, lambda ids, output: output.states[0].square().mean())), rows()
    ids, labels = next(data.batches(COUNT))
    table = model.table().detach().double().numpy()  # type: ignore[union-attr]
    embedded = table[ids.numpy()]
    off = 1 / (1 + np.exp(-embedded.sum((1, 2)))) - labels.numpy()
    by_loss, by_penalty = np.zeros_like(table), np.zeros_like(table)
    for sample, values in enumerate(ids.tolist()):
        for value in values:
            by_loss[value] += off[sample] / COUNT
            by_penalty[value] += 0.7 * 2 * table[value] / embedded.size
    found = doses(model, data, COUNT, AS_IT_IS)
    assert found == {"penalty": pytest.approx(np.linalg.norm(by_penalty) / np.linalg.norm(by_loss), rel=1e-5)}


def test_doses_are_means_over_the_first_two_batches() -> None:
    model, data = summed(penalty=(0.7, lambda ids, output: output.states[0].square().mean())).train(), rows(96)
    ratios = []
    for ids, labels in data.shuffled(32, torch.Generator().manual_seed(0)):
        output, table = model(ids), model.table()
        loss = functional.binary_cross_entropy_with_logits(output.logits, labels)
        by_penalty, by_loss = (torch.autograd.grad(one, table, retain_graph=True)[0] for one in (output.penalty, loss))  # type: ignore[arg-type]
        ratios.append(float(by_penalty.norm() / by_loss.norm()))
    assert len(ratios) == 3 and max(ratios) > 1.01 * min(ratios)
    assert doses(model, data, 32, AS_IT_IS) == {"penalty": pytest.approx(sum(ratios[:2]) / 2, rel=1e-5)}


def test_a_penalty_without_effect_on_the_table_is_measured_where_it_has_one() -> None:
    """The table is in its graph and gets nothing of it: not a penalty that does nothing."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.factor

    transform = Scaled()
    model = summed(transform=transform).train()
    ids, labels = next(rows().batches(COUNT))
    output = model(ids)
    loss = functional.binary_cross_entropy_with_logits(output.logits, labels)
    [by_loss] = torch.autograd.grad(loss, [transform.factor], retain_graph=True)
    found = gradient_norms(model, loss, transform.factor.square() + 0 * output.states[0].sum())
    assert found is not None
    torch.testing.assert_close(found, torch.stack([by_loss.abs(), torch.tensor(4.0)]))


def test_a_transform_that_writes_into_its_input_has_the_dose_of_one_that_does_not() -> None:
    class Centred(nn.Module):
        def __init__(self, in_place: bool) -> None:
            super().__init__()
            self.in_place = in_place

        def forward(self, x: Tensor) -> Tensor:
            return x.sub_(0.2) if self.in_place else x - 0.2

    one, other = (doses(summed(transform=Centred(in_place)), rows(), COUNT, AS_IT_IS)["transform"] for in_place in (True, False))
    assert one == other > 0.1


@pytest.mark.parametrize("factor", [1.0, 0.01, 40.0])
def test_a_transform_s_dose_is_its_angle_and_no_common_factor(factor: float) -> None:
    class Cut(nn.Module):
        """Without the first column, and all of it scaled."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat((torch.zeros_like(x[..., :1]), x[..., 1:]), 2) * factor

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * factor

    model = summed(transform=Cut())
    data = rows()
    embedded = model.table().detach()[next(data.batches(COUNT))[0]].double().numpy()  # type: ignore[union-attr]
    lost = np.sqrt((embedded[..., 0] ** 2).sum() / (embedded**2).sum())
    assert doses(model, data, COUNT, AS_IT_IS) == {"transform": pytest.approx(lost, rel=1e-5)}
    assert doses(summed(transform=Scaled()), data, COUNT, AS_IT_IS)["transform"] < 1e-6


def test_a_change_to_nothing_is_whole_and_none_is_zero() -> None:
    x = torch.randn(3, 4)
    assert change(x, torch.zeros_like(x)) == 1 and change(x, x) == 0 and change(torch.zeros(3), torch.zeros(3)) == 0


def test_a_penalty_that_is_off_for_lack_of_a_gradient_is_a_dose_of_nothing() -> None:
    """Not that there is none: the row must say that it is inert."""
    model = summed(penalty=(0.0, lambda ids, output: output.states[0].mean()), transform=nn.Identity())
    assert doses(model, rows(), COUNT, AS_IT_IS) == {"transform": 0}
    model = summed(penalty=(0.5, lambda ids, output: 0 * output.states[0].mean()))
    assert doses(model, rows(), COUNT, AS_IT_IS) == {"penalty": 0}
    model = summed(penalty=(0.5, lambda ids, output: output.states[0].detach().square().mean()))
    assert doses(model, rows(), COUNT, AS_IT_IS) == {"penalty": 0}


@pytest.mark.parametrize("name", ["single_embedding", "multi_embedding", "wide_head", "ensemble"])
def test_what_differs_in_its_architecture_has_no_dose(name: str) -> None:
    assert doses(built(name, 2, backbone="finalmlp"), rows(), COUNT, AS_IT_IS) == {}


PENALISED = ["vicreg", "barlow", "coding_rate", "logdet", "uniformity", "singular_value_reg", "orthogonal_reg", "decorrelated_experts"]


def step(model: CTRModel, data: Rows) -> None:
    """The forward pass of a training step, the calibration, and no change of a weight."""
    ids, labels = next(data.batches(COUNT))
    calibrate(model, functional.binary_cross_entropy_with_logits(model(ids).logits, labels))


@pytest.mark.parametrize("name", [*PENALISED, "set_similarity_reg"])
def test_a_share_is_reached_whatever_the_formula(name: str) -> None:
    model, data = built(name, weight=0.25).train(), rows()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for _ in range(20):
        torch.manual_seed(0)  # the same rows are drawn, and the same masks
        step(model, data)
    torch.manual_seed(0)
    assert doses(model, data, COUNT, AS_IT_IS)["penalty"] == pytest.approx(0.25, rel=0.25)


def test_a_factor_is_fixed_after_the_first_steps() -> None:
    model, data = summed(penalty=(0.25, lambda ids, output: output.states[0].square().mean(), "share")).train(), rows()
    assert isinstance(model, AssembledModel) and model.penalty is not None
    assert float(model.penalty.factor) == 0
    step(model, data)
    first = float(model.penalty.factor)
    assert first > 0
    for _ in range(CALIBRATION + 1):
        step(model, data)
    nn.init.normal_(model.table(), std=3.0)
    fixed = float(model.penalty.factor)
    for _ in range(CALIBRATION + 1):
        step(model, data)
    assert float(model.penalty.factor) == fixed and model.penalty.raw is None


def test_a_factor_is_of_the_mean_of_the_new_norms_and_the_last() -> None:
    penalty = Penalty(0.5, lambda ids, output: output.logits.sum(), "share")
    factors = []
    for by_loss, by_criterion in ((2.0, 0.0), (2.0, 1.0), (4.0, 1.0), (5.0, 3.0)):
        penalty.calibrate(torch.tensor([by_loss, by_criterion]))
        factors.append(float(penalty.factor))
    assert factors == pytest.approx([0, 0.5 * 2 / 1, 0.5 * 3 / 1, 0.5 * 4 / 2])


def test_gradients_are_measured_at_the_first_step_and_at_powers_of_two() -> None:
    model, data = summed(penalty=(0.25, lambda ids, output: output.states[0].square().mean(), "share")).train(), rows()
    ids = next(data.batches(COUNT))[0]
    assert isinstance(model, AssembledModel) and model.penalty is not None
    measured = []
    for place in range(CALIBRATION + 10):
        model(ids)
        if model.penalty.to_measure() is not None:
            measured.append(place)
    assert measured == [0, 1, 2, 4, 8, 16, 32, 64, 128]


def test_a_penalty_without_gradient_keeps_the_factor_zero() -> None:
    model, data = built("set_similarity_reg", scale=1).train(), rows()
    step(model, data)
    assert isinstance(model, AssembledModel) and model.penalty is not None
    assert float(model.penalty.factor) == 0 and doses(model, data, COUNT, AS_IT_IS) == {}


@pytest.mark.parametrize("name", ["roblock", "iternorm", "rank_one", "directspec", "vicreg"])
def test_in_bfloat16_doses_are_the_same_but_for_rounding(name: str) -> None:
    recipe: Any = {"dropout": 0.0}
    made = plugins.make("methods", name, {})
    found = []
    for forward_pass in (AS_IT_IS, torch.autocast("cpu", torch.bfloat16)):
        torch.manual_seed(0)
        model = assemble(made, plugins.make("backbones", "dcnv2", recipe), SCHEMA, 3, WIDTH).train()
        nn.init.normal_(model.table(), std=0.3, generator=torch.Generator().manual_seed(1))  # type: ignore[arg-type]
        step(model, rows())
        found.append(doses(model, rows(), COUNT, forward_pass))
    assert found[0].keys() == found[1].keys()
    assert all(found[1][key] == pytest.approx(value, rel=0.1, abs=0.02) for key, value in found[0].items() if key != "penalty")


@pytest.mark.parametrize("name", ["roblock", "iternorm", "directspec", "vicreg"])
def test_measuring_leaves_everything_as_it_was(name: str) -> None:
    model, data = built(name).train(), rows()
    step(model, data)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert doses(model, data, COUNT, AS_IT_IS)
    assert torch.equal(torch.rand(3), expected)
    for key, value in model.state_dict().items():
        assert torch.equal(value.nan_to_num(), before[key].nan_to_num()), key


def test_parts_in_their_neutral_form_do_nothing() -> None:
    """A fresh RoBlock has P = I and gates that do not see their input: no dose, and knocking them out changes nothing."""
    model, data = built("roblock"), rows()
    found, out = doses(model, data, COUNT, AS_IT_IS), knock_outs(model, data)
    layers = range(4)
    assert all(found[f"layer{l}/{part}"] == 0 for l in layers for part in ("basis", "gate_sd", "maps"))
    assert all(found[f"layer{l}/gates"] < 1e-6 and found[f"layer{l}/rebalancing"] > 0.01 for l in layers)
    assert out.pop("best/logits") > 0  # of the rebalancing and of gates that are not one-hot
    assert {name.split("/")[1] for name in out} == {"rebalancing", "basis", "gate_input", "gates", "maps"}
    assert all(out[f"knockout/{part}/{metric}"] == 0 for part in ("basis", "gate_input", "maps") for metric in ("auc", "logloss"))


def test_parts_that_have_moved_have_doses_and_knock_outs_that_are_put_back() -> None:
    model, data = built("roblock"), rows()
    ids = next(data.batches(COUNT))[0]
    for name, parameter in model.named_parameters():
        if name.endswith(("below_diagonal", "by_input", "static", "maps")):
            nn.init.normal_(parameter, std=0.5)
    step(model.train(), data)  # from which the rebalancing has its direction
    whole = model.eval()(ids).logits
    out = knock_outs(model, data)
    assert all(out[f"knockout/{part}/logloss"] != 0 for part in ("rebalancing", "basis", "gate_input", "gates", "maps"))
    assert torch.equal(model.eval()(ids).logits, whole)
    found = doses(model, data, COUNT, AS_IT_IS)
    assert all(value > 0.01 for value in found.values()) and "layer3/maps" in found


def test_without_a_part_it_is_the_model_that_never_had_it() -> None:
    """With everything put back RoBlock is multi-embedding with its weights (tests/methods/test_reductions.py has the rest)."""
    model, data = built("roblock", block_residual="never").eval(), rows()
    ids = next(data.batches(COUNT))[0]
    other = built("multi_embedding").eval()
    weights = {name.replace("interaction.plain.", "interaction."): value for name, value in model.state_dict().items()}
    other.load_state_dict({name: weights[name] for name in other.state_dict()})
    with contextlib.ExitStack() as stack:
        for part, context in model.knock_outs().items():
            if part != "gate_input":
                stack.enter_context(context)
        neutral = model(ids).logits
        torch.testing.assert_close(neutral, other(ids).logits)
    with torch.no_grad():
        whole = model(ids).logits
        changed = float((whole - neutral).std() / whole.std())
    assert knock_outs(model, data)["best/logits"] == pytest.approx(changed, rel=1e-4)


def test_without_a_part_scores_may_be_no_numbers_and_the_rest_is_measured() -> None:
    model, data = built("roblock").eval(), rows()
    block: Any = model.interaction.blocks[0]  # type: ignore[union-attr, index]
    whole = block.router.neutral_forms

    class Broken(nn.Module):
        def forward(self, *_: Any) -> Tensor:
            return torch.full((COUNT, 3, 3, WIDTH), torch.nan)

    block.router.neutral_forms = lambda: {**whole(), "gates": (block, "router", Broken())}
    out = knock_outs(model, data)
    assert {name.split("/")[1] for name in out} == {"rebalancing", "basis", "gate_input", "maps"}


def test_rows_of_one_class_have_no_auc() -> None:
    model, data = built("roblock", block_residual="never").eval(), rows()
    data.labels.zero_()
    out = knock_outs(model, data)
    assert {name.split("/")[-1] for name in out} == {"logloss", "logits"} and any(out.values())


def test_a_part_that_the_logits_do_not_see_does_nothing() -> None:
    """xDeepFM whose DNN reads the table and whose cross part has no weight: blocks have moved, and nothing of them comes out."""
    data = rows()
    for first_state, seen in (("table", False), ("sets", True)):
        model = built("roblock", backbone="xdeepfm", first_state=first_state)
        for name, parameter in model.named_parameters():
            if name.endswith(("below_diagonal", "by_input", "static", "maps")):
                nn.init.normal_(parameter, std=0.5)
            if name.endswith("cin_logit.weight"):
                nn.init.zeros_(parameter)
        assert max(doses(model, data, COUNT, AS_IT_IS).values()) > 0.01
        assert (knock_outs(model, data)["best/logits"] > 0.01) == seen


def test_gates_see_the_input_without_its_scale() -> None:
    model = built("roblock", gates="input").train()
    block: Any = model.interaction.blocks[0]  # type: ignore[union-attr, index]
    nn.init.normal_(block.router.by_input)
    x, ways = torch.randn(64, 3, 12), []
    for scale in (1e-3, 1.0):
        for _ in range(100):
            block(x * scale)
        ways.append(block.eval().router.gates(x * scale, None))
        block.train()
    torch.testing.assert_close(ways[0], ways[1], atol=1e-3, rtol=1e-3)


def test_adams_step_is_what_adam_does() -> None:
    table = nn.Parameter(torch.randn(5, 3))
    optimizer = torch.optim.Adam([table], lr=0.1)
    assert adam_step(table, optimizer) is None
    for _ in range(3):
        before, table.grad = table.detach().clone(), torch.randn(5, 3)
        optimizer.step()
    found = adam_step(table, optimizer)
    assert found is not None
    torch.testing.assert_close(before - table.detach(), found)
