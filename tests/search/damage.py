"""Bits turned over in records and in prepared data, for chaos.py."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmark.data import store
from benchmark.data.integrity import STAMP
from benchmark.data.prepare import prepare
from benchmark.data.store import Prepared, open_prepared
from benchmark.errors import UserError
from benchmark.records import Record, Store


def turned_over(content: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(content)
    damaged[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def in_records(wanted: Mapping[str, Record], folder: Path, times: int) -> int:
    """How many records with a bit turned over say something else; none where each is refused and named, or says the same."""
    records = Store(folder)
    records.create()
    dice, changed = random.Random(1), 0
    for _ in range(times):
        record = dice.choice(list(wanted.values()))
        records.write(record)
        path = records.path(record.trial_id)
        path.write_bytes(turned_over(path.read_bytes(), dice))
        found, _ = records.scan()
        changed += any(entry.record != record for entry in found)
        path.unlink()
    return changed


def in_cache(folder: Path, times: int) -> int:
    """How many prepared folders with a bit turned over are read as other data."""
    os.environ["BENCHMARK_CACHE"] = str(folder)
    prepared = prepare("synthetic", {"rows": 1000, "cardinalities": [3, 40, 40]}, None)
    whole, dice, changed = _as_read(prepared), random.Random(1), 0
    files = [path for path in sorted(prepared.folder.iterdir()) if path.name != STAMP]
    for _ in range(times):
        path = dice.choice(files)
        content = path.read_bytes()
        path.write_bytes(turned_over(content, dice))
        soon = time.time_ns() + 10**6 * dice.randrange(10, 10**4)  # an edit has a time of its own
        os.utime(path, ns=(soon, soon))
        with suppress(UserError):
            changed += _as_read(open_prepared(prepared.folder)) != whole
        path.write_bytes(content)
    return changed


def _as_read(found: Prepared) -> object:
    arrays = [array.tobytes() for part in store.PARTS for array in found.arrays(part)]
    return found.schema, found.rows, found.fingerprint, arrays, [counts.tolist() for counts in found.value_counts()]
