"""Values of settings: checked against the type of their field, and as text, JSON and digest. Unknown keys are errors."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, TypeVar

from benchmark.errors import UserError
from benchmark.errors import plain as plain

T = TypeVar("T")
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
LISTED = 40  # names in an error message at most: a file may have thousands of columns
SHOWN = 100  # characters of a value in an error message at most
LEVELS = 16  # of tables and lists in each other


def one_of(what: str, name: str, names: Iterable[str], where: str) -> str:
    """``name`` if it is one of ``names``; otherwise a UserError with the nearest one."""
    choices = sorted(names)
    if name in choices:
        return name
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.4)
    more = f" and {len(choices) - LISTED} more" if len(choices) > LISTED else ""
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices[:LISTED]) or 'none'}{more}"
    raise UserError(f"{where}: unknown {what} {name!r}; {hint}")


def canonical(value: Any) -> str:
    """JSON with one spelling for each value: the text that digests are taken of."""
    return CANONICAL.encode(value)


def shown(value: Any) -> str:
    """A value of the user's in a message: cut where it is long, and in words where Python cannot write it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits in it; thousands of tables in each other
        return "…"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def digest(value: Any) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def to_dict(value: Any) -> dict[str, Any]:
    """A dataclass as JSON types (tuples become lists)."""
    return typing.cast(dict[str, Any], json.loads(json.dumps(value, default=_content)))  # dataclasses.asdict copies all that is in it


def _content(value: Any) -> Any:
    if (changed := of_numpy(value)) is not value:
        return changed
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def from_dict(cls: type[T], content: Mapping[str, Any], where: str) -> T:
    """``cls(**content)`` with every key and type checked. Raises UserError naming ``where``."""
    hints = _hints(typing.cast(Any, cls))
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in content:
        if key not in fields:
            one_of("key", key, fields, where)
    missing = [
        name
        for name, f in fields.items()
        if name not in content and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UserError(f"{where}: {', '.join(missing)} missing")
    return cls(**{key: typed(hints[key], value, f"{where}: {key}") for key, value in content.items()})


@lru_cache(maxsize=256)
def _hints(cls: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(cls)


def typed(hint: Any, value: Any, where: str) -> Any:
    """``value`` as a setting of type ``hint``: lists become tuples, whole numbers floats where floats are wanted, NumPy's numbers Python's.

    Raises UserError.
    """
    value = of_numpy(value)
    generic, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return _plain(value, where)
    if generic is Literal:
        if value not in arguments:
            raise UserError(f"{where} = {shown(value)}; it must be one of {', '.join(map(str, arguments))}")
        return value
    if generic in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        [only] = [a for a in arguments if a is not type(None)]
        if only in (int, float, bool) and isinstance(value, str) and value.lower() == "none":
            return None  # as on a command line: TOML has no word for it
        return typed(only, value, where)
    if generic is tuple:
        values = value if isinstance(value, (list, tuple)) else [value]
        return tuple(typed(arguments[0], v, where) for v in values)
    if generic is not None and issubclass(generic, Mapping):
        if not isinstance(value, Mapping):
            raise UserError(f"{where} = {shown(value)}; it must be a table of keys and values")
        if arguments[1] is float and set(map(type, value.values())) <= {float} and math.isfinite(sum(value.values())):
            return dict(value)  # a record has hundreds of numbers; a sum is finite only where all of them are
        return {key: typed(arguments[1], v, f"{where}.{key}") for key, v in value.items()}
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UserError(f"{where} = {shown(value)}; it must be a table of keys and values")
        return from_dict(typing.cast(type, hint), value, where)
    if hint is float and type(value) in (int, float):
        return _finite(value, where)
    if type(value) is not hint:
        raise UserError(f"{where} = {shown(value)}; it must be of type {hint.__name__}")
    if hint is int:
        _finite(value, where)
    return value


def supported(hint: Any) -> bool:
    """Whether a plug-in may have settings of that type: a suite file, a flag and a record can all hold them."""
    generic, arguments = typing.get_origin(hint), typing.get_args(hint)
    if generic is Literal:
        return all(isinstance(choice, str) for choice in arguments)
    if generic in (typing.Union, types.UnionType):
        others = [a for a in arguments if a is not type(None)]
        return len(others) == 1 and supported(others[0])
    if generic is tuple:
        return len(arguments) == 2 and arguments[1] is ... and supported(arguments[0])
    return hint in (bool, int, float, str)


def of_numpy(value: Any) -> Any:
    """A scalar or an array of NumPy, as np.logspace gives them, as Python's; anything else as it is."""
    numpy = sys.modules.get("numpy")  # most commands run without it, and then nothing can be NumPy's
    return value.tolist() if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)) else value


def _plain(value: Any, where: str, levels: int = LEVELS) -> Any:
    """A value that JSON can hold, as the settings of a plug-in must be before it is known of which type."""
    value = of_numpy(value)
    if isinstance(value, (Mapping, list, tuple)) and not levels:
        raise UserError(f"{where}: nested too deeply; no setting needs tables or lists in each other {LEVELS} times")
    if isinstance(value, Mapping):
        return {key: _plain(entry, f"{where}.{key}", levels - 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry, where, levels - 1) for entry in value]
    if isinstance(value, (float, int)):
        _finite(value, where)
    elif value is not None and not isinstance(value, str):
        raise UserError(f"{where} = {shown(value)}; it must be a number, a text, true, false, or a list of these")
    return value


def _finite(value: float, where: str) -> float:
    try:
        if math.isfinite(number := float(value)):
            return number
    except OverflowError:  # of a whole number with hundreds of digits; one with thousands Python cannot even write
        pass
    raise UserError(f"{where} = {shown(value)}; it must be a finite number")


def to_text(value: Any) -> str:
    """A setting as ``from_text`` reads it: "400,400"; nothing for an empty text or tuple."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def from_text(hint: Any, text: str, where: str) -> Any:
    """A setting as it is typed on a command line: "none", "true", "400,400", "1e-3". Raises UserError."""
    generic, arguments = typing.get_origin(hint), typing.get_args(hint)
    if generic in (typing.Union, types.UnionType):
        if text.lower() == "none":
            return None
        [only] = [a for a in arguments if a is not type(None)]
        return from_text(only, text, where)
    if generic is tuple:
        return tuple(from_text(arguments[0], part.strip(), where) for part in text.split(",") if part.strip())
    if hint is bool:
        return {"true": True, "false": False}[one_of("value", text.lower(), ("true", "false"), where)]
    if hint in (int, float):
        try:
            return typed(hint, hint(text), where)
        except ValueError:
            raise UserError(f"{where} = {text!r}; it must be {'a whole number' if hint is int else 'a number'}") from None
    return typed(hint, text, where)
