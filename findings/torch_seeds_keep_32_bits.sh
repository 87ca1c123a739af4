#!/usr/bin/env bash
# torch 2.13.0 (CPU build, Python 3.11): seeds that differ in their upper 32 bits are one seed.
#
# torch.manual_seed() takes numbers of 64 bits, says so, and torch.initial_seed() gives all 64 back. The generator of the CPU is started
# from the lower 32. Seeds that are put together from parts, such as run << 32 | repetition, are then the same for each run: first weights,
# dropout and the order of a DataLoader are equal, a standard deviation over the runs is 0, and the record of the run shows different seeds.
# Of 77,000 seeds that are hashes of 64 bits two are as likely as not to be one. torch.Generator().manual_seed() is the same; its
# documentation calls any number of 32 bits a valid seed, and does not say that the rest is dropped. NumPy's generators use all bits.
#
# Seen on 2026-11-29, seeds run << 32 | 1 of five runs:
#   initial_seed() gives 5 numbers; torch: 1 set of first weights, 1 order of batches; numpy.random.default_rng(): 5 orders
#
# Exits 0 while this is so, 1 when it has changed. Not tried on a GPU. Way out: seeds below 2^32, all of them different.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import torch
from torch.utils.data import DataLoader

seeds = [run << 32 | 1 for run in range(5)]
numbers, weights, orders, numpy_orders = set(), set(), set(), set()
for seed in seeds:
    torch.manual_seed(seed)
    numbers.add(torch.initial_seed())
    weights.add(tuple(torch.nn.Linear(8, 4).weight.flatten().tolist()))
    loader = DataLoader(range(1000), batch_size=100, shuffle=True, generator=torch.Generator().manual_seed(seed))
    orders.add(tuple(torch.cat(list(loader)).tolist()))
    numpy_orders.add(tuple(np.random.default_rng(seed).permutation(1000).tolist()))
torch.manual_seed(2)
other = tuple(torch.nn.Linear(8, 4).weight.flatten().tolist())
print(f"torch {torch.__version__}, seeds {seeds}\ninitial_seed() gives {len(numbers)} numbers")
print(f"torch: {len(weights)} set(s) of first weights, {len(orders)} order(s) of batches; numpy: {len(numpy_orders)} orders")
same = (len(numbers), len(weights), len(orders), len(numpy_orders)) == (5, 1, 1, 5) and other not in weights
raise SystemExit(0 if same else 1)
PYTHON
