"""The index of records: the same records as without it, whatever happens to files or index."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest
from test_records import RECORD, TRIAL

from benchmark import rows
from benchmark.errors import UserError
from benchmark.index import Index
from benchmark.packing import Stack, columns_of
from benchmark.record import record_from_json
from benchmark.records import INDEX, NAMED, Record, Store

REFERENCE = Path(__file__).parents[1] / "results" / "reference" / "collapse" / "records"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Four real records, in the form of version 0.1, and a failed one."""
    store = Store(tmp_path)
    store.create()
    for path in sorted(REFERENCE.glob("*.json"))[:4]:
        store.path(path.stem).write_text(of_version_0_1(record_from_json(path.read_text(), path.name)))
    failed = dataclasses.replace(TRIAL, seed=7)
    store.write(Record(trial=failed, status="failed", reason="no memory", frames=("a.py:1, in f",), environment={"host": "é"}))
    aged(tmp_path)
    list(store)
    assert (tmp_path / INDEX).exists()
    return tmp_path


def of_version_0_1(record: Record) -> str:
    """Every metric under its name, no digest, and none of the settings that came later."""
    content = json.loads(record.to_json())
    del content["digest"], content["frames"], content["trial"]["until"]
    del content["trial"]["cell"]["grid"], content["trial"]["cell"]["rungs"]
    return json.dumps(content, indent=1) + "\n"


def aged(results: Path) -> None:
    for path in Store(results).paths():
        os.utime(path, ns=(10**18, 10**18))


def contents(results: Path) -> list[dict[str, object]]:
    return [json.loads(record.to_json()) for record in Store(results)]


def truth(results: Path) -> list[dict[str, object]]:
    return [json.loads(record_from_json(path.read_text(), path.name).to_json()) for path in Store(results).paths()]


