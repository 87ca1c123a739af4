"""Records: some of those that come along, with a value, a key, a byte changed. Refused with a note, or the same in every number."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from drawn import Drawn, Kind, Wrong, cut, judged, refused

from benchmark.record import Record, record_from_json
from benchmark.records import INDEX, Store

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
TAKEN = (("frappe_x1r", ("packed", "to_json")), ("flights", ("packed",)))  # folders, and forms of their first record
VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 0.0, 1.0, 0.5, -0.0, 1e308, 5e-324, 10**20, 10**400, True, False, None),
    *("", "1", "0.5", "finished", "failed", "a\nb", "\0", "\ud800", "é", "\u2028", "\x1b[31m", "0" * 12),
    *([], {}, [[]], [1], [None], {"": 0}, {"a": {"b": []}}, {"columns": [], "rows": []}, {"columns": ["a"], "rows": {"m": [1.0]}}),
)
# What json never writes.
SPELLED = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000, b"1.50", b"[" * 2000, b'{"a":' * 2000)
BYTES = (
    *(b"0", b"9", b"-", b".", b"e", b'"', b",", b"{", b"}", b"[", b"]", b":", b" ", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\\"),
    *(b"\\u0000",),
)
KEYS = (
    *("", "metrics", "spectra", "digest", "trial_id", "trial", "curve", "until", "test/auc", "spectral/a/b", "a\nb", "no such key"),
    *("\ud800",),
)
LONG_AGO = 1_600_000_000_000_000_000  # ns; a file that was changed a second ago is not put into the index


class Base(NamedTuple):
    record: Record
    text: bytes
    content: dict[str, Any]
    same: str  # canonical JSON of what the record says


@cache
def bases() -> tuple[Base, ...]:
    """In the form in which it is stored and in the one for people, both with a digest."""
    found = []
    for name, forms in TAKEN:
        path = min((REFERENCE / name / "records").glob("*.json"))
        record = record_from_json(path.read_text(encoding="utf-8"), path.name)
        for text in (str(getattr(record, form)()) for form in forms):
            found.append(Base(record, text.encode(), json.loads(text), _same(record)))
    return tuple(found)


def _same(record: Record) -> str:
    return json.dumps(json.loads(record.to_json()), sort_keys=True)


def _change(drawn: Drawn, content: Any) -> None:
    """One place anywhere in the JSON."""
    while True:
        if isinstance(content, dict):
            keys: list[Any] = list(content)
        elif isinstance(content, list):
            keys = list(range(len(content)))
        key = drawn.of(keys) if keys else None
        if key is None or not isinstance(content[key], (dict, list)) or not content[key] or drawn.once_in(8):
            break
        content = content[key]
    what = drawn.below(6)
    if what == 0 and key is not None:
        content[key] = _copy(drawn.of(VALUES))
    elif what == 1 and key is not None:
        del content[key]
    elif what == 2 and key is not None:
        content[key] = _nearly(drawn, content[key])
    elif isinstance(content, list):
        content.insert(drawn.place(len(content)), content[key] if what == 3 and key is not None else _copy(drawn.of(VALUES)))
    elif what == 3 and key is not None:
        content[drawn.of(KEYS)] = content.pop(key)
    elif what == 4 and key is not None:
        other = drawn.of(keys)
        content[key], content[other] = content[other], content[key]
    else:
        content[drawn.of(KEYS)] = _copy(drawn.of(VALUES))


def _copy(value: Any) -> Any:
    """What is put into the JSON may be changed there."""
    return (
        {key: _copy(entry) for key, entry in value.items()}
        if isinstance(value, dict)
        else list(value)
        if isinstance(value, list)
        else value
    )


def _nearly(drawn: Drawn, value: Any) -> Any:
    """Another value of the same type, or the same value of another one."""
    if isinstance(value, bool) or value is None:
        return int(bool(value))
    if isinstance(value, int) and abs(value) > 2**1000:  # no float is as large
        return drawn.of((value + 1, -value, str(value), [value]))
    if isinstance(value, (int, float)):
        return drawn.of((value + 1, -value, float(value), str(value), [value], value * (1 + 2**-50), int(value)))
    if isinstance(value, str):
        return drawn.of((value + " ", value.upper(), value[:-1], [value], value * 2))
    return drawn.of((list(value), [value], str(value)))


def _damage(drawn: Drawn, text: bytes) -> bytes:
    """One place anywhere in the bytes, of which there may be none any more."""
    if not text:
        return text
    place = drawn.place(len(text) - 1)
    what = drawn.below(7)
    if what == 0:
        return text[:place] + bytes([text[place] ^ 1 << drawn.below(8)]) + text[place + 1 :]
    if what == 1:
        return text[:place]
    if what == 2:
        return text[:place] + text[place + 1 + drawn.below(64) :]
    if what == 3:
        return text[:place] + text[place : place + 1 + drawn.below(200)] + text[place:]
    if what == 4:
        return text[:place] + drawn.of(BYTES) + text[place + drawn.below(2) :]
    if what == 5:  # in the place of a value
        start = text.find(b": ", place) + 2
        return (
            text[:start]
            + drawn.of(SPELLED)
            + text[min(e for e in (text.find(b",", start), text.find(b"\n", start), len(text)) if e >= 0) :]
        )
    return text.replace(b"\n", drawn.of((b"\r\n", b"", b"\r", b"\n\n", b"\x0b")))


def make(data: bytes) -> tuple[Base, bytes, bool, bool]:
    """The record, the bytes of its file, whether these still have a digest, and whether the index is asked."""
    drawn = Drawn(data)
    by_index = drawn.once_in(16)
    base = drawn.of(bases())
    if drawn.once_in(2):
        content = json.loads(base.text)
        for _ in range(drawn.of((1, 1, 1, 2, 4))):
            _change(drawn, content)
        return base, json.dumps(content).encode(), "digest" in content, by_index
    text = base.text
    for _ in range(drawn.of((1, 1, 1, 2))):
        text = _damage(drawn, text)
    return base, text, base.content["digest"].encode() in text, by_index


class Clock:
    """Each file has a time of its own: the index knows a file by it."""

    now = LONG_AGO


def check(data: bytes, folder: Path) -> bool:
    base, text, provable, by_index = make(data)
    store = Store(folder)
    store.folder.mkdir(exist_ok=True)
    path = store.path(base.record.trial_id)
    path.write_bytes(text)
    try:
        return _checked(base, text, provable, by_index, store)
    finally:
        path.unlink()


def _checked(base: Base, text: bytes, provable: bool, by_index: bool, store: Store) -> bool:
    path = store.path(base.record.trial_id)

    def shown() -> str:
        return f"{base.record.trial_id}, {len(text)} bytes: {_differing(base, text)}"

    if by_index:
        Clock.now += 1_000_000
        os.utime(path, ns=(Clock.now, Clock.now))
        (store.folder.parent / INDEX).unlink(missing_ok=True)
        judged(shown, [], lambda: store.scan())
    found = judged(shown, [], lambda: store.scan(save=False))
    if found is None:
        raise Wrong(f"one file that is no record stops the reading of all\n{cut(shown())}")
    entries, faults = found
    if len(entries) + len(faults) != 1:
        raise Wrong(f"one file, {len(entries)} records and {len(faults)} that are none\n{cut(shown())}")
    if faults:
        refused(str(faults[path.name]), shown, [str(path)])
        return False
    # Without its digest it is a record of a version that wrote none: nothing says what its numbers were.
    same = judged(shown, [], lambda: _same(entries[0].record))
    if provable and same != base.same:
        raise Wrong(f"taken with other numbers, in silence\n{cut(shown())}")
    return True


def _differing(base: Base, text: bytes) -> str:
    """Where the file first differs from the record's; of one that was written anew, the places whose values differ."""
    try:
        content = json.loads(text)
        return "; ".join(f"{place} {one!r} -> {other!r}" for place, one, other in _changes("", base.content, content)) or "spaces"
    except (ValueError, RecursionError, AttributeError):
        place = next((n for n, (one, other) in enumerate(zip(base.text, text, strict=False)) if one != other), len(text))
        return f"from byte {place} on {text[place : place + 80]!r} for {base.text[place : place + 80]!r}"


def _changes(place: str, one: Any, other: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [found for key in {**one, **other} for found in _changes(f"{place}/{key}", one.get(key, "(none)"), other.get(key, "(none)"))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [found for n, pair in enumerate(zip(one, other, strict=True)) for found in _changes(f"{place}/{n}", *pair)]
    return [] if repr(one) == repr(other) else [(place, str(one)[:80], str(other)[:80])]


RECORDS = Kind("records", check, size=48, share=15)
