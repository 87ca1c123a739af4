"""A results folder in MLflow: live, and brought up to the records. An experiment per data set, a run per cell, under it one per training.

The view is made as a whole (benchmark/tracking/rows.py), what MLflow has is asked for once, and the difference is written. So whatever
happened to MLflow's store, it ends as the records say, and nothing of anybody else's is touched.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mlflow.store.db import utils as database

from benchmark.config import Trial
from benchmark.errors import UserError
from benchmark.records import Entry, Record, Store, no_collection
from benchmark.search.lock import at_work
from benchmark.tracking import view
from benchmark.tracking.figures import BOARD
from benchmark.tracking.notes import NO_BOARD
from benchmark.tracking.place import Stamp, is_embedded, tracking_uri, without_password
from benchmark.tracking.rows import Row, board_key, cell_key, curve_of, open_cell, running_row, trial_key, trial_row, view_of
from benchmark.tracking.stores import Runs, opened

REBUILD = "`python -m benchmark track` makes MLflow's store again from the records"
GAP = 1.0  # seconds between two writes of a run at work
SHARE = 0.05  # of a run's time at most for making the board's rows again while it goes on
LINE = 300  # characters of MLflow's own words
AGAIN, LONGEST = 30.0, 600.0  # seconds until MLflow is tried again after trouble: twice as many each time, up to the second
database.MAX_RETRY_COUNT = 3  # tries to open a database, .4 s in all, where MLflow's own 10 take 100 s: a run does not wait for it

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class Tracker:
    """Listener that follows a run live. Its trouble (a locked database, no server) is one line on stderr; the run goes on without it, and
    MLflow is tried again now and then. When it answers, that is a line too, and what was missed is written.

    What comes within a second is written together; the cells' rows, which depend on all records, are made again now and then, and by
    ``close``.
    """

    def __init__(self, results: Path) -> None:
        self._results, self._store = results, Store(results)
        self._folder: _Folder | None = None
        self._live: dict[str, tuple[Trial, float]] = {}  # key -> trial that is being trained, and since when
        self._rows: dict[str, Row] = {}
        self._points: dict[str, list[tuple[str, int, float]]] = {}
        self._written = 0.0
        self._made = (0.0, 0.0)  # when the cells' rows were made, and how long it took
        self._lost: float | None = None  # since when
        self._told: dict[str, str] = {}  # the experiments that the stamp has
        self._again, self._wait = 0.0, AGAIN  # when MLflow is tried once more, and how long after the next failure

    def started(self, trial: Trial) -> None:
        key = trial_key(trial.trial_id)
        self._live[key] = trial, time.time()
        self._guarded(lambda folder: self._begin(folder, key))

    def epoch(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        self._points.setdefault(trial_key(trial.trial_id), []).extend(curve_of([metrics]))
        self._guarded(self._flush)

    def finished(self, record: Record) -> None:
        key = trial_key(record.trial_id)
        for known in (self._live, self._points, self._rows):
            known.pop(key, None)
        self._guarded(lambda folder: self._end(folder, key, record))

    def close(self) -> None:
        """Everything that is left, and the board as it now stands. A training that has no record is under way no more: the run is over."""
        for key in self._live:
            self._rows.pop(key, None), self._points.pop(key, None)
        self._live.clear()
        self._again = 0.0
        self._guarded(lambda folder: self._flush(folder, at_once=True))

    def leave(self) -> None:
        """What ``close`` does, as far as it takes no time: for a run that is to end at once. `ui`, `track` and the next run do the rest."""
        if self._folder is not None:
            self._guarded(self._left)

    def _left(self, folder: _Folder) -> None:
        folder.write([row for key, row in self._rows.items() if key not in self._live])
        folder.runs.remove([folder.ids[key] for key in self._live if key in folder.ids])

    def _begin(self, folder: _Folder, key: str) -> None:
        self._open(folder, key)
        self._flush(folder)

    def _open(self, folder: _Folder, key: str) -> None:
        trial, since = self._live[key]
        if cell_key(trial.cell) not in folder.ids:
            self._rows.setdefault(cell_key(trial.cell), open_cell(trial.cell))
        self._rows[key] = running_row(trial, since)

    def _end(self, folder: _Folder, key: str, record: Record) -> None:
        if cell_key(record.trial.cell) not in folder.ids:
            self._rows.setdefault(cell_key(record.trial.cell), open_cell(record.trial.cell))
        self._rows[key] = trial_row(self._store.entry(record), self._store.folder)
        self._flush(folder)

    def _flush(self, folder: _Folder, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._written < GAP:
            return
        folder.write(list(self._rows.values()))
        self._rows.clear()
        points = {key: found for key, found in self._points.items() if key in folder.ids}
        if points:
            folder.runs.points(points, folder.ids)
        self._points.clear()
        when, took = self._made
        if at_once or now - when > took / SHARE + 10 * GAP:
            folder.synchronise(self._store.scan()[0], self._store.folder, self._live.keys(), boards=at_once)
            self._made = (time.monotonic(), time.monotonic() - now)
        if folder.experiments() != self._told and is_embedded(self._results, tracking_uri(self._results)):
            self._told = dict(folder.experiments())
            Stamp(self._store, self._results).set(self._told, None)  # by which `ui` finds a board while the run goes on
        self._written = time.monotonic()

    def _guarded(self, action: Callable[[_Folder], None]) -> None:
        if self._lost is not None and time.monotonic() < self._again:
            return
        try:
            if self._folder is None:
                self._folder = self._opened()
            action(self._folder)
        except Exception as error:  # whatever a database or a server may raise: the records do not depend on it
            self._folder = None
            if self._lost is None:
                self._lost, self._wait = time.monotonic(), AGAIN
                trouble = _words(error, tracking_uri(self._results))
                self._say(f"{trouble}; the run goes on untracked, and tries it again from time to time; {REBUILD}")
            self._again = time.monotonic() + self._wait
            self._wait = min(2 * self._wait, LONGEST)
        else:
            if self._lost is not None:
                self._say(f"it answers again after {time.monotonic() - self._lost:.0f} s, and has what it missed")
                self._lost = None

    def _opened(self) -> _Folder:
        """MLflow as the records are now, and what is being trained."""
        Stamp(self._store, self._results).clear()
        self._told = {}
        folder = _Folder(opened(self._results))
        kept = () if self._lost is None else self._live.keys()  # what a killed run left open goes; what this one has open stays
        folder.synchronise(self._store.scan()[0], self._store.folder, kept)
        self._rows.clear()  # of before the trouble: records have come since
        for key in self._live.keys() - folder.ids.keys():  # a run that is made again has no curve
            self._open(folder, key)
        return folder

    def _say(self, words: str) -> None:
        with suppress(OSError):  # nobody reads it: no reason to end the run either
            print(f"MLflow: {words}", file=sys.stderr, flush=True)


class _Folder:
    """The runs of one results folder, and what is known of them."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.ids: dict[str, str] = {}  # key -> run id
        self._experiments: dict[str, str] = {}

    def write(self, rows: Sequence[Row]) -> None:
        missing = dict.fromkeys(row.experiment for row in rows if row.experiment not in self._experiments)
        if missing:
            self._experiments |= self.runs.experiments(dict.fromkeys(missing, ""))
        if rows:
            with no_collection():  # pages and curves read the records again
                self.ids |= self.runs.write(rows, self.ids, self._experiments)

    def synchronise(self, entries: Sequence[Entry], folder: Path, live: Collection[str] = (), boards: bool = True) -> int:
        """Make MLflow what the records say; runs of ``live`` are left alone, and without ``boards`` the boards' pages, each of all records.
        Returns how many records' runs were written.
        """
        made = view_of(entries, folder, is_embedded(folder.parent, tracking_uri(folder.parent)))
        names = dict.fromkeys((row.experiment for row in made.rows), "")
        self._experiments |= self.runs.experiments(names)
        wanted = {row.key: row for row in made.rows}
        stale: list[str] = []
        no_board: dict[str, str] = {}  # experiments whose board goes, since nothing of theirs is tested any more
        there: dict[str, str] = {}
        figures: dict[str, str] = {}
        self.ids = {}
        for run_id, key, state, made_of in self.runs.known():
            if (key not in wanted and key not in live and not (live and key.startswith("cell "))) or key in self.ids:
                stale.append(run_id)
                if state and key.startswith("board ") and key not in wanted:
                    no_board[key.removeprefix("board ")] = NO_BOARD
            else:
                self.ids[key], there[key], figures[key] = run_id, state, made_of
        self.runs.remove(stale)
        changed = [row for key, row in wanted.items() if key not in live and there.get(key) != row.state]
        changed = [row for row in changed if boards or not row.key.startswith("board ")]
        # A row that has only moved on the board keeps its page.
        changed = [replace(row, artifacts={}) if row.made_of and row.made_of == figures.get(row.key) else row for row in changed]
        # A cell's run before those under it, which are read for it, too; at the end the boards.
        changed.sort(key=lambda row: (row.key.startswith("board "), row.parent or row.key, bool(row.parent)))
        self.write(changed)
        self.runs.experiments({**no_board, **{name: self._with_link(name, note) for name, note in made.notes.items()}})
        return sum(row.record is not None for row in changed)

    def _with_link(self, dataset: str, note: str) -> str:
        if board_key(dataset) not in self.ids:  # not before the end of a run
            return note
        board = view.artifact_address(self._experiments[dataset], self.ids[board_key(dataset)], BOARD)
        return f"[The board with figures]({board}), as of the records.\n\n{note}"

    def experiments(self) -> Mapping[str, str]:
        return self._experiments


