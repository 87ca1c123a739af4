"""A recorded training made again: what agrees, by which rule, and what is said to differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from standin_records import record

import benchmark
from benchmark.__main__ import main
from benchmark.config import DELTA
from benchmark.errors import UserError
from benchmark.records import Record, Store
from benchmark.reporting.reproduction import SCORES, find, in_words, judged, scores

DATA = {"rows": 600, "cardinalities": (3, 8)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two real trainings of one cell, and a cache that has their data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("results")
        data = benchmark.prepared("synthetic", DATA)
        for seed in (0, 1):
            settings: dict[str, Any] = {"training": {"epochs": 2, "batch_size": 64}, "backbone_options": {"hidden": (4,)}, "depth": 1}
            benchmark.train("multi_embedding", "dcnv2", data, scale=2, seed=seed, threads=1, results=folder, **settings)
        yield Store(folder)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["reproduce", "--device", "cpu", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def stored(folder: Path, *records: Record) -> Store:
    store = Store(folder)
    store.create()
    for one in records:
        store.write(one)
    return store


def test_a_training_made_again_is_the_same_to_the_last_digit(
    trained: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "empty"))  # the data is made where it is not there
    before = {path: path.read_bytes() for path in trained.paths()}
    first = next(iter(before))
    code, out, err = run(capsys, first.stem[:7], "--results", str(trained.folder.parent))
    assert code == 0 and "agrees: the same to the last digit, in all " in out and "nothing else differs" in out
    assert err.startswith("epoch 1: loss "), "progress, as of `train`"
    assert {path: path.read_bytes() for path in trained.paths()} == before
    assert run(capsys, str(first))[0] == 0, "by the path of its file"


def test_another_number_another_code_and_another_setting_are_told(
    trained: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = trained.read(trained.paths()[0])
    moved = {**one.metrics, "test/auc": one.metrics["test/auc"] + 0.01}
    # As of another version: the data was another, the code too, and the method knew no setting.
    trial = replace(one.trial, cell=replace(one.trial.cell, data="0" * 12), method={})
    environment = {**one.environment, "torch": "2.0", "cpu": "another"}
    other = replace(one, trial=trial, metrics=moved, environment=environment, fingerprints={**one.fingerprints, "method_code": "old"})
    store = stored(tmp_path, other)
    code, out, _ = run(capsys, other.trial_id, "--results", str(store.folder.parent))
    assert code == 1 and f"does not agree: test/auc differs by more than {DELTA:g}, the tolerance" in out
    for line in ("torch: 2.0 recorded, ", "cpu: another recorded, ", "data: 000000000000 recorded, ", "code method_code: old recorded, "):
        assert line in out
    assert "method.sets: not recorded recorded" not in out and "method.sets: not in the record, null now" in out


def test_the_rule_is_the_noise_of_the_cell_or_a_set_tolerance(tmp_path: Path) -> None:
    aucs = (0.70, 0.71, 0.75)
    records = [record("m", seed, auc) for seed, auc in enumerate(aucs)]
    strangers = [
        record("m", 3, 0.9, cell={"scale": 2}),
        record("m", 3, 0.9, budget=2),
        record("n", 3, 0.9),
        record("m", 4, None, status="failed"),
    ]
    store = stored(tmp_path, *records, *strangers)
    sd = stdev(aucs)
    for change, agrees in ((0.9 * sd, True), (-0.9 * sd, True), (1.1 * sd, False), (-1.1 * sd, False)):
        now = replace(records[1], metrics={name: value + change for name, value in records[1].metrics.items()})
        found = scores(records[1], now, store)
        assert [(s.name, s.seeds) for s in found] == [(name, 3) for name in SCORES if name in now.metrics]
        assert all(s.allowed == pytest.approx(sd) for s in found)
        said, verdict = judged(records[1], now, found)
        assert said is agrees and ("over the cell's 3 seeds" in verdict)
    for change, agrees in ((0.9 * DELTA, True), (1.1 * DELTA, False)):
        now = replace(strangers[0], metrics={name: value - change for name, value in strangers[0].metrics.items()})
        assert judged(strangers[0], now, scores(strangers[0], now, store))[0] is agrees


def test_equal_scores_with_another_spectrum_are_said_to_be_so(tmp_path: Path) -> None:
    one = record("m", 0, 0.7, metrics={"spectral/x": 1.0})
    now = replace(one, metrics={**one.metrics, "spectral/x": 2.0})
    agrees, verdict = judged(one, now, scores(one, now, Store(tmp_path)))
    assert agrees and "to the last digit; of 4 metrics 1 are not: spectral/x" in verdict


def test_a_status_must_be_the_same(tmp_path: Path) -> None:
    failed, finished = record("m", 0, None, status="diverged", reason="loss is not finite"), record("m")
    assert judged(failed, failed, []) == (True, "agrees: diverged again (loss is not finite)")
    assert judged(failed, finished, []) == (False, "does not agree: recorded as diverged, now finished")
    assert "recorded as finished, now diverged: loss is not finite" in judged(finished, failed, [])[1]


def test_a_draw_that_was_stopped_agrees_by_its_scores(tmp_path: Path) -> None:
    stopped = record("m", status="stopped", stage="tune", reason="after epoch 1", metrics={"valid/auc": 0.7}, auc=None)
    assert judged(stopped, stopped, scores(stopped, stopped, Store(tmp_path)))[0]
    now = replace(stopped, metrics={"valid/auc": 0.7 + 2 * DELTA})
    agrees, verdict = judged(stopped, now, scores(stopped, now, Store(tmp_path)))
    assert not agrees and "valid/auc differs by more than" in verdict


def test_it_fits_and_says_where_the_curves_part(tmp_path: Path) -> None:
    one = replace(
        record("m"), curve=tuple({"epoch": float(n), "valid/auc": 0.5 + n / 10} for n in (1, 2, 3)), environment={"cpu": "x" * 30}
    )
    now = replace(
        one, curve=(*one.curve[:2], {"epoch": 3.0, "valid/auc": 0.1}), environment={"cpu": "y" * 30}, metrics={"test/auc": 0.8000004}
    )
    text = in_words(one, now, scores(one, now, Store(tmp_path)), "agrees", 80)
    assert "validation AUC is the same up to epoch 2" in text and max(map(len, text.splitlines())) <= 80
    assert "0.8000000  0.8000004" in text and "+4.0e-07" in text


def test_a_record_that_cannot_be_found_is_one_line(tmp_path: Path) -> None:
    store = stored(tmp_path, *(record("m", seed) for seed in range(40)))
    for reference, words in (
        ("zz", "no id in .* begins with 'zz'"),
        ("", "40 records begin with '', .* and 35 more; give more of the id"),
        (str(tmp_path / "none.json"), "none.json: cannot be read as a record: No such file"),
    ):
        with pytest.raises(UserError, match=words):
            find(reference, tmp_path)
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "edited.json").write_text(store.paths()[0].read_text().replace('"seed": ', '"seed": 9'))
    (tmp_path / "damaged.json").write_text(store.paths()[0].read_text().replace('"test/auc": 0.', '"test/auc": 0.0'))
    for name, words in (
        ("bad", "not a record"),
        ("edited", r"the trial does not hash to its id \w+ \(edited by hand\?\)"),
        ("damaged", ".*"),
    ):
        with pytest.raises(UserError, match=rf"^reproduce: .*{name}\.json: {words}; name the file of a record as it was written, or an id"):
            find(str(tmp_path / f"{name}.json"), tmp_path)
    broken = tmp_path / "records" / "broken.json"
    broken.write_text("{}")
    with pytest.raises(UserError, match=r"broken\.json: not a record; move it out of the folder"):
        find("broken", tmp_path)
    assert find(store.paths()[3].stem, tmp_path)[0].trial_id == store.paths()[3].stem
