"""What a method gets, and what can be made of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from benchmark.contracts import Backbone, CTRModel, Layout, Method, TableRule
from benchmark.errors import Incompatible, UserError
from benchmark.nn.embedding import EmbeddingTable
from benchmark.nn.model import AssembledModel, Criterion, Interaction, Penalty
from benchmark.schema import Schema
from benchmark.settings import name_of


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

    def table(self) -> EmbeddingTable:
        """One table (V, D) for all fields."""
        return EmbeddingTable(self.schema, self.width)

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
        penalty: tuple[float, Criterion] | None = None,
        table_rule: TableRule | None = None,
    ) -> CTRModel:
        """The assembled model (benchmark/nn/model.py).

        sets:        that the table's columns are divided into; None: one per base dimension, S = scale
        table:       module ids (B, F) -> (B, F, D) with the parameter ``weight`` (V, D), in the place of ``table()``
        transform:   module (B, F, D) -> (B, F, D) between table and interaction
        interaction: module (B, S, F, d) -> Output, in the place of the backbone instantiated for ``sets``
        penalty:     weight and criterion (ids (B, F), output) -> scalar; training adds their product to the mean logloss
        table_rule:  how the table is trained, where that differs from the rule for all
        """
        return AssembledModel(
            self.table() if table is None else table,
            self.layout(sets).sets,
            self.interaction(sets) if interaction is None else interaction,
            transform,
            None if penalty is None else Penalty(*penalty),
            table_rule,
        )


def assemble(method: Method, backbone: Backbone | None, schema: Schema, scale: int, dimension: int) -> CTRModel:
    """The untrained model of a method in a cell. Raises Incompatible and UserError."""
    return method.build(Parts(schema, scale, dimension, backbone, name_of(type(method))))
