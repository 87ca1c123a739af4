"""Columns whose cells hold more than one value: what is said where several of a table do, so that one call names them all."""

from __future__ import annotations

from collections.abc import Sequence

LISTED = 20  # names


def several(lists: Sequence[str], others: Sequence[str]) -> str:
    """``lists``: columns of lists of single values; ``others``: of objects, or of lists of lists."""
    parts = []
    if lists:
        parts.append(f"{_named(lists)} {_hold(lists)} lists: name {_them(lists)} in --multi to take all values")
    if others:
        parts.append(
            f"{_named(others)} {_hold(others)} objects or lists of lists: make {_them(others)} columns with one value a cell first"
        )
    return f"{'; '.join(parts)}; or name what is no field in --exclude"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"column{'s' if len(names) > 1 else ''} {', '.join(map(repr, names[:LISTED]))}{more}"


def _hold(names: Sequence[str]) -> str:
    return "holds" if len(names) == 1 else "hold"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
