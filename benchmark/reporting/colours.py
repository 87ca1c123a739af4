"""A method's colour: a function of its name, the same on every page, in every figure and in every results folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchmark.config import CONTROL
from benchmark.values import digest

# Okabe and Ito's colours without yellow, which is too light for a line, and a violet: told apart by colour-blind readers too.
COLOURS = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7E57C2")
OWN = {CONTROL: "#000000", "roblock": "#D55E00", "multi_embedding": "#0072B2"}  # what nearly every board compares
GREY = "#8A8A8A"


def colour(method: str) -> str:
    """The colour that the name stands for; several names have the same one."""
    return OWN.get(method) or COLOURS[int(digest(method), 16) % len(COLOURS)]


def colours(cells: Iterable[str]) -> dict[str, str]:
    """Method -> its colour, or grey where a more important one has that colour: eight colours at most, none of them twice.

    cells: the method of each cell. Important is what is in more cells, then a method before a preset, then by name. So a method is never
    seen in another colour: the cells decide only which ones are grey.
    """
    counts = Counter(cells)
    ordered = sorted(counts, key=lambda name: (name not in OWN, -counts[name], ":" in name, name))
    taken = set(OWN.values())
    found = {}
    for method in ordered:
        wanted = colour(method)
        found[method] = wanted if method in OWN or wanted not in taken else GREY
        taken.add(wanted)
    return found
