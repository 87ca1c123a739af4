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

OTHER_CELLS = "of other cells: another data set, backbone, size, method or setting"
OTHER_NUMBERS = "of other seeds or another number of tuning trials"


@dataclass(frozen=True)
class Found:
    """Records that a suite asks for and its own folder lacks, each with the file that has it, and how many each folder gives."""

    entries: tuple[Entry, ...] = ()
    paths: tuple[Path, ...] = ()
    counts: tuple[tuple[Path, int], ...] = ()
    useless: tuple[tuple[Path, str], ...] = ()  # folders that have nothing of these cells, and why

    def told(self, done: bool) -> list[str]:
        """A line a folder. ``done``: they have been copied, or would be."""
        verb = "are" if done else "would be"
        told = [f"{count:,} record(s) of these cells {verb} copied from {folder}" for folder, count in self.counts]
        return [*told, *(f"none of the records in {folder} {'is' if done else 'would be'} copied: {why}" for folder, why in self.useless)]

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
    useless: list[tuple[Path, str]] = []
    for folder in dict.fromkeys(folders):
        other = Store(folder)
        if other.folder.resolve() == own.folder.resolve():
            raise UserError(f"run: --reuse {folder}: that is the run's own results folder; name another")
        if not other.paths():
            raise UserError(f"run: --reuse {folder}: there are no records in {other.folder}")
        found, faults = other.scan(save=False)
        other.leave_out(faults)
        outdated = {record.trial_id for record in to_renew((entry.record for entry in found), cells)} if renew else set()
        others, here = Counter[str](), 0
        for entry in found:
            record, trial = entry.record, words.of(entry.record.trial)
            within = trial.seed < seeds and trial.budget == suite.budget if trial.stage == "final" else trial.draw < suite.budget
            if trial.cell.key not in keys:
                others[OTHER_CELLS] += 1
            elif not within:
                others[OTHER_NUMBERS] += 1
            elif record.status == "failed":
                others["failed"] += 1
            elif record.trial_id in outdated:
                others["of other code"] += 1
            elif record.trial_id in taken:
                here += 1
            else:
                taken.add(record.trial_id)
                entries.append(entry)
                paths.append(other.path(record.trial_id))
                counts[folder] += 1
        if not here and folder not in counts:
            useless.append((folder, ", ".join(f"{count:,} {why}" for why, count in others.most_common())))
    return Found(tuple(entries), tuple(paths), tuple(counts.items()), tuple(useless))
