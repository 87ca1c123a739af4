"""How fast data are prepared, opened and handed out, and in how much memory: of made-up tables like Criteo's, of several sizes.

Whatever is measured has a process of its own: for this suite `python -m benchmark.speed.data TASK …`, for FuxiCTR a script of
``benchmark/speed/peers``. Both do the same: texts of 39 columns become whole numbers, and every value of the training part is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from tabulate import tabulate
from tqdm import tqdm

from benchmark import plugins
from benchmark.data.store import open_prepared
from benchmark.errors import UserError
from benchmark.sources import Source, Stream
from benchmark.speed.processes import BEAT, Contestant, Measured, Workspace, measure_process, status
from benchmark.speed.table import CATEGORIES, COUNTS, FIELDS, PART_FILES, cut, other_forms, write_table

LEAST = 1000  # rows; of fewer a part may lack one of the labels
BATCH = 8192
OPENED = 5  # times
PASSED = 1.0  # seconds that a turn of batches takes at least: a pass over a small set is too short to time
# Bytes on disk for each row, at most: the table and what the encoder writes; what FuxiCTR and Ray write besides.
ROOM, ROOM_PEER = 1200, 2000
CHILD = (sys.executable, "-m", "benchmark.speed.data")


def measure(sizes: Sequence[int], threads: int, rounds: int, peers: bool) -> str:
    """The tables, with a line or two for each number of rows. ``peers``: beside FuxiCTR, whose environment is made where there is none.

    Raises UserError, before anything is written, when the disk has too little room. Temporary files are removed however this ends.
    """
    for rows in sizes:
        if rows < LEAST:
            raise UserError(f"speed data: --rows {rows}; it must be at least {LEAST:,}")
    _check_room(max(sizes), peers)
    peer = None
    if peers:
        from benchmark.speed.peers import environment  # not at the top, for the reason in _ratio

        peer = environment()
    encoded, formed, raced, opened, handed = [], [], [], [], []
    turns = len(sizes) * (rounds * (7 if peer is None else 9) + OPENED)
    with (
        _interrupted_when_terminated(),
        tempfile.TemporaryDirectory(prefix="benchmark-speed-") as folder,
        tqdm(total=turns, unit="turn", disable=not sys.stderr.isatty()) as bar,
    ):
        workspace = Workspace(Path(folder), frozenset(sorted(os.sched_getaffinity(0))[:threads]))
        for rows in sizes:
            table = workspace.folder / "table.csv"
            ends = write_table(table, rows)
            encoded.append(_encoding(workspace, table, rows, rounds, bar))
            formed += _forms(workspace, table, rows, rounds, bar)
            if peer is not None:
                raced += _race(workspace, cut(table, ends), rows, rounds, peer, bar)
            opened.append(_opening(workspace, rows, bar))
            handed += _handing_out(workspace, rows, rounds, bar)
            for path in workspace.folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return _report(encoded, formed, raced, opened, handed, len(workspace.cores))


def _check_room(rows: int, peer: bool) -> None:
    folder = tempfile.gettempdir()
    needed, free = rows * (ROOM + ROOM_PEER * peer), shutil.disk_usage(folder).free
    if free < needed:
        less = "fewer --rows, or --no-peers" if peer else "fewer --rows"
        raise UserError(
            f"speed data: {folder} has {_size(free)} free, {rows:,} rows may take {_size(needed)}; "
            f"name another folder by TMPDIR, or give {less}"
        )


@contextlib.contextmanager
def _interrupted_when_terminated() -> Iterator[None]:
    """Being terminated (as by `timeout`) ends the command as Ctrl-C does: files are removed, processes ended."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ours(workspace: Workspace, source: Path) -> Contestant:
    return Contestant("this suite", (*CHILD, "prepare", str(source), workspace.prepared.name), workspace.prepared.parents[1])


def _fuxictr(workspace: Workspace, source: Path, python: Path) -> Contestant:
    from benchmark.speed.peers import PREPROCESSING

    out = workspace.folder / "fuxictr"
    told = {"source": str(source), "out": str(out), "fields": FIELDS}
    return Contestant("FuxiCTR", (str(python), str(PREPROCESSING), json.dumps(told)), out)


def _encoding(workspace: Workspace, table: Path, rows: int, rounds: int, bar: tqdm[Any]) -> list[str]:
    """One file, which the encoder divides itself."""
    contestant = _ours(workspace, table)
    turns = [measure_process(workspace, contestant, bar) for _ in range(rounds)]
    return [
        f"{rows:,}",
        _size(table.stat().st_size),
        f"{open_prepared(workspace.prepared).schema.values:,}",
        *_times([turn.seconds for turn in turns], rows),
        *_times([turn.told["alone"] for turn in turns], rows),
        *_memory(turns),
        _size(_on_disk(workspace.prepared)),
    ]


