"""What one training gave, and its JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, get_type_hints

from benchmark.config import Trial
from benchmark.errors import Changed, UserError
from benchmark.packing import Names, Numbers, packed_curve, packed_metrics, unpacked_curve, unpacked_metrics
from benchmark.singular_values import unpacked
from benchmark.values import digest, from_dict, plain, to_dict

# "stopped": a tuning draw that paused at a rung of its cell, and goes on from there if it is among the better ones
Status = Literal["finished", "stopped", "diverged", "incompatible", "failed"]
DOSES = "dose/best/"  # metrics: what the mitigation does to the model of the best epoch, by part, each a share of what it acts on
LOGITS = "logits"  # the dose that counts where it was measured: that of a model with knock-outs (training/doses.py)
LOST = "the worker process was lost"  # how the reason begins where the trial did not fail, but what it ran in went away
LONGEST_REASON = 500  # characters
Headlines = Names | tuple[str, ...]
SHARED = "one training for both"  # how a note ends on a record whose training is that of another cell (benchmark/search/twins.py)
INERT = 0.01  # a smaller dose is none: the row is its own control


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one trial gave. ``metrics`` values are finite; what could not be measured is absent."""

    trial: Trial
    status: Status
    reason: str = ""  # why, when not finished; in one line, since boards and progress show it in one
    frames: tuple[str, ...] = ()  # of one that failed: the last places in plug-in and project, "file:line, in function", innermost last
    metrics: Mapping[str, float] = field(default_factory=dict)
    singular_values: Mapping[str, str] = field(default_factory=dict)  # of a final training, by matrix (benchmark/singular_values.py)
    curve: tuple[Mapping[str, float], ...] = ()  # one entry per epoch
    cost: Mapping[str, float] = field(default_factory=dict)  # parameters_table, parameters_dense, flops_per_sample, samples_per_second, …
    environment: Mapping[str, str] = field(default_factory=dict)  # versions, device, host
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # of the data, and of the code of method, backbone and training
    notes: tuple[str, ...] = ()  # what every board must say about the data

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", plain(" ".join(self.reason.split()))[:LONGEST_REASON])

    @property
    def trial_id(self) -> str:
        return self.trial.trial_id

    @property
    def was_lost(self) -> bool:
        """Whether the process that trained it went away, which says nothing about the trial."""
        return self.status == "failed" and self.reason.startswith(LOST)

    @property
    def is_shared(self) -> bool:
        """Whether its training is that of another cell, which has a record of its own."""
        return any(note.endswith(SHARED) for note in self.notes)

    @property
    def headlines(self) -> Headlines:
        """The names of the metrics that boards are made of, and perhaps others: what is known without reading all of the record."""
        return self.metrics.headlines if isinstance(self.metrics, Numbers) else tuple(self.metrics)

    @property
    def doses(self) -> dict[str, float]:
        """Part -> dose at the best epoch; empty where nothing can act, and in records from before doses were measured."""
        return self.under(DOSES)

    def under(self, prefix: str) -> dict[str, float]:
        """The headlines whose names begin with ``prefix``, without it."""
        return {rest: self.metrics[name] for rest, name in beginning(self.headlines, prefix)}

    @property
    def dose(self) -> float | None:
        """See ``dose_of``; None without doses."""
        return dose_of(self.doses)

    @property
    def started(self) -> float:
        """When its training began, in seconds since 1970; 0 in records that do not say (of versions up to 0.1)."""
        try:
            return datetime.fromisoformat(self.environment["started"]).timestamp()
        except (KeyError, ValueError):
            return 0.0

    def to_json(self) -> str:
        """For people and other programs: every metric under its name."""
        return json.dumps(self._content(), indent=1, allow_nan=False) + "\n"

    def packed(self) -> str:
        """As it is stored: the same numbers, with spectra and curve as tables, in a quarter of the bytes."""
        content = {**self._content(), **packed_metrics(self.metrics), "curve": packed_curve(self.curve)}
        lines = (f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in content.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def _content(self) -> dict[str, Any]:
        content = {"trial_id": self.trial_id, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}
        plain = {name: dict(content[name]) for name in ("metrics", "singular_values", "cost", "environment", "fingerprints")}
        content = {**content, **plain, "trial": to_dict(self.trial), "curve": [dict(entry) for entry in self.curve]}
        if not content["singular_values"]:  # as in records from before they were kept: their digest is without the key
            del content["singular_values"]
        return {**content, "digest": digest(content)}


def dose_of(doses: Mapping[str, float]) -> float | None:
    """Of the doses by part: what all do to the logits where that was measured, else the largest; 1 where it is more. None of none."""
    return min(doses.get(LOGITS, max(doses.values())), 1.0) if doses else None


@lru_cache(maxsize=1 << 10)  # thousands of records have the same names
def beginning(names: Headlines, prefix: str) -> tuple[tuple[str, str], ...]:
    """What follows the prefix, and the whole name."""
    return tuple((name.removeprefix(prefix), name) for name in names if name.startswith(prefix))


def record_from_json(text: str, where: str) -> Record:
    """The record in ``text``. Raises Changed when it is not one, does not carry its own id, or is not what was written."""
    try:
        content = json.loads(text)
        claimed = content.pop("trial_id")
        signed, written = "digest" in content, content.pop("digest", None)  # records of older versions have none
        content["metrics"] = unpacked_metrics(content.get("metrics", {}), content.pop("spectra", ()))
        content["curve"] = unpacked_curve(content.get("curve", ()))
        record = from_dict(Record, content, where)
        changed = signed and written != digest({"trial_id": claimed, **content})
        trial_id = record.trial_id
        for line in record.singular_values.values():
            unpacked(line)
    except UserError as error:  # an impossible setting does not know which record it is in
        said = str(error) if where in str(error) else f"{where}: {error}"
        raise Changed(f"{said}; {LATER}" if _says_more(Record, content) else said) from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise Changed(f"{where}: not a record; {MOVE_OUT}") from None
    if trial_id != claimed:
        raise Changed(f"{where}: the trial does not hash to its id {claimed} (edited by hand?); {MOVE_OUT}")
    if changed:
        raise Changed(f"{where}: its content is not what was written (edited or damaged); {LEFT_OUT}")
    for name, value in record.metrics.items():
        low, high = _range(name)
        if not low <= value <= high:
            raise Changed(f"{where}: {name} = {value:g}, which no training gives; {LEFT_OUT}")
    return record


def _says_more(owner: type, content: Mapping[str, Any]) -> bool:
    """Whether a record's content, or that of its trial or cell, has keys that this version has no field for: a later one wrote it."""
    hints = get_type_hints(owner)
    if not content.keys() <= hints.keys():
        return True
    parts = ((hints[name], part) for name, part in content.items() if dataclasses.is_dataclass(hints[name]))
    return any(isinstance(part, Mapping) and _says_more(typing.cast(type, hint), part) for hint, part in parts)


ROUNDING = 1e-9  # of means over many rows
LEFT_OUT = "it is left out; delete it, and the next run trains it again"
MOVE_OUT = "move it out of the folder"
LATER = f"is it of a later version? Read it with that, or {MOVE_OUT}"


@lru_cache(maxsize=1 << 14)  # records have hundreds of metrics, thousands of records the same
def _range(name: str) -> tuple[float, float]:
    """What a metric of validation or test data can be. Differences, as of knock-outs, are not of that kind."""
    part, _, what = name.partition("/")
    if part in ("valid", "test") and "/" not in what:
        if what == "auc" or what.startswith("auc_") or what == "bayes_auc":
            return -ROUNDING, 1 + ROUNDING
        if what.startswith("logloss") or what == "bayes_logloss":
            return -ROUNDING, math.inf
    return -math.inf, math.inf
