"""Made-up records of the real types, for the tests of what is shown of them."""

from __future__ import annotations

from typing import Any

from benchmark.config import Cell, Training, Trial
from benchmark.records import Record, Status


def record(
    method: str = "single_embedding",
    seed: int = 0,
    auc: float | None = 0.8,
    *,
    cell: dict[str, Any] | None = None,
    training: Training | None = None,
    stage: Any = "final",
    budget: int = 1,
    draw: int = 0,
    status: Status = "finished",
    reason: str = "",
    metrics: dict[str, float] | None = None,
    cost: dict[str, float] | None = None,
    notes: tuple[str, ...] = (),
    spectra: dict[str, str] | None = None,
) -> Record:
    """A final record of the cell toy · dcnv2 · scale 1 · depth 3, with a test AUC unless ``auc`` is None."""
    place = {"dataset": "toy", "data": "f" * 12, "backbone": "dcnv2", "scale": 1, "depth": 3, "method": method, **(cell or {})}
    trial = Trial(
        cell=Cell(**place), stage=stage, training=training or Training(), backbone={}, method={}, seed=seed, draw=draw, budget=budget
    )
    scores = {} if auc is None else {"test/auc": auc, "test/logloss": 1.2 - auc, "valid/auc": auc + 0.001}
    measured = scores | (metrics or {})
    return Record(trial=trial, status=status, reason=reason, metrics=measured, singular_values=spectra or {}, cost=cost or {}, notes=notes)
