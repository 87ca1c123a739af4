"""Checks of settings: what a field says of itself agrees with its default, and moving the setting moves the training."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.checking.cell import BATCH, Case, batch, rows, train
from benchmark.checking.finding import Finding, failure
from benchmark.config import Training
from benchmark.errors import Incompatible, UserError
from benchmark.faults import place_of
from benchmark.named import default_of
from benchmark.settings import Choices, Range, Setting, setting_of
from benchmark.values import from_dict, to_text, typed

STEPS = 3
LARGE = 2048  # samples and, beside them, scale: for settings that a small cell does not reach, such as a number of samples
LARGE_SCALE = 4


def check_ranges(owner: type, name: str) -> Iterator[Finding]:
    """Texts, defaults, bounds and ranges. Settings without a default are the user's to give."""
    hints, tuned, wrong = typing.get_type_hints(owner), [], False
    for attribute in ("summary", "source"):
        if not getattr(owner, attribute).strip() or "\n" in getattr(owner, attribute):
            wrong = True
            yield Finding("FAILED", "settings", f"{place_of(owner, attribute)}: {attribute} must be a text of one line, not empty")
    for field in dataclasses.fields(owner):
        said = setting_of(field)
        for words in _wrong(field, said, hints[field.name]):
            wrong = True
            yield Finding("FAILED", "settings", f"{place_of(owner, field.name)}: {field.name}: {words}")
        if said.search is not None:
            tuned.append(f"{field.name} {_range(said.search)}")
    try:
        from_dict(Training, getattr(owner, "training", {}), f"{place_of(owner, 'training')}: training")
    except UserError as error:
        wrong = True
        yield failure("settings", error, place_of(owner, "training"))
    if not wrong:
        untuned = len(dataclasses.fields(owner)) - len(tuned)
        yield Finding("ok", "settings", f"tuned: {', '.join(tuned) or 'none'}; {untuned} more; defaults lie in ranges and bounds")


def _range(search: Range | Choices) -> str:
    if isinstance(search, Choices):
        return f"({to_text(search.values)})"
    return f"({search.low:g} … {search.high:g}{', log' if search.log else ''})"


def _wrong(field: dataclasses.Field[Any], said: Setting, hint: Any) -> Iterator[str]:
    """What does not agree, in words."""
    default, search = default_of(field), said.search
    if default is dataclasses.MISSING:
        if search is not None:
            yield "it is tuned, but has no default; the first trial is the defaults"
        return
    if isinstance(search, Choices):
        if default not in search.values:
            yield f"the default {default!r} is none of its choices {to_text(search.values)}"
        ends: tuple[Any, ...] = search.values
    elif isinstance(search, Range):
        ends = (search.low, search.high)
        if not search.low < search.high or (search.log and search.low <= 0):
            yield f"low = {search.low} and high = {search.high}: low must be less than high, and greater than 0 where log is set"
        elif not isinstance(default, (int, float)) or not search.low <= default <= search.high:
            yield f"the default {default!r} lies outside of its range {search.low} … {search.high}"
        elif search.step and not math.isclose(steps := (default - search.low) / search.step, round(steps), abs_tol=1e-6):
            yield f"the default {default!r} is no step of {search.step} from {search.low}"
    else:
        return
    for end in ends:
        try:
            typed(hint, end, "it")
        except UserError:
            yield f"its range has {end!r}, which is not of the type {getattr(hint, '__name__', hint)}"
            continue
        if not said.holds(end):
            yield f"its range has {end!r}, but it must {said.rule()}"


def check_refused(made: Any) -> Iterator[Finding]:
    """``made``: a plug-in at its defaults. What a tuner draws must be possible beside them: a trial that is refused is a draw lost."""
    refused: dict[str, str] = {}
    for move in moves(type(made)):
        said = setting_of(type(made).__dataclass_fields__[move.name])
        for value in move.values if move.tuned else ():
            try:
                if said.holds(value):  # or its range is a finding of its own
                    dataclasses.replace(made, **{move.name: value})
            except UserError as error:
                refused.setdefault(move.name, f"{move.name} = {value} is refused beside the defaults, and a tuner draws it: {error}")
            except (Exception, SystemExit):
                continue  # said where models are trained with it
    for name, words in refused.items():
        yield Finding("FAILED", "settings", f"{place_of(type(made), name)}: {words}; take defaults that go with its whole range")


@dataclass(frozen=True)
class Move:
    """A setting at two or more values that are clearly different: whatever it does, two of them should train differently."""

    name: str
    values: tuple[Any, ...]
    tuned: bool
    words: str  # "weight = 0.01, 1"


