"""Records -> a data frame, one row a record, for whoever goes on in Python."""

from __future__ import annotations

from collections.abc import Iterable

import pandas

from benchmark.records import Record

IDENTIFYING = ("trial_id", "dataset", "backbone", "method", "scale", "depth", "seed", "stage", "draw", "status", "reason")


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """``IDENTIFYING`` columns, then every metric and every cost under its name in the records; NaN where a record has none."""
    rows = []
    for record in records:
        trial = record.trial
        named = (*(getattr(trial.cell, name) for name in IDENTIFYING[1:6]), trial.seed, trial.stage, trial.draw)
        identity = dict(zip(IDENTIFYING, (record.trial_id, *named, record.status, record.reason), strict=True))
        rows.append({**identity, **record.metrics, **record.cost})
    measured = dict.fromkeys(name for row in rows for name in row if name not in IDENTIFYING)
    return pandas.DataFrame(rows, columns=[*IDENTIFYING, *measured])
