#!/usr/bin/env bash
# fuxictr 2.3.10 (torch 2.13.0, Python 3.11): embedding_regularizer: 1 is no penalty at all, 1.0 is one; nothing says so.
#
# The setting is looked at with isinstance(…, float) and isinstance(…, str). An int, as YAML reads a plain 1 and as a grid over 0, 1, 10
# has it, is neither, and so is a float32 of NumPy: the list of penalties stays empty and the model trains without. The same holds for
# net_regularizer.
#
# Seen on 2026-11-28, the penalty of a table of 5 rows of 4 ones, (λ/2)·20:
#   1.0 -> 10.0, 1 -> 0.0, numpy.float32(1.0) -> 0.0
#
# Exits 0 while this is so, 1 when it has changed. Way out: write 1.0, or "l2(1)".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 polars==1.30.0 fuxictr==2.3.10
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from collections import OrderedDict

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.layers import FeatureEmbedding
from fuxictr.pytorch.models import BaseModel

fields = FeatureMap("data", ".")
fields.features = OrderedDict(user={"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": 5, "oov_idx": 4})
fields.labels, fields.num_fields = ["click"], 1


class Model(BaseModel):
    def __init__(self, regularizer: object) -> None:
        super().__init__(fields, embedding_regularizer=regularizer, verbose=0, model_root=".", metrics=["AUC"])
        self.embedding_layer = FeatureEmbedding(fields, 4)
        for parameter in self.parameters():
            torch.nn.init.ones_(parameter)


found = [float(Model(value).regularization_loss()) for value in (1.0, 1, np.float32(1.0))]
print(f"1.0 -> {found[0]}, 1 -> {found[1]}, numpy.float32(1.0) -> {found[2]}")
raise SystemExit(0 if found == [10.0, 0.0, 0.0] else 1)
PYTHON
