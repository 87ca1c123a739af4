from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import plugins
from benchmark.data import encode as encoding
from benchmark.data import store
from benchmark.data.ensure import ensure_prepared
from benchmark.data.prepare import look_at, prepare
from benchmark.data.store import Fold, folder_of, open_prepared, prepared_names, prepared_with_options
from benchmark.errors import UserError
from benchmark.sources import Source, Stream

SMALL = {"rows": 1000, "cardinalities": [3, 40]}
ROOT = Path(__file__).parents[2]


def table(path: Path, rows: int = 100, second: str = "b") -> Path:
    lines = [f"{n % 2},{n % 7},{n % 5}" for n in range(rows)]
    path.write_text("\n".join(["click,a," + second, *lines]) + "\n")
    return path


def test_an_embedded_data_set_is_prepared_on_first_use(cache: Path) -> None:
    prepared = ensure_prepared("synthetic", SMALL)
    assert prepared.folder == folder_of("synthetic", SMALL)
    assert prepared.folder.is_relative_to(cache)
    assert prepared.options == SMALL
    assert prepared.training == plugins.plugin("datasets", "synthetic").training
    before = (prepared.folder / "schema.json").stat().st_mtime_ns
    again = ensure_prepared(prepared.name, prepared.options)
    assert again == prepared
    assert (again.folder / "schema.json").stat().st_mtime_ns == before
    assert ensure_prepared("synthetic", {**SMALL, "seed": 1}).fingerprint != prepared.fingerprint
    assert prepared_names() == []  # neither has the default options
    assert prepared_with_options() == ["synthetic (cardinalities=[3,40], rows=1000)", "synthetic (cardinalities=[3,40], rows=1000, seed=1)"]


def test_a_tuner_gets_no_test_rows(cache: Path) -> None:
    assert Fold._fields == ("train", "valid")
    prepared = ensure_prepared("synthetic", SMALL)
    fold = prepared.fold(torch.device("cpu"))
    assert (len(fold.train), len(fold.valid), len(prepared.test(torch.device("cpu")))) == (800, 100, 100)


def test_a_users_file_is_found_under_its_own_name(cache: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "mine.csv")
    prepared = prepare("csv", {"label": "click"}, path, alias="mine")
    assert ensure_prepared("mine", {}) == prepared == ensure_prepared(prepared.name, prepared.options)
    assert prepared_names() == ["mine"]
    assert [field.cardinality for field in prepared.schema.fields] == [9, 7]


