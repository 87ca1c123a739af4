"""Frozen settings: a trial, the cell it belongs to, and a suite of cells. Unknown keys are errors."""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmark.errors import UserError
from benchmark.settings import MOST_DEPTH, Configured, recorded, setting, tuned
from benchmark.values import canonical, digest, from_dict, one_of, to_dict, typed

NO_BACKBONE = "none"  # in a sanity row's cell
CONTROL = "single_embedding"  # the method that others are compared with
DELTA = 0.0003  # AUC that makes no difference, unless the user says otherwise
FUTILITY = "design/futility"  # a metric of the same finals: a row got no more seeds once the chance of a verdict was smaller; absent: 0
MAX_SEEDS = "design/max_seeds"  # a metric of finals whose row was looked at after each seed: up to so many; a verdict must allow for it
# Of tuning: the first of every draw, the others of the best draws once more. Final seeds count from 0, so that no final value was selected.
TUNING_SEEDS = (1_000_000, 1_000_001, 1_000_002)
MOST_FINAL_SEEDS = 10_000  # of a cell: a plan makes a trial of each, half a second and 30 MB a cell
Precision = Literal["fp32", "tf32", "bf16"]
Stage = Literal["tune", "final"]  # of a cell: trials that choose its settings, and those that are tested with them


@dataclass(frozen=True, kw_only=True)
class Training(Configured):
    """How a model is fitted. What is tuned of it is searched for every method alike (docs/mathematics.md §5).

    Learning-rate drop and early stopping follow the BARS configurations (github.com/reczoo/BARS).
    """

    KIND = "training"

    learning_rate: float = tuned(1e-3, low=3e-4, high=3e-3, log=True, above=0, help="of Adam")
    embedding_l2: float = tuned(
        1e-5, choices=(0.0, 1e-5, 1e-4, 1e-3, 1e-2, 5e-2), at_least=0, help="λ of (λ/2)‖E‖² over the whole table, every step (BARS)"
    )
    batch_size: int = setting(4096, above=0)
    epochs: int = setting(30, above=0, help="at most")
    patience: int = setting(2, above=0, help="epochs in a row without a better validation AUC before training stops")
    plateau_factor: float = setting(0.1, above=0, at_most=1, help="of the learning rate after an epoch without a better validation AUC")
    gradient_clip: float = setting(0.0, at_least=0, help="largest norm of the gradient; 0: off")
    embedding_std: float = setting(1e-2, above=0, help="the table starts as N(0, embedding_std²)")
    precision: Precision = setting("fp32", help="of training's forward and backward passes (benchmark/training/fit.py)")
    cowclip_base_batch: int = setting(
        0,
        at_least=0,
        formerly=0,
        help="batch size that the other settings are for: from it CowClip's rules lead to batch_size; 0: no rules",
    )
    cowclip_floor: float = setting(
        1e-5, above=0, formerly=1e-5, help="ζ of CowClip: a row shorter than ζ√D is clipped as if of that length"
    )

    def validate(self) -> None:
        if self.cowclip_floor != type(self).cowclip_floor and not self.cowclip_base_batch:
            raise UserError(f"training: cowclip_floor = {self.cowclip_floor} has no effect without cowclip_base_batch; set that too")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One square of the benchmark: what is compared is named here, how well it does is not.

    The mappings of options and ``training`` are the suite's fixed overrides, ``grid`` what it lets each cell choose; settings that are
    neither here nor tuned keep their defaults. ``rungs`` is how it is tuned (benchmark/search/halving.py): a winner found otherwise is
    another contestant.
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
    grid: Mapping[str, Any] = field(default_factory=dict)  # "training.embedding_l2", "method.weight": the values to choose from
    rungs: tuple[int, ...] = ()  # epochs after each of which the better half of its draws goes on; none: every draw is trained to its end

    @cached_property
    def key(self) -> str:
        return digest(identity(_content(self)))

    def __str__(self) -> str:
        shape = "" if self.backbone == NO_BACKBONE else f" {self.backbone} scale {self.scale} depth {self.depth}"
        return f"{self.dataset}{shape} {self.method}"


def _content(cell: Cell) -> dict[str, Any]:
    """Its fields as they are: dataclasses.asdict copies all that is in them, and a board has thousands of cells."""
    return {name: getattr(cell, name) for name in CELL_FIELDS}


CELL_FIELDS = tuple(f.name for f in dataclasses.fields(Cell))


