#!/usr/bin/env bash
# torch 2.13.0 (CPU build, numpy 2.4.6, Python 3.11): multinomial() by popularity never draws one of the two million items with one click.
#
# With replacement torch.multinomial() adds the weights up from the first to the last, in their own type, and looks for random numbers in
# these sums. Counts in float32 stand still at 2^24 = 16,777,216: from there on a further 1 is rounded away, and an item that adds nothing
# is never found. A vocabulary by frequency, as most are, has its rare items there. Here they have one draw in fifteen by their weights and
# none in fact, so that as negatives of a sampled softmax they are never pushed down. Divided by their sum beforehand the weights grow
# coarse instead: an item with one click counts nearly twice, and the last 900,000 not at all. Counts in float64, the same ones from the
# rarest on, and WeightedRandomSampler, which makes them float64, are right; torch.distributions.Categorical is not. The documentation asks
# for weights that are not negative, with a sum that is not 0, nothing warns, and the frequent items look as they should. (The tracker has
# 43115, open, of 16 million items, and 28390, open, of weights that are 30 orders apart.)
#
# Seen on 2026-11-30, 3 million items, 30 million clicks, a million draws; by the weights .0659 of them fall on items with one click:
#                                        on items with one click   last item drawn
#   float32, frequent items first                          .0000           999,987
#   float32, divided by the sum                            .0659         2,102,647
#   Categorical, float32                                   .0658         2,102,620
#   float32, rare items first                              .0660         2,999,973
#   float64, frequent items first                          .0663         2,999,983
#   WeightedRandomSampler of float32                       .0658         2,999,999
#
# Exits 0 while this is so, 1 when it has changed. Not tried on a GPU. Way out: .double() on the weights.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

ITEMS, DRAWS = 3_000_000, 1_000_000
clicks = np.maximum(1, 2_000_000 // np.arange(1, ITEMS + 1))  # the i-th item has an i-th of the first one's clicks, and at least one
once = torch.tensor(clicks) == 1
counts = torch.tensor(clicks, dtype=torch.float32)
share = float(once.sum()) / clicks.sum()


def drawn(name: str, items: torch.Tensor) -> tuple[float, int]:
    found = once[items].double().mean().item(), int(items.max())
    print(f"  {name:35} {found[0]:.4f}   {found[1]:,}")
    return found


print(f"torch {torch.__version__}: {ITEMS:,} items, {clicks.sum():,} clicks, {share:.4f} of them on items with one")
torch.manual_seed(0)
first = drawn("float32, frequent items first", torch.multinomial(counts, DRAWS, replacement=True))
parts = drawn("float32, divided by the sum", torch.multinomial(counts / clicks.sum(), DRAWS, replacement=True))
other = drawn("Categorical, float32", torch.distributions.Categorical(probs=counts).sample((DRAWS,)))
right = [
    drawn("float32, rare items first", ITEMS - 1 - torch.multinomial(counts.flip(0), DRAWS, replacement=True)),
    drawn("float64, frequent items first", torch.multinomial(counts.double(), DRAWS, replacement=True)),
    drawn("WeightedRandomSampler of float32", torch.tensor(list(WeightedRandomSampler(counts, DRAWS)))),
]
lost = first[0] == 0 and max(first[1], parts[1], other[1]) < 0.8 * ITEMS
raise SystemExit(0 if lost and all(abs(found[0] / share - 1) < 0.03 and found[1] > 0.999 * ITEMS for found in right) else 1)
PYTHON
