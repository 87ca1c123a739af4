"""The ways in which the suite says no."""

from __future__ import annotations


def plain(text: str) -> str:
    """Foreign words in one line, without what moves a terminal's cursor or colours what follows: U+FFFD stands in its place."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do. Commands print it and exit with 2.

    Names and values of the user's stand in it, line ends and all: it is made ``plain`` here, so that nobody can forget to.
    """

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


class Changed(UserError):
    """A file that is no record, or not as it was written. It is named and left out; nothing else stops for it."""


class Incompatible(Exception):
    """A method or backbone cannot be built in this cell. The message says why; the cell is shown on the board with it."""