def test_a_second_call_does_nothing_and_a_changed_input_encodes_again(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def counted(source: Source, folder: Path, identity: Mapping[str, Any], stream: Stream | None) -> None:
        calls.append(folder)
        encoding.encode(source, folder, identity, stream)

    monkeypatch.setattr("benchmark.data.prepare.encode", counted)
    path = table(tmp_path / "mine.csv")
    first = prepare("csv", {"label": "click"}, path, alias="mine")
    assert prepare("csv", {"label": "click"}, path, alias="mine") == first
    assert prepare("csv", {"label": "click"}, None, alias="mine") == first
    assert len(calls) == 1
    prepare("csv", {"label": "click", "seed": 1}, path, alias="mine")
    assert len(calls) == 2
    table(path, rows=120)
    assert sum(prepare("csv", {"label": "click", "seed": 1}, path, alias="mine").rows.values()) == 120
    assert len(calls) == 3
    prepare("csv", {"label": "click", "seed": 1}, path, alias="mine", force=True)
    assert len(calls) == 4
    assert sorted(p.name for p in (cache / "datasets").iterdir()) == [".mine.lock", "mine"]


def test_a_set_that_is_prepared_anew_while_it_is_in_use(cache: Path, tmp_path: Path) -> None:
    """The new division has test rows that the old one trained on, and as many: only the fingerprint tells them apart."""
    path = table(tmp_path / "mine.csv")
    before = prepare("csv", {"label": "click"}, path, alias="mine")
    mapped, _ = before.arrays("test")
    old = mapped.copy()
    after = prepare("csv", {"label": "click", "seed": 1}, path, alias="mine")
    assert after.rows == before.rows and after.fingerprint != before.fingerprint
    assert np.array_equal(mapped, old)
    for use in (lambda: before.arrays("test"), lambda: before.test(torch.device("cpu")), before.value_counts):
        with pytest.raises(UserError, match="prepared anew while it was in use; start the run again"):
            use()


def test_unknown_and_unprepared_names(cache: Path, tmp_path: Path) -> None:
    prepare("csv", {"label": "click"}, table(tmp_path / "mine.csv"), alias="household")
    with pytest.raises(UserError, match="did you mean 'synthetic'"):
        ensure_prepared("sinthetic", {})
    with pytest.raises(UserError, match="did you mean 'household'"):
        ensure_prepared("housohold", {})
    with pytest.raises(UserError, match=r"frappe_x1 is not prepared: run `python -m benchmark prepare frappe_x1`, with --from FOLDER"):
        ensure_prepared("frappe_x1", {})
    with pytest.raises(UserError, match=r"prepare criteo --min-count 5`, with --from FOLDER"):
        ensure_prepared("criteo", {"min_count": 5})
    with pytest.raises(UserError, match="unknown key 'row'"):
        ensure_prepared("synthetic", {"row": 5})


@pytest.mark.parametrize("alias", ["../up", "a/b", ".hidden", "", "synthetic"])
def test_names_that_cannot_be_given(cache: Path, tmp_path: Path, alias: str) -> None:
    with pytest.raises(UserError, match="data set name"):
        prepare("csv", {"label": "click"}, table(tmp_path / "mine.csv"), alias=alias)


def test_a_missing_origin_is_named(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.csv: no such file"):
        prepare("csv", {"label": "click"}, tmp_path / "absent.csv", alias="mine")
    with pytest.raises(UserError, match="--from"):
        prepare("csv", {"label": "click"}, None, alias="mine")


@pytest.mark.parametrize("name", [name for name in plugins.names("datasets") if plugins.plugin("datasets", name).embedded])
def test_a_generated_set_takes_no_files(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nor are any read, or a folder without any taken for what the prepared set was made from."""
    options = {"rows": 1000} | ({"valid_rows": 100, "test_rows": 100} if name == "teacher" else {})
    prepare(name, options, None)
    monkeypatch.setattr("benchmark.data.prepare._checksums", None)
    for call in (prepare, look_at):
        with pytest.raises(UserError, match=f"data set {name} is generated: it takes no --from"):
            call(name, options, tmp_path)
        with pytest.raises(UserError, match=f"data set {name} is generated: leave --allow-checksum-mismatch out"):
            call(name, options, None, allow_checksum_mismatch=True)


@pytest.mark.parametrize("name", ["criteo", "avazu"])
def test_a_mismatch_is_allowed_only_where_a_checksum_is_known(cache: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"data set {name}: no checksum of Kaggle's files is known; leave --allow-checksum-mismatch out"):
        prepare(name, {}, table(tmp_path / "train.csv"), allow_checksum_mismatch=True)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be prepared"):
        ensure_prepared("synthetic", SMALL)


def test_another_encoder_version_and_damage_are_refused(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "mine.csv")
    folder = prepare("csv", {"label": "click"}, path, alias="mine").folder
    monkeypatch.setattr(store, "VERSION", store.VERSION + 1)
    with pytest.raises(UserError, match="prepare the data set again"):
        ensure_prepared("mine", {})
    monkeypatch.undo()
    (folder / "test.ids.npy").write_bytes((folder / "valid.labels.npy").read_bytes())
    with pytest.raises(UserError, match="damaged"):
        open_prepared(folder)
    (folder / "schema.json").write_text("{")
    with pytest.raises(UserError, match="not a prepared data set"):
        open_prepared(folder)


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda schema: schema.pop(key) and None


def _with(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda schema: schema.update(parts)


@pytest.mark.parametrize(
    "spoil",
    [
        *map(_without, ("fingerprint", "identity", "fields", "cardinalities", "rows", "positive_rates", "notes", "known")),
        _with(identity={}),
        _with(identity={"name": "mine"}),
        _with(identity=[]),
        *(_with(fields=fields) for fields in ([], ["a"], [1, 2], "ab")),
        *(_with(cardinalities=sizes) for sizes in ([9], ["9", "7"], [0, 7], [9, 8])),
        *(_with(rows=rows) for rows in ({}, {"train": 1}, {"train": 1, "valid": 1, "test": 1}, 3)),
        *(_with(positive_rates=rates) for rates in ({}, {"train": 2.0}, {"train": float("nan")})),
    ],
)
def test_a_damaged_schema_is_named_and_prepare_mends_it(cache: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None]) -> None:
    path = table(tmp_path / "mine.csv")
    whole = prepare("csv", {"label": "click"}, path, alias="mine")
    schema = json.loads((whole.folder / "schema.json").read_text())
    spoil(schema)
    (whole.folder / "schema.json").write_text(json.dumps(schema))
    prepared_names()
    with pytest.raises(UserError, match=r"prepare the data set again"):
        open_prepared(whole.folder)
    assert prepare("csv", {"label": "click"}, path, alias="mine") == whole == open_prepared(whole.folder)


@pytest.mark.parametrize("name", ["train.ids", "valid.labels", "test.ids", "counts"])
@pytest.mark.parametrize("content", [None, b"", b"not an array", b"PK\x03\x04", 100, 140])
def test_a_damaged_array_is_named_and_prepare_mends_it(cache: Path, tmp_path: Path, name: str, content: bytes | int | None) -> None:
    path = table(tmp_path / "mine.csv")
    whole = prepare("csv", {"label": "click"}, path, alias="mine")
    array = whole.folder / f"{name}.npy"
    kept = array.read_bytes()
    array.unlink()
    if content is not None:
        array.write_bytes(kept[: min(content, len(kept) - 1)] if isinstance(content, int) else content)
    with pytest.raises(UserError, match="prepare the data set again") as caught:
        open_prepared(whole.folder)
    assert "\n" not in str(caught.value)
    assert prepare("csv", {"label": "click"}, path, alias="mine") == whole and array.read_bytes() == kept


FOREIGN = """
from dataclasses import dataclass
from typing import ClassVar
import polars as pl
from benchmark.sources import Column, DataSet, Source

@dataclass(frozen=True, kw_only=True)
class Foreign(DataSet):
    summary: ClassVar[str] = "for a test"
    source: ClassVar[str] = "a test"
    embedded: ClassVar[bool] = True
    do: str = ""
    def load(self, source_path, allow_checksum_mismatch=False):
        frame = pl.LazyFrame({"y": [0, 1] * 50, "a": list(range(100))})
        content = dict(parts=dict.fromkeys(("train", "valid", "test"), frame), label="y", columns=(Column("a"),))
        return Source(**content | (eval(self.do) if self.do else {}))
"""


@pytest.mark.parametrize(
    ("do", "words"),
    [
        ("open('/no/such/file')", "in load: FileNotFoundError"),
        ("exit(3)", "loading it failed: SystemExit"),
        ("[0] * 10**18", "not enough memory"),
        ("{'parts': {'train': frame}}", "each a LazyFrame, or one LazyFrame and a division; it returns parts train (LazyFrame)"),
        ("{'parts': dict.fromkeys(content['parts'])}", "each a LazyFrame"),
        ("{'parts': dict.fromkeys(content['parts'], frame.collect())}", "each a LazyFrame"),
        ("{'parts': dict.fromkeys(content['parts'], frame.map_batches(lambda f: 1 / 0))}", "ZeroDivisionError"),
        ("{'columns': ()}", "must be one or more Column"),
        ("{'columns': ('a',)}", "scaled, multi; 'a' is none"),
        ("{'columns': (Column('a', 'text'),)}", "multi; Column(name='a', kind='text'"),
        ("{'parts': dict.fromkeys(content['parts'], pl.scan_csv('/no/such.csv'))}", "/no/such.csv, which its load() names"),
        ("{'columns': (Column('a'), Column('a'))}", "name a column twice"),
        ("{'known': {'x': float('inf')}}", "x = inf; it must be a finite number"),
        ("{'notes': (3,)}", "notes of its Source = 3"),
    ],
)
def test_a_data_set_that_breaks_its_contract_is_one_line(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, do: str, words: str
) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "foreign_source.py").write_text(FOREIGN)
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        prepare("foreign_source", {"do": do}, None)
    assert "\n" not in str(caught.value)
    assert prepare("foreign_source", {}, None).rows["train"] == 100


def test_a_failure_leaves_the_old_data_set(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "mine.csv")
    first = prepare("csv", {"label": "click"}, path, alias="mine")
    table(path, rows=200)
    monkeypatch.setattr(encoding, "_sync", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare("csv", {"label": "click"}, path, alias="mine")
    assert ensure_prepared("mine", {}) == first
    assert sorted(p.name for p in (cache / "datasets").iterdir()) == [".mine.lock", "mine"]


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_a_kill_leaves_nothing_that_resolves(cache: Path) -> None:
    process = python(
        f"""
        import time
        from benchmark.data import encode, ensure
        encode._replace = lambda *paths: (print("written", flush=True), time.sleep(60))
        ensure.ensure_prepared("synthetic", {SMALL!r})
        """
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    debris = [path.name for path in (cache / "datasets").iterdir() if path.name.endswith(".building")]
    assert len(debris) == 1
    assert prepared_names() == []
    assert not folder_of("synthetic", SMALL).exists()
    assert ensure_prepared("synthetic", SMALL).rows["train"] == 800
    assert not list((cache / "datasets").glob(".*.building"))


def test_two_processes_make_one_copy(cache: Path, tmp_path: Path) -> None:
    code = f"""
        import time
        from pathlib import Path
        from benchmark.data import ensure, prepare
        real = prepare.encode
        prepare.encode = lambda *a: (print("encoding", flush=True), time.sleep(1), real(*a))
        while not Path({str(tmp_path / "go")!r}).exists():
            time.sleep(0.01)
        print(ensure.ensure_prepared("synthetic", {SMALL!r}).fingerprint)
        """
    both = [python(code), python(code)]
    time.sleep(2)
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=60)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][-1] == said[1][-1] == ensure_prepared("synthetic", SMALL).fingerprint
    assert sorted(len(words) for words in said) == [1, 2]  # one of them encoded


def test_opening_copies_no_row_and_needs_no_polars(cache: Path, tmp_path: Path) -> None:
    prepare("csv", {"label": "click"}, table(tmp_path / "mine.csv"), alias="mine")
    process = python(
        """
        import sys
        import benchmark.data.store, benchmark.data.batches
        print(sorted({"polars", "pandas", "ray", "mlflow"} & set(sys.modules)))
        """
    )
    assert process.communicate(timeout=60)[0] == "[]\n"
    rows = ensure_prepared("mine", {}).test(torch.device("cpu"), resident=False)
    assert isinstance(rows._local, np.memmap)


def test_the_schema_says_what_it_was_made_from(cache: Path, tmp_path: Path) -> None:
    folder = prepare("csv", {"label": "click"}, table(tmp_path / "mine.csv"), alias="mine").folder
    identity = json.loads((folder / "schema.json").read_text())["identity"]
    assert identity["options"] == {"label": "click"}
    assert list(identity["files"]) == ["mine.csv"]


def test_a_default_that_is_named_is_the_same_data_set(cache: Path) -> None:
    default = ensure_prepared("synthetic", {})
    rows = plugins.plugin("datasets", "synthetic")().rows
    assert ensure_prepared("synthetic", {"rows": rows}).folder == prepare("synthetic", {"rows": rows}, None).folder == default.folder
    seed = ensure_prepared("synthetic", {"rows": rows, "seed": 5})
    assert (seed.folder, seed.options) == (ensure_prepared("synthetic", {"seed": 5}).folder, {"seed": 5})
    assert seed.folder != default.folder
