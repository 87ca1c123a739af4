"""The cross layer of DCNv2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from benchmark.errors import Incompatible
from benchmark.nn.linear import SetLinear


@runtime_checkable
class FieldBlocks(Protocol):
    """A layer whose weights are a d×d matrix for each pair of fields."""

    def field_blocks(self) -> Tensor:
        """(S, F, F, d, d): [s, i, j] takes what field j brings to field i, as a matrix on columns"""
        ...


def layers_of_blocks(interaction: nn.Module, backbone: str, method: str) -> Sequence[FieldBlocks]:
    """The layers with such weights among the modules. Raises Incompatible, with both names, where there are none."""
    found = [module for module in interaction.modules() if isinstance(module, FieldBlocks)]
    if not found:
        raise Incompatible(f"{backbone}: its interaction weights are no d x d blocks between fields, which {method} needs")
    return found


class CrossTerm(nn.Module):
    """x_0 ⊙ (W x_l + b), the cross layer without its identity term (Wang et al., WWW 2021, eq. 1), on flattened fields."""

    def __init__(self, sets: int, fields: int, dimension: int) -> None:
        super().__init__()
        self.fields = fields
        self.linear = SetLinear(sets, fields * dimension, fields * dimension)

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """x, x0: (B, S, F, d) -> (B, S, F, d)"""
        mixed: Tensor = self.linear(x.flatten(2))
        return x0 * mixed.reshape(x.shape)

    def field_blocks(self) -> Tensor:
        """(S, F, F, d, d), a view of the weights"""
        weight = self.linear.weight  # x W: inputs first
        sets, width, _ = weight.shape
        size = width // self.fields
        return weight.view(sets, self.fields, size, self.fields, size).permute(0, 3, 1, 4, 2)
