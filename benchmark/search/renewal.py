"""Records that other code has made: set aside, so that a run trains them again. Nothing recorded is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from benchmark import plugins
from benchmark.config import NO_BACKBONE, Cell
from benchmark.discovery import Kind
from benchmark.errors import UserError
from benchmark.records import REPLACED, Record, Store
from benchmark.search.former import TodaysWords
from benchmark.search.twins import TRAINED_AS
from benchmark.training.environment import training_code

SHOWN = 4  # parts of the code that are named
RENEWED = "those that the suite asks for are trained again"  # of records in there: a folder may have more seeds than a suite


def set_aside(store: Store, old: Iterable[Record]) -> None:
    """Move records into ``<results>/replaced/``. Raises UserError where a file cannot be moved."""
    try:
        for record in old:
            store.set_aside(record.trial_id)
    except OSError as error:
        raise UserError(f"{store.folder.parent / REPLACED}: records cannot be moved there ({error.strerror})") from None


def to_renew(records: Iterable[Record], cells: Collection[Cell]) -> list[Record]:
    """Those of ``cells`` whose method, backbone or training loop has other code today, of whatever seed, draw and budget: a board would
    have them beside those that are trained now. With them those that have the training of one of them (benchmark/search/twins.py), and
    tell the code of their own method: they would keep the numbers of a training that is set aside. And the finals of a cell whose draws
    are among them: their settings were chosen by these, and would be its winner for good (benchmark/search/cell_state.py).

    Code is compared by its digest (benchmark/provenance.py), so a changed comment changes nothing. Records that do not tell theirs, of
    version 0.1 and before, are among them, too.
    """
    keys = {cell.key for cell in cells}
    words = TodaysWords()
    known = {record.trial_id: record for record in records}
    key_of = {trial_id: words.of(record.trial).cell.key for trial_id, record in known.items()}
    asked = [trial_id for trial_id, key in key_of.items() if key in keys]
    given = {i: known[i].environment.get(TRAINED_AS) for i in asked if known[i].is_shared}
    looked_at = {*asked, *(source for source in given.values() if source in known)}

    def with_twins(ids: set[str]) -> set[str]:
        return ids | {trial_id for trial_id, source in given.items() if source in ids}

    old = with_twins({record.trial_id for record in of_other_code(known[i] for i in looked_at)})
    redrawn = {key_of[i] for i in old if known[i].trial.stage == "tune"}
    old = with_twins(old | {i for i in looked_at if _was_chosen(known[i]) and key_of[i] in redrawn})
    return sorted((known[i] for i in asked if i in old), key=lambda record: record.is_shared)


def _was_chosen(record: Record) -> bool:
    """Whether draws chose the settings of a final."""
    return record.trial.stage == "final" and (record.trial.budget > 1 or bool(record.trial.cell.grid))


class Kept:
    """Passes records on, one by one, and remembers which of ``cells`` other code has made. Failed ones are trained again anyway; of those
    that do not tell their code nothing is known.
    """

    def __init__(self, records: Iterable[Record], cells: Collection[Cell]) -> None:
        self._records, self._keys = records, {cell.key for cell in cells}
        self._count, self._parts = 0, dict[str, None]()  # the names of what has other code, as they come

    def __iter__(self) -> Iterator[Record]:
        words, code = TodaysWords(), _Code()
        for record in self._records:
            known = record.status != "failed" and "method_code" in record.fingerprints
            if known and words.of(record.trial).cell.key in self._keys and (other := code.other(record)):
                self._count += 1
                self._parts |= dict.fromkeys(other)
            yield record

    def told(self) -> str:
        """A line on those that were passed on; empty where there are none."""
        if not self._count:
            return ""
        named = f"{', '.join(list(self._parts)[:SHOWN])}{', …' if len(self._parts) > SHOWN else ''}"
        return f"{self._count} record(s) here are of other code than today's ({named}), and kept; --renew trains them again"


def of_other_code(records: Iterable[Record]) -> list[Record]:
    """Those whose method, backbone or training loop is here with other code than theirs, or that do not tell theirs."""
    code = _Code()
    return [record for record in records if code.other(record)]


class _Code:
    """Today's, by its digests."""

    def __init__(self) -> None:
        self._loop = training_code()
        self._plugins: dict[tuple[Kind, str], str | None] = {}

    def other(self, record: Record) -> list[str]:
        """What a record was made with other code of. Nothing where its plug-ins are not here, to be compared with and to train it by; nor
        of a training that failed before it told its code: whether it is repeated is no question of that.
        """
        if record.status == "failed" and not record.fingerprints:
            return []
        cell = record.trial.cell
        wanted = {"training_code": ("training", self._loop), "method_code": (f"method {cell.method}", self._of("methods", cell.method))}
        if cell.backbone != NO_BACKBONE:
            wanted["backbone_code"] = (f"backbone {cell.backbone}", self._of("backbones", cell.backbone))
        if any(digest is None for _, digest in wanted.values()):
            return []
        return [words for what, (words, digest) in wanted.items() if record.fingerprints.get(what) != digest]

    def _of(self, kind: Kind, name: str) -> str | None:
        if (kind, name) not in self._plugins:
            try:
                self._plugins[kind, name] = plugins.code_of_class(kind, plugins.plugin(kind, name))
            except UserError:
                self._plugins[kind, name] = None
        return self._plugins[kind, name]
