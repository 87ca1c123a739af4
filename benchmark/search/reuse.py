"""Trainings that other results folders have already: a board of its own is put beside recorded rows without training them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.config import Cell, Suite
from benchmark.errors import UserError
from benchmark.records import Entry, Store
from benchmark.search.former import TodaysWords
from benchmark.search.renewal import to_renew


@dataclass(frozen=True)
class Found:
    """Records that a suite asks for and its own folder lacks, each with the file that has it, and how many each folder gives."""

    entries: tuple[Entry, ...] = ()
    paths: tuple[Path, ...] = ()
    counts: tuple[tuple[Path, int], ...] = ()

    def told(self, done: bool) -> list[str]:
        """A line a folder. ``done``: they have been copied, or would be."""
        verb = "are" if done else "would be"
        return [f"{count:,} record(s) of these cells {verb} copied from {folder}" for folder, count in self.counts]

    def copy(self, store: Store) -> None:
        """Into ``store``, byte for byte. Raises UserError where that cannot be written."""
        for path in self.paths:
            store.copy(path)


def reusable(
    folders: Sequence[Path], own: Store, cells: Collection[Cell], suite: Suite, seeds: int, known: Collection[str], renew: bool
) -> Found:
    """Trainings of ``cells`` that are recorded in ``folders`` (results folders) and not in ``own``, whose trial ids are ``known``.

    Finals with seeds below ``seeds`` and tuning draws of the suite's budget; none that failed, which a run would repeat. Of one that
    several folders have the first one's. ``renew``: none that a run there would train again (benchmark/search/renewal.py).

    Raises UserError for a folder without records, or ``own``.
    """
    keys, words, taken = {cell.key for cell in cells}, TodaysWords(), set(known)
    entries: list[Entry] = []
    paths: list[Path] = []
    counts: Counter[Path] = Counter()
    for folder in dict.fromkeys(folders):
        other = Store(folder)
        if other.folder.resolve() == own.folder.resolve():
            raise UserError(f"run: --reuse {folder}: that is the run's own results folder; name another")
        if not other.paths():
            raise UserError(f"run: --reuse {folder}: there are no records in {other.folder}")
        found, faults = other.scan(save=False)
        other.leave_out(faults)
        outdated = {record.trial_id for record in to_renew((entry.record for entry in found), cells)} if renew else set()
        for entry in found:
            record, trial = entry.record, words.of(entry.record.trial)
            within = trial.seed < seeds and trial.budget == suite.budget if trial.stage == "final" else trial.draw < suite.budget
            asked = trial.cell.key in keys and within and record.status != "failed"
            if asked and record.trial_id not in taken and record.trial_id not in outdated:
                taken.add(record.trial_id)
                entries.append(entry)
                paths.append(other.path(record.trial_id))
                counts[folder] += 1
    return Found(tuple(entries), tuple(paths), tuple(counts.items()))
