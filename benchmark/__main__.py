"""``python -m benchmark``: parse, call, and turn what goes wrong into one line."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import suppress

from benchmark import commandline
from benchmark.commands import COMMANDS, mute
from benchmark.discovery import pin_private_folders
from benchmark.errors import Incompatible, UserError
from benchmark.signals import Terminated, sigterm_raises
from benchmark.values import plain


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0, 1 for an answer that is no (a failed training or check, ``reproduce``, ``boards --check``), 2 for the user's
    mistake (one line on stderr), 130 for Ctrl-C, 143 for SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Δ or σ gets question marks, not an error
    with suppress(OSError):  # no working folder: whatever needs one says so
        pin_private_folders()
    with sigterm_raises():
        return _ended(arguments)


def _ended(arguments: Sequence[str]) -> int:
    try:
        parsed, settings = commandline.parse(arguments)
        code = COMMANDS[parsed.command](parsed, settings)
        print(end="", flush=True)  # a full disk shows here at the latest
        return code
    except (UserError, Incompatible) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        terminated = isinstance(error, Terminated)
        print(
            f"{'terminated' if terminated else 'interrupted'}; what is recorded stays, the same command goes on from there", file=sys.stderr
        )
        return 143 if terminated else 130
    except OSError as error:
        mute()
        if isinstance(error, BrokenPipeError) and {"run", "train", "prepare"}.isdisjoint(arguments[:1]):
            return 0  # the reader of what is only printed (head, less) has seen enough
        file = f"{error.filename}: " if error.filename else ""
        print(f"error: {plain(f'{file}{error.strerror or error}')}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
