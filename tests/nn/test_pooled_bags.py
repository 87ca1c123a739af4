"""The embedding of a multi-valued field, against torch's own pooling, a categorical field's, and the rows that a loop finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmark import plugins
from benchmark.checking import cell
from benchmark.config import CONTROL, Training
from benchmark.data.batches import Rows
from benchmark.data.encode import encode
from benchmark.data.store import open_prepared
from benchmark.method import assemble
from benchmark.nn.embedding import EmbeddingTable
from benchmark.ops.dispatch import switched_off
from benchmark.schema import Bags, Field, Pooling, Schema
from benchmark.sources import Column, Source
from benchmark.training.evaluate import spectra

ROWS = [[[0], [1], [2, 2, 4], [3], [1, 4]], [[0], [1], [1, 2, 2, 2, 3], [2]]]  # of the bags of two fields of 5 and 4 rows
STARTS = [3, 9]  # global rows where the fields' start; global ids: 3 and 12


def schema(pooling: Sequence[Pooling] = ("mean", "sum"), rows: Sequence[Sequence[Sequence[int]]] = ROWS) -> Schema:
    """a (3), two multi-valued fields with a scaled one between, b (2)."""
    bags = [bag for of_field in rows for bag in of_field]
    first, second = (
        Field(name, size, bags=len(of), pooling=kind) for name, size, of, kind in zip("xy", (5, 4), rows, pooling, strict=True)
    )
    stored = Bags(np.array([len(bag) for bag in bags], np.int32), np.array([row for bag in bags for row in bag], np.int32))
    return Schema((Field("a", 3), first, Field("s", 1, 4), second, Field("b", 2)), 0.4, np.array([0, -2, 0.5, 3], np.float32), stored)


def drawn(given: Schema, rows: int, kind: torch.dtype = torch.int32) -> tuple[Tensor, Tensor]:
    """Local and global ids (rows, F)."""
    sizes = [field.ids for field in given.fields]
    generator = torch.Generator().manual_seed(0)
    local = torch.stack([torch.randint(size, (rows,), generator=generator, dtype=kind) for size in sizes], 1)
    return local, local + torch.tensor([0, *np.cumsum(sizes[:-1])], dtype=kind)


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
@pytest.mark.parametrize("off", [(), ("embedding",)])
def test_values_and_gradient_are_those_of_torch(kind: torch.dtype, off: tuple[str, ...]) -> None:
    given = schema()
    assert (given.values, given.ids) == (15, 18)
    table = EmbeddingTable(given, 6).double()
    torch.nn.init.normal_(table.weight)
    theirs = table.weight.detach().clone().requires_grad_()
    local, ids = drawn(given, 40, kind)
    with switched_off(off):
        ours = table(ids)
    numbers = torch.tensor([[0.0], [-2], [0.5], [3]], dtype=torch.float64)
    parts = [functional.embedding(local[:, 0], theirs[:3]), torch.empty(0), theirs[8] * numbers[local[:, 2].long()]]
    parts += [torch.empty(0), functional.embedding(local[:, 4], theirs[13:])]
    for place, rows, start, pooling in zip((1, 3), ROWS, (3, 9), ("mean", "sum"), strict=True):
        of_cells = [rows[bag] for bag in local[:, place].tolist()]
        flat = torch.tensor([start + row for bag in of_cells for row in bag])
        offsets = torch.tensor([0, *np.cumsum([len(bag) for bag in of_cells])[:-1]])
        parts[place] = functional.embedding_bag(flat, theirs, offsets, mode=pooling)
    expected = torch.stack(parts, 1)
    torch.testing.assert_close(ours, expected, rtol=1e-7, atol=1e-14)  # 1/k is one of float32
    weights = torch.randn(ours.shape, dtype=torch.float64)
    (ours * weights).sum().backward()
    torch.autograd.backward((expected * weights).sum())
    torch.testing.assert_close(table.weight.grad, theirs.grad, rtol=1e-7, atol=1e-7)


def test_rows_are_those_of_the_bags() -> None:
    given = schema()
    table = EmbeddingTable(given, 2)
    local, ids = drawn(given, 30)
    of_row = []
    for a, x, _, y, b in local.tolist():
        of_row.append({a, *(3 + row for row in ROWS[0][x]), 8, *(9 + row for row in ROWS[1][y]), 13 + b})
        assert set(table.rows(ids[len(of_row) - 1 : len(of_row)]).tolist()) == of_row[-1]
    assert set(table.rows(ids).tolist()) == set().union(*of_row)


@pytest.mark.long  # torch imports for seconds
def test_nothing_is_read_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A meta tensor has no numbers: what asks for one, or for how many there are, raises. There is no autocast for it."""
    monkeypatch.setattr("benchmark.nn.embedding.narrowed", lambda x: x)
    table, ids = EmbeddingTable(schema(), 4).to("meta"), drawn(schema(), 9)[1].to("meta")
    rows = table(ids)
    rows.sum().backward()
    assert rows.shape == (9, 5, 4) and table.rows(ids).shape == (9 * 5 + 9 * 2 * 4,)
    with pytest.raises(NotImplementedError):
        ids[ids > 3]


