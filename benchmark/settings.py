"""A setting: default, bounds, search range and help of a hyper-parameter, all in its dataclass field.

weight: float = tuned(1e-3, low=1e-5, high=1e-1, log=True, at_least=0, help="of the whole term")
rows: int = setting(256, at_least=2, help="samples of the batch that are compared")
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, ClassVar, final

from benchmark.errors import UserError
from benchmark.values import of_numpy

MOST_DEPTH = 1000  # interaction layers: of a model of millions the objects alone take all memory of the machine, also of other programs


@dataclass(frozen=True)
class Range:
    """What a tuner draws a number from: low … high, both ends included; whole numbers where both ends are."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


@dataclass(frozen=True)
class Choices:
    """What a tuner draws from, where order means nothing."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Setting:
    """What a field says of itself beside its type and default. Bounds hold for each entry of a list, and not for None."""

    help: str = ""
    metavar: str = "V"  # stands for the value in a command's help
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    because: str = ""  # a bound that is not plain says why
    search: Range | Choices | None = None  # None: not tuned
    formerly: Any = None  # what was the case before there was this setting: records that do not name it mean this; None: it always was

    def holds(self, value: Any) -> bool:
        """Whether the value lies within the bounds."""
        if isinstance(value, tuple):
            return all(self.holds(entry) for entry in value)
        if value is None or not isinstance(value, (int, float)):
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def rule(self) -> str:
        """The bounds in words, as they go on after "it must"."""
        low, high = (self.at_least, self.above), (self.at_most, self.below)
        if low != (None, None) and high != (None, None):
            ends = f"[{self.at_least}" if self.above is None else f"({self.above}"
            words = f"lie in {ends}, {self.at_most}]" if self.below is None else f"lie in {ends}, {self.below})"
        elif low == (0, None):
            words = "not be negative"
        elif low == (None, 0):
            words = "be greater than 0"
        elif low != (None, None):
            words = f"be at least {self.at_least}" if self.above is None else f"be greater than {self.above}"
        else:
            words = f"be at most {self.at_most}" if self.below is None else f"be less than {self.below}"
        return f"{words}{self.because and ', '}{self.because}"


def setting(
    default: Any = MISSING,
    *,
    help: str = "",
    metavar: str = "V",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    because: str = "",
    formerly: Any = None,
) -> Any:
    """A field that is not tuned. ``help`` is what commands and docs show; without a default the user must give a value.

    ``formerly``: for a setting of a data set or of training that came later than records, whose ids must stay; see ``recorded``.
    """
    return _field(default, Setting(help, metavar, at_least, above, at_most, below, because, None, formerly))


def tuned(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    step: float | None = None,
    choices: tuple[Any, ...] = (),
    help: str = "",
    metavar: str = "V",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    because: str = "",
) -> Any:
    """A field that every tuner searches: from ``low`` to ``high`` (logarithmically, or in steps), or among ``choices``.

    The bounds (``at_least`` …) are those of the formula: what a user may set beyond the range that is searched.
    """
    search: Range | Choices
    if choices:
        search = Choices(choices)
    elif low is None or high is None:
        raise TypeError("tuned() needs low and high, or choices")
    else:
        search = Range(low, high, log, step)
    return _field(default, Setting(help, metavar, at_least, above, at_most, below, because, search))


def _field(default: Any, said: Setting) -> Any:
    return dataclasses.field(default=default, metadata={"setting": said})


def setting_of(field: dataclasses.Field[Any]) -> Setting:
    """What the field says of itself; one without ``setting`` or ``tuned`` says nothing."""
    found: Setting = field.metadata.get("setting", NOTHING)
    return found


NOTHING = Setting()


def search_space(owner: type) -> dict[str, Range | Choices]:
    """Name -> what a tuner draws from, for each tuned setting of a dataclass, in the order of its fields."""
    fields = dataclasses.fields(owner)
    return {field.name: search for field in fields if (search := setting_of(field).search) is not None}


def recorded(owner: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a user chose, as a record names it: a setting with ``formerly`` is named, its default too, unless it has that value."""
    named = dict(options)
    for name, (default, formerly) in _later(owner).items():
        value = named.pop(name, default)
        if value != formerly:
            named[name] = value
    return named


def from_record(owner: type, named: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of ``recorded``: what a record does not name was not there when it was made."""
    return {**{name: formerly for name, (_, formerly) in _later(owner).items()}, **named}


def but_defaults(owner: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not what they would be anyway: the same data has one folder, whoever asks for it, and in whatever words."""
    default = {field.name: field.default for field in dataclasses.fields(owner)}
    return {name: value for name, value in options.items() if name not in default or value != default[name]}


def _later(owner: type) -> dict[str, tuple[Any, Any]]:
    """Name -> default and ``formerly``, of the settings that came later than records."""
    fields = dataclasses.fields(owner)
    return {field.name: (field.default, said.formerly) for field in fields if (said := setting_of(field)).formerly is not None}


class Configured:
    """A frozen dataclass of settings that checks its bounds. What bounds cannot say stands in ``validate``."""

    KIND: ClassVar[str] = ""  # "method", "backbone", …: what messages call it

    @final
    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            said, given = setting_of(field), getattr(self, field.name)
            value = of_numpy(given)
            if value is not given:  # in a notebook, from np.logspace: records and digests are of Python's numbers
                object.__setattr__(self, field.name, tuple(value) if isinstance(value, list) else value)
            if not said.holds(value):
                raise UserError(f"{title(type(self))}: {field.name} = {value}; it must {said.rule()}")
        self.validate()

    def validate(self) -> None:
        """Raises UserError where settings do not go together."""


def name_of(owner: type) -> str:
    """What messages call a class of settings: a plug-in by its file, a class typed in a notebook by its own name."""
    package, _, file = owner.__module__.rpartition(".")
    return file if package in ("benchmark.methods", "benchmark.backbones", "benchmark.datasets") else owner.__name__


def title(owner: type) -> str:
    """The name with its kind before it: "method roblock"."""
    kind, name = getattr(owner, "KIND", ""), name_of(owner)
    return kind if name.lower() == kind else f"{kind} {name}".strip()


def unannotated(owner: type) -> Iterator[str]:
    """Names in the class's own body that look like settings and are none: a dataclass takes annotated names only."""
    allowed = {name for base in owner.__mro__[1:] for name in [*vars(base), *inspect.get_annotations(base)]}
    for name, value in vars(owner).items():
        plain = isinstance(value, (bool, int, float, str, tuple, list, dict))
        annotated = name in inspect.get_annotations(owner)
        if plain and not annotated and not name.startswith("_") and name not in allowed:
            yield name
