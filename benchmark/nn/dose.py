"""How much a part of a model does, as a share of what it acts on: 0 is nothing, below .01 hardly anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def change(before: Tensor, after: Tensor) -> float:
    """min over c of ‖after − c·before‖/‖after‖, in [0, 1]: the sine of the angle between two tensors of one shape.

    Up to the factor c, since the layer behind takes up a common factor in its weights. Where all of it is gone, 1.
    """
    x, y = before.detach().double(), after.detach().double()
    length = y.norm()
    if not bool(length > 0):
        return float(x.norm() > 0)
    factor = (x * y).sum() / x.square().sum().clamp_min(torch.finfo(x.dtype).tiny)
    return float((y - factor * x).norm() / length)


def distance(neutral: Tensor, now: Tensor) -> float:
    """‖now − neutral‖/‖neutral‖; ``neutral`` may be broadcast."""
    whole = neutral.detach().double().expand_as(now)
    return float((now.detach().double() - whole).norm() / whole.norm())


def adam_step(table: nn.Parameter, optimizer: torch.optim.Optimizer) -> Tensor | None:
    """η·m̂/(√v̂ + ε) of Adam's last step on the table (V, D), without any decay; None before the first one."""
    state, group = optimizer.state.get(table, {}), optimizer.param_groups[-1]
    if "exp_avg" not in state:
        return None
    (first, second), steps = group["betas"], float(state["step"])
    mean, square = state["exp_avg"] / (1 - first**steps), state["exp_avg_sq"] / (1 - second**steps)
    found: Tensor = group["lr"] * mean / (square.sqrt() + group["eps"])
    return found


@contextmanager
def with_attributes(*changes: tuple[nn.Module, str, Any]) -> Iterator[None]:
    """Attributes of modules have other values inside: what a knock-out is made of."""
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
