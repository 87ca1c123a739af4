"""Records: written whole or not at all, and refused when they are not what they claim to be."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import Cell, Training, Trial
from benchmark.errors import UserError
from benchmark.records import LINES, Record, Store, record_from_json

TRIAL = Trial(
    cell=Cell(dataset="d", data="0", backbone="b", method="m", scale=2, depth=1),
    stage="final",
    training=Training(),
    backbone={"hidden": (4, 2)},
    method={},
)
RECORD = Record(trial=TRIAL, status="finished", metrics={"test/auc": 0.75}, curve=({"epoch": 1.0},), notes=("a note",))


def test_a_record_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(RECORD)
    found = store.get(RECORD.trial_id)
    assert found is not None and found.to_json() == RECORD.to_json()
    assert [r.trial_id for r in store] == [RECORD.trial_id]
    assert store.get("0" * 12) is None


def test_writing_leaves_no_temporary_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(RECORD)
    assert [p.name for p in store.folder.iterdir()] == [f"{RECORD.trial_id}.json"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(RECORD)
    with pytest.raises(ValueError):
        store.write(Record(trial=TRIAL, status="finished", metrics={"test/auc": float("nan")}))
    assert [p.name for p in store.folder.iterdir()] == [f"{RECORD.trial_id}.json"]
    found = store.get(RECORD.trial_id)
    assert found is not None and found.metrics == RECORD.metrics


def test_ctrl_c_at_the_end_of_writing_is_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, replaced = Store(tmp_path), os.replace
    store.create()

    def interrupted(*paths: Path) -> None:
        replaced(*paths)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write(RECORD)
    assert [path.name for path in store.folder.iterdir()] == [f"{TRIAL.trial_id}.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"trial_id": "x"}', "null", "[" * 100_000])
def test_what_is_no_record_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"some\.json"):
        record_from_json(text, "some.json")


@pytest.mark.parametrize("place", ["curve", "spectra"])
def test_a_number_for_the_name_of_a_column_is_refused(place: str) -> None:
    metrics = {"test/auc": 0.75, "spectral/layer0/batch/effective_rank": 2.0}
    content = json.loads(dataclasses.replace(RECORD, curve=({"epoch": 1.0, "a": 1.0},), metrics=metrics).packed())
    del content["digest"]  # which would tell, too
    (content["curve"] if place == "curve" else content["spectra"][0])["columns"][0] = 0
    with pytest.raises(UserError, match=r"some\.json"):
        record_from_json(json.dumps(content), "some.json")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("metrics", "test/auc"), float("nan"), "test/auc = nan; it must be a finite number"),
        (("metrics", "test/auc"), 10**400, "it must be a finite number"),
        (("trial", "method"), {"a": [float("inf")]}, "a = inf; it must be a finite number"),
        (("trial", "training"), {"epochs": 0}, "epochs = 0"),
        (("trial", "seed"), "one", "seed = 'one'; it must be of type int"),
    ],
)
def test_an_impossible_value_is_named_with_its_file(place: tuple[str, str], value: object, words: str) -> None:
    content = json.loads(RECORD.to_json())
    content[place[0]][place[1]] = value
    with pytest.raises(UserError) as caught:
        record_from_json(json.dumps(content), "some.json")
    assert "some.json" in str(caught.value) and words in str(caught.value)


def test_a_reason_is_one_line() -> None:
    assert Record(trial=TRIAL, status="incompatible", reason="one\n  two").reason == "one two"


def test_a_record_of_a_later_version_is_called_so() -> None:
    with pytest.raises(
        UserError, match=r"some\.json: unknown key 'energy'; .*; is it of a later version\? Read it with that, or move it out"
    ):
        record_from_json(json.dumps({**json.loads(RECORD.to_json()), "energy": 3.0}), "some.json")


@pytest.mark.parametrize("place", ["trial", "cell", "training"])
def test_a_later_version_is_known_by_its_keys_whatever_is_complained_of(place: str) -> None:
    """Not by the words of the complaint: what stands first in the file is complained of, and values of the file are quoted."""
    known = json.loads(RECORD.to_json())
    content = {"status": "waiting", **{name: part for name, part in known.items() if name != "status"}}
    with pytest.raises(UserError, match=r"some\.json: status = 'waiting'; it must be one of [a-z, ]*$"):
        record_from_json(json.dumps(content), "some.json")
    trial = content["trial"]
    {"trial": trial, **trial}[place]["energy"] = 3.0
    with pytest.raises(UserError, match=r"some\.json: status = 'waiting'; .*; is it of a later version\?"):
        record_from_json(json.dumps(content), "some.json")
    quoted = "some.json: unknown key 'energy'"
    with pytest.raises(UserError, match="must be one of") as caught:
        record_from_json(json.dumps({**json.loads(RECORD.to_json()), "status": quoted}), "some.json")
    assert "later version" not in str(caught.value)


@pytest.mark.parametrize("content", ["of a later version", "", "edited"])
def test_what_stands_in_a_record_s_place_and_cannot_be_read_is_kept(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run leaves it out, trains its trial again, and would write over it."""
    store = Store(tmp_path)
    store.create()
    later = {**json.loads(RECORD.to_json()), "energy": 3.0}
    text = {"of a later version": json.dumps(later), "edited": RECORD.to_json().replace("0.75", "0.76")}.get(content, content)
    kept = [tmp_path / "replaced" / f"{RECORD.trial_id}{number}.json" for number in ("", "-2")]
    for place in kept:
        store.path(RECORD.trial_id).write_text(text)
        assert list(store) == []
        capsys.readouterr()
        store.write(RECORD)
        assert place.read_text() == text and store.path(RECORD.trial_id).read_text() == RECORD.packed()
        [line] = capsys.readouterr().err.splitlines()
        assert f"{RECORD.trial_id}.json could not be read as a record: it is kept as {place}" in line
    store.write(RECORD)
    assert sorted((tmp_path / "replaced").iterdir()) == sorted(kept) and not capsys.readouterr().err, "a record is replaced as ever"


