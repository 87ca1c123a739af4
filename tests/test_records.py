"""Records: written whole or not at all, and refused when they are not what they claim to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.config import Cell, Training, Trial
from benchmark.contracts import UserError
from benchmark.records import Record, Store, record_from_json

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


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"trial_id": "x"}', "null"])
def test_what_is_no_record_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"some\.json"):
        record_from_json(text, "some.json")


def test_an_edited_trial_is_refused() -> None:
    content = json.loads(RECORD.to_json())
    content["trial"]["seed"] = 5
    with pytest.raises(UserError, match="does not hash to its id"):
        record_from_json(json.dumps(content), "some.json")


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
