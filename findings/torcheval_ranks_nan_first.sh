#!/usr/bin/env bash
# torcheval 0.0.7 (torch 2.13.0, CPU build, Python 3.11): the hit rate and the reciprocal rank of a model whose scores are NaN are 1.0.
#
# HitRate, ReciprocalRank and MulticlassAccuracy(k=10) count the items that score higher than the right one, and call that its place.
# Nothing is higher than NaN, so that a model that has diverged puts the right item first in every list. A search over learning rates that
# maximises one of them takes the trial that diverged, and a model with a few NaN rows is rated higher than without. The same count puts
# the right item before all that tie with it: constant scores, zeros of a dead layer or infinities are perfect as well. The loss of the
# same scores is NaN, and MulticlassAccuracy() with k=1, which goes by argmax, has it at chance. The documentation does not speak of NaN;
# that ties count as first can be read off an example of three scores. Nothing warns.
#
# Seen on 2026-11-30, 500 lists of 100 items, scores N(0, 1), those of the right items 2 higher:
#   scores                   hit rate@10     RR    accuracy k=10    k=1    cross-entropy
#   as they are                    .764    .459             .764    .322            3.18
#   NaN in a tenth of rows         .786    .511             .786    .290             nan
#   all NaN                       1.000   1.000            1.000    .010             nan
#   all 0                         1.000   1.000            1.000    .010            4.61
#
# Exits 0 while this is so, 1 when it has changed. Way out: assert scores.isfinite().all(), and a little noise or averaged ranks for ties.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 torch==2.13.0 torcheval==0.0.7
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch
import torcheval
from torcheval.metrics import HitRate, MulticlassAccuracy, ReciprocalRank

random = torch.Generator().manual_seed(0)
right = torch.randint(0, 100, (500,), generator=random)
scores = torch.randn(500, 100, generator=random)
scores[torch.arange(500), right] += 2
tenth = (torch.arange(500) % 10 == 0)[:, None]


def rated(scores: torch.Tensor) -> list[float]:
    found = [m.update(scores, right).compute() for m in (HitRate(k=10), ReciprocalRank(), MulticlassAccuracy(k=10), MulticlassAccuracy())]
    return [round(float(f.mean()), 3) for f in [*found, torch.nn.functional.cross_entropy(scores, right)]]


rows = {
    "as they are": rated(scores),
    "NaN in a tenth of rows": rated(scores.masked_fill(tenth, math.nan)),
    "all NaN": rated(scores * math.nan),
    "all 0": rated(scores * 0),
}
print(f"torcheval {torcheval.__version__}, torch {torch.__version__}: hit rate@10, RR, accuracy k=10, k=1, cross-entropy")
for name, row in rows.items():
    print(f"{name:24}", *row)
good, some, diverged, constant = rows.values()
wrong = diverged[:3] == constant[:3] == [1.0] * 3 and all(s > g for s, g in zip(some[:3], good[:3], strict=True))
said = math.isnan(diverged[4]) and math.isnan(some[4]) and diverged[3] < 0.05 and some[3] < good[3] < 0.5
raise SystemExit(0 if wrong and said and max(good[:3]) < 0.8 else 1)
PYTHON
