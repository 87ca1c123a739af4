"""The ways in which the suite says no."""

from __future__ import annotations


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do. Commands print it and exit with 2."""


class Changed(UserError):
    """A record whose numbers are not those that were written. It is named and left out; nothing else stops for it."""


class Incompatible(Exception):
    """A method or backbone cannot be built in this cell. The message says why; the cell is shown on the board with it."""
