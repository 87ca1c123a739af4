"""Singular values of records: against numpy's of the trained table and of a layer's output, in few bytes, and old records as they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from test_records import RECORD

import benchmark
from benchmark.contracts import CTRModel
from benchmark.data.store import Prepared
from benchmark.errors import UserError
from benchmark.packing import packed_curve, packed_metrics
from benchmark.record import record_from_json
from benchmark.records import Record, Store
from benchmark.singular_values import FIELDS, PLACES, packed, positions, unpacked
from benchmark.values import digest

REFERENCE = Path(__file__).parents[1] / "results" / "reference" / "collapse" / "records"
SCALE, DIMENSION = 4, 5
WIDTH = SCALE * DIMENSION


@pytest.fixture(scope="module")
def trained() -> Iterator[tuple[Record, CTRModel, Prepared]]:
    """A record, its model, and its data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BENCHMARK_PLUGINS", raising=False)
        data = benchmark.prepared("synthetic", options={"rows": 3000, "cardinalities": [3, 8, 40, 90]})
        kept: list[CTRModel] = []
        settings = {"epochs": 1, "batch_size": 800}
        record = benchmark.train(
            "multi_embedding", "dcnv2", data, scale=SCALE, dimension=DIMENSION, training=settings, device="cpu", keep=kept.append
        )
        assert record.status == "finished", record.reason
        yield record, kept[0], data


def fall(matrix: np.ndarray) -> np.ndarray:
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    found: np.ndarray = values / values[0]
    return found


def kept(values: np.ndarray) -> list[float]:
    return [float(values[place - 1]) for place in positions(len(values))]


def test_those_of_tables_are_numpy_s(trained: tuple[Record, CTRModel, Prepared]) -> None:
    record, model, data = trained
    table = model.table()
    assert table is not None
    rows = np.split(table.detach().numpy(), np.cumsum([field.cardinality for field in data.schema.fields])[:-1])
    learned = [part[counts > 0] for part, counts in zip(rows, data.value_counts(), strict=True)]
    assert sum(len(part) for part in rows) > sum(map(len, learned)), "a table without an unseen value would not tell the two apart"
    whole = {f"table/{field.name}": part for field, part in zip(data.schema.fields, learned, strict=True)} | {
        "table": np.concatenate(learned)
    }
    for name, matrix in whole.items():
        found = unpacked(record.singular_values[name])
        assert found.size == min(matrix.shape) and found.values == pytest.approx(kept(fall(matrix)), rel=6e-3), name


def test_those_of_layers_are_numpy_s(trained: tuple[Record, CTRModel, Prepared]) -> None:
    """Of each row of a batch that has values enough to fill the width: the mean over these; and of what a layer added."""
    record, model, data = trained
    model.eval()
    with torch.no_grad():
        states = [
            torch.cat(parts)
            for parts in zip(*(model(ids).states for ids, _ in data.fold(torch.device("cpu")).valid.batches(512)), strict=True)
        ]
    able = [
        n
        for n, (field, counts) in enumerate(zip(data.schema.fields, data.value_counts(), strict=True))
        if min((counts > 0).sum(), field.ids) >= WIDTH
    ]
    assert 0 < len(able) < len(data.schema.fields)

    def mean(state: torch.Tensor) -> list[float]:
        return kept(np.mean([fall(state[:, :, n].flatten(1).numpy()) for n in able], axis=0))

    assert len(states) == record.trial.cell.depth + 1
    for layer, state in enumerate(states):
        assert unpacked(record.singular_values[f"layer{layer}/batch"]).values == pytest.approx(mean(state), rel=6e-3)
        if layer:
            added = state.double() - states[layer - 1].double()
            assert unpacked(record.singular_values[f"layer{layer}/term/batch"]).values == pytest.approx(mean(added), rel=6e-3)


def test_a_record_with_them_comes_back_also_through_the_index(trained: tuple[Record, CTRModel, Prepared], tmp_path: Path) -> None:
    record, _, _ = trained
    assert record_from_json(record.packed(), "here") == record == record_from_json(record.to_json(), "here")
    store = Store(tmp_path)
    store.create()
    store.write(record)
    for _ in range(2):
        [found] = store
        assert dict(found.singular_values) == record.singular_values
        assert json.loads(found.to_json()) == json.loads(record.to_json())
        assert found.metrics.keys() == record.metrics.keys(), "they are no metrics"