@pytest.mark.parametrize("name", ["copy.json", f"{RECORD.trial_id} (1).json"])
def test_a_copy_is_left_out_and_both_names_are_said(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(RECORD)
    (store.folder / name).write_text(RECORD.to_json())
    assert [record.trial_id for record in store] == [RECORD.trial_id]
    [line] = capsys.readouterr().err.splitlines()
    assert f"{name}: this is the record {RECORD.trial_id}: name it" in line and line.endswith("it is left out")


def test_of_many_files_that_are_no_records_a_few_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(RECORD)
    for number in range(25):
        (store.folder / f"{number}.json").write_text("{")
    assert len(list(store)) == len(store.blocks()) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == LINES + 1 and lines[-1] == f"error: {store.folder}: 15 more files are left out, for such reasons"


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.create()
    bad = store.folder / "bad.json"
    bad.write_bytes(b"\xff\xfe")
    assert list(store) == []
    assert "bad.json: not a readable record (not UTF-8)" in capsys.readouterr().err
    bad.unlink()
    bad.mkdir()
    with pytest.raises(UserError, match=r"bad\.json: .*directory"):
        list(store)
    bad.rmdir()
    bad.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"bad\.json: .*No such file"):
        list(store)


def test_an_edited_trial_is_refused() -> None:
    content = json.loads(RECORD.to_json())
    content["trial"]["seed"] = 5
    with pytest.raises(UserError, match="does not hash to its id"):
        record_from_json(json.dumps(content), "some.json")


@pytest.mark.parametrize("form", ["packed", "to_json"])
@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("metrics", "test/auc", 0.99999),
        ("cost", "epochs", 3.0),
        ("fingerprints", "data", "1"),
        ("notes", 0, "another note"),
        ("", "status", "diverged"),
    ],
)
def test_a_changed_number_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, part: str, key: Any, value: object
) -> None:
    store = Store(tmp_path)
    store.create()
    other = dataclasses.replace(RECORD, trial=dataclasses.replace(TRIAL, seed=1))
    store.write(other)
    content = json.loads(getattr(dataclasses.replace(RECORD, cost={"epochs": 2.0}, fingerprints={"data": "0"}), form)())
    path = store.path(RECORD.trial_id)
    path.write_text(json.dumps(content))
    assert len(list(store)) == 2, "another order or spacing changes no number"
    (content[part] if part else content)[key] = value
    path.write_text(json.dumps(content))
    for _ in range(2):
        assert [r.trial_id for r in store] == [other.trial_id]
    [line] = capsys.readouterr().err.splitlines()
    assert str(path) in line and "is not what was written" in line
    path.write_text(json.dumps(content | {"digest": None}))
    assert [r.trial_id for r in store] == [other.trial_id]
    content.pop("digest")
    path.write_text(json.dumps(content))
    assert len(list(store)) == 2, "records of older versions have no digest"


@pytest.mark.parametrize("left_out", ["curve", "environment", "metrics"])
def test_what_a_record_may_leave_out_is_empty_when_it_is_asked_for(tmp_path: Path, left_out: str) -> None:
    """Also through the index, which reads the file again for what it does not have."""
    store = Store(tmp_path)
    store.create()
    content = json.loads(dataclasses.replace(RECORD, curve=(), metrics={}).to_json())
    del content[left_out], content["digest"]
    store.path(RECORD.trial_id).write_text(json.dumps(content))
    [entry], faults = store.scan()
    assert not faults and not list(getattr(entry.record, left_out)) and "spectral/a/b" not in entry.record.metrics


def test_a_line_end_in_a_record_makes_no_second_line() -> None:
    content = json.loads(RECORD.to_json()) | {"trial_id": "a\nb"}
    with pytest.raises(UserError) as caught:
        record_from_json(json.dumps(content), "some.json")
    assert "its id a b (" in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "value"), [("test/auc", 7.5), ("valid/auc", -3.0), ("test/logloss", -0.1), ("test/auc_unseen_pairs", 1.01)]
)
def test_what_no_training_gives_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: float) -> None:
    store = Store(tmp_path)
    store.create()
    store.write(dataclasses.replace(RECORD, metrics={name: value}))
    assert list(store) == [] and f"{name} = {value:g}, which no training gives" in capsys.readouterr().err
    store.write(dataclasses.replace(RECORD, metrics={"dose/knockout/gate/auc": -0.1, "test/logloss": 9.0}))
    assert len(list(store)) == 1


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path / "results").create()


def test_a_kill_while_writing_leaves_only_whole_records(tmp_path: Path) -> None:
    """A writer that never stops is killed; every file under a record's name is whole."""
    program = f"""
import dataclasses, itertools, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_records import RECORD, TRIAL
from benchmark.records import Store
from pathlib import Path
store = Store(Path({str(tmp_path)!r})); store.create()
for seed in itertools.count():
    store.write(dataclasses.replace(RECORD, trial=dataclasses.replace(TRIAL, seed=seed), metrics={{str(i): float(i) for i in range(2000)}}))
    print(seed, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= 10:
                break
        writer.kill()
    assert sum(1 for _ in Store(tmp_path)) >= 11
