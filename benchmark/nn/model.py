"""A model put together: table, transform, interaction, penalty. What a method changes is one of these; the rest is here, once."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmark.contracts import Adam, Backbone, CTRModel, Layout, Output, TableRule, no_penalty
from benchmark.faults import ContractError, named, place_of
from benchmark.nn.dose import change, with_attributes
from benchmark.nn.embedding import mean_of_sets, split
from benchmark.nn.precision import float32, widened

Criterion = Callable[[Tensor, Output], Tensor]  # ids (B, F) and the model's output -> scalar
Weighs = Literal["share", "absolute"]
CALIBRATION = 128  # steps of training in which a share is turned into a factor; its gradients are measured at steps 0, 1, 2, 4, 8 …


class Interaction(nn.Module):
    """A backbone instantiated for a layout: S sets kept apart through its layers, the mean of their readouts, one head.

    One set of the whole width is the single-embedding model, S sets are multi-embedding (Guo et al., ICML 2024).
    """

    def __init__(self, backbone: Backbone, layout: Layout) -> None:
        super().__init__()
        self.residual, self.shapes = backbone.residual, backbone.shapes(layout)

        def made(part: str, *index: int) -> nn.Module:
            module: object = getattr(backbone, part)(*index, layout)
            if not isinstance(module, nn.Module):
                raise ContractError(f"{part}() returns {named(module)}; the contract wants a module", place_of(type(backbone), part))
            return module

        self.layers = nn.ModuleList(made("layer", index) for index in range(len(self.shapes) - 1))
        self.readout = made("readout")
        self.head = made("head")

    def forward(self, x0: Tensor) -> Output:
        """x0: (B, S, F, d)"""
        states = self.states(x0.contiguous())  # one copy, or every layer reads it in leaps
        logits = self.logits(self.readout(states))
        return Output(logits, tuple(states), no_penalty(logits))

    def states(self, x0: Tensor) -> list[Tensor]:
        """(B, S, F, d) -> states 0…L: every layer on the last state and x0, plus the last state itself where the backbone is residual."""
        states = [x0]
        for layer, shape in zip(self.layers, self.shapes[1:], strict=True):
            term = layer(states[-1], x0)
            if not isinstance(term, Tensor) or term.shape[2:] != shape:
                raise _wrong(layer, f"of a layer, {_shape(term)}, is not (B, S, *{shape}) as shapes() of the backbone says")
            states.append(states[-1] + term if self.residual else term)
        return states

    def logits(self, readouts: Tensor) -> Tensor:
        """(B, S, H) -> (B,)"""
        if not isinstance(readouts, Tensor) or readouts.ndim != 3:
            raise _wrong(self.readout, f"of the readout, {_shape(readouts)}, is not (B, S, H)")
        logits: Tensor = self.head(mean_of_sets(readouts))
        return logits


class Penalty(nn.Module):
    """factor · criterion(ids, output) in training. The criterion sees states in float32, whatever training computes in: variances and
    determinants want it.

    weighs: "absolute": the factor is ``weight``. "share": the factor is such that the penalty's gradient on the table is ``weight`` times
    the logloss's, as training measures them over its first CALIBRATION steps (benchmark/training/doses.py); from then on it is fixed.
    0 before the first measure, and for as long as the criterion has no gradient.
    """

    value: Tensor
    norms: Tensor
    factor: float | Tensor

    def __init__(self, weight: float, criterion: Criterion, weighs: Weighs = "absolute") -> None:
        super().__init__()
        if weighs not in typing.get_args(Weighs):
            raise ContractError(f"the penalty weighs {weighs!r}; the contract wants {' or '.join(map(repr, typing.get_args(Weighs)))}")
        self.weight, self.criterion, self.weighs = weight, criterion, weighs
        self.register_buffer("value", torch.full((), torch.nan))  # without the factor, of the last training batch
        self.raw: Tensor | None = None  # the same with its graph, while it is to be measured
        self.step = 0
        if weighs == "absolute":
            self.factor = weight
        else:
            self.register_buffer("factor", torch.zeros(()))
            self.register_buffer("norms", torch.zeros(2), persistent=False)  # of the gradients of logloss and criterion

    def forward(self, ids: Tensor, output: Output) -> Tensor:
        with float32(ids.device.type):
            value = self.criterion(ids, output._replace(states=tuple(map(widened, output.states))))
        if not isinstance(value, Tensor):
            raise ContractError(f"the penalty's criterion returns {value!r}; the contract wants a scalar tensor", place_of(self.criterion))
        self.value = value.detach()
        if self.weighs == "share" and self.step <= CALIBRATION and value.requires_grad:
            self.raw = value
        return self.factor * value

    def to_measure(self) -> Tensor | None:
        """The criterion of this step, where the step is one of those that are measured. Once a step, before its backward pass."""
        raw, self.raw = self.raw, None
        if raw is None:
            return None
        step, self.step = self.step, self.step + 1
        return raw if step & (step - 1) == 0 else None  # 0 and the powers of two

    def calibrate(self, norms: Tensor) -> None:
        """norms: (2,), of the gradients of logloss and criterion. One batch's are noisy, and those of the first steps soon out of date."""
        self.norms = torch.where(self.norms > 0, (self.norms + norms) / 2, norms)
        by_loss, by_criterion = self.norms
        self.factor = torch.where(by_criterion > 0, self.weight * by_loss / by_criterion, 0)


