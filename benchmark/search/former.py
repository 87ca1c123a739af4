"""Trials of records that were made before their method had all of its present settings, in today's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Trial
from benchmark.errors import UserError
from benchmark.settings import search_space


class TodaysWords:
    """Looks each method up once: a folder has ten thousand trials of a few methods."""

    def __init__(self) -> None:
        self._methods: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], Collection[str]]] = {}

    def of(self, trial: Trial) -> Trial:
        """The same trial as a suite says it now that pins the defaults of that time (``Method.former``).

        A setting that the trial does not know has its former value; and what was the default of that time, and was left unsaid, is said in
        the cell, but for what tuning chose: of a cell's draws one may have the default. A trial that lacks nothing, or whose method is not
        here, is returned as it is. A sanity row that nothing tuned has no rungs any more.
        """
        if trial.cell.rungs and trial.cell.backbone == NO_BACKBONE and not trial.cell.grid:
            trial = replace(trial, cell=replace(trial.cell, rungs=()))
        name = trial.cell.method
        if name not in self._methods:
            self._methods[name] = _former(name)
        former, own, searched = self._methods[name]
        if former.keys() <= trial.method.keys():
            return trial
        method = {**former, **trial.method}
        chosen = trial.method.keys() & _chosen(trial, searched)
        unsaid = {key: value for key, value in former.items() if key not in own and key not in chosen and method[key] == value}
        return replace(trial, cell=replace(trial.cell, method_options={**unsaid, **trial.cell.method_options}), method=method)


def _former(method: str) -> tuple[Mapping[str, Any], Mapping[str, Any], Collection[str]]:
    """The former defaults of a method, what its preset sets, and what is searched; nothing where there are none, or it is not here."""
    try:
        owner = plugins.plugin("methods", method)
    except UserError:
        return {}, {}, ()
    former = owner.presets.get(owner.former, {})
    known = {field.name for field in dataclasses.fields(owner)}
    return (former, plugins.preset(method), search_space(owner)) if set(former) <= known else ({}, {}, ())


def settings_now(method: str) -> set[str] | None:
    """The names of all settings that a method has today; None where it is not here."""
    try:
        return {field.name for field in dataclasses.fields(plugins.plugin("methods", method))}
    except UserError:
        return None


def _chosen(trial: Trial, searched: Collection[str]) -> set[str]:
    """The settings of its method that the trial's cell chose: of its grid, or those that the tuner searches."""
    cell = trial.cell
    if cell.grid:
        return {name.removeprefix("method.") for name in cell.grid if name.startswith("method.")}
    return set(searched) if trial.stage == "tune" or trial.budget > 1 else set()


def in_todays_words(trial: Trial) -> Trial:
    """Of one trial: see ``TodaysWords.of``."""
    return TodaysWords().of(trial)
