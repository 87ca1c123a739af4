"""The contract of models and backbones: what training gets, and what a recipe of interaction layers is.

A *method* (benchmark/method.py) builds a model out of a *backbone*'s recipe. Everything else in this package is written against these
types, so a new plug-in is one file. The contract of data sets is benchmark/sources.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.errors import Incompatible as Incompatible
from benchmark.errors import UserError as UserError
from benchmark.settings import MOST_DEPTH as MOST_DEPTH
from benchmark.settings import Configured
from benchmark.settings import setting as setting
from benchmark.settings import tuned as tuned


class Layout(NamedTuple):
    """The shape that a backbone is instantiated for: S sets of F fields, each of d numbers."""

    sets: int
    fields: int
    dimension: int


class Output(NamedTuple):
    """The result of a forward pass, the same in training and evaluation.

    logits:  (B,)
    states:  for each layer l = 0…L the representation (B, S, N_l, d_l); state 0 is the embedding
    penalty: scalar that training adds to the mean logloss; 0 in evaluation
    """

    logits: Tensor
    states: tuple[Tensor, ...]
    penalty: Tensor


class TableRule:
    """How a method has its table trained, where that differs from the rule for all: Adam with the coupled L2 ``embedding_l2``.

    What is not overridden stays with that rule. ``table`` is the parameter (V, D); all calls come from the training loop. What a rule keeps
    are attributes of its own or of its optimiser, each a tensor, a number, a text or None: a training that was killed goes on with these
    alone (training/checkpoint.py), and not with what a list, a dictionary or a generator holds.
    """

    def optimizer(self, table: nn.Parameter, learning_rate: float, l2: float) -> torch.optim.Optimizer | None:
        """An optimiser for the table alone, in the place of Adam; the learning rate's drops reach it too. None: Adam."""
        return None

    def training_starts(self, table: nn.Parameter, optimizer: torch.optim.Optimizer, std: float) -> None:
        """Once, before the first step. ``optimizer`` is the one that has the table, which was drawn from N(0, std²)."""

    def epoch_starts(self, epoch: int, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        """Before the first step of epoch 1, 2, …"""

    def batch_starts(self, ids: Tensor, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        """Before each forward pass. ids: (B, F) global ids"""

    def dose(self, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> float | None:
        """After an epoch, without gradients: what the rule did to the table, as a share of what training did, or of the table.

        None: it cannot be said.
        """
        return None


class Adam(NamedTuple):
    """How Adam treats a parameter. ``epsilon``: beside gradients below it, it would hold them still. ``rate``: times the training's
    learning rate.
    """

    epsilon: float = 1e-8
    rate: float = 1.0


class CTRModel(nn.Module, ABC):
    """A click-through-rate model over global ids: 0 … ``Schema.ids`` − 1, field after field."""

    @abstractmethod
    def forward(self, ids: Tensor) -> Output:
        """ids: (B, F) integer global ids, field offsets already added; ``nn.embedding.EmbeddingTable`` knows their rows of the table."""

    @abstractmethod
    def table(self) -> nn.Parameter | None:
        """The embedding table (V, D) of all fields, or None for a model without one."""

    def table_rule(self) -> TableRule:
        """How the table is trained."""
        return TableRule()

    def adam(self) -> Mapping[nn.Parameter, Adam]:
        """What Adam does otherwise to some parameters, not the table. Empty: to none."""
        return {}

    def diagnostics(self) -> dict[str, float]:
        """Internal state worth a place in the record (gate entropy, deflation strength …); read without gradients, after an evaluation
        pass.
        """
        return {}

    def curve(self) -> dict[str, float]:
        """Internal state worth a curve over epochs, a few cheap numbers. Read without gradients after each epoch's evaluation, whose last
        batch is a random sample of validation rows.
        """
        return {}

    def doses(self, ids: Tensor) -> dict[str, float]:
        """What the mitigation does to the model, each as a share of what it acts on: 0 is nothing. Empty: there is nothing that could act.

        ids: (B, F) of a training batch. Called in training mode, without gradients; buffers are put back afterwards. The gradient of a
        penalty and the change by a transform are measured without a line here (docs/methods.md).
        """
        return {}

    def knock_outs(self) -> Mapping[str, AbstractContextManager[None]]:
        """Part of the trained model -> a context inside which the part has its neutral form."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Backbone(Configured, ABC):
    """A recipe of interaction layers. It owns no parameters; its settings are its dataclass fields.

    The recipe can be instantiated once (single embedding), S times (multi-embedding) or behind a block per layer (RoBlock):
    every part takes the ``Layout`` to build for, and has its own weights for each set.
    """

    KIND = "backbone"
    summary: ClassVar[str]  # one line for `benchmark list`
    source: ClassVar[str]  # paper or implementation
    residual: ClassVar[bool] = False  # x_{l+1} = x_l + layer(x_l, x_0) instead of layer(x_l, x_0)
    field_rows: ClassVar[bool] = False  # the rows of every layer are the fields, not those of layer 0 alone
    hidden_widths: ClassVar[tuple[str, ...]] = ()  # settings that are units of hidden layers, by which the model may be made larger

    depth: int  # number of interaction layers L

    @property
    def has_dnn(self) -> bool:
        """Whether an MLP sees the embedding itself: beside the interaction layers, or in their place."""
        return False

    def width_step(self, name: str, layout: Layout) -> int:
        """What the setting ``name``, one of ``hidden_widths``, has to be a multiple of in this layout."""
        return 1

    def reads_embedding(self, index: int) -> bool:
        """Whether layer ``index`` multiplies what it is handed with x0."""
        return False

    @abstractmethod
    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        """(N_l, d_l) for l = 0…L; shapes[0] == (layout.fields, layout.dimension). Raises Incompatible."""

    @abstractmethod
    def layer(self, index: int, layout: Layout) -> nn.Module:
        """Module (x: (B,S,N_l,d_l), x0: (B,S,F,d)) -> (B,S,N_{l+1},d_{l+1}), without the residual term."""

    @abstractmethod
    def readout(self, layout: Layout) -> nn.Module:
        """Module (states 0…L) -> (B,S,H). Holds the first MLP layer of each set, so that sets differ after a non-linearity."""

    @abstractmethod
    def head(self, layout: Layout) -> nn.Module:
        """Module (mean of the readouts over the sets: (B,H)) -> logits (B,)."""


def no_penalty(like: Tensor) -> Tensor:
    """The zero penalty, on the device and of the type of ``like``."""
    return torch.zeros((), device=like.device, dtype=like.dtype)
