"""A suite's grid: the values that each of its cells chooses from, and their combinations in order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from benchmark import plugins
from benchmark.config import Cell, Suite, Training, Trial, chosen, grid_values
from benchmark.errors import UserError
from benchmark.values import canonical, from_dict, one_of, to_dict


def check_grid(suite: Suite) -> None:
    """Whether the methods of the grid, and their presets, exist; one that the run leaves out may stay. Raises UserError."""
    where = f"suite {suite.name}, [grid.methods]"
    for method in suite.grid.get("methods", {}):
        file, colon, preset = method.partition(":")
        one_of("method", file, plugins.names("methods"), where)
        if colon:
            one_of("preset", preset, plugins.plugin("methods", file).presets, f"{where}: method {file}")


def grid_of(suite: Suite, method: str, options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Prefixed name -> values, of the training settings first; ``options`` are what the suite fixes of the method. Raises UserError."""
    where = f"suite {suite.name}, [grid]"
    found = {
        f"training.{name}": grid_values(where, name, values, lambda value, key=name: _training(suite, key, value, where))  # type: ignore[misc]
        for name, values in suite.training_grid.items()
    }
    own = suite.grid.get("methods", {}).get(method, {})
    where = f"suite {suite.name}, [grid.methods.{method}]"
    preset = plugins.preset(method) if own else {}
    for name, values in own.items():
        if name in options:
            raise UserError(f"{where}: {name} is fixed too, at {options[name]!r}; keep one of them")
        if name in preset:
            plain = method.partition(":")[0]
            raise UserError(f"{where}: {name} = {preset[name]!r} is what makes {method}; give the grid to {plain}, or to another setting")
        found[f"method.{name}"] = grid_values(where, name, values, lambda value, key=name: _of_method(method, {**options, key: value})[key])  # type: ignore[misc]
    for point in itertools.product(*own.values()):
        _of_method(method, {**options, **dict(zip(own, point, strict=True))})  # settings may forbid each other
    return found


def points(cell: Cell) -> list[dict[str, Any]]:
    """The combinations of the cell's grid, the last setting changing first; none without a grid."""
    return [dict(zip(cell.grid, point, strict=True)) for point in itertools.product(*cell.grid.values())] if cell.grid else []


def draw_in(cell: Cell, trial: Trial) -> int:
    """The trial's draw as ``cell``, of the same key, counts them: a suite that names the settings of its grid in another order has the same
    cells, whose points it counts otherwise.
    """
    if [*cell.grid] == [*trial.cell.grid]:
        return trial.draw
    return [canonical(point) for point in points(cell)].index(canonical({name: chosen(trial, name) for name in cell.grid}))


def _training(suite: Suite, name: str, value: Any, where: str) -> Any:
    """Beside what the suite fixes: some settings are none without another."""
    return to_dict(from_dict(Training, {**suite.training, name: value}, where))[name]


def _of_method(method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return to_dict(plugins.make("methods", method, settings))
