"""Trials of records that were made before their method had all of its present settings, in today's words."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

from benchmark import plugins
from benchmark.config import Trial
from benchmark.errors import UserError


def in_todays_words(trial: Trial) -> Trial:
    """The same trial as a suite says it now that pins the defaults of that time (``Method.former``).

    A setting that the trial does not know has its former value; and what was the default of that time, and was left unsaid, is said in the
    cell. A trial that lacks nothing, or whose method is not here, is returned as it is.
    """
    try:
        owner = plugins.plugin("methods", trial.cell.method)
    except UserError:
        return trial
    former = owner.presets.get(owner.former, {})
    known = {field.name for field in dataclasses.fields(owner)}
    if not former or not set(former) <= known or set(former) <= set(trial.method):
        return trial
    method = {**former, **trial.method}
    own = plugins.preset(trial.cell.method)
    unsaid = {name: value for name, value in former.items() if name not in own and method[name] == value}
    return replace(trial, cell=replace(trial.cell, method_options={**unsaid, **trial.cell.method_options}), method=method)
