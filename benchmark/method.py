"""The contract of methods: what a method is, what it gets, and what can be made of that.

A plug-in in methods/ imports all that it needs of the contract from here; ``python -m benchmark check NAME`` tests it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from benchmark.contracts import Adam as Adam
from benchmark.contracts import Backbone as Backbone
from benchmark.contracts import CTRModel as CTRModel
from benchmark.contracts import Layout as Layout
from benchmark.contracts import Output as Output
from benchmark.contracts import TableRule as TableRule
from benchmark.contracts import no_penalty as no_penalty
from benchmark.errors import Incompatible as Incompatible
from benchmark.errors import UserError as UserError
from benchmark.faults import ContractError, named, place_of
from benchmark.nn.embedding import EmbeddingTable
from benchmark.nn.model import AssembledModel, Criterion, Interaction, Penalty, Weighs
from benchmark.schema import Schema
from benchmark.settings import Configured, name_of
from benchmark.settings import setting as setting
from benchmark.settings import tuned as tuned


@dataclass(frozen=True)
class Parts:
    """The parts of a model in one cell. ``parts.model()`` is single embedding; a method changes what it is about.

    Names and modules stand in no plug-in twice: a layout, a table and an instantiated backbone are made here.
    """

    schema: Schema
    scale: int
    dimension: int  # of one set at scale 1; the table's width is scale · dimension
    recipe: Backbone | None  # None for a sanity row
    method: str = "method"  # what messages call it

    @property
    def width(self) -> int:
        """D: numbers per field in the table."""
        return self.scale * self.dimension

    @property
    def fields(self) -> int:
        """F"""
        return len(self.schema.fields)

    @property
    def backbone(self) -> Backbone:
        """Raises Incompatible for a sanity row: it has none."""
        if self.recipe is None:
            raise Incompatible(f"{self.method}: it asks for a backbone, but declares uses_backbone = False")
        return self.recipe

    @property
    def backbone_name(self) -> str:
        """What messages call it."""
        return name_of(type(self.backbone))

    def layout(self, sets: int | None = 1) -> Layout:
        """The width divided into ``sets`` sets; None: one per base dimension, S = scale. Raises UserError where it does not divide."""
        number = self.scale if sets is None else sets
        if number < 1 or self.width % number:
            raise UserError(
                f"{self.method}: width {self.width} (scale {self.scale} x dimension {self.dimension}) is not divisible by {number} sets; "
                "change sets"
            )
        return Layout(number, self.fields, self.width // number)

    def table(self, width: int | None = None) -> EmbeddingTable:
        """One table (V, D) for all fields. With ``width`` a further one, (V, width): its rows start at 0, training draws the first."""
        return EmbeddingTable(self.schema, self.width if width is None else width)

    def interaction(self, sets: int | None = 1) -> Interaction:
        """The cell's backbone, instantiated for the width in ``sets`` sets. Raises Incompatible and UserError."""
        return Interaction(self.backbone, self.layout(sets))

    def model(
        self,
        *,
        sets: int | None = 1,
        table: nn.Module | None = None,
        transform: nn.Module | None = None,
        interaction: nn.Module | None = None,
        penalty: tuple[float, Criterion] | tuple[float, Criterion, Weighs] | None = None,
        table_rule: TableRule | None = None,
    ) -> CTRModel:
        """The assembled model (benchmark/nn/model.py).

        sets:        that the table's columns are divided into; None: one per base dimension, S = scale
        table:       module ids (B, F) -> (B, F, D) with the parameter ``weight`` (V, D), in the place of ``table()``
        transform:   module (B, F, D) -> (B, F, D) between table and interaction
        interaction: module (B, S, F, d) -> Output, in the place of the backbone instantiated for ``sets``
        penalty:     weight and criterion (ids (B, F), output) -> scalar; training adds their product to the mean logloss. A third
                     entry "share" makes the weight the share of the logloss's gradient that the penalty's shall have (``Penalised``)
        table_rule:  how the table is trained, where that differs from the rule for all
        """
        if penalty is not None and not (isinstance(penalty, tuple) and len(penalty) in (2, 3) and callable(penalty[1])):
            raise ContractError(f'penalty = {penalty!r}; the contract wants (weight, criterion) or (weight, criterion, "share")')
        return AssembledModel(
            self.table() if table is None else table,
            self.layout(sets).sets,
            self.interaction(sets) if interaction is None else interaction,
            transform,
            None if penalty is None else Penalty(*penalty),
            table_rule,
        )


@dataclass(frozen=True, kw_only=True)
class Method(Configured, ABC):
    """One mitigation. Its dataclass fields are its settings."""

    KIND = "method"
    summary: ClassVar[str]  # one line for `benchmark list`
    source: ClassVar[str]  # paper or implementation
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # variants with a name of their own, "<method>:<preset>": their settings
    uses_backbone: ClassVar[bool] = True  # False: a sanity row, run once per data set instead of once per cell
    training: ClassVar[Mapping[str, Any]] = {}  # defaults of `Training` that go before the data set's; for sanity rows
    former: ClassVar[str] = ""  # preset with the defaults that there were before some of its settings: of it is a record that lacks them

    @abstractmethod
    def build(self, parts: Parts) -> CTRModel:
        """A model whose table has width D = scale · dimension, out of ``parts``.

        Raises Incompatible when this method cannot work with the backbone, UserError when settings do not go together.
        """


@dataclass(frozen=True, kw_only=True)
class Penalised(Method, ABC):
    """A method that adds one penalty, w · criterion. Its weight means the same at every width, on every data set and for every formula: how
    strong the penalty's gradient is beside the logloss's, on the table, or where it has none there on the parameters that it acts on.
    """

    weight: float = tuned(0.1, low=1e-2, high=1.0, log=True, at_least=0, help="of the penalty, as weighs says; 0: off")
    weighs: Weighs = setting("share", help="weight is the share of the logloss's gradient to aim at, or what the term is multiplied with")

    def penalty(self, criterion: Criterion) -> tuple[float, Criterion, Weighs]:
        """For ``parts.model(penalty=…)``."""
        return self.weight, criterion, self.weighs


def assemble(method: Method, backbone: Backbone | None, schema: Schema, scale: int, dimension: int) -> CTRModel:
    """The untrained model of a method in a cell. Raises Incompatible, UserError, and ContractError for what is no model."""
    model = method.build(Parts(schema, scale, dimension, backbone, name_of(type(method))))
    if not isinstance(model, CTRModel):
        raise ContractError(
            f"build returns {named(model)}; the contract wants a CTRModel: return parts.model(…)", place_of(type(method), "build")
        )
    return model
