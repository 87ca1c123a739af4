"""A model with one more term in its training loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmark.contracts import CTRModel, Output
from benchmark.nn.precise import float32, widened


class Penalised(CTRModel):
    """``inner`` with weight · criterion(ids, output) added to its penalty in training; in evaluation it is ``inner``.

    criterion: (ids (B, F), the inner model's output) -> scalar. Its states are float32 and autocast is off, whatever training computes in:
    variances and determinants want it. The value of the best epoch's last training batch, without the weight, is reported as ``criterion``.
    """

    value: Tensor

    def __init__(self, inner: CTRModel, weight: float, criterion: Callable[[Tensor, Output], Tensor]) -> None:
        super().__init__()
        self.inner, self.weight, self.criterion = inner, weight, criterion
        self.register_buffer("value", torch.full((), torch.nan))

    def table(self) -> nn.Parameter | None:
        return self.inner.table()

    def forward(self, ids: Tensor) -> Output:
        output: Output = self.inner(ids)
        if not self.training or self.weight == 0:
            return output
        with float32(ids.device.type):
            value = self.criterion(ids, output._replace(states=tuple(map(widened, output.states))))
        self.value = value.detach()
        return output._replace(penalty=output.penalty + self.weight * value)

    def diagnostics(self) -> dict[str, float]:
        return {**self.inner.diagnostics(), "criterion": float(self.value)}