class AssembledModel(CTRModel):
    """ids -> table -> transform -> S sets -> interaction, plus a penalty in training.

    table:       ids (B, F) -> (B, F, D); ``EmbeddingTable``, or a module with the parameter ``weight`` (V, D)
    transform:   (B, F, D) -> (B, F, D), in float32 and without autocast; state 0 is its result. What it has to say as ``diagnostics`` is
                 the model's.
    interaction: (B, S, F, d), a view of the embedding's columns as S sets -> Output; ``Interaction``, or a module of a method's own
    """

    def __init__(
        self,
        table: nn.Module,
        sets: int,
        interaction: nn.Module,
        transform: nn.Module | None = None,
        penalty: Penalty | None = None,
        rule: TableRule | None = None,
    ) -> None:
        super().__init__()
        self.embedding, self.transform, self.interaction, self.penalty = table, transform, interaction, penalty
        self._sets = sets
        self._rule = TableRule() if rule is None else rule
        for name, part in (("table", table), ("interaction", interaction), ("transform", transform)):
            if part is not None and not isinstance(part, nn.Module):
                raise ContractError(f"{name} = {named(part)}; the contract wants a module: an object of a subclass of nn.Module")
        if not isinstance(self._rule, TableRule):
            raise ContractError(f"table_rule = {named(rule)}; the contract wants an object of a subclass of TableRule")
        if not isinstance(getattr(table, "weight", None), nn.Parameter):
            raise ContractError(f"table = {named(table)}; the contract wants a module with the parameter weight (V, D)")

    def table(self) -> nn.Parameter:
        weight: nn.Parameter = self.embedding.weight  # type: ignore[assignment]
        return weight

    def table_rule(self) -> TableRule:
        return self._rule

    def forward(self, ids: Tensor) -> Output:
        x = self.embedding(ids)
        if self.transform is not None:
            with float32(x.device.type):
                changed: Tensor = self.transform(widened(x))
            if not isinstance(changed, Tensor):
                words = f"forward of the transform returns {named(changed)}"
                raise ContractError(f"{words}; the contract wants a tensor (B, F, D)", place_of(type(self.transform), "forward"))
            if changed.shape != x.shape:
                raise _wrong(self.transform, f"of the transform, {tuple(changed.shape)}, is not that of its input, {tuple(x.shape)}")
            x = changed.to(x.dtype)
        output: Output = self.interaction(split(x, self._sets))
        if self.penalty is None or not self.training or self.penalty.weight == 0:
            return output
        return output._replace(penalty=output.penalty + self.penalty(ids, output))

    def adam(self) -> Mapping[nn.Parameter, Adam]:
        return self._own("adam")

    def curve(self) -> dict[str, float]:
        return self._own("curve")

    def doses(self, ids: Tensor) -> dict[str, float]:
        """``transform``: how far it turns the embedding; and what table and interaction say as ``doses`` of what they are given."""
        x: Tensor = self.embedding(ids)
        found: dict[str, float] = getattr(self.embedding, "doses", _no_doses)(ids)
        if self.transform is not None:
            with float32(x.device.type):
                changed = self.transform(widened(x).clone())  # what a transform writes into its input is a change, too
            found = {**found, "transform": change(x, changed)}
            x = changed.to(x.dtype)
        return found | getattr(self.interaction, "doses", _no_doses)(split(x, self._sets))

    def knock_outs(self) -> Mapping[str, AbstractContextManager[None]]:
        found: dict[str, AbstractContextManager[None]] = {}
        if self.transform is not None:
            found["transform"] = with_attributes((self, "transform", None))
        return found | self._own("knock_outs")

    def diagnostics(self) -> dict[str, float]:
        """What transform and interaction report; ``criterion``: the penalty of the best epoch's last training batch, without its weight."""
        found: dict[str, float] = self._own("diagnostics")
        return found if self.penalty is None else {**found, "criterion": float(self.penalty.value)}

    def _own(self, name: str) -> dict[Any, Any]:
        """What transform and interaction say under this name."""
        return {key: value for part in (self.transform, self.interaction) for key, value in getattr(part, name, dict)().items()}


def _shape(result: object) -> str:
    return str(tuple(result.shape)) if isinstance(result, Tensor) else named(result)


def _no_doses(x: Tensor) -> dict[str, float]:
    return {}


def _wrong(module: nn.Module, words: str) -> ContractError:
    return ContractError(f"{type(module).__name__}: the shape of the result {words}", place_of(type(module), "forward"))
