"""Command lines: words of every command, flags of its own and of others, and values that nobody means.

The whole of ``python -m benchmark`` runs but what trains, draws or writes: status 0, or 2 with one line on standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from drawn import Drawn, Kind, Wrong, cut, refused

from benchmark import __main__ as program
from benchmark import api, commandline, plugins
from benchmark.commands import COMMANDS
from benchmark.config import Training

REAL = ("run", "leaderboard", "compare", "export", "status", "track")  # of an empty folder; no training (``harmless``)
VALUES = (
    *("1", "0", "-1", "2", "3 4", "0.5", "1e-3", "nan", "inf", "-inf", "1e400", "9" * 30, "9" * 5000, "1_000", "\u0663", " 1"),
    *("0x10", "1.0", "-0"),
    *("", " ", "-", "--", "---", "=", "true", "none", "None", "all", "auto", "cpu", "cuda", "table", "json", "csv", "yes", "a,b"),
    *(",", "1,2,3"),
    *("quick", "ladder", "synthetic", "roblock", "roblock:no_hsic", "roblock:", ":", "dcnv2", "frappe_x1", "single_embedding"),
    *("teacher", "csv"),
    *("a.toml", "no/such", "no/such.toml", "./", "..", "~", "~nobody/x", "a" * 300, "a" * 300 + ".toml", "a" * 5000, "x/" * 3000),
    *("mine.csv",),
    *("a\nb", "a\nb.toml", "a\tb", "\x1b[31m", "\r", "é", "\u2028", "\udcff", "\U0001f600", "%", "%s", "%(prog)s", "{0}", "'"),
    *('"', "\\", "*", "$HOME"),
)
STRAY = ("-h", "--help", "--version", "-x", "--no-such", "--results", "--", "-1", "--seeds=", "--=", "--device", "--method.weight", "@file")


@dataclasses.dataclass(frozen=True)
class Tree:
    """The parser of all commands, made once, since that takes longer than all the rest. What ``parse`` adds to two commands goes again."""

    top: commandline.Parser
    commands: dict[str, argparse.ArgumentParser]
    flags: dict[str, tuple[str, ...]]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A caller may add arguments; afterwards they are gone."""
        changing = [self.commands[name] for name in ("train", "prepare")]
        before = [[list(kept) for kept in _lists(one)] for one in changing]
        options = [dict(one._option_string_actions) for one in changing]
        try:
            yield
        finally:
            for one, lists, named in zip(changing, before, options, strict=True):
                for kept, was in zip(_lists(one), lists, strict=True):
                    kept[:] = was
                one._option_string_actions.clear()
                one._option_string_actions.update(named)


def _lists(parser: argparse.ArgumentParser) -> list[list[object]]:
    return [parser._actions, parser._action_groups, parser._has_negative_number_optionals]  # type: ignore[list-item]


@cache
def tree() -> Tree:
    top = commandline.parser()
    [below] = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    flags = {
        name: tuple(flag for flag in command._option_string_actions if flag not in ("-h", "--help"))
        for name, command in below.choices.items()
    }
    settings = {
        "train": [("", Training), ("method.", plugins.plugin("methods", "roblock")), ("backbone.", plugins.plugin("backbones", "dnn"))],
        "prepare": [("", plugins.plugin("datasets", "csv")), ("", plugins.plugin("datasets", "synthetic"))],
    }
    for name, owners in settings.items():
        found = [f"--{prefix}{field.name}" for prefix, owner in owners for field in dataclasses.fields(owner)]
        flags[name] += tuple(flag if "." in flag else flag.replace("_", "-") for flag in found)
    return Tree(top, dict(below.choices), flags)


def make(data: bytes) -> list[str]:
    drawn = Drawn(data)
    names = tuple(tree().commands)
    command = drawn.of(names) if drawn.below(32) else drawn.of(VALUES)
    words = [command]
    own = tree().flags.get(command) or STRAY
    for _ in range(drawn.of((0, 1, 1, 2, 2, 3, 6))):
        what = drawn.below(16)
        if what < 10:
            flag, values = drawn.of(own), [drawn.of(VALUES) for _ in range(drawn.of((1, 1, 1, 1, 0, 2)))]
            words += [f"{flag}={values[0]}"] if what == 0 and values else [flag, *values]
        elif what < 14:
            words.insert(1 + drawn.below(len(words)), drawn.of(VALUES))
        else:
            words.insert(drawn.below(len(words) + 1), drawn.of(STRAY) if what == 14 else drawn.of(tree().flags[drawn.of(names)] or STRAY))
    return words


@contextmanager
def harmless(folder: Path) -> Iterator[None]:
    """The commands read an empty folder, and do not train, draw, write or import for seconds."""
    top, ended = tree().top, SimpleNamespace(statuses={})
    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            patch.object(commandline, "parser", lambda: top),
            patch.object(argparse, "_", str),  # looks for a translation on the disk at every message
            patch.dict(COMMANDS, {name: lambda *_: 0 for name in COMMANDS if name not in REAL}),
            patch.multiple(api, plan=lambda *_, **__: "", run=lambda *_, **__: ended),
        ):
            yield
    finally:
        os.chdir(before)


def check(data: bytes, folder: Path) -> bool:
    words = make(data)

    def shown() -> str:
        return cut(f"python -m benchmark {words!r}")

    code, said = _called(words, shown)
    if code == 0:
        return True
    lines = said.split("\n")
    if code != 2 or len(lines) != 2 or lines[1] or not lines[0].startswith("error: "):
        raise Wrong(f"status {code}, and not one line: {said[:600]!r}\n{shown()}")
    refused(lines[0], shown, [])
    return False


def _called(words: Sequence[str], shown: Callable[[], str]) -> tuple[int, str]:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said, tree().kept():
        try:
            code = program._ended(words)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
            if code == 0 and not {"-h", "--help", "--version"} & set(words):
                raise Wrong(f"it ends as if help were asked for\n{shown()}") from error
        except Exception as error:
            raise Wrong(f"{type(error).__name__}: {str(error)[:600]}\n{shown()}") from error
    if code == 130:  # a Ctrl-C that the program took for its own
        raise KeyboardInterrupt
    return code, said.getvalue()


COMMAND_LINES = Kind("command lines", check, size=48, share=35, around=harmless)