def _forms(workspace: Workspace, table: Path, rows: int, rounds: int, bar: tqdm[Any]) -> list[list[str]]:
    """The same rows as CSV, compressed, and as part files of Parquet, in turns."""
    forms = {"CSV": table, **other_forms(table, rows)}
    turns: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, source in forms.items():
            turns[name].append(measure_process(workspace, _ours(workspace, source), bar).told["alone"])
    sizes = {name: _on_disk(source) if source.is_dir() else source.stat().st_size for name, source in forms.items()}
    return [[f"{rows:,}", name, _size(sizes[name]), *_times(turns[name], rows), _ratio(turns["CSV"], turns[name])] for name in forms]


def _race(workspace: Workspace, parts: Path, rows: int, rounds: int, peer: Path, bar: tqdm[Any]) -> list[list[str]]:
    """Three files, for this suite and FuxiCTR in turns. Where the latter fails, its line says why."""
    ours, theirs = _ours(workspace, parts), _fuxictr(workspace, parts, peer)
    mine: list[Measured] = []
    others: list[Measured] = []
    reason = ""
    for _ in range(rounds):
        mine.append(measure_process(workspace, ours, bar))
        if not reason:
            try:
                others.append(measure_process(workspace, theirs, bar))
            except UserError as error:
                reason = str(error)
    values, written = open_prepared(workspace.prepared).schema.values, _on_disk(workspace.prepared)
    lines = [_raced(ours, rows, mine, mine, values, written)]
    if reason:
        return [*lines, [f"{rows:,}", theirs.name, *["-"] * 7, reason]]
    assert theirs.writes is not None
    return [*lines, _raced(theirs, rows, mine, others, int(others[-1].told["values"]), _on_disk(theirs.writes))]


def _raced(contestant: Contestant, rows: int, ours: Sequence[Measured], turns: Sequence[Measured], values: int, written: int) -> list[str]:
    def speeds(of: Sequence[Measured]) -> tuple[list[float], list[float]]:
        return [rows / turn.seconds for turn in of], [rows / turn.told["alone"] for turn in of]

    line = [f"{rows:,}", contestant.name]
    for first, other in zip(speeds(ours), speeds(turns), strict=True):
        line += [_spread([rows / speed for speed in other], ".1f"), _ratio(first, other)]
    return [*line, *_memory(turns), _size(written), f"{values:,}"]


def _opening(workspace: Workspace, rows: int, bar: tqdm[Any]) -> list[str]:
    """The set that was prepared last; files are in the page cache, as after any use."""
    contestant = Contestant("open", (*CHILD, "open", str(workspace.prepared)))
    turns = [measure_process(workspace, contestant, bar) for _ in range(OPENED)]
    return [f"{rows:,}", _size(_on_disk(workspace.prepared)), _spread([1000 * turn.told["alone"] for turn in turns], ".1f")]


def _handing_out(workspace: Workspace, rows: int, rounds: int, bar: tqdm[Any]) -> list[list[str]]:
    """Batches of the set that was prepared last."""
    names = ("resident", "mapped")
    contestants = [Contestant(name, (*CHILD, "batches", str(workspace.prepared), name)) for name in names]
    turns: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(rounds):
        for contestant in contestants:
            turns[contestant.name].append(measure_process(workspace, contestant, bar))
    speeds = {name: [turn.told["speed"] for turn in of] for name, of in turns.items()}
    number = open_prepared(workspace.prepared).rows["train"]
    return [
        [
            f"{number:,}",
            name,
            _spread(speeds[name], ",.0f"),
            _ratio(speeds[names[0]], speeds[name]),
            _size(max(turn.private for turn in turns[name])),
        ]
        for name in names
    ]


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} … {max(values):{form}})"


def _times(seconds: Sequence[float], rows: int) -> list[str]:
    return [_spread(seconds, ".1f"), f"{rows / statistics.median(seconds):,.0f}"]


def _ratio(first: Sequence[float], other: Sequence[float]) -> str:
    from benchmark.speed.compare import Timed, ratio  # not at the top: it takes time and memory that are not the measured processes'

    middle, low, high = ratio(Timed("", tuple(first)), Timed("", tuple(other)))
    return f"{middle:.2f} ({low:.2f} … {high:.2f})"


def _memory(turns: Sequence[Measured]) -> list[str]:
    return [_size(max(turn.peak for turn in turns)), _size(max(turn.private for turn in turns))]