def test_bfloat16_and_state() -> None:
    table = EmbeddingTable(schema(), 4)
    torch.nn.init.normal_(table.weight)
    ids = drawn(schema(), 9)[1]
    with torch.autocast("cpu", torch.bfloat16):
        narrow = table(ids)
    assert narrow.dtype == torch.bfloat16 and list(table.state_dict()) == ["weight"]
    torch.testing.assert_close(narrow.float(), table(ids), rtol=1e-2, atol=1e-2)


def test_bags_of_one_value_train_as_categories_do(tmp_path: Path) -> None:
    """To the last bit, beside a field whose bags have more, and with mean and sum alike."""
    random = np.random.default_rng(0)
    tag = [f"t{n}" if n else "" for n in random.integers(0, 9, 300)]
    rows = {"y": random.integers(0, 2, 300), "tag": tag, "more": ["|".join(map(str, row)) for row in random.integers(0, 5, (300, 3))]}
    found = []
    for kind, pooling in (("categorical", "mean"), ("multi", "mean"), ("multi", "sum")):
        columns = (Column("tag", kind, pooling), Column("more", "multi"))  # type: ignore[arg-type]
        source = Source(parts=dict.fromkeys(("train", "valid", "test"), pl.LazyFrame(rows)), label="y", columns=columns, min_count=2)
        encode(source, tmp_path / f"{kind}_{pooling}", {"name": "toy", "dataset": "synthetic", "options": {}})
        prepared = open_prepared(tmp_path / f"{kind}_{pooling}")
        torch.manual_seed(0)
        model = assemble(plugins.make("methods", CONTROL, {}), plugins.make("backbones", "dnn", {"hidden": (8,)}), prepared.schema, 2, 4)
        table = model.table()
        assert table is not None
        torch.nn.init.normal_(table, generator=torch.Generator().manual_seed(1))
        losses = cell.train(model, prepared.fold(cell.CPU).train, Training(epochs=1, batch_size=50))  # type: ignore[arg-type]
        found.append((losses, table.tolist()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("method", plugins.names("methods"))
def test_every_method_trains_on_bags(method: str) -> None:
    """Two steps, with a small backbone. The row that the bags of y have without others is trained as well as those that share one."""
    made = plugins.make("methods", method, {})
    recipe = plugins.make("backbones", "dcnv2", {"depth": 1, "hidden": (64,)}) if made.uses_backbone else None
    given = schema()
    torch.manual_seed(0)
    model = assemble(made, recipe, given, 2, 4)
    local = drawn(given, 64)[0].numpy()
    labels = np.random.default_rng(0).integers(0, 2, 64).astype(np.uint8)
    offsets = np.cumsum([0, *(field.ids for field in given.fields[:-1])])
    table = model.table()
    if table is not None:
        torch.nn.init.normal_(table, std=0.1)
        before = table.detach().clone()
    losses = cell.train(model, Rows(local, labels, offsets, cell.CPU, resident=True), Training(batch_size=32, epochs=1))
    assert np.isfinite(losses).all()
    if table is not None:
        assert bool(table.isfinite().all()) and not (table == before).all(1).any()


def test_a_field_of_few_bags_stays_out_of_the_means_over_fields() -> None:
    """Its 50 rows are more than the width of 8, but its batch has three different embeddings at most."""
    bags = Bags(np.array([1, 1, 4], np.int32), np.array([0, 1, 2, 9, 9, 40], np.int32))
    given = Schema((Field("tags", 50, bags=3), Field("b", 20)), 0.5, bags=bags)
    model = assemble(plugins.make("methods", CONTROL, {}), plugins.make("backbones", "dnn", {"hidden": (4,)}), given, 2, 4)
    rows = Rows(drawn(given, 64)[0].numpy(), np.zeros(64, np.uint8), np.array([0, 3]), cell.CPU, resident=True)
    found = spectra(model, rows, given, [np.ones(50, np.int64), np.ones(20, np.int64)], None).metrics
    assert found["spectral/layer0/rows_averaged"] == 1 and found["spectral/table/fields_averaged"] == 2
