#!/usr/bin/env bash
# torch-cka 0.21 (torch 2.13.0, CPU build, Python 3.11): the CKA of a model and its copy is .00 in each layer where the loader shuffles. Two
# data sets have .00 with a model and its copy, and 1.00 with one model handed over twice, whatever the data.
#
# CKA compares what two layers make of the same rows: which rows are alike in one, and which in the other. compare(loader) warns that it
# uses one loader for both models, and goes through it twice side by side. With shuffle=True each pass has its own order, so that one
# model's features of a row stand beside the other's of another row. Noise about 0 is left: a model and its fine-tuned self have "nothing
# in common". A seed does not help, one given to the loader's generator neither, as the second pass draws on from where the first one is;
# the README asks for seeds, and has shuffle=False in its example without saying why. compare(loader, other) is to compare data sets, one
# of the uses that the README shows and reads "little correlation" off: rows that have nothing to do with each other again, and two halves
# of one data set have .00 as well. One model handed over twice has a different fault: its second pass overwrites the features of the
# first, and these are compared with themselves. That also hides what shuffling does from whoever tries it on a single model. Nothing warns
# of any of it.
#
# Seen on 2026-11-30, 512 rows, three layers of one network with the same layers:
#                                             a model and its copy   one model twice
#   shuffle=False                              1.00  1.00  1.00     1.00  1.00  1.00
#   shuffle=True, seeded                        .01   .01   .00     1.00  1.00  1.00
#   two halves of the rows                      .00   .00   .00     1.00  1.00  1.00
#   the rows and quite different ones           .00   .00   .00     1.00  1.00  1.00
#
# Exits 0 while this is so, 1 when it has changed. Way out: shuffle=False, one loader, a copy of a model that is compared with itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch-cka==0.21 torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 tqdm==4.70.1
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" -W ignore - 2> "$folder/progress" <<'PYTHON' || { tail -5 "$folder/progress"; exit 1; }
from copy import deepcopy
from importlib.metadata import version

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch_cka import CKA

ROWS, BATCH = 512, 128
LAYERS = ["0", "2", "4"]
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
rows = torch.randn(ROWS, 20)
others = torch.rand(ROWS, 20).mul(5).exp()  # another data set: large, positive, skewed


def compared(copied: bool, loaders: list[DataLoader]) -> torch.Tensor:
    first = deepcopy(model)  # a new one each time, as its hooks stay
    cka = CKA(first, deepcopy(model) if copied else first, "one", "two", LAYERS, LAYERS)
    cka.compare(*loaders)
    return cka.export()["CKA"].double()


def loader(part: torch.Tensor, shuffle: bool = False) -> DataLoader:
    return DataLoader(TensorDataset(part), BATCH, shuffle=shuffle, generator=torch.Generator().manual_seed(0))


def hsic(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Unbiased estimate, of two tables of the same rows, by their Gram matrices without diagonals."""
    k, m = ((x @ x.T).fill_diagonal_(0) for x in (a, b))
    n = len(k)
    whole = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(0) * m.sum(0)).sum() / (n - 2)
    return whole / (n * (n - 3))


def by_definition() -> torch.Tensor:
    """CKA of all layers over batches of the same rows, in float64: means of the estimates, then their ratio."""
    sums = torch.zeros(len(LAYERS), len(LAYERS), dtype=torch.float64)
    with torch.no_grad():
        for batch in rows.split(BATCH):
            features = [model[: int(layer) + 1](batch).double() for layer in LAYERS]
            sums += torch.tensor([[hsic(a, b) for b in features] for a in features])
    return sums / (sums.diag()[:, None] * sums.diag()).sqrt()


cases = {
    "shuffle=False": [loader(rows)],
    "shuffle=True, seeded": [loader(rows, shuffle=True)],
    "two halves of the rows": [loader(rows[: ROWS // 2]), loader(rows[ROWS // 2 :])],
    "the rows and quite different ones": [loader(rows), loader(others)],
}
print(f"torch-cka {version('torch-cka')}: CKA of three layers, a model and its copy; one model twice")
right, same = by_definition(), True
for name, loaders in cases.items():
    copied, twice = compared(True, loaders), compared(False, loaders)
    print(f"{name:36}", *(f"{abs(value):5.2f}" for cka in (copied, twice) for value in cka.diag()))
    same &= torch.allclose(twice.diag(), torch.ones(3).double(), atol=1e-3)
    same &= torch.allclose(copied, right, atol=1e-3) if name == "shuffle=False" else bool(copied.abs().max() < 0.06)
print("by definition, shuffle=False, all pairs:", [[round(value, 3) for value in line] for line in right.tolist()])
raise SystemExit(0 if same and right.min() > 0.1 else 1)
PYTHON
