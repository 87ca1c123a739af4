"""Whether a prepared folder still holds what was written: its fingerprint is taken again where a file has changed since it was last seen.

A file counts as unchanged while its time of change, size and inode are those of ``.verified.json``; what rots on a disk without changing
these is not noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.schema import Schema
from benchmark.values import canonical

if TYPE_CHECKING:
    from benchmark.sources import Stream

STAMP = ".verified.json"
BAGS = ("bag_sizes", "bag_members")  # names of their arrays
States = dict[str, list[int]]
_SEEN: dict[Path, States] = {}  # of folders whose stamp cannot be written


def fingerprint(
    folder: Path,
    fields: Sequence[str],
    parts: Sequence[str],
    probabilities: bool,
    stream: Stream | None,
    bags: Sequence[tuple[int, str]] = (),
) -> str:
    """12 hexadecimal digits over names of fields, ids, labels, known probabilities, and factors and bags where the folder has some.

    parts: those that have files. Of a streamed training part its first batch counts. bags: of each field how many, and their pooling.
    """
    content = hashlib.sha256(canonical(list(fields)).encode())
    for part in parts:
        for what in ("ids", "labels"):
            with (folder / f"{part}.{what}.npy").open("rb") as file:
                np.lib.format.read_magic(file)
                np.lib.format.read_array_header_1_0(file)
                while data := file.read(1 << 20):
                    content.update(data)
        if probabilities and part != "train":
            # Rounded: the last bit of an exponential differs between processors, and is no other data.
            known = np.load(folder / f"{part}.probabilities.npy", mmap_mode="r")
            with np.errstate(all="ignore"):  # of a damaged file
                content.update(np.rint(known * 1e6).astype(np.int32).data)
    if stream is not None:
        content.update(stream.draw(0, 0)[0].data)
    if (folder / "factors.npy").exists():
        content.update(np.load(folder / "factors.npy").data)
    if any(count for count, _ in bags):
        content.update(canonical(list(map(list, bags))).encode())
        for name in BAGS:
            content.update(np.load(folder / f"{name}.npy").data)
    return content.hexdigest()[:12]


def counted(folder: Path, ids: NDArray[np.int32], schema: Schema) -> bool:
    """Whether counts.npy is right for all fields but the scaled ones, whose one row is used where the number is not missing."""
    bags, end = schema.bags_of(), 0
    counts = np.load(folder / "counts.npy")
    for place, field in enumerate(schema.fields):
        end += field.cardinality
        if not field.factors:
            found = np.bincount(ids[:, place], minlength=field.ids)
            found = bags[place].counts(found, field.cardinality) if place in bags else found
            if not np.array_equal(found, counts[end - field.cardinality : end]):
                return False
    return True


def stamp(folder: Path, states: States) -> None:
    """Say that the files were as they should be in these ``states``, taken before they were read."""
    _SEEN[folder] = states
    with suppress(OSError):  # a cache that others may only read
        (folder / STAMP).write_text(json.dumps(states), encoding="utf-8")


def is_stamped(folder: Path) -> bool:
    states = states_of(folder)
    if _SEEN.get(folder) == states:
        return True
    try:
        return bool(json.loads((folder / STAMP).read_text(encoding="utf-8")) == states)
    except (OSError, ValueError):
        return False


def states_of(folder: Path) -> States:
    """Of each file that is data: time of change in ns, size, inode."""
    with os.scandir(folder) as found:
        files = {entry.name: entry.stat() for entry in found if entry.name.endswith((".npy", ".json")) and entry.name != STAMP}
    return {name: [one.st_mtime_ns, one.st_size, one.st_ino] for name, one in sorted(files.items())}
