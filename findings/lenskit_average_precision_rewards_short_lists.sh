#!/usr/bin/env bash
# lenskit 2025.8.1 (numpy 2.4.6, pandas 2.3.3, Python 3.11): the AP@10 of a model doubles when each of its lists of ten is cut after the
# second item: .259 becomes .537.
#
# AveragePrecision(10) divides the sum of the precisions at the hits by the number of test items or the length of the list, whichever is
# smaller. The length is not the 10 that was asked for, but that of the list as it came: one item that is a hit has AP 1, whatever else the
# user clicked, and a second one that is none halves it, where by the usual definition misses below the last hit change nothing. Models that
# give few items where they know little, as neighbours with a threshold do, or with a filter behind them, are put above those that fill
# their lists, and whoever drops all but the first item of every list has the hit rate at one for an AP@10. NDCG, recall and RBP of the
# same lists fall with the items, as they should. That a short list counts by its own length is documented of precision; of AP the text is
# that precision is averaged over the hits, which is a third thing: [hit, miss] would have 1. Nothing warns.
#
# Seen on 2026-11-30, 200 users with ten test items each of 200, one model, means of RunAnalysis:
#                          AP@10   divided by min(10, test items)   NDCG@10   recall@10   RBP@10
#   lists of ten            .259                             .259      .437        .380     .350
#   their first two         .537                             .107      .220        .116     .162
#   their first             .650                             .065      .124        .065     .098
# and of one list with a hit at its first place and five test items:
#   1 item AP 1.0, 2 items AP .5, 10 items AP .2
#
# Exits 0 while this is so, 1 when it has changed. Way out: fill lists up to ten items, with ids that do not exist if need be.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 torch==2.13.0 lenskit==2025.8.1
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from lenskit.data import ItemList, ItemListCollection
from lenskit.metrics import RunAnalysis
from lenskit.metrics.ranking import NDCG, RBP, AveragePrecision, Recall

USERS, ITEMS, TESTED, K = 200, 200, 10, 10
METRICS = AveragePrecision(K), NDCG(K), Recall(K), RBP(K)
draw = np.random.default_rng(0)
tested, ranked = [], []
for _ in range(USERS):
    tested.append(draw.permutation(ITEMS)[:TESTED])
    ranked.append(np.argsort(-draw.normal(1.5 * np.isin(np.arange(ITEMS), tested[-1]), 1.0))[:K])


def by_definition(items: np.ndarray, test: np.ndarray) -> float:
    hits = np.isin(items, test)
    return float((np.cumsum(hits) / np.arange(1, len(items) + 1))[hits].sum() / min(K, len(test)))


def measured(length: int) -> list[float]:
    """AP, AP as divided by the smaller of 10 and the test items, NDCG, recall and RBP of the first items of each list."""
    test, run = ItemListCollection.empty(["user"]), ItemListCollection.empty(["user"])
    for user, (wanted, items) in enumerate(zip(tested, ranked, strict=True)):
        test.add(ItemList(wanted), user=user)
        run.add(ItemList(items[:length], ordered=True), user=user)
    analysis = RunAnalysis(*METRICS)
    ap, *others = (float(mean) for mean in analysis.measure(run, test).list_summary()["mean"])
    return [ap, float(np.mean([by_definition(items[:length], wanted) for items, wanted in zip(ranked, tested, strict=True)])), *others]


print(f"lenskit {version('lenskit')}: AP@10, divided by min(10, test items), NDCG@10, recall@10, RBP@10")
found = {length: measured(length) for length in (10, 2, 1)}
for length, values in found.items():
    print(f"first {length:2}:", *(f"{value:.3f}" for value in values), flush=True)
five = ItemList([1, 2, 3, 4, 5])
alone = {n: float(AveragePrecision(K).measure_list(ItemList([1, *range(20, 19 + n)], ordered=True), five)) for n in (1, 2, 10)}
print("one hit at the first place, five test items, AP by length:", alone)
(ten, ten_defined, *_), (two, two_defined, *others) = found[10], found[2]
same = abs(ten - ten_defined) < 1e-9 and two > 1.8 * ten and two_defined < ten
same &= all(fewer < all_ten for all_ten, fewer in zip(found[10][2:], others, strict=True))
raise SystemExit(0 if same and alone == {1: 1.0, 2: 0.5, 10: 0.2} else 1)
PYTHON
