"""A recorded training beside the same one made again here: whether they agree, by how much they differ, and what could be why."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tabulate import tabulate

from benchmark.config import DELTA, NO_BACKBONE
from benchmark.data.store import prepared_names
from benchmark.discovery import SINGULAR, Kind, names
from benchmark.errors import Changed, UserError
from benchmark.metrics.statistics import mean_sd
from benchmark.record import LEFT_OUT, MOVE_OUT
from benchmark.records import Record, Store, record_from_json
from benchmark.reporting.differing import ABSENT, differences, same_metrics
from benchmark.reporting.text import shown
from benchmark.search.former import in_todays_words
from benchmark.values import to_dict

SCORES = ("test/auc", "test/logloss", "valid/auc", "valid/logloss")
ROUNDING = 1e-6  # a difference that no sum of floats can promise to be without; the noise of a constant is 0
LISTED = 5
Found = tuple[Record, Store]


def find(reference: str, results: Path) -> Found:
    """The record of a file, or of an id of ``results`` or its beginning; and the folder that has the other seeds. Raises UserError."""
    path = Path(reference)
    if path.suffix == ".json" or len(path.parts) > 1:
        try:
            record = record_from_json(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"reproduce: {path}: cannot be read as a record: {getattr(error, 'strerror', None) or error}") from None
        except Changed as error:  # its advice is for a folder of records
            what = str(error).removesuffix(f"; {MOVE_OUT}").removesuffix(f"; {LEFT_OUT}")
            raise UserError(f"reproduce: {what}; name the file of a record as it was written, or an id of --results") from None
        return record, Store(path.parent.parent if path.parent.name == "records" else results)
    store = Store(results)
    ids = [file.stem for file in store.paths() if file.stem.startswith(reference)]
    if not ids:
        raise UserError(f"reproduce: no id in {store.folder} begins with {reference!r}; ids are the names of its files")
    if len(ids) > 1:
        more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
        raise UserError(f"reproduce: {len(ids)} records begin with {reference!r}, {', '.join(ids[:LISTED])}{more}; give more of the id")
    return store.read(store.path(ids[0])), store


def again(recorded: Record, report: Callable[[Mapping[str, float]], None], device: str, threads: int | None, interactive: bool) -> Record:
    """The trial trained once more, with today's code and on the data as it is prepared here; nothing is stored.

    device, threads: "auto" and None are those of the record, as far as this machine has them. Embedded data is prepared where it is not.
    Raises UserError: unknown plug-in or setting, data that must be prepared from files.
    """
    import torch

    from benchmark.training.resolved import resolved
    from benchmark.training.trial import train

    _is_here(recorded)
    trial = in_todays_words(recorded.trial)
    found = resolved(trial)
    # With all settings of today, and of today's data: what has come since is said as a difference.
    trial = replace(trial, cell=replace(trial.cell, data=found.data.fingerprint), method=to_dict(found.method))
    trial = trial if found.backbone is None else replace(trial, backbone=to_dict(found.backbone))
    if device == "auto" and recorded.environment.get("device") == "cpu":
        device = "cpu"
    told = recorded.environment.get("threads", "")
    before = torch.get_num_threads()
    try:
        return train(trial, found, report, device, int(told) if threads is None and told.isdecimal() else threads, interactive)
    finally:
        torch.set_num_threads(before)


def _is_here(recorded: Record) -> None:
    """Raises UserError for a record of a plug-in that is not here: its name is no slip of the pen, to which there is a nearest one."""
    cell = recorded.trial.cell
    named: dict[Kind, str] = {"methods": cell.method.partition(":")[0], "backbones": cell.backbone}
    for kind, name in named.items():
        if name != NO_BACKBONE and name not in names(kind):
            what = f"{recorded.trial_id} is of the {SINGULAR[kind]} {name}, and no plug-in of that name is here now"
            raise UserError(f"reproduce: {what}; name the folder that has it in BENCHMARK_PLUGINS")
    if cell.dataset not in {*names("datasets"), *prepared_names()}:
        what = f"{recorded.trial_id} is of the data set {cell.dataset}, which is neither a plug-in nor prepared here"
        raise UserError(f"reproduce: {what}; prepare the same table with --name {cell.dataset}, or set BENCHMARK_CACHE to where it is")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of the two trainings. ``allowed``: up to which difference they agree; ``seeds``: behind it, 0: a set tolerance."""

    name: str
    recorded: float
    now: float
    allowed: float
    seeds: int

    @property
    def difference(self) -> float:
        return self.now - self.recorded

    @property
    def agrees(self) -> bool:
        return abs(self.difference) <= self.allowed


