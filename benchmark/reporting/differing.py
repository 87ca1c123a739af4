"""In what two records of one trial differ: their metrics to the last digit, and what could be why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.config import FUTILITY, MAX_SEEDS
from benchmark.record import Record
from benchmark.search.former import in_todays_words
from benchmark.values import canonical, to_dict

ABSENT = "not recorded"
DESIGN = {MAX_SEEDS, FUTILITY}  # kept among the metrics, and nothing that a training gave
# Of a record's environment: what times hang on, and with it what numbers may.
HARDWARE = ("device", "cpu", "cores", "threads")
MACHINE = ("python", "torch", "numpy", *HARDWARE, "without")


def differences(a: Record, b: Record) -> dict[str, tuple[str, str]]:
    """Name -> in a, in b, of what differs: hyper-parameters, data, code, versions, machine, optimisations that were off ("without").

    What only one of them tells is "not recorded" in the other; an older record says less. Settings are compared in today's words.
    """
    found = {"data": (a.trial.cell.data, b.trial.cell.data)}
    for told in (_settings, _code, _machine):
        left, right = told(a), told(b)
        found |= {name: (left.get(name, ABSENT), right.get(name, ABSENT)) for name in dict.fromkeys([*left, *right])}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def same_metrics(a: Record, b: Record, names: Iterable[str] | None = None) -> bool:
    """Whether the metrics of these names, by default those that both have, are the same to the last digit."""
    chosen = (a.metrics.keys() & b.metrics.keys()) - DESIGN if names is None else names
    return all(a.metrics.get(name) == b.metrics.get(name) for name in chosen)


def _settings(record: Record) -> dict[str, str]:
    trial = in_todays_words(record.trial)
    parts: dict[str, Mapping[str, Any]] = {"training": to_dict(trial.training), "backbone": trial.backbone, "method": trial.method}
    return {f"{part}.{name}": canonical(value) for part, values in parts.items() for name, value in values.items()}


def _code(record: Record) -> dict[str, str]:
    return {f"code {name}": found for name, found in record.fingerprints.items() if name != "data"}


def _machine(record: Record) -> dict[str, str]:
    return {name: record.environment[name] or "none" for name in MACHINE if name in record.environment}
