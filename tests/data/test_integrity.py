"""What of a prepared folder was edited or damaged is noticed before anything is trained on it."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data import integrity, store
from benchmark.data.prepare import prepare
from benchmark.data.store import Prepared, open_prepared
from benchmark.errors import UserError

SMALL = {"rows": 1000, "cardinalities": [3, 40, 40]}


@pytest.fixture
def prepared(cache: Path) -> Prepared:
    return prepare("synthetic", SMALL, None)


def as_read(found: Prepared) -> object:
    arrays = [array.tobytes() for part in store.PARTS for array in found.arrays(part)]
    return found.schema, found.rows, found.fingerprint, arrays, [counts.tolist() for counts in found.value_counts()]


def test_a_whole_folder_is_read_once(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    before = as_read(prepared)
    (prepared.folder / integrity.STAMP).unlink()
    integrity._SEEN.clear()
    assert as_read(open_prepared(prepared.folder)) == before, "a copy of a cache, or one of an older version"
    monkeypatch.setattr(store, "fingerprint", lambda *_: pytest.fail("read again"))
    integrity._SEEN.clear()
    assert as_read(open_prepared(prepared.folder)) == before


def turn_labels(folder: Path) -> None:
    labels = np.load(folder / "valid.labels.npy")
    np.save(folder / "valid.labels.npy", 1 - labels)


def negative_id(folder: Path) -> None:
    ids = np.load(folder / "train.ids.npy")
    ids[5, 1] = -1
    np.save(folder / "train.ids.npy", ids)


def edit(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def edited(folder: Path) -> None:
        content = json.loads((folder / "schema.json").read_text())
        content[name] = change(content[name])
        (folder / "schema.json").write_text(json.dumps(content))

    return edited


def swap(values: list[object]) -> list[object]:
    return [values[1], values[0], *values[2:]]


def no_test(rates: dict[str, float]) -> dict[str, float]:
    return {part.replace("t", "u"): rate for part, rate in rates.items()} | {"train": rates["train"]}


def no_number(rates: dict[str, float]) -> dict[str, float]:
    return rates | {"test": float("nan")}


@pytest.mark.parametrize(
    "damage",
    [
        *(turn_labels, negative_id, edit("fields", swap), edit("cardinalities", swap)),
        *(edit("positive_rates", no_test), edit("positive_rates", no_number)),
    ],
)
def test_an_edited_cache_is_refused(prepared: Prepared, damage: Callable[[Path], None]) -> None:
    damage(prepared.folder)
    with pytest.raises(UserError, match=r"damaged .*; prepare the data set again"):
        open_prepared(prepared.folder)


def test_no_bit_that_is_turned_over_gives_other_data(prepared: Prepared) -> None:
    whole = as_read(prepared)
    files = [path for path in sorted(prepared.folder.iterdir()) if path.name != integrity.STAMP]
    dice = random.Random(0)
    for _ in range(60):
        path = dice.choice(files)
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        soon = time.time_ns() + 10**6 * dice.randrange(10, 10**4)  # an edit has a time of its own
        os.utime(path, ns=(soon, soon))
        try:
            assert as_read(open_prepared(prepared.folder)) == whole, path.name
        except UserError as error:
            assert str(prepared.folder) in str(error)
        path.write_bytes(content)