def scores(recorded: Record, now: Record, store: Store) -> list[Score]:
    """AUC and logloss on test and validation data, as far as both have them. What differs by no more than the standard deviation over the
    seeds of the record's own cell and settings in ``store`` agrees, or by ``DELTA`` where there are not two of them.
    """
    entries, _ = store.scan()
    seeds = [entry.record for entry in entries if entry.record.status == "finished" and _same_but_seed(entry.record, recorded)]
    found = []
    for name in SCORES:
        if name in recorded.metrics and name in now.metrics:
            values = [r.metrics[name] for r in seeds if name in r.metrics]
            sd = mean_sd(values)[1] if values else None
            allowed, count = (DELTA, 0) if sd is None else (max(sd, ROUNDING), len(values))
            found.append(Score(name=name, recorded=recorded.metrics[name], now=now.metrics[name], allowed=allowed, seeds=count))
    return found


def _same_but_seed(a: Record, b: Record) -> bool:
    return replace(a.trial, seed=0).trial_id == replace(b.trial, seed=0).trial_id


def judged(recorded: Record, now: Record, found: Sequence[Score]) -> tuple[bool, str]:
    """Whether the two agree, and why, in one sentence."""
    if recorded.status != now.status:
        return False, f"does not agree: recorded as {recorded.status}, now {now.status}{f': {now.reason}' if now.reason else ''}"
    if not found:  # it gave no scores
        return True, f"agrees: {now.status} again ({now.reason})"
    if all(score.difference == 0 for score in found):
        both = sorted(recorded.metrics.keys() & now.metrics.keys())
        others = [name for name in both if not same_metrics(recorded, now, [name])]
        if not others:
            return True, f"agrees: the same to the last digit, in all {len(both)} metrics"
        named = ", ".join(others[:LISTED]) + (" …" if len(others) > LISTED else "")
        return True, f"agrees: AUC and logloss are the same to the last digit; of {len(both)} metrics {len(others)} are not: {named}"
    apart = [score.name for score in found if not score.agrees]
    rule = _rule(found)
    if not apart:
        return True, f"agrees, though not to the last digit: no difference is larger than {rule}"
    return False, f"does not agree: {', '.join(apart)} differ{'s' * (len(apart) == 1)} by more than {rule}"


def _rule(found: Sequence[Score]) -> str:
    seeds = max(score.seeds for score in found)
    if not seeds:
        return f"{DELTA:g}, the tolerance where the folder has no two seeds of the cell to take the noise of"
    return f"the standard deviation over the cell's {seeds} seeds in the folder"


def in_words(recorded: Record, now: Record, found: Sequence[Score], verdict: str, width: int | None) -> str:
    """The whole answer, as wide as the terminal."""
    trial = recorded.trial
    turn = f"tuning trial {trial.draw}" if trial.stage == "tune" else f"seed {trial.seed}"
    when = recorded.environment.get("started", "")[:10]
    lines = [f"{recorded.trial_id}: {trial.cell}, {turn}{f', trained {when}' if when else ''}"]
    body = [
        [s.name, f"{s.recorded:.7f}", f"{s.now:.7f}", f"{s.difference:+.1e}" if s.difference else "0", f"{s.allowed:.1e}"] for s in found
    ]
    head = ["", "recorded", "now", "difference", "agrees up to"]
    table = tabulate(body, headers=head, tablefmt="simple", disable_numparse=True, colalign=["left", *["right"] * 4]) if body else ""
    told = [f"{name}: {_told(before, 'recorded')}, {_told(after, 'now')}" for name, (before, after) in differences(recorded, now).items()]
    parted = _parted(recorded, now)
    rest = [
        verdict,
        *([parted] if parted else []),
        *(told or ["nothing else differs: settings, data, code, versions and machine are the record's"]),
    ]
    folded = [part for line in rest for part in (textwrap.wrap(line, max(40, width), subsequent_indent="  ") if width else [line])]
    return shown("\n".join([*lines, "", *([table, ""] if table else []), *folded]), "table")


def _parted(recorded: Record, now: Record) -> str:
    """Since which epoch validation AUC differs; empty where it does not, or curves are not there."""
    pairs = zip(recorded.curve, now.curve, strict=False)
    first = next((a["epoch"] for a, b in pairs if {"epoch", "valid/auc"} <= a.keys() and a["valid/auc"] != b.get("valid/auc")), None)
    if first is None:
        return ""
    return "validation AUC differs from the first epoch on" if first <= 1 else f"validation AUC is the same up to epoch {first - 1:.0f}"


def _told(value: str, where: str) -> str:
    return {"recorded": "not in the record", "now": "not told now"}[where] if value == ABSENT else f"{value} {where}"
