"""Scores, losses and spectra of a model that is not being trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.contracts import Backbone, CTRModel
from benchmark.data.batches import Rows
from benchmark.errors import UserError
from benchmark.metrics.ctr import auc, expected_auc, expected_logloss, logloss
from benchmark.metrics.layers import measured_layer
from benchmark.metrics.spectral import Measured, measured_table, spectrum
from benchmark.schema import Schema

# Rows at a time; a row's score is the same in any batch. On a CPU what layers make of them stays in a core's cache (docs/performance.md).
CPU_BATCH, GPU_BATCH = 2048, 8192
SPECTRAL_SAMPLE = 8192  # instances of the validation part that layer spectra are taken on


class NotFinite(Exception):
    """The model gives scores that are no numbers."""


@torch.no_grad()
def score(model: CTRModel, rows: Rows) -> dict[str, float]:
    """{"auc", "logloss"} on the rows of ``scores``; the expected ones over the labels, where their probabilities are known.

    Raises NotFinite.
    """
    return measured(rows, *scores(model, rows))


def measured(rows: Rows, logits: Tensor, labels: Tensor) -> dict[str, float]:
    if rows.probabilities is None:
        return {"auc": auc(logits, labels), "logloss": logloss(logits, labels)}
    return {"auc": expected_auc(logits, rows.probabilities), "logloss": expected_logloss(logits, rows.probabilities)}


@torch.no_grad()
def score_test(model: CTRModel, rows: Rows, unseen: NDArray[np.bool_] | None) -> tuple[dict[str, float], tuple[str, ...]]:
    """``score`` of the test rows and notes. Where the data set names a pair of fields also, of the rows whose pair no training row has:

    rows_unseen_pairs, positives_unseen_pairs   how many they are, and how many of them are positive
    auc_unseen_pairs                            their AUC, in which a memory of training pairs tells nothing. Where a class is missing it
                                                is absent, and a note says so

    unseen: (n,) those rows, or None. Raises NotFinite.
    """
    logits, labels = scores(model, rows)
    found = measured(rows, logits, labels)
    if unseen is None:
        return found, ()
    chosen = torch.from_numpy(unseen).to(labels.device)
    labels = labels[chosen]
    count, positives = len(labels), int(labels.sum())
    found |= {"rows_unseen_pairs": float(count), "positives_unseen_pairs": float(positives)}
    if 0 < positives < count:
        return found | {"auc_unseen_pairs": auc(logits[chosen], labels)}, ()
    words = f"of the test rows whose pair no training row has {positives} are positive and {count - positives} negative"
    return found, (f"no AUC on unseen pairs: {words}",)


@torch.no_grad()
def scores(model: CTRModel, rows: Rows) -> tuple[Tensor, Tensor]:
    """Logits and labels, (n,) each. Raises NotFinite."""
    model.eval()
    size = CPU_BATCH if rows.device.type == "cpu" else GPU_BATCH
    scored = [(model(ids).logits, labels) for ids, labels in rows.batches(size)]
    logits, labels = (torch.cat(parts) for parts in zip(*scored, strict=True))
    if not bool(torch.isfinite(logits).all()):
        raise NotFinite
    return logits, labels


@torch.no_grad()
def spectra(model: CTRModel, sample: Rows, schema: Schema, value_counts: Sequence[np.ndarray], backbone: type[Backbone] | None) -> Measured:
    """The spectral metrics of docs/mathematics.md §4: of the table (learned rows only) and of each layer's states on the first
    ``SPECTRAL_SAMPLE`` instances of ``sample``, whose rows are in random order. Names: spectral/table/…, spectral/layer{l}/….

    A mean over fields leaves out fields with fewer values than the width. Where the rows of a layer are fields (``Backbone.field_rows``),
    the mean at every layer is over those same fields, so that layers can be compared.
    A residual backbone passes its input on, which dominates the spectrum of x_l. Therefore spectral/layer{l}/term/batch/… is measured
    too: the spectrum of x_l − x_{l−1}, which is what the layer itself added.

    …_over_repeated_gaussian: at layer 0 a row of the batch is that of the field's value, and repeats as the value does in the sample;
    behind it only where the whole instance repeats, whatever the layer.

    Singular values are of "table/<field>", "table", "layer{l}/batch" and "layer{l}/term/batch", as the metrics of these names are.
    """
    table = model.table()
    if table is None:
        return Measured({}, {})
    model.eval()
    states: list[list[Tensor]] = []
    sampled: list[Tensor] = []
    seen = 0
    for ids, _ in sample.batches(1024):
        states.append([state.cpu() for state in model(ids).states])
        sampled.append(ids.cpu())
        seen += len(ids)
        if seen >= SPECTRAL_SAMPLE:
            break
    layers = [torch.cat(parts) for parts in zip(*states, strict=True)]
    sets = layers[0].shape[1] if layers else 1
    names = [f.name for f in schema.fields]
    of_table = measured_table(table.detach().cpu(), sets, names, value_counts)
    found, values = {f"spectral/{name}": value for name, value in of_table.metrics.items()}, dict(of_table.values)
    # A field's embeddings span no more than its rows do, and no more than it has different ones.
    learned = [min(int((counts > 0).sum()), field.ids) for field, counts in zip(schema.fields, value_counts, strict=True)]
    instances = torch.cat(sampled).numpy()
    by_field = [np.unique(column, return_counts=True)[1] for column in instances.T]
    whole = np.unique(instances, axis=0, return_counts=True)[1]
    for index, layer in enumerate(layers):
        eligible = learned if index == 0 or (backbone is not None and backbone.field_rows) else None
        repeats = by_field if index == 0 else whole
        whole_layer = measured_layer(layer, eligible, repeats)
        found |= {f"spectral/layer{index}/{name}": value for name, value in whole_layer.metrics.items()}
        values |= {f"layer{index}/{name}": of_matrix for name, of_matrix in whole_layer.values.items()}
        # A model may have fewer sets of the cell's backbone than of the table: its state 0 is then no state that a layer added to.
        if index > 0 and backbone is not None and backbone.residual and layer.shape == layers[index - 1].shape:
            added = measured_layer(layer - layers[index - 1], eligible, whole)
            found |= {f"spectral/layer{index}/term/{name}": value for name, value in added.metrics.items() if name.startswith("batch")}
            values |= {f"layer{index}/term/{name}": of_matrix for name, of_matrix in added.values.items()}
    return Measured(found, values)


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
