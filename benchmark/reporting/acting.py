"""Whether a mitigation acts on its model at all: doses of the records (docs/methods.md), and what parts are worth by their knock-outs."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError
from benchmark.record import DOSES, Headlines, dose_of
from benchmark.records import INERT, Record, Store
from benchmark.reporting.tables import Format, in_parts
from benchmark.values import typed

if TYPE_CHECKING:
    from benchmark.reporting.group import Group

KNOCK_OUT = "dose/knockout/"
AUDIT = "doses.json"  # beside the folder of records: cell key -> dose, measured afterwards, for records from before training measured it


def acts(group: Group) -> float | None:
    """The dose of the logits at the best epoch where it was measured, else the largest dose, mean over the finished seeds: a share of what
    the part acts on, 1 where it is more. None: nothing can act, or it is not known.

    Of records without doses it is what an audit of their folder says of the cell, or, with a rebalancing, the relative change by that.
    """
    found = [dose for parts in _by_seed(group, group.beginning(DOSES)) if (dose := dose_of(parts)) is not None]
    if not found and group.audited is not None:
        return group.audited
    found = found or _by_rebalancing(group)
    return fmean(found) if found else None


def _by_seed(group: Group, names: Mapping[str, str]) -> list[dict[str, float]]:
    """Of each finished seed that has any of the metrics: the keys of ``names`` -> the values of those that it has."""
    columns = {key: group.metric(name) for key, name in names.items()}
    seeds = dict.fromkeys(seed for column in columns.values() for seed in column)
    return [{key: column[seed] for key, column in columns.items() if seed in column} for seed in seeds]


def inert(group: Group) -> bool:
    """Whether what the row adds to its control is known to do nothing: no verdict can be drawn from it."""
    dose = group.acts
    return dose is not None and dose < INERT


def doses(group: Group) -> dict[str, float]:
    """Part -> dose at the best epoch, mean over the finished seeds."""
    return group.means(DOSES)


def knock_outs(group: Group) -> dict[str, float]:
    """``part/auc``, ``part/logloss``: what they change by without the part, on validation data, mean over the finished seeds."""
    return group.means(KNOCK_OUT)


def audited(records: Iterable[Record]) -> Mapping[str, float]:
    """Cell key -> dose, where ``records`` is a folder that has an audit. Raises UserError for a file that says something else."""
    if not isinstance(records, Store):
        return {}
    path = records.folder.parent / AUDIT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {key: typed(float, entry["acts"], key) for key, entry in content.items()}
        if min(found.values(), default=0.0) < 0:
            raise ValueError("a share is not negative")
        return found
    except (FileNotFoundError, NotADirectoryError):  # of a folder that is a file its records speak
        return {}
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: not the doses of an audit, cell key -> acts, each 0 or more; move it out of the folder") from None


def in_words(dose: float | None) -> str:
    """As a board shows it."""
    return "-" if dose is None else "inert" if dose < INERT else f"{dose:.2g}"


def changed(row: Any, part: str) -> list[str]:
    """What AUC and logloss of the row change by without the part, as texts."""
    values = [row.knock_outs.get(f"{part}/{metric}") for metric in ("auc", "logloss")]
    return ["-" if value is None else f"{value:+z.5f}" for value in values]


def places(rows: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    """Headers, and for each row its texts under them, that say which row it is; trials and protocol where sizes alone do not."""
    names = ["method", "backbone", "scale", "depth"]
    for more in ("tuning_trials", "protocol"):
        known = {tuple(getattr(row, name) for name in names) for row in rows}
        if len(known) < len(rows) and len({getattr(row, more) for row in rows}) > 1:
            names.append(more)
    return [name.removeprefix("tuning_") for name in names], [[str(getattr(row, name)) for name in names] for row in rows]


def table_of_knock_outs(rows: Sequence[Any], form: Format, width: int | None = None) -> list[str]:
    """Lines below a board: for each row that has some, and each part, what validation AUC and logloss change by without it.

    ``width``: of the terminal, in characters; a wider table comes in parts.
    """
    found = [row for row in rows if row.knock_outs]
    parts = list(dict.fromkeys(name.rpartition("/")[0] for row in found for name in row.knock_outs))
    if not parts:
        return []

    def told(row: Any, part: str) -> str:
        texts = changed(row, part)
        return " ".join(texts) if any(text != "-" for text in texts) else "-"

    lead, which = places(found)
    lines = [[*texts, *(told(row, part) for part in parts)] for row, texts in zip(found, which, strict=True)]
    headers = [*lead, *(part.replace("_", " ") for part in parts)]
    words = (
        "Knock-outs: change of AUC and logloss on validation data with a part of the trained model in its neutral form (mean over seeds):"
    )
    told_in = [words] if width is None or form == "markdown" else textwrap.wrap(words, max(40, width))
    return ["", *told_in, "", in_parts(headers, lines, form, width, lead=len(lead))]


def _by_rebalancing(group: Group) -> list[float]:
    """ε·σ_1/‖X‖_F = ε·(σ_1/σ_rms)/√D, the largest over layers: ‖x̃ − x‖/‖x‖ of the rebalancing, from the model's own words; by seed."""
    pairs = dict.fromkeys(pair for names in group.headlines for pair in _rebalanced(names))
    by_seed = _by_seed(group, {name: name for pair in pairs for name in pair})
    found = [[values[share] * values[leading] for share, leading in pairs if {share, leading} <= values.keys()] for values in by_seed]
    return [max(products) / math.sqrt(group.cell.scale * group.cell.dimension) for products in found if products]


@lru_cache(maxsize=1 << 10)  # thousands of records have the same names
def _rebalanced(headlines: Headlines) -> tuple[tuple[str, str], ...]:
    """The names of ε and of σ_1/σ_rms, for each layer that has both."""
    names = set(headlines)
    found = ((name, f"{name.removesuffix('deflation')}leading_over_rms_before") for name in headlines if name.endswith("deflation"))
    return tuple((share, leading) for share, leading in found if share.startswith("model/") and leading in names)