def test_two_trainings_of_one_seed_have_the_same(trained: tuple[Record, CTRModel, Prepared]) -> None:
    record, _, data = trained
    settings = {"epochs": 1, "batch_size": 800}
    again = benchmark.train("multi_embedding", "dcnv2", data, scale=SCALE, dimension=DIMENSION, training=settings, device="cpu")
    assert again.singular_values == record.singular_values


def test_only_final_trainings_have_them() -> None:
    assert RECORD.singular_values == {}
    assert "singular_values" not in json.loads(RECORD.packed())


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*.json"))[::40], ids=lambda path: path.stem)
def test_records_from_before_read_and_are_written_as_they_were(path: Path) -> None:
    """Also their digest, worked out anew as the versions before did."""
    record = record_from_json(path.read_text(encoding="utf-8"), path.name)
    content = json.loads(record.to_json())
    assert record.singular_values == {} and "singular_values" not in content
    claimed = content.pop("digest")
    assert claimed == digest(content)
    stored = json.loads(record.packed())
    assert stored == json.loads(
        json.dumps({**content, **packed_metrics(record.metrics), "curve": packed_curve(record.curve), "digest": claimed})
    )


@pytest.mark.parametrize("change", ["edited", "too few", "rising", "not a number", "no number"])
def test_a_line_that_is_none_is_no_record(trained: tuple[Record, CTRModel, Prepared], change: str) -> None:
    content = json.loads(trained[0].packed())
    line = content["singular_values"]["table"]
    changed = {
        "edited": line[:-1] + ("1" if line[-1] != "1" else "2"),
        "too few": line.rpartition(" ")[0],
        "rising": f"{line.rpartition(' ')[0]} 1",
        "not a number": f"{line.rpartition(' ')[0]} nan",
        "no number": f"x{line}",
    }[change]
    content["singular_values"]["table"] = changed
    if change != "edited":
        del content["digest"]
    with pytest.raises(UserError, match="not what was written" if change == "edited" else "not a record"):
        record_from_json(json.dumps(content), "here.json")


@pytest.mark.parametrize("count", [1, 2, PLACES, PLACES + 1, 40, 100, 2048, 10**6])
def test_places_are_the_first_the_last_and_between_them_in_equal_ratios(count: int) -> None:
    places = positions(count)
    assert places[0] == 1 and places[-1] == count and len(places) <= PLACES and list(places) == sorted(set(places))
    if count <= PLACES:
        assert places == tuple(range(1, count + 1))
    ratio = count ** (1 / (PLACES - 1))
    assert all(after - 0.5 <= (before + 0.5) * ratio for before, after in pairwise(places))


def test_three_digits_come_back() -> None:
    values = np.concatenate([[1.0], np.sort(10 ** np.random.default_rng(0).uniform(-7, 0, 500))[::-1], [0.0]]).tolist()
    found = unpacked(packed({"table": values}, {})["table"])
    assert found.size == 502 and found.values == pytest.approx([values[place - 1] for place in positions(502)], rel=5e-3)
    assert found.values[0] == 1 and found.values[-1] == 0
    assert unpacked(packed({"table": [1.0]}, {})["table"]) == (1, (1.0,))
    assert packed({"table": [0.0, 0.0]}, {}) == {}, "zeros fall nowhere"


def test_of_very_many_fields_those_with_the_most_values_are_kept_in_their_order() -> None:
    learned = {f"field {n}": 1000 - n if n % 2 else n for n in range(300)}
    found = packed({f"table/{name}": [1.0, 0.5] for name in learned} | {"table": [1.0, 0.1]}, learned)
    names = [name.removeprefix("table/") for name in found if name != "table"]
    assert names == [f"field {n}" for n in range(300) if n % 2][:FIELDS] and "table" in found


@pytest.mark.parametrize("lowest", [-1, -3])
def test_a_record_of_39_fields_grows_by_four_kilobytes_at_most(lowest: int) -> None:
    """At width 100 and with Criteo's names; the lower the values, the more characters they take."""
    draw = np.random.default_rng(0)
    names = [f"table/{kind}{n + 1}" for kind, count in (("I", 13), ("C", 26)) for n in range(count)]
    names += ["table", *(f"layer{n}/batch" for n in range(4)), *(f"layer{n}/term/batch" for n in range(1, 4))]
    values = {name: np.sort(np.logspace(0, lowest, 100) * np.r_[1, draw.uniform(0.9, 1, 99)])[::-1].tolist() for name in names}
    lines = packed(values, {name.removeprefix("table/"): 1 for name in names if name.startswith("table/")})
    assert list(lines) == names
    with_them = replace(RECORD, singular_values=lines)
    assert 2000 < len(with_them.packed().encode()) - len(RECORD.packed().encode()) < 4096
