"""Frozen settings: a trial, the cell it belongs to, and a suite of cells. Unknown keys are errors."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import os
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from benchmark.contracts import UserError

T = TypeVar("T")
NO_BACKBONE = "none"  # in a sanity row's cell
CONTROL = "single_embedding"  # the method that others are compared with
LISTED = 40  # names in an error message at most: a file may have thousands of columns


Precision = Literal["fp32", "tf32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is fitted. The part of ``space`` is searched for every method alike (docs/mathematics.md §5).

    Learning-rate drop and early stopping follow the BARS configurations (github.com/reczoo/BARS): the rate is multiplied by
    ``plateau_factor`` after each epoch without a better validation AUC, and training stops after ``patience`` such epochs in a row.
    """

    learning_rate: float = 1e-3
    embedding_l2: float = 1e-5  # λ of (λ/2)‖E‖² over the whole table, every step (BARS)
    batch_size: int = 4096
    epochs: int = 30  # at most
    patience: int = 2
    plateau_factor: float = 0.1
    gradient_clip: float = 0.0  # largest norm of the gradient; 0: off
    embedding_std: float = 1e-2  # the table starts as N(0, embedding_std²)
    precision: Precision = "fp32"  # of training's forward and backward passes (benchmark/training/fit.py)

    space: ClassVar[Mapping[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
        "embedding_l2": CategoricalDistribution((0.0, 1e-5, 1e-4, 1e-3, 1e-2, 5e-2)),
    }

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "epochs", "patience", "embedding_std"):
            if not getattr(self, name) > 0:
                raise UserError(f"training: {name} = {getattr(self, name)}; it must be greater than 0")
        for name in ("embedding_l2", "gradient_clip"):
            if not getattr(self, name) >= 0:
                raise UserError(f"training: {name} = {getattr(self, name)}; it must not be negative")
        if not 0 < self.plateau_factor <= 1:
            raise UserError(f"training: plateau_factor = {self.plateau_factor}; it must lie in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One square of the benchmark: what is compared is named here, how well it does is not.

    The three mappings are the suite's fixed overrides; hyper-parameters that are neither here nor tuned keep their defaults.
    """

    dataset: str
    data: str  # fingerprint of the encoded data: other data, other cell
    backbone: str  # NO_BACKBONE for a sanity row
    method: str
    scale: int
    depth: int
    dimension: int = 10  # width D = scale · dimension
    dataset_options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    method_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return digest(dataclasses.asdict(self))

    def __str__(self) -> str:
        place = "" if self.backbone == NO_BACKBONE else f" {self.backbone} scale {self.scale} depth {self.depth}"
        return f"{self.dataset}{place} {self.method}"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training, complete: the same trial gives the same record up to machine noise.

    stage "tune": sees training and validation data only; ``draw`` counts the cell's tuning trials from 0 (0 = the defaults).
    stage "final": trained with the winner of ``budget`` tuning trials (1: the defaults, nothing tuned), and tested once.
    """

    cell: Cell
    stage: Literal["tune", "final"]
    training: Training
    backbone: Mapping[str, Any]  # every hyper-parameter of the backbone
    method: Mapping[str, Any]  # every hyper-parameter of the method
    seed: int = 0
    draw: int = 0
    budget: int = 1

    @property
    def trial_id(self) -> str:
        return digest(to_dict(self))


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A list of cells, written as the product of its axes. ``("all",)`` stands for every plug-in found.

    ``also`` ([[also]] in the file) adds further products: each entry replaces some axes of the suite, and shares all the rest.
    """

    name: str
    summary: str = ""
    datasets: tuple[str, ...]
    methods: tuple[str, ...] = ("all",)
    backbones: tuple[str, ...] = ("all",)
    scales: tuple[int, ...] = (1,)
    depths: tuple[int, ...] = ()  # empty: each backbone's own default
    seeds: int = 1
    trials: int = 1
    dimension: int = 10
    training: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)  # kind -> plug-in -> overrides
    also: tuple[Mapping[str, Any], ...] = ()

    AXES: ClassVar[tuple[str, ...]] = ("datasets", "methods", "backbones", "scales", "depths")

    def __post_init__(self) -> None:
        for name, smallest in (("seeds", 1), ("trials", 1), ("dimension", 1)):
            if getattr(self, name) < smallest:
                raise UserError(f"suite {self.name}: {name} = {getattr(self, name)}; it must be at least {smallest}")
        for name in ("scales", "depths"):
            for value in getattr(self, name):
                if value < 1:
                    raise UserError(f"suite {self.name}: {name} has {value}; every entry must be at least 1")
        for name in ("datasets", "methods", "backbones", "scales"):
            if not getattr(self, name):
                raise UserError(f"suite {self.name}: {name} is empty; name at least one")
        for kind in self.options:
            known("kind of plug-in", kind, ("datasets", "methods", "backbones"), f"suite {self.name}, [options]")
        from_dict(Training, self.training, f"suite {self.name}, [training]")
        self.products()

    def products(self) -> list[Suite]:
        """The suite as plain products, without ``also``. Raises UserError for an entry that is none."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "also"}
        found = [self] if not self.also else [Suite(**own)]
        for block in self.also:
            where = f"suite {self.name}, [[also]]"
            for key in block:
                known("axis", key, self.AXES, where)
            found.append(from_dict(Suite, {**own, **block}, where))
        return found


SUITES = Path(__file__).parent / "suites"


def read_suite(reference: str) -> Suite:
    """A suite by name (a file of ``benchmark/suites``) or by the path of a TOML file. Raises UserError."""
    names = sorted(p.stem for p in SUITES.glob("*.toml"))
    path = SUITES / f"{reference}.toml" if reference in names else Path(reference)
    if path.suffix != ".toml":
        beside = Path(f"{reference}.toml")
        if beside.is_file():
            raise UserError(f"run: unknown suite {reference!r}; did you mean the file {str(beside)!r}?")
        if len(path.parts) > 1 or path.is_file():
            raise UserError(f"{reference}: the name of a suite file must end in .toml; the suites that come along are {', '.join(names)}")
        known("suite", reference, names, "run")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such suite file; the suites that come along are {', '.join(names)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a suite file: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply for a suite file") from None
    return from_dict(Suite, {"name": path.stem, **content}, str(path))


def cache_folder() -> Path:
    """Where prepared data sets live: BENCHMARK_CACHE, or .cache in the current directory."""
    return Path(os.environ.get("BENCHMARK_CACHE") or ".cache").absolute()


def known(what: str, name: str, names: Iterable[str], where: str) -> str:
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
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def to_dict(value: Any) -> dict[str, Any]:
    """A dataclass as JSON types (tuples become lists)."""
    return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(value))))


