"""A suite as the list of its cells, and the default trial of a cell."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast, get_args

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Cell, Stage, Suite, Training, Trial, in_its_place
from benchmark.contracts import Backbone
from benchmark.data.ensure import ensure_prepared, ensure_recorded, known_dataset
from benchmark.data.store import Prepared, prepared_names
from benchmark.discovery import Kind, one_of_plugins
from benchmark.errors import UserError
from benchmark.faults import place_of
from benchmark.method import Method
from benchmark.named import Named, named
from benchmark.search.grid import check_grid, grid_of
from benchmark.values import canonical, from_dict, one_of, shown, to_dict


def expand(suite: Suite) -> list[Cell]:
    """Data sets x backbones x scales x depths x methods, in this order, so that results arrive evenly. No duplicates.

    A sanity row (``Method.uses_backbone`` is False) is one cell per data set. Raises UserError: unknown name, plug-in that does not
    import, impossible option, options for a plug-in that is not in the suite, grid that cannot be, data set that is not prepared, rung
    beyond the epochs of a training.
    """
    check_grid(suite)
    products = [(product, {kind: _names(product, kind) for kind in get_args(Kind)}) for product in suite.products()]
    for kind, options in suite.options.items():
        for name, settings in options.items():
            asked, where = {n for _, names in products for n in names[kind]}, f"suite {suite.name}, [options.{kind}]"
            if name not in asked and name.partition(":")[0] in plugins.names(cast(Kind, kind)):
                raise UserError(f"{where}: {name} is not among the suite's {kind}; add it there, or leave its settings out")
            one_of("name", name, asked, where)
            if kind != "datasets":
                _check_settings(cast(Kind, kind), name, settings, f"suite {suite.name}, [options.{kind}.{name}]")
    cells = list({cell.key: cell for product, names in products for cell in _cells(product, names)}.values())
    _check_rungs(suite, cells)
    return cells


def _check_settings(kind: Kind, name: str, settings: Mapping[str, Any], where: str) -> None:
    """Raises UserError that says where the settings stand; what makes the cells knows the plug-in alone."""
    try:
        plugins.make(kind, name, settings)
    except UserError as error:
        raise UserError(f"{where}: {in_its_place(settings, error)}") from None


def _check_rungs(suite: Suite, cells: Iterable[Cell]) -> None:
    """Raises UserError for a rung that no draw reaches: nothing would be stopped there, and boards would say that it was."""
    for cell in (cell for cell in cells if cell.rungs):
        grid = cell.grid.get("training.epochs", ())
        epochs = max(grid, default=default_trial(cell, "tune", 0, suite.budget).training.epochs)
        if cell.rungs[-1] >= epochs:
            of = f"{cell} is trained for {epochs} epochs at most"
            raise UserError(f"suite {suite.name}: rungs = {list(suite.rungs)}, and {of}; every rung must be less")


def _cells(suite: Suite, names: Mapping[Kind, list[str]]) -> list[Cell]:
    """The cells of one product of axes, whose entries are ``names``."""
    methods: list[Named[Method]] = [named("methods", name, _options(suite, "methods", name)) for name in names["methods"]]
    recipes = [_recipes(suite, name) for name in names["backbones"]]
    grids = {method.name: grid_of(suite, method.name, method.options) for method in methods}
    cells: list[Cell] = []
    for dataset in names["datasets"]:
        data = ensure_prepared(dataset, _options(suite, "datasets", dataset))
        cells += [
            cell_of(m, None, data, 1, suite.dimension, suite.training, grids[m.name], suite.rungs if grids[m.name] else ())
            for m in methods
            if not m.made.uses_backbone  # no tuner tunes it, only a grid
        ]
        cells += [
            # Rungs also of a cell of which the grid names nothing: where it is of one method alone, its control has the same conditions.
            cell_of(method, recipe, data, scale, suite.dimension, suite.training, grids[method.name], suite.rungs)
            for of_depths in recipes
            for scale in suite.scales
            for recipe in of_depths
            for method in methods
            if method.made.uses_backbone
        ]
    return cells


def cell_of(
    method: Named[Method],
    backbone: Named[Backbone] | None,
    data: Prepared,
    scale: int,
    dimension: int,
    training: Mapping[str, Any],
    grid: Mapping[str, Any] | None = None,
    rungs: tuple[int, ...] = (),
) -> Cell:
    """The cell of one method. ``backbone`` is None for a sanity row; ``grid`` as ``grid_of`` gives it; ``rungs`` where it is tuned."""
    return Cell(
        dataset=data.name,
        data=data.fingerprint,
        backbone=NO_BACKBONE if backbone is None else backbone.name,
        method=method.name,
        scale=scale,
        depth=0 if backbone is None else backbone.made.depth,
        dimension=dimension,
        dataset_options=data.recorded,
        training=training,
        backbone_options={} if backbone is None else {k: v for k, v in backbone.options.items() if k != "depth"},
        method_options=method.options,
        grid=grid or {},
        rungs=rungs,
    )


def default_trial(cell: Cell, stage: Stage, seed: int, budget: int, draw: int = 0) -> Trial:
    """``trial_of`` what the cell names. Raises UserError for an unknown key or an impossible value among the overrides."""
    method: Method = plugins.make("methods", cell.method, dict(cell.method_options))
    backbone: Backbone | None = None
    if cell.backbone != NO_BACKBONE:
        backbone = plugins.make("backbones", cell.backbone, {**cell.backbone_options, "depth": cell.depth})
    published = _published(cell.dataset, cell.data, canonical(cell.dataset_options))
    return trial_of(cell, method, backbone, published, stage, seed, budget, draw)


def trial_of(
    cell: Cell,
    method: Method,
    backbone: Backbone | None,
    published: Mapping[str, Any],
    stage: Stage,
    seed: int,
    budget: int,
    draw: int = 0,
) -> Trial:
    """The cell with the defaults of training (the method's before the data set's, which are ``published``, before the general ones),
    backbone and method, overrides applied.

    Raises UserError for an unknown key or an impossible value in the cell's ``training``.
    """
    return Trial(
        cell=cell,
        stage=stage,
        training=_training(published, method, cell),
        backbone={} if backbone is None else to_dict(backbone),
        method=to_dict(method),
        seed=seed,
        draw=draw,
        budget=budget,
    )


def _training(published: Mapping[str, Any], method: Method, cell: Cell) -> Training:
    try:
        return from_dict(Training, {**published, **method.training, **cell.training}, f"[training] of {cell.dataset}")
    except UserError:
        if method.training:  # the mistake may be the plug-in's
            from_dict(Training, method.training, f"{place_of(type(method), 'training')}: training")
        raise


def _names(suite: Suite, kind: Kind) -> list[str]:
    """The suite's names of a kind, "all" spelled out, each once, every one known.

    A data set is also what the user has prepared under a name of his own; "all" data sets are those that need no preparing or have it.
    "<method>:all" stands for the presets of a method, which "all" methods leaves out.
    """
    wanted: Iterable[str] = getattr(suite, kind)
    for name in wanted:
        if not isinstance(name, str):  # a suite that was written in Python
            words = "a suite has names of files; what stands in a notebook is trained by benchmark.train"
            raise UserError(f"suite {suite.name}: {kind} has {shown(name)}; {words}")
    found = sorted({*plugins.names(kind), *prepared_names()}) if kind == "datasets" else plugins.names(kind)
    chosen = [one for name in wanted for one in (every(kind) if name == "all" else [name])]
    where = f"suite {suite.name}"
    if kind == "datasets":
        return [known_dataset(name, found, where) for name in dict.fromkeys(chosen)]
    if kind == "backbones":
        return [one_of_plugins("backbone", name, found, where, kind) for name in dict.fromkeys(chosen)]
    for name in chosen:
        one_of_plugins("method", name.partition(":")[0], found, where, kind)
    return list(dict.fromkeys(one for name in chosen for one in plugins.spelled_out(name)))


def every(kind: Kind) -> list[str]:
    """What "all" stands for. Raises UserError."""
    if kind != "datasets":
        return plugins.names(kind)
    prepared = prepared_names()
    return sorted({*prepared, *(name for name in plugins.names(kind) if plugins.plugin(kind, name).embedded)})


def covers(kind: Kind, axis: Collection[str], name: str) -> bool:
    """Whether an axis has a name: spelled out, among "all", or as a preset among "<method>:all". Raises UserError."""
    file, colon, _ = name.partition(":")
    return name in axis or (f"{file}:all" in axis if colon else "all" in axis and name in every(kind))


@lru_cache(maxsize=64)
def _published(dataset: str, fingerprint: str, options: str) -> Mapping[str, Any]:
    """The data set's defaults of ``Training``; asked for with every trial, so opened once."""
    return ensure_recorded(dataset, json.loads(options)).training


def check_grid_methods(suite: Suite, narrowed: Suite | None = None) -> None:
    """Of a suite as it is written, and as a command has ``narrowed`` it: whether one of them has each method of its grid. Raises UserError:
    the combinations of one that nobody trains would count as tuning trials of all rows.
    """
    check_grid(suite)
    products = [product for one in (suite, narrowed) if one is not None for product in one.products()]
    for method in suite.grid.get("methods", {}):
        if not any(covers("methods", product.methods, method) for product in products):
            where = f"suite {suite.name}, [grid.methods.{method}]"
            raise UserError(f"{where}: the suite does not have this method; add it to methods, or take its grid out")


def _options(suite: Suite, kind: Kind, name: str) -> Mapping[str, Any]:
    return suite.options.get(kind, {}).get(name, {})


def _recipes(suite: Suite, name: str) -> list[Named[Backbone]]:
    """The backbone under the suite's overrides, once for each depth."""
    options = dict(_options(suite, "backbones", name))
    if suite.depths and "depth" in options:
        raise UserError(f"suite {suite.name}: depth of {name} is in [options.backbones.{name}] and in depths; keep one of them")
    return [named("backbones", name, {**options, "depth": depth}) for depth in suite.depths] or [named("backbones", name, options)]