def test_what_comes_from_the_index_is_what_the_files_say(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(Store, "_read", lambda store, path: read.append(path))
    found = list(Store(results))
    assert not read
    for record, path in zip(found, Store(results).paths(), strict=True):
        known = record_from_json(path.read_text(), path.name)
        assert json.loads(record.to_json()) == json.loads(known.to_json())
        assert record.trial == known.trial
        assert (record.trial_id, record.trial.cell.key, record.trial.settings) == (
            known.trial_id,
            known.trial.cell.key,
            known.trial.settings,
        )
        assert record.metrics == known.metrics and len(record.metrics) == len(known.metrics) and "none" not in record.metrics
        assert all(record.metrics.get(name) == value for name, value in known.metrics.items())
        assert record.environment == known.environment and record.cost == known.cost and record.curve == tuple(known.curve)


def test_numbers_of_several_records_are_those_of_each(results: Path) -> None:
    """Of records with the same names, with different ones, from the index and from their files."""
    of_index = list(Store(results))
    of_files = [record_from_json(path.read_text(), path.name) for path in Store(results).paths()]
    names = {name for record in of_files for name in record.metrics} | {"none"}
    for records in (of_index[:1] * 2, of_index, of_files, [*of_index, *of_files]):
        members = [record.metrics for record in records]
        stack = Stack(range(len(members)), partial(iter, members), columns_of(members))
        for name in names:
            values = {place: r.metrics[name] for place, r in enumerate(records) if name in r.metrics}
            assert stack.of(name) == values
            assert stack.mean(name) == (fmean(values.values()) if values else None)


def test_boards_are_made_without_opening_a_record(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.reporting.leaderboard import leaderboard

    before = leaderboard(Store(results), None, "json")
    for name in ("_read", "_content"):
        monkeypatch.setattr(Store, name, lambda *_: pytest.fail("a record was opened"))
    assert leaderboard(Store(results), None, "json") == before


def _deleted(store: Store) -> None:
    store.paths()[0].unlink()


def _edited(store: Store) -> None:
    path = store.paths()[0]
    path.write_text(path.read_text().replace('"finished"', '"diverged"'))


def _replaced_by_one_of_the_same_size_and_time(store: Store) -> None:
    path = store.paths()[0]
    new = path.with_suffix(".new")
    new.write_text(re.sub(r'"test/auc": 0\.\d', '"test/auc": 0.1', path.read_text()))
    os.utime(new, ns=(10**18, 10**18))
    new.replace(path)


def _dropped_in(store: Store) -> None:
    store.write(RECORD)


def _touched(store: Store) -> None:
    store.paths()[0].touch()


def _index_gone(store: Store) -> None:
    (store.folder.parent / INDEX).unlink()


def _index_cut_off(store: Store) -> None:
    path = store.folder.parent / INDEX
    path.write_bytes(path.read_bytes()[:9000])


def _index_is_something_else(store: Store) -> None:
    (store.folder.parent / INDEX).write_text("no database " * 1000)


def _index_of_another_version(store: Store) -> None:
    with sqlite3.connect(store.folder.parent / INDEX) as connection:
        connection.execute("PRAGMA user_version = 1")


def _a_number_turned_over(store: Store) -> None:
    with sqlite3.connect(store.folder.parent / INDEX) as connection:
        connection.execute("UPDATE records SET numbers = zeroblob(length(numbers))")


def _a_text_turned_over(store: Store) -> None:
    with sqlite3.connect(store.folder.parent / INDEX) as connection:
        connection.execute("UPDATE texts SET text = replace(text, 'dcnv2', 'dcnv3')")


def _another_cell(store: Store) -> None:
    with sqlite3.connect(store.folder.parent / INDEX) as connection:
        connection.execute("UPDATE alike SET cell = (SELECT max(cell) FROM alike), draw = draw + 1")


def _one_for_another(store: Store) -> None:
    with sqlite3.connect(store.folder.parent / INDEX) as connection:
        connection.execute("UPDATE records SET alike = (SELECT max(alike) FROM records)")


def _locked(store: Store) -> None:
    index = store.folder.parent / INDEX
    index.unlink()
    index.mkdir()  # neither read nor written, as on a folder that is read-only: root may write anywhere


ACTIONS = [value for name, value in list(globals().items()) if name.startswith("_") and callable(value) and name[1:2] != "_"]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__[1:])
def test_it_is_never_a_second_truth(results: Path, action: Callable[[Store], None]) -> None:
    action(Store(results))
    expected = truth(results)
    for _ in range(2):
        assert contents(results) == expected
    aged(results)
    assert contents(results) == expected


def test_a_damaged_record_is_named_every_time(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Store(results).paths()[1]
    path.write_text("{")
    for _ in range(2):
        NAMED.clear()  # as in the next command
        assert len(list(Store(results))) == 4
        assert f"{path.name}: not a record; move it out of the folder; it is left out" in capsys.readouterr().err
        entries, faults = Store(results).scan()
        assert len(entries) == 4 and list(faults) == [path.name]


def test_a_row_that_newer_code_refuses_is_read_again(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_settings", lambda text: (_ for _ in ()).throw(UserError("unknown key")))
    with pytest.raises(UserError, match="unknown key"):
        list(Store(results))


def test_a_record_without_rest_is_read_when_it_is_asked_for(results: Path) -> None:
    [first, *_] = Store(results)
    Store(results).path(first.trial_id).unlink()
    assert first.metrics["test/auc"] > 0
    with pytest.raises(UserError, match=f"{first.trial_id}.json: it was taken away"):
        dict(first.metrics)


def test_what_was_written_a_moment_ago_is_not_trusted_yet(results: Path) -> None:
    Store(results).write(RECORD)
    list(Store(results))
    assert f"{RECORD.trial_id}.json" not in Index(results / INDEX, rows.version()).load()


def test_a_seed_that_no_row_can_hold_is_read_from_its_file(results: Path) -> None:
    large = dataclasses.replace(RECORD, trial=dataclasses.replace(TRIAL, seed=2**63))
    Store(results).write(large)
    aged(results)
    for _ in range(2):
        assert large.trial_id in {record.trial_id for record in Store(results)} and contents(results) == truth(results)


def test_records_are_stored_in_a_third_of_the_bytes() -> None:
    for path in sorted(REFERENCE.glob("*.json"))[::50]:
        old = record_from_json(path.read_text(), path.name)
        new = record_from_json(old.packed(), path.name)
        assert new == old and new.packed() == old.packed() and new.trial_id == path.stem
        assert len(old.packed()) < len(old.to_json()) / 2.5
