"""What the user sees of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import TextIO

from tqdm import tqdm

from benchmark.config import TUNING_SEEDS, Trial
from benchmark.records import Record
from benchmark.search.pace import Pace
from benchmark.search.plan import Plan
from benchmark.values import plain


class Progress:
    """Listener that shows "done/total, running N, time left" and one line for each finished trial, on stderr; on a terminal also how far
    those are that are running.
    """

    def __init__(self, plan: Plan, stream: TextIO | None = None) -> None:
        self._plan = plan
        self._stream = stream or sys.stderr
        self._running: dict[str, str] = {}  # trial id -> what it was last heard to do
        self._left = ""
        self._pace = Pace()
        done, total = plan.progress()
        # tqdm draws over its own line, which a log file or a pipe cannot: there the lines of `finished` say it all.
        self._bar = tqdm(
            total=total, initial=done, file=self._stream, unit="trial", dynamic_ncols=True, disable=not self._stream.isatty(), smoothing=0
        )

    def begin(self, name: str) -> None:
        """What was found, before anything is trained: starting up takes its time. ``name``: the suite's."""
        states = self._plan.states()
        left = [self._plan.left(state) for state in states]
        done, total = self._plan.progress()
        text = to_come(name, len(states), sum(tune for tune, _ in left), sum(final for _, final in left), done)
        self._say(f"[{done}/{total}] {text}; --dry-run says how long that takes")

    def started(self, trial: Trial) -> None:
        self._running[trial.trial_id] = f"{trial.cell}: begun"
        self._pace.started(trial)
        self._show_running()

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        shown = [f"{name} {metrics[key]:.4f}" for name, key in (("loss", "train/loss"), ("AUC", "valid/auc")) if key in metrics]
        when = [f"epoch {metrics['epoch']:.0f}"] if "epoch" in metrics else []
        self._running.pop(trial.trial_id, None)  # who was heard last stands first: a terminal has room for few
        self._running = {trial.trial_id: f"{trial.cell}: {' '.join([*when, *shown])}", **self._running}
        self._show_running()

    def _show_running(self) -> None:
        self._bar.set_postfix_str("; ".join([self._state(), *self._running.values()]))

    def _state(self) -> str:
        return ", ".join(filter(None, [f"running {len(self._running)}", self._left]))

    def finished(self, record: Record) -> None:
        self._running.pop(record.trial_id, None)
        self._pace.finished(record)
        done, total = self._plan.progress()
        self._left = self._pace.left(self._plan.trainings_left) if done < total else ""
        text = f"{line(record)}; it is trained again" if self._plan.comes_again(record) else f"{line(record)}{self._best(record)}"
        if self._bar.disable:
            self._say(f"[{done}/{total}, {self._state()}] {text}")
        else:
            self._say(text)
            self._bar.total, self._bar.n = total, done
            self._show_running()

    def _say(self, text: str) -> None:
        if not self._bar.disable:
            self._bar.write(text, file=self._stream)
            return
        try:
            print(text, file=self._stream, flush=True)
        except OSError:  # whoever read the lines is gone (head); the run is not his to end
            self._stream = io.StringIO()

    def _best(self, record: Record) -> str:
        """Of a tuning draw: how good its cell's best is by now. Not of one that is trained again: that best is of the first seed."""
        is_draw = record.trial.stage == "tune" and record.trial.seed == TUNING_SEEDS[0] and record.status == "finished"
        best = self._plan.best(record.trial.cell) if is_draw else None
        if best is None:
            return ""
        return "; the cell's best so far" if record.metrics.get("valid/auc") == best else f"; its cell's best so far: {best:.5f}"

    def close(self) -> None:
        self._bar.close()


def to_come(name: str, cells: int, tune: int, final: int, recorded: int) -> str:
    """A plan in one line."""
    left = tune + final
    counts = f"{left:,} training{'' if left == 1 else 's'} to come ({tune:,} of tuning, {final:,} final), {recorded:,} recorded already"
    return plain(f"{name}: {cells:,} cell{'' if cells == 1 else 's'}; {counts}")


def line(record: Record) -> str:
    """A record in one line."""
    return plain(_line(record))


def _line(record: Record) -> str:
    trial = record.trial
    again = f", seed {trial.seed}" if trial.seed != TUNING_SEEDS[0] else ""
    stage = f"tuning {trial.draw}{again}" if trial.stage == "tune" else f"seed {trial.seed}"
    if record.status == "stopped":
        stage += f", {record.reason}"
    elif record.status != "finished":
        return f"{trial.cell}, {stage}: {record.status}: {record.reason}"
    named = (("valid AUC", "valid/auc"), ("test AUC", "test/auc"))
    shown = [f"{name} {record.metrics[key]:.5f}" for name, key in named if key in record.metrics]
    seconds = [f"{record.cost['wall_seconds']:.0f} s"] if "wall_seconds" in record.cost else []
    seconds += ["another cell's training"] if record.is_shared else []
    return f"{trial.cell}, {stage}: {', '.join([*shown, *seconds]) or record.status}"
