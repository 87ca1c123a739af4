"""What published preprocessing makes of a cell, as Polars expressions on columns of text. Missing stays missing (null)."""

from __future__ import annotations

import polars as pl

from benchmark.sources import BETWEEN, INSIDE


def log_square(column: str, otherwise: int = 0) -> pl.Expr:
    """⌊ln(v)²⌋ for v > 2, else v − ``otherwise``, of an integer v: the Criteo winner's buckets (3 idiots, 2014)."""
    number = pl.col(column).cast(pl.Float64, strict=False)
    bucket = pl.when(number > 2).then((number.log() ** 2).floor()).otherwise(number - otherwise)
    text = bucket.cast(pl.Int64).cast(pl.String)
    # A cell that is no number stays as it is: it is a value of its own, not a missing one.
    return pl.coalesce(text, pl.col(column)).alias(column)


def several(column: str, separator: str, most: int) -> pl.Expr:
    """The first ``most`` values of each cell, as a multi-valued column has them; a value's own BETWEEN becomes a broken bar."""
    values = pl.col(column).str.replace_all(BETWEEN, INSIDE, literal=True).str.split(separator)
    return values.list.head(most).list.join(BETWEEN).alias(column)


def without(column: str, *values: str) -> pl.Expr:
    """The column with these values missing."""
    return pl.when(pl.col(column).is_in(values)).then(None).otherwise(pl.col(column)).alias(column)