def rebuild(store: Store, results: Path) -> tuple[int, list[str]]:
    """Bring MLflow up to the records: the number of runs written, and a line for each file that is no record. A record that is there
    already is left as it is.

    Does nothing while a run is at work in the folder: its runs are open and its tracker writes them.
    Raises UserError when MLflow's store cannot be opened or does not answer.
    """
    if at_work(results):
        return 0, []
    stamp = Stamp(store, results)
    try:
        looks = store.fingerprint()
        entries, faults = store.scan()
        folder = _Folder(opened(results))
        written = folder.synchronise(entries, store.folder)
    except UserError:
        raise
    except Exception as error:  # whatever a database or a server may raise
        where = tracking_uri(results)
        raise UserError(f"{without_password(where)}: MLflow cannot open or write it: {_words(error, where)}") from None
    stamp.set(folder.experiments(), None if faults else looks)  # faults are to be said again
    return written, [str(fault) for fault in faults.values()]


def _words(error: Exception, uri: str) -> str:
    """MLflow's own, or of a server that is not there the system's, which stand at the end of four layers of libraries."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    if any(type(one).__module__.partition(".")[0] == "requests" for one in chain):
        last = chain[-1]
        reason = last.strerror if isinstance(last, OSError) and last.strerror else type(last).__name__
        return f"no answer from {without_password(uri)} ({reason})"
    return without_password(f"{type(error).__name__}: {' '.join(str(error).split())}")[:LINE]
