"""The few types that plug-ins meet; no logic.

A *method* builds a model out of a *backbone*'s recipe; a *data set* says where rows come from. Everything else in this
package is written against these types, so a new plug-in is one file (see README, "Add a method").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from torch import Tensor, nn

if TYPE_CHECKING:
    import polars


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do. Commands print it and exit with 2."""


class Incompatible(Exception):
    """A method or backbone cannot be built in this cell. The message says why; the cell is shown on the board with it."""


class Field(NamedTuple):
    """One input. ``cardinality`` counts the rows of its table, special ids included (see data/vocabulary).

    ``factors`` is 0 for a categorical field. A scaled field has one row of the table and ``factors`` ids: the embedding of an id is that
    row times the id's factor.
    """

    name: str
    cardinality: int
    factors: int = 0


@dataclass(frozen=True)
class Schema:
    """What a method may know about the data before it sees a batch."""

    fields: tuple[Field, ...]
    positive_rate: float  # of the training part
    factors: NDArray[np.float32] | None = field(default=None, compare=False)  # of the scaled fields' ids, field after field

    @property
    def values(self) -> int:
        """Rows of the embedding table: the sum of the cardinalities."""
        return sum(f.cardinality for f in self.fields)

    @property
    def ids(self) -> int:
        """How many ids there are: rows of the table, or where a field is scaled its factors."""
        return sum(f.factors or f.cardinality for f in self.fields)


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


class CTRModel(nn.Module, ABC):
    """A click-through-rate model over global ids: 0 … ``Schema.ids`` − 1, field after field."""

    @abstractmethod
    def forward(self, ids: Tensor) -> Output:
        """ids: (B, F) integer global ids, field offsets already added; ``nn.embedding.EmbeddingTable`` knows their rows of the table."""

    @abstractmethod
    def table(self) -> nn.Parameter | None:
        """The embedding table (V, D) of all fields, or None for a model without one."""

    def diagnostics(self) -> dict[str, float]:
        """Internal state worth a place in the record (gate entropy, deflation strength …), read after an evaluation pass."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Backbone(ABC):
    """A recipe of interaction layers. It owns no parameters; its hyper-parameters are its dataclass fields.

    The recipe can be instantiated once (single embedding), S times (multi-embedding) or behind a block per layer (RoBlock):
    every part takes the ``Layout`` to build for, and has its own weights for each set.
    """

    summary: ClassVar[str]  # one line for `benchmark list`
    source: ClassVar[str]  # paper or implementation
    space: ClassVar[Mapping[str, BaseDistribution]] = {}  # search space: hyper-parameter -> Optuna distribution
    residual: ClassVar[bool] = False  # x_{l+1} = x_l + layer(x_l, x_0) instead of layer(x_l, x_0)
    field_rows: ClassVar[bool] = False  # the rows of every layer are the fields, not those of layer 0 alone

    depth: int  # number of interaction layers L

    def __post_init__(self) -> None:
        """Whole numbers and lists of them are sizes. Raises UserError for one below 1, or a rate ``dropout`` outside [0, 1)."""
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self)):
            if any(type(v) is int and v < 1 for v in (value if isinstance(value, tuple) else (value,))):
                raise UserError(f"{type(self).__name__}: {name} = {value}; it must be at least 1")
            if name == "dropout" and not 0 <= value < 1:
                raise UserError(f"{type(self).__name__}: dropout = {value}; it must lie in [0, 1)")

    @property
    def has_dnn(self) -> bool:
        """Whether an MLP sees the embedding itself: beside the interaction layers, or in their place."""
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


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """One mitigation. Its dataclass fields are its hyper-parameters; ``space`` stands beside them."""

    summary: ClassVar[str]
    source: ClassVar[str]
    space: ClassVar[Mapping[str, BaseDistribution]] = {}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # variants with a name of their own, "<method>:<preset>": their settings
    uses_backbone: ClassVar[bool] = True  # False: a sanity row, run once per data set instead of once per cell
    training: ClassVar[Mapping[str, Any]] = {}  # defaults of `Training` that go before the data set's; for sanity rows

    def __post_init__(self) -> None:
        """A number called ``weight`` is that of a penalty. Raises UserError for a negative one."""
        weight = getattr(self, "weight", None)
        if isinstance(weight, (int, float)) and weight < 0:
            raise UserError(f"{type(self).__module__.rpartition('.')[2]}: weight = {weight}; it must not be negative")

    @abstractmethod
    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        """A model whose table has width D = scale · dimension.

        Raises Incompatible when this method cannot work with the backbone, UserError when a hyper-parameter is impossible.
        """


class Column(NamedTuple):
    """An input column. categorical: a row of the table for each value. numeric: put into equally frequent buckets, a row for each.
    scaled: one row, times the number (0 where it is missing).
    """

    name: str
    kind: Literal["categorical", "numeric", "scaled"] = "categorical"


class Division(NamedTuple):
    """How the rows of one frame are divided."""

    part_of: Callable[[int, polars.Series | None], NDArray[np.uint8]]  # number of rows, ``column`` as text -> 0 train, 1 valid, 2 test
    column: str | None = None  # that the division goes by


@dataclass(frozen=True)
class Source:
    """What a data set plug-in hands to the encoder."""

    parts: Mapping[str, polars.LazyFrame]  # "train", "valid", "test", in this order; with a division one frame under any name
    label: str  # column with 0 and 1
    columns: tuple[Column, ...]
    min_count: int = 1  # rarer training values become out-of-vocabulary
    buckets: int = 32  # of equal training frequency, for each numeric column
    division: Division | None = None
    places: Mapping[str, str] = field(default_factory=dict)  # what messages call a part; its name if it is not there
    notes: tuple[str, ...] = ()  # said by every record and every board, e.g. a checksum that differs
    known: Mapping[str, float] = field(default_factory=dict)  # metrics known in advance, e.g. {"test/bayes_auc": 0.8}


@dataclass(frozen=True, kw_only=True)
class DataSet(ABC):
    """Where rows come from. Dataclass fields are options (`[options.datasets.<name>]` in a suite file).

    A field's metadata "help" and "metavar", if any, are shown by `prepare DATASET --help`.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    embedded: ClassVar[bool] = False  # True: made on first use, nothing to download
    training: ClassVar[Mapping[str, Any]] = {}  # defaults of `Training` that the data set's published configurations use

    @abstractmethod
    def load(self, origin: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        """Find (or make) the rows. ``origin`` is what the user gave as --from. Raises UserError."""


def no_penalty(like: Tensor) -> Tensor:
    """The zero penalty, on the device and of the type of ``like``."""
    return torch.zeros((), device=like.device, dtype=like.dtype)