def identity(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's content as its key and its trials' ids are made of: without a grid, and without rungs, as it was before there were any."""
    return {name: value for name, value in cell.items() if name not in ("grid", "rungs") or value}


def halving(rungs: Sequence[int]) -> str:
    """How a cell with such rungs was tuned, in words."""
    *most, last = map(str, rungs)
    return f"successive halving at epoch{'s' if most else ''} {', '.join(most)}{' and ' if most else ''}{last}"


def conditions(cell: Cell) -> str:
    """All of a cell that must be equal for a difference in AUC to be the method's doing."""
    content = _content(cell)
    for own in ("method", "method_options"):
        del content[own]
    content["grid"] = {name: values for name, values in cell.grid.items() if not name.startswith("method.")}
    return canonical(content)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training, complete: the same trial gives the same record up to machine noise.

    stage "tune": sees training and validation data only, with one of ``TUNING_SEEDS``; ``draw`` counts the cell's tuning trials from 0
    (0 = the defaults, or the grid's first point).
    stage "final": trained with the winner of ``budget`` tuning trials (1: the defaults, nothing tuned), and tested once.
    ``until`` is no part of what it is: a training that pauses goes on as the same one.
    """

    cell: Cell
    stage: Stage
    training: Training
    backbone: Mapping[str, Any]  # every hyper-parameter of the backbone
    method: Mapping[str, Any]  # every hyper-parameter of the method
    seed: int = 0
    draw: int = 0
    budget: int = 1
    until: int = 0  # epochs after which a draw pauses, at one of its cell's rungs; 0: it does not

    @cached_property
    def trial_id(self) -> str:
        return digest(identified(to_dict(self)))

    @cached_property
    def settings(self) -> str:
        """All that tuning chooses, as canonical JSON: equal for the seeds of one winner."""
        content = to_dict(self)
        return canonical({name: content[name] for name in ("training", "backbone", "method")})


def identified(trial: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's content as its id is made of."""
    settings = {name: value for name, value in trial.items() if name != "until"}
    return {**settings, "cell": identity(trial["cell"]), "training": recorded(Training, trial["training"])}


def chosen(trial: Trial, name: str) -> Any:
    """The trial's value of a setting by its prefixed name: "training.learning_rate", "method.weight"."""
    part, key = name.split(".", 1)
    return to_dict(trial)[part][key]


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A list of cells, written as the product of its axes. ``("all",)`` stands for every plug-in found.

    ``also`` ([[also]] in the file) adds further products: each entry replaces some axes of the suite, and single settings of its
    ``training``, and shares all the rest.
    ``grid`` ([grid]) takes the place of the tuner: lists of values of training settings, for every method alike, and under ``methods`` of
    settings of single methods. Each cell chooses among all combinations.
    ``rungs`` stops tuning trials early: epochs after each of which the better half of a cell's draws goes on.
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
    grid: Mapping[str, Any] = field(default_factory=dict)
    rungs: tuple[int, ...] = ()

    AXES: ClassVar[tuple[str, ...]] = ("datasets", "methods", "backbones", "scales", "depths")

    def __post_init__(self) -> None:
        for name, smallest in (("seeds", 1), ("trials", 1), ("dimension", 1)):
            if getattr(self, name) < smallest:
                raise UserError(f"suite {self.name}: {name} = {getattr(self, name)}; it must be at least {smallest}")
        for name in ("scales", "depths"):
            for value in getattr(self, name):
                if value < 1:
                    raise UserError(f"suite {self.name}: {name} has {value}; every entry must be at least 1")
        if max(self.depths, default=0) > MOST_DEPTH:
            raise UserError(f"suite {self.name}: depths has {max(self.depths)}; every entry must be at most {MOST_DEPTH}")
        for name in ("datasets", "methods", "backbones", "scales"):
            if not getattr(self, name):
                raise UserError(f"suite {self.name}: {name} is empty; name at least one")
        for kind in self.options:
            one_of("kind of plug-in", kind, ("datasets", "methods", "backbones"), f"suite {self.name}, [options]")
        from_dict(Training, self.training, f"suite {self.name}, [training]")
        if any(epoch < 1 for epoch in self.rungs) or list(self.rungs) != sorted(set(self.rungs)):
            raise UserError(f"suite {self.name}: rungs = {list(self.rungs)}; they must be epochs in ascending order, the first at least 1")
        if self.seeds > MOST_FINAL_SEEDS:
            raise UserError(f"suite {self.name}: seeds = {self.seeds}; it must be at most {MOST_FINAL_SEEDS}")
        self._check_grid()
        if self.rungs and self.budget == 1:
            nothing = f"rungs = {list(self.rungs)} stop tuning trials early, and there are none"
            raise UserError(f"suite {self.name}: {nothing}; set trials to 2 or more, or leave rungs out")
        self.products()

    def _check_grid(self) -> None:
        """What can be said of the grid without its plug-ins. Raises UserError."""
        where = f"suite {self.name}, [grid]"
        methods = self.grid.get("methods", {})
        if not isinstance(methods, Mapping) or not all(isinstance(entry, Mapping) for entry in methods.values()):
            raise UserError(f"{where}: methods must be a table: [grid.methods.NAME] with a list for each setting")
        if self.grid and self.trials > 1:
            raise UserError(f"{where}: a grid takes the tuner's place, and trials = {self.trials} asks for the tuner; keep one of them")
        for name, values in self.training_grid.items():
            one_of("setting", name, [f.name for f in dataclasses.fields(Training)], where)
            if name in self.training:
                raise UserError(f"{where}: {name} is in [training] too; keep one of them")
            grid_values(where, name, values, partial(self._training_value, where, name))
        for method, settings in methods.items():
            for name, values in settings.items():
                grid_values(f"suite {self.name}, [grid.methods.{method}]", name, values, lambda value: value)

    def _training_value(self, where: str, name: str, value: Any) -> Any:
        return getattr(from_dict(Training, {**self.training, name: value}, where), name)

    @property
    def training_grid(self) -> Mapping[str, Any]:
        return {name: values for name, values in self.grid.items() if name != "methods"}

    @property
    def budget(self) -> int:
        """Tuning trials of a cell: with a grid the combinations of the method that has most, so that all are compared under one number."""
        if not self.grid:
            return self.trials
        own = [math.prod(map(len, settings.values())) for settings in self.grid.get("methods", {}).values()]
        return math.prod(map(len, self.training_grid.values())) * max(own, default=1)

    def products(self) -> list[Suite]:
        """The suite as plain products, without ``also``. Raises UserError for an entry that is none."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "also"}
        found = [self] if not self.also else [Suite(**own)]
        for block in self.also:
            where = f"suite {self.name}, [[also]]"
            for key in block:
                one_of("axis", key, (*self.AXES, "training"), where)
            training = typed(Mapping[str, Any], block.get("training", {}), f"{where}: training")
            try:
                found.append(from_dict(Suite, {**own, **block, "training": {**self.training, **training}}, where))
            except UserError as error:  # the axis of the same name above may be sound
                raise UserError(str(error) if where in str(error) else f"{where}: {error}") from None
        return found


def grid_values(where: str, name: str, values: Any, value_of: Callable[[Any], Any]) -> list[Any]:
    """The values of a grid as their setting has them. Raises UserError."""
    if not isinstance(values, (list, tuple)):
        raise UserError(f"{where}: {name} = {values!r}; it must be a list of values")
    try:
        found = [value_of(value) for value in values]
    except UserError as error:  # a bound's message does not know where the value stands
        raise UserError(str(error) if where in str(error) else f"{where}: {error}") from None
    if len({canonical(value) for value in found}) != len(found):
        raise UserError(f"{where}: {name} = {list(values)}; it has a value twice")
    if len(found) < 2:
        raise UserError(
            f"{where}: {name} {'has one value' if found else 'is empty'}; name at least two, or fix it in [training] or [options]"
        )
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
        one_of("suite", reference, names, "run")
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # editors of Windows write the mark that it takes away
        return from_dict(Suite, {"name": path.stem, **content}, str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such suite file; the suites that come along are {', '.join(names)}") from None
    except UserError as error:  # what a suite or a setting says of itself does not know which file it is in
        text = in_its_place(content.get("training"), error)
        raise UserError(text if str(path) in text else f"{path}: {text}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8; a number of thousands of digits
        raise UserError(f"{path}: cannot be read as a suite file: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply for a suite file") from None


def in_its_place(section: object, error: UserError) -> str:
    """The error's text; where its trouble is a key of the suite that stands in a section, as all do at a file's end, with its place."""
    text = str(error)
    names = {f.name for f in dataclasses.fields(Suite)}
    for name in names.intersection(section) if isinstance(section, Mapping) else ():
        if f"unknown key {name!r}" in text or text.endswith(f"{name} missing"):
            return f"{text.partition('; ')[0]}; {name} belongs above the first [section]"
    return text


def cache_folder() -> Path:
    """Where prepared data sets live: BENCHMARK_CACHE, or .cache in the current directory."""
    return Path(os.environ.get("BENCHMARK_CACHE") or ".cache").absolute()
