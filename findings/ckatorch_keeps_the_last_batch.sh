#!/usr/bin/env bash
# ckatorch 1.0.3 (torch 2.13.0, CPU build, Python 3.11): the CKA of two models over 1,025 users in batches of 256 is that of one user, the
# last one; what the other 1,024 have looked at changes nothing.
#
# The README has the formula of the minibatch CKA, the HSICs' means over all batches, and the class says that it computes just that. In fact
# each batch writes its CKA over the one before, and what the last one leaves is the result of the pass. The last batch is the rest of the
# division, which may be a single row; drop_last=True, which would leave it out, is refused with the word that values then depend on the
# batch size. Features are taken as rows by positions by columns, as layers over a user's last items give them, so that the CKA of one row
# is a plain number too. With shuffle=True, which it advises, and epochs=10, the default, the result is the mean over ten rests. Layers or
# trainings whose CKA differ by less than that chance are ordered by it. Nothing warns.
#
# Seen on 2026-11-30, a table and a linear layer over 12 items a user, of a model and of its copy with noise on the table:
#   1,025 rows in batches of                          table   linear layer
#   1,025                                               .62            .62
#   512 or 256, last batch: one row                     .43            .35
#   256, the other 1,024 rows replaced by one row       .43            .35
#   256, in reversed order                              .53            .48
#   by the README's formula, in batches of 256          .62            .62
#
# Exits 0 while this is so, 1 when it has changed. Way out: all rows as one batch, or hsic1() of the same package, added up by oneself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 ckatorch==1.0.3 matplotlib==3.11.2 seaborn==0.13.2 \
    pyyaml==6.0.4 safetensors==0.8.0 tqdm==4.70.1
cd "$folder"
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" -W ignore - 2> "$folder/progress" <<'PYTHON' || { tail -5 "$folder/progress"; exit 1; }
from copy import deepcopy
from importlib.metadata import version

import torch
from ckatorch import CKA, hsic1
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ROWS, POSITIONS, ITEMS, COLUMNS = 1_025, 12, 1_000, 16


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(ITEMS, COLUMNS)
        self.linear = nn.Linear(COLUMNS, COLUMNS)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        return self.linear(self.table(items))


torch.manual_seed(0)
model = Model()
other = deepcopy(model)
with torch.no_grad():
    other.table.weight += 0.8 * torch.randn(ITEMS, COLUMNS)
rows = torch.randint(0, ITEMS, (ROWS, POSITIONS))


def by_ckatorch(rows: torch.Tensor, batch: int) -> torch.Tensor:
    cka = CKA(deepcopy(model), deepcopy(other), ["table", "linear"], first_name="one", second_name="two")
    return cka(DataLoader(TensorDataset(rows), batch), epochs=1).diag()


def by_formula(rows: torch.Tensor, batch: int) -> torch.Tensor:
    """HSICs of each batch, their means over batches, then the ratio, of both layers."""
    sums = torch.zeros(2, 3, dtype=torch.float64)
    with torch.no_grad():
        for part in rows.split(batch):
            of_both = [(m.table(part).double(), m(part).double()) for m in (model, other)]
            for layer in range(2):
                one, two = (x[layer] @ x[layer].transpose(1, 2) for x in of_both)
                sums[layer] += torch.stack([hsic1(a, b).sum() for a, b in ((one, two), (one, one), (two, two))])
    return (sums[:, 0] / (sums[:, 1] * sums[:, 2]).sqrt()).float()


print(f"ckatorch {version('ckatorch')}, {ROWS} rows: CKA of the tables, of the linear layers")
replaced = torch.cat([rows[:1].expand(ROWS - 1, -1), rows[-1:]])
exact, alone = by_formula(rows, 256), by_formula(rows[-1:], 256)
found = {
    "one batch": by_ckatorch(rows, ROWS),
    "512": by_ckatorch(rows, 512),
    "256": by_ckatorch(rows, 256),
    "256, others replaced": by_ckatorch(replaced, 256),
    "256, reversed": by_ckatorch(rows.flip(0), 256),
    "by the formula, 256": exact,
    "the last row alone": alone,
}
for name, values in found.items():
    print(f"{name:22}", *(f"{value:.3f}" for value in values.tolist()))
last = all(torch.allclose(found[name], alone, atol=1e-4) for name in ("512", "256", "256, others replaced"))
reversed_too = torch.allclose(found["256, reversed"], by_formula(rows[:1], 256), atol=1e-4)
right = torch.allclose(found["one batch"], exact, atol=1e-4) and bool((exact - alone > 0.1).all())
raise SystemExit(0 if last and reversed_too and right else 1)
PYTHON
