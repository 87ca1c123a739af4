"""Factorised table (MLET): the table is trained as a product of two matrices, and used as the one that it is.

    E = A·B, A (V×k), B (k×D), k = ``factor``·D;  G = ∂loss/∂E:  Adam of A with G Bᵀ, Adam of B with Aᵀ G, then E = A·B

Source: Deng et al., ACML 2023 (arXiv 2309.15881), second-hand: the inner dimension is larger than D (2D to 4D), after training only the
product is kept. It can represent no more than the table itself; what differs is the path: B is shared, so a step moves rows that no batch
held, and strong directions of the table faster than weak ones.

The table of this model is E: A and B are the state of its optimiser. So the initial draw, the spectra, the board's parameters and
evaluation are of the product, and ``training.embedding_l2`` is (λ/2)‖A·B‖², whose gradient λE goes through both factors. Training holds
V·k + k·D numbers more, and two moments of each in the place of E's.

Ours: the start. E is drawn as for every method, B with orthonormal columns (BᵀB = I) at random, and A = E Bᵀ: their product is the drawn
table, the same as other methods' of this seed, and a plain gradient step of A would move E as one without factors. One B for all fields, as
all are one table here. Dense Adam on A as for the table of every method.

Cost: O(V·k·D) time in each step, the whole table's, and 3·V·k numbers: for 2 million rows and k = 80 that is 2 GB and 40 GFLOP.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.method import CTRModel, Method, Parts, TableRule, tuned


@dataclass(frozen=True, kw_only=True)
class FactorisedTable(Method):
    summary = "the table trained as the product of two matrices of a larger inner dimension"
    source = "Deng et al., Enhancing Cross-Category Learning with Multi-Layer Embedding Training (MLET), ACML 2023, second-hand"

    factor: int = tuned(2, low=1, high=4, at_least=1, because="or the product could not be every table", help="k over D")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(table_rule=Factorised(self.factor))


class Factorised(TableRule):
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def optimizer(self, table: nn.Parameter, learning_rate: float, l2: float) -> torch.optim.Optimizer:
        return AdamOfFactors(table, learning_rate, l2, self.factor * table.shape[1])


class AdamOfFactors(torch.optim.Optimizer):
    """Its parameter is the table; its steps are Adam's on the factors. The table must not be written to by others between steps."""

    def __init__(self, table: nn.Parameter, learning_rate: float, l2: float, inner: int) -> None:
        super().__init__([table], {"lr": learning_rate})
        self.table, self.l2 = table, l2
        right = torch.linalg.qr(torch.randn(inner, table.shape[1], dtype=table.dtype, device=table.device)).Q
        # Contiguous: QR's result is column after column, and the fused step (torch 2.13, CPU) then pairs it with the wrong gradients.
        self.left, self.right = nn.Parameter(table.detach() @ right.T), nn.Parameter(right.contiguous())
        self.adam = torch.optim.Adam([self.left, self.right], lr=learning_rate, fused=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        assert closure is None and self.table.grad is not None
        gradient: Tensor = self.table.grad.add(self.table, alpha=self.l2)
        self.left.grad, self.right.grad = gradient @ self.right.T, self.left.T @ gradient
        self.adam.param_groups[0]["lr"] = self.param_groups[0]["lr"]  # which training drops
        self.adam.step()
        torch.mm(self.left, self.right, out=self.table)