def moves(owner: type) -> Iterator[Move]:
    """The ends of a range; each other choice beside the default; of what is not tuned the default and other values within the bounds."""
    hints = typing.get_type_hints(owner)
    for field in dataclasses.fields(owner):
        said, default = setting_of(field), default_of(field)
        if isinstance(said.search, Range):
            low, high = said.search.low, said.search.high
            yield Move(field.name, (low, high), True, f"{field.name} = {low:g} and {high:g}")
        elif (choices := _choices(said, hints[field.name])) is not None:
            for choice in choices:
                if choice != default:
                    yield Move(field.name, (default, choice), said.search is not None, f"{field.name} = {default} and {choice}")
        else:
            others = (value for value in _others(default, hints[field.name], said) if said.holds(value))
            values = tuple(dict.fromkeys((default, *others)))
            yield Move(field.name, values, False, f"{field.name} = {', '.join(to_text(v) or 'nothing' for v in values)}")


def _choices(said: Setting, hint: Any) -> tuple[Any, ...] | None:
    if isinstance(said.search, Choices):
        return said.search.values
    if hint is bool:
        return (False, True)
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else None


def _others(default: Any, hint: Any, said: Setting) -> list[Any]:
    """Values far from the default; those out of bounds, and those that nothing can be built with, are left out later."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        [only] = [a for a in arguments if a is not type(None)]
        starts = {int: 2, float: 0.5}
        return [None, *_others(starts.get(only) if default is None else default, only, said), *([1] if only is int else [])]
    if origin is typing.Literal:
        return list(arguments)
    if hint is bool:
        return [False, True]
    if origin is tuple:
        if default is None:
            default = {int: (2,), float: (0.5,)}.get(arguments[0], ())
        if typing.get_origin(arguments[0]) is typing.Literal:
            return [(choice,) for choice in typing.get_args(arguments[0])]
        halves = (
            [tuple(entry // 2 or 1 if isinstance(entry, int) else entry / 2 for entry in default)] if arguments[0] in (int, float) else []
        )
        return [*halves, default[:1], ()]
    if hint is int and default is not None:
        return [*([said.at_least] if said.at_least is not None else []), default // 2, default * 2, default + 1]
    if hint is float and default is not None:
        return [default / 2, default * 2, default + 0.25, default - 0.25]
    return []


def check_acts(owner: type, side: str, cases: Mapping[str, Case], place: str) -> Iterator[Finding]:
    """Whether each setting of ``side`` ("method" or "recipe") moves the training in one of the cases. The last resorts are a second epoch,
    for what is done between two, and a large batch.
    """
    if not cases:
        return
    open_, built, failed, untried = list(moves(owner)), set(), False, []
    first = next(iter(cases.values()))
    last = (first, BATCH, 2), (dataclasses.replace(first, scale=LARGE_SCALE), LARGE, 1)
    for case, size, epochs in [*((case, BATCH, 1) for case in cases.values()), *last]:
        traces: dict[Any, tuple[str, ...] | None] = {}
        for move in list(open_):
            found = set()
            for value in move.values:
                try:
                    key = (None,) if value == getattr(getattr(case, side), move.name) else (move.name, value)
                    if key not in traces:
                        traces[key] = _trace(case if key == (None,) else case.changed(side, {move.name: value}), size, epochs)
                except (UserError, Incompatible):
                    traces[key] = None
                except (Exception, SystemExit) as error:
                    failed = True
                    open_.remove(move)
                    yield failure("settings act", error, place, [f"{move.name} = {value}"])
                    break
                if (trace := traces[key]) is not None:
                    built.add((move.words, value))
                    found.add(trace)
                if len(found) > 1:
                    open_.remove(move)
                    break
    for move in open_:
        if sum((move.words, value) in built for value in move.values) < 2:
            untried.append(move.name)
        else:
            failed = failed or move.tuned
            same = f"give the same loss after {STEPS} steps, with {', '.join(cases)}, and in a second epoch"
            words = f"{place_of(owner, move.name)}: {move.words} {same}"
            advice = "a tuned setting must act" if move.tuned else "does it need another setting?"
            yield Finding("FAILED" if move.tuned else "note", "settings act", f"{words}: {advice}")
    if untried:
        yield Finding(
            "note", "settings act", f"not tried: {', '.join(dict.fromkeys(untried))}: no second value that a model could be built with"
        )
    if not failed:
        quiet = {move.name for move in open_}
        acting = [field.name for field in dataclasses.fields(owner) if field.name not in quiet]
        if acting or not quiet:
            yield Finding("ok", "settings act", f"each moves the training: {', '.join(acting)}" if acting else "there are none")


def _trace(case: Case, size: int, epochs: int) -> tuple[str, ...]:
    """The logloss of a few steps, and the scores after them: as texts, in which a number that is none equals itself."""
    model = case.build()
    losses = train(model, rows(STEPS * size), case.training(epochs=epochs, batch_size=size))
    with torch.no_grad():
        scores = model.eval()(batch()[0][:8]).logits.tolist()
    return tuple(map(repr, (*losses, *scores)))
