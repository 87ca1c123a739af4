#!/usr/bin/env bash
# deepctr-torch 0.3.0 (torch 2.13.0, Python 3.11): ids above 2^24 = 16,777,216 are rounded to even numbers, and two values share a row.
#
# fit() and predict() put all inputs side by side in one matrix, make it float32, and turn the ids back into integers before the look-up.
# float32 holds whole numbers to 2^24. Of a field with more values than that every second row from there on is never looked up and its
# value takes a neighbour's, in training and in prediction alike, and no error says so. A hashed or a large user field has as many.
#
# Seen on 2026-11-28:
#   asked for  [16777215, 16777216, 16777217, 16777219]
#   looked up  [16777215, 16777216, 16777216, 16777220]
#
# Exits 0 while this is so, 1 when it has changed. Way out: none in the library's own fit(); hash such fields to fewer values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 deepctr-torch==0.3.0 requests==2.32.5
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from deepctr_torch.inputs import SparseFeat
from deepctr_torch.models import DeepFM

field = SparseFeat("user", 2**24 + 8, 1)
model = DeepFM([field], [field], dnn_hidden_units=(2,))
looked_up: list[int] = []
model.embedding_dict["user"].register_forward_hook(lambda layer, given, out: looked_up.extend(given[0].flatten().tolist()))
asked = [2**24 - 1, 2**24, 2**24 + 1, 2**24 + 3]
model.predict({"user": np.array(asked)})
print(f"asked for  {asked}\nlooked up  {looked_up}")
raise SystemExit(0 if looked_up == [2**24 - 1, 2**24, 2**24, 2**24 + 4] else 1)
PYTHON
