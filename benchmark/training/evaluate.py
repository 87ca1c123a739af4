"""Scores, losses and spectra of a model that is not being trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts import Backbone, CTRModel
from benchmark.data.batches import Rows
from benchmark.errors import UserError
from benchmark.metrics.ctr import auc, expected_auc, expected_logloss, logloss
from benchmark.metrics.spectral import layer_metrics, spectrum, table_metrics
from benchmark.schema import Schema

BATCH = 8192
SPECTRAL_SAMPLE = 8192  # instances of the validation part that layer spectra are taken on


class NotFinite(Exception):
    """The model gives scores that are no numbers."""


@torch.no_grad()
def score(model: CTRModel, rows: Rows) -> dict[str, float]:
    """{"auc", "logloss"} on all rows; the expected ones over the labels, where their probabilities are known. Raises NotFinite."""
    model.eval()
    scored = [(model(ids).logits, labels) for ids, labels in rows.batches(BATCH)]
    logits, labels = (torch.cat(parts) for parts in zip(*scored, strict=True))
    if not bool(torch.isfinite(logits).all()):
        raise NotFinite
    if rows.probabilities is not None:
        return {"auc": expected_auc(logits, rows.probabilities), "logloss": expected_logloss(logits, rows.probabilities)}
    return {"auc": auc(logits, labels), "logloss": logloss(logits, labels)}


@torch.no_grad()
def spectra(
    model: CTRModel, sample: Rows, schema: Schema, value_counts: Sequence[np.ndarray], backbone: type[Backbone] | None
) -> dict[str, float]:
    """The spectral metrics of docs/mathematics.md §4: of the table (learned rows only) and of each layer's states on the first
    ``SPECTRAL_SAMPLE`` instances of ``sample``. Names: spectral/table/…, spectral/layer{l}/….

    A mean over fields leaves out fields with fewer values than the width. Where the rows of a layer are fields (``Backbone.field_rows``),
    the mean at every layer is over those same fields, so that layers can be compared.
    A residual backbone passes its input on, which dominates the spectrum of x_l. Therefore spectral/layer{l}/term/batch/… is measured
    too: the spectrum of x_l − x_{l−1}, which is what the layer itself added.
    """
    table = model.table()
    if table is None:
        return {}
    model.eval()
    states: list[list[Tensor]] = []
    seen = 0
    for ids, _ in sample.batches(1024):
        states.append([state.cpu() for state in model(ids).states])
        seen += len(ids)
        if seen >= SPECTRAL_SAMPLE:
            break
    layers = [torch.cat(parts) for parts in zip(*states, strict=True)]
    sets = layers[0].shape[1] if layers else 1
    names = [f.name for f in schema.fields]
    found = {f"spectral/{name}": value for name, value in table_metrics(table.detach().cpu(), sets, names, value_counts).items()}
    learned = [int((counts > 0).sum()) for counts in value_counts]
    for index, layer in enumerate(layers):
        eligible = learned if index == 0 or (backbone is not None and backbone.field_rows) else None
        found |= {f"spectral/layer{index}/{name}": value for name, value in layer_metrics(layer, eligible).items()}
        # A model may have fewer sets of the cell's backbone than of the table: its state 0 is then no state that a layer added to.
        if index > 0 and backbone is not None and backbone.residual and layer.shape == layers[index - 1].shape:
            added = layer_metrics(layer - layers[index - 1], eligible)
            found |= {f"spectral/layer{index}/term/{name}": value for name, value in added.items() if name.startswith("batch")}
    return found


@torch.no_grad()
def table_spectra(model: CTRModel, schema: Schema, value_counts: Sequence[np.ndarray] | None) -> dict[str, np.ndarray]:
    """For each field the singular values, descending, of its table: (min(rows, D),). Without a table there are none.

    Rows are those that training data has, as for the metrics ``spectral/table/…``; without ``value_counts`` all. Raises UserError where the
    table is not of that data.
    """
    table = model.table()
    if table is None:
        return {}
    if len(table) != schema.values:
        raise UserError(f"the model's table has {len(table)} rows, the data {schema.values} values; name the data that the model is for")
    parts = torch.split(table.detach().cpu(), [field.cardinality for field in schema.fields])
    if value_counts is not None:
        parts = tuple(rows[torch.from_numpy(counts > 0)] for rows, counts in zip(parts, value_counts, strict=True))
    return {field.name: spectrum(rows).numpy() for field, rows in zip(schema.fields, parts, strict=True)}
