"""Whether a model does what the contract says, as far as a training can see it in passing."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmark.contracts import CTRModel, Output
from benchmark.faults import ContractError, is_plugin, place_of
from benchmark.nn.model import AssembledModel, Interaction

ALONE = 4  # samples that are scored one by one
TOLERANCE = 1e-3  # of a logit: products of one row and of many may be summed in another order


def verify_output(model: CTRModel, ids: Tensor, output: Output) -> None:
    """The types and shapes of a forward pass on ids (B, F). Raises ContractError, in the words of ``contracts.Output``."""
    count = len(ids)
    if not isinstance(output, Output):
        raise broken(model, f"forward returns {_kind(output)}; the contract wants Output(logits, states, penalty)")
    logits, states, penalty = output
    if not isinstance(logits, Tensor) or logits.shape != (count,):
        raise broken(model, f"logits are {_kind(logits)}; the contract wants a tensor of the shape (B,) = ({count},)")
    if not isinstance(states, tuple) or not all(isinstance(state, Tensor) for state in states):
        raise broken(model, f"states are {_kind(states)}; the contract wants a tuple of tensors (B, S, N_l, d_l), the embedding first")
    for index, state in enumerate(states):
        if state.ndim != 4 or len(state) != count:
            raise broken(model, f"state {index} is {_kind(state)}; the contract wants (B, S, N, d) with B = {count}")
    if not isinstance(penalty, Tensor) or penalty.ndim != 0:
        raise broken(model, f"the penalty is {_kind(penalty)}; the contract wants a scalar tensor: take its mean or sum", penalty=True)


@torch.no_grad()
def verify_alone(model: CTRModel, ids: Tensor, tolerance: float = TOLERANCE) -> None:
    """A sample's score in evaluation does not depend on the samples beside it. Raises ContractError."""
    model.eval()
    together = model(ids).logits[:ALONE]
    for number in range(min(ALONE, len(ids))):
        alone = model(ids[number : number + 1]).logits[0]
        difference = abs(float(alone - together[number]))
        if difference > tolerance * (1 + abs(float(alone))):
            what = f"a sample's logit is {float(together[number]):.6g} in a batch of {len(ids)} and {float(alone):.6g} alone"
            raise broken(model, f"evaluation leaks the batch: {what}; use running statistics where self.training is False")


def nan_in_penalty(model: CTRModel, epoch: int) -> ContractError:
    """What to raise where the penalty alone is no number."""
    words = f"in epoch {epoch} the penalty is not finite while the logloss is: guard its logarithms, roots and quotients"
    return broken(model, words, penalty=True)


def broken(model: CTRModel, message: str, penalty: bool = False) -> ContractError:
    """What to raise, with the place of the part of the model that comes from a plug-in: the penalty's criterion, or the first module."""
    parts = [_function(model.penalty.criterion)] if penalty and isinstance(model, AssembledModel) and model.penalty is not None else []
    for part in (*parts, *_parts(model)):
        try:
            foreign = is_plugin(inspect.getfile(part))
        except (OSError, TypeError):
            continue
        if foreign:
            return ContractError(message, place_of(part, "forward"))
    return ContractError(message)


def _parts(model: CTRModel) -> Iterator[type]:
    yield type(model)
    if isinstance(model, AssembledModel):
        yield from (type(part) for part in (model.embedding, model.transform, model.interaction) if part is not None)
        if isinstance(model.interaction, Interaction):
            yield from (type(part) for part in (*model.interaction.layers, model.interaction.readout, model.interaction.head))
    yield from (type(part) for part in model.modules())


def _function(criterion: Any) -> Any:
    """The function inside a partial."""
    return _function(criterion.func) if isinstance(criterion, functools.partial) else criterion


def _kind(value: Any) -> str:
    return f"of the shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"of the type {type(value).__name__}"
