#!/usr/bin/env bash
# cka-pytorch 1.1.3 (torch 2.13.0, CPU build, Python 3.11): the CKA of an embedding table with its own copy is .00 where its entries have a
# standard deviation of .01, .11 at .03 and 1.00 at 1; and it grows with num_epochs.
#
# CKA is made to be the same for features of any scale. To keep a division from failing at 0, calculate_cka_matrix() adds epsilon=1e-4 to
# the product of the two layers' own HSICs, under the root. These go with the fourth power of the scale each, the product with the eighth: a
# table at its first values, as CTR models draw them, and layers behind it that are not normalised are far below the epsilon. Their CKA is
# next to 0 with everything, themselves as well. It reads as "nothing in common", or as a table that training has turned into another one,
# where only its scale has grown. HSICs are added up over epochs, ten if not said otherwise, and the epsilon is not, so that a hundredfold
# product makes up for a part of it: more epochs over the same rows are another CKA. The docstring has epsilon as a small value that
# prevents division by zero. Nothing warns.
#
# Seen on 2026-11-30, 1,000 rows of 16 entries N(0, s²), looked up 2,048 times in batches of 256, the table against its copy:
#                              s=1     .3     .1    .05    .03    .01
#   ten epochs                1.00   1.00   1.00    .64    .11    .00
#   one epoch                 1.00   1.00    .80    .08    .01    .00
#   one epoch, epsilon=0      1.00   1.00   1.00   1.00   1.00   1.00
#
# Exits 0 while this is so, 1 when it has changed. Way out: epsilon=0, with no layer that is constant.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# without torchvision, which is asked for and not used here
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 lightning==2.6.6 torchmetrics==1.9.0 matplotlib==3.11.2 \
    seaborn==0.13.2 tqdm==4.70.1
"$folder/venv/bin/python" -m pip install --quiet --no-deps cka-pytorch==1.1.3
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import torch
from cka_pytorch.cka import CKACalculator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ROWS, COLUMNS, LOOKED_UP, BATCH = 1_000, 16, 2_048, 256
SCALES = (1, 0.3, 0.1, 0.05, 0.03, 0.01)
torch.manual_seed(0)
entries = torch.randn(ROWS, COLUMNS)
ids = torch.randint(0, ROWS, (LOOKED_UP,))
loader = DataLoader(TensorDataset(ids, torch.zeros(LOOKED_UP)), BATCH)


def with_its_copy(scale: float, epochs: int, **options: float) -> float:
    table, copy = (nn.Sequential(nn.Embedding.from_pretrained(entries * scale)) for _ in range(2))
    calculator = CKACalculator(table, copy, ["0"], ["0"], verbose=False)
    return float(calculator.calculate_cka_matrix(loader, num_epochs=epochs, **options))


print(f"cka-pytorch {version('cka-pytorch')}, entries of standard deviation {SCALES}, a table and its copy")
ten, one = ([with_its_copy(scale, epochs) for scale in SCALES] for epochs in (10, 1))
exact = [with_its_copy(scale, 1, epsilon=0) for scale in SCALES]
for name, values in {"ten epochs": ten, "one epoch": one, "epsilon=0": exact}.items():
    print(f"{name:11}", *(f"{value:6.3f}" for value in values))
falls = all(values[0] > 0.999 and values[-2] < 0.2 and values[-1] < 0.01 and values == sorted(values)[::-1] for values in (ten, one))
same = falls and ten[2] - one[2] > 0.1 and ten[3] - one[3] > 0.3
raise SystemExit(0 if same and all(abs(value - 1) < 1e-3 for value in exact) else 1)
PYTHON