def _size(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"


def _on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _report(
    encoded: Sequence[list[str]],
    formed: Sequence[list[str]],
    raced: Sequence[list[str]],
    opened: Sequence[list[str]],
    handed: Sequence[list[str]],
    cores: int,
) -> str:
    """The tables, each with what was measured and with what."""
    time, over = "median\n(least … most)", "time over\nthis suite's"
    memory = ["peak memory\nresident", "without\nmapped files"]
    figures = [["rows", "CSV", "values", f"seconds, {time}", "rows/s", f"encode() alone, {time}", "rows/s", *memory, "on disk"], *encoded]
    tables = [
        f"""Encoding one file as `python -m benchmark prepare TABLE --label label --name NAME --force` does, split 8:1:1 at random.
{_tabulated(figures)}
Seconds: of the whole process, imports and the file's checksum included; encode() is the rest. On {cores} of {os.cpu_count()} cores,
Polars {version("polars")}. The table: {len(COUNTS)} counts and {len(CATEGORIES)} columns of hashes, all taken as categorical,
with skewed values; some cells are empty. Values: rows of the embedding table, two in each field for what is missing and unseen.
The file was just written: where memory allows, no disk is read. Peak memory: the most of any turn. Resident counts mapped files
too, which the system can take back; without them it was looked at every {BEAT:g} s."""
    ]
    figures = [["rows", "as", "on disk", f"encode() alone, {time}", "rows/s", "CSV's time /\nthis one's"], *formed]
    tables.append(f"""The same rows in other forms, in turns.
{_tabulated(figures, 2)}
gzip's and zstd's usual levels; Parquet: {PART_FILES} part files in one folder. Ratios are taken round by round.""")
    if raced:
        tasks = max(1, (os.cpu_count() or 1) // 2)
        figures = [["rows", "contestant", f"seconds, {time}", over, f"work alone, {time}", over, *memory, "on disk", "values"], *raced]
        tables.append(f"""Preprocessing the same train, valid and test files (8:1:1 of that table), in turns.
{_tabulated(figures, 2)}
Both make a number of each text and keep every value of the training file. FuxiCTR: build_dataset with its defaults, in an environment of
its own (benchmark/speed/peers/requirements.txt); it has {tasks} Ray task(s) for turning texts into numbers: half of the machine's
cores, rounded down.
Workload alone: encode(), and build_dataset with the start of Ray; without imports. Peak memory: resident, of the process that was started;
without mapped files, of its descendants too. Ratios are taken round by round.""")
    figures = [["rows", "on disk", f"milliseconds, {time}"], *opened]
    tables.append(f"""Opening the prepared set: open_prepared() in {OPENED} fresh processes, after imports.
{_tabulated(figures)}""")
    figures = [["training rows", "rows are", f"rows/s, {time}", "resident /\nthese rows'", "peak memory\nwithout mapped files"], *handed]
    tables.append(f"""Handing out shuffled batches of {BATCH:,} rows on the CPU: Rows.shuffled over the training part, no model, in turns.
{_tabulated(figures, 2)}
Whole passes for {PASSED:g} s or more in all, after a first pass that does not count: it brings the mapped files into the page cache, so
this is no reading from a disk. Ratios are of rows/s, round by round. Peak memory: of the whole process, libraries included.""")
    return "\n\n".join(tables)


def _tabulated(lines: Sequence[Sequence[str]], texts: int = 1) -> str:
    """The first line is the header; the first column is a number, those after it up to ``texts`` are texts."""
    align = ["right", *["left"] * (texts - 1), *["right"] * (len(lines[0]) - texts)]
    return tabulate(lines[1:], headers=lines[0], disable_numparse=True, colalign=align)


def main(arguments: Sequence[str]) -> None:
    """The measured process: do the task, and say how long it took alone and the most memory that this process had."""
    task, *words = arguments
    told = {"prepare": _prepare, "open": _open, "batches": _pass}[task](words)
    # Not getrusage's ru_maxrss: that starts from the size of the process which started this one.
    print("\nSPEED", json.dumps({**told, "peak": status()["VmHWM"]}), flush=True)


def _prepare(words: list[str]) -> dict[str, float]:
    """What the command does; "alone" is the encoder's time, without imports and checksums of the files."""
    from benchmark.data import prepare
    from benchmark.data.encode import encode

    seconds = []

    def timed(source: Source, folder: Path, identity: Mapping[str, Any], stream: Stream | None) -> None:
        started = time.perf_counter()
        encode(source, folder, identity, stream)
        seconds.append(time.perf_counter() - started)

    with mock.patch.object(prepare, "encode", timed):
        prepare.prepare("csv", {"label": "label"}, Path(words[0]), alias=words[1], force=True)
    return {"alone": seconds[0]}


def _open(words: list[str]) -> dict[str, float]:
    plugins.plugin("datasets", "csv")  # imports
    started = time.perf_counter()
    open_prepared(Path(words[0]))
    return {"alone": time.perf_counter() - started}


def _pass(words: list[str]) -> dict[str, float]:
    """Whole passes, after one that does not count: it brings mapped rows into the page cache."""
    rows = open_prepared(Path(words[0])).fold(torch.device("cpu"), resident=words[1] == "resident").train
    generator = torch.Generator().manual_seed(0)
    for least in (0, PASSED):
        passed, started = 0, time.perf_counter()
        while not passed or time.perf_counter() - started < least:
            for _ids, labels in rows.shuffled(BATCH, generator):
                passed += len(labels)
    return {"speed": passed / (time.perf_counter() - started)}


if __name__ == "__main__":
    main(sys.argv[1:])
