"""After how many seeds a comparison is looked at. Apart from what is made of it, which imports SciPy: a third of a second."""

from __future__ import annotations

FIRST_LOOK = 2  # seeds: with one there is no variance
MOST_SEEDS = 200  # of a row that is looked at after each: bounds for so many take most of a minute, and the time grows with the square


def looks(most: int) -> tuple[int, ...]:
    """After how many seeds a comparison is looked at: each from the second on."""
    return tuple(range(FIRST_LOOK, most + 1))
