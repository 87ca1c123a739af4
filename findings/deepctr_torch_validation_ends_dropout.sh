#!/usr/bin/env bash
# deepctr-torch 0.3.0 (torch 2.13.0, Python 3.11): fit() with validation data trains without dropout from the second epoch on.
#
# fit() puts the model into training mode once, before the first epoch. The validation at the end of each epoch goes through predict(), which
# puts it into evaluation mode, and nothing puts it back: from the second epoch on dropout is off and batch normalisation uses its running
# averages, while gradients and steps go on. Without validation data every epoch trains in training mode. So whoever watches a validation
# AUC, as early stopping must, tunes the dropout of the first epoch alone.
#
# Seen on 2026-11-28, the dropout layer's mode in the training steps of three epochs of two batches:
#   without validation data [True, True, True, True, True, True]
#   with validation data    [True, True, False, False, False, False]
#
# Exits 0 while this is so, 1 when it has changed. Way out: a callback whose on_epoch_begin calls model.train().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 deepctr-torch==0.3.0 requests==2.32.5
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import torch
from deepctr_torch.inputs import SparseFeat
from deepctr_torch.models import DeepFM

draw = np.random.default_rng(0)
columns = [SparseFeat("user", 50, 4), SparseFeat("item", 20, 4)]


def table() -> tuple[dict[str, np.ndarray], np.ndarray]:
    return {c.name: draw.integers(0, c.vocabulary_size, 640) for c in columns}, (draw.random(640) < 0.3).astype("float32")


def modes(validation: tuple[dict[str, np.ndarray], np.ndarray] | None) -> list[bool]:
    """Whether the dropout layer is in training mode, at each step with a gradient."""
    model = DeepFM(columns, columns, dnn_hidden_units=(8,), dnn_dropout=0.5)
    model.compile("adam", "binary_crossentropy", metrics=["auc"])
    seen: list[bool] = []
    model.dnn.dropout.register_forward_hook(lambda layer, given, out: seen.append(layer.training) if torch.is_grad_enabled() else None)
    model.fit(*table(), batch_size=320, epochs=3, verbose=0, validation_data=validation)
    return seen


without, with_validation = modes(None), modes(table())
print(f"without validation data {without}\nwith validation data    {with_validation}")
raise SystemExit(0 if without == [True] * 6 and with_validation == [True] * 2 + [False] * 4 else 1)
PYTHON