def from_dict(cls: type[T], content: Mapping[str, Any], where: str) -> T:
    """``cls(**content)`` with every key and type checked. Raises UserError naming ``where``."""
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in content:
        known("key", key, fields, where)
    missing = [
        name
        for name, f in fields.items()
        if name not in content and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UserError(f"{where}: {', '.join(missing)} missing")
    return cls(**{key: typed(hints[key], value, f"{where}: {key}") for key, value in content.items()})


def typed(hint: Any, value: Any, where: str) -> Any:
    """``value`` as a setting of type ``hint``: lists become tuples, whole numbers floats where floats are wanted. Raises UserError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return _plain(value, where)
    if origin is Literal:
        if value not in arguments:
            raise UserError(f"{where} = {value!r}; it must be one of {', '.join(map(str, arguments))}")
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        [only] = [a for a in arguments if a is not type(None)]
        return typed(only, value, where)
    if origin is tuple:
        values = value if isinstance(value, (list, tuple)) else [value]
        return tuple(typed(arguments[0], v, where) for v in values)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise UserError(f"{where} = {value!r}; it must be a table of keys and values")
        return {key: typed(arguments[1], v, f"{where}.{key}") for key, v in value.items()}
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UserError(f"{where} = {value!r}; it must be a table of keys and values")
        return from_dict(typing.cast(type, hint), value, where)
    if hint is float and type(value) in (int, float):
        return _finite(value, where)
    if type(value) is not hint:
        raise UserError(f"{where} = {value!r}; it must be of type {hint.__name__}")
    return value


def supported(hint: Any) -> bool:
    """Whether a plug-in may have settings of that type: a suite file, a flag and a record can all hold them."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return all(isinstance(choice, str) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        others = [a for a in arguments if a is not type(None)]
        return len(others) == 1 and supported(others[0])
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is ... and supported(arguments[0])
    return hint in (bool, int, float, str)


def _plain(value: Any, where: str) -> Any:
    """A value that JSON can hold, as the settings of a plug-in must be before it is known of which type."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _plain(entry, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _plain(entry, where)
    elif isinstance(value, float):
        _finite(value, where)
    elif value is not None and not isinstance(value, (bool, int, str)):
        raise UserError(f"{where} = {value!r}; it must be a number, a text, true, false, or a list of these")
    return value


def _finite(value: float, where: str) -> float:
    try:
        if math.isfinite(number := float(value)):
            return number
    except OverflowError:  # of a whole number with hundreds of digits
        pass
    raise UserError(f"{where} = {str(value)[:40]}; it must be a finite number")


def to_text(value: Any) -> str:
    """A setting as ``from_text`` reads it: "400,400"; nothing for an empty text or tuple."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def from_text(hint: Any, text: str, where: str) -> Any:
    """A setting as it is typed on a command line: "none", "true", "400,400", "1e-3". Raises UserError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none":
            return None
        [only] = [a for a in arguments if a is not type(None)]
        return from_text(only, text, where)
    if origin is tuple:
        return tuple(from_text(arguments[0], part.strip(), where) for part in text.split(",") if part.strip())
    if hint is bool:
        return {"true": True, "false": False}[known("value", text.lower(), ("true", "false"), where)]
    if hint in (int, float):
        try:
            return typed(hint, hint(text), where)
        except ValueError:
            raise UserError(f"{where} = {text!r}; it must be {'a whole number' if hint is int else 'a number'}") from None
    return typed(hint, text, where)
