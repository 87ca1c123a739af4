#!/usr/bin/env bash
# ir-measures 0.4.3 (pytrec-eval-terrier 0.5.11, Python 3.11): the RR@10 of a run can be .47 where its RR is .015: two orders of one list.
#
# To stop at the tenth place can only lower a reciprocal rank. But each measure goes to the first of several evaluators that knows it: RR to
# trec_eval's, RR@10 to MS MARCO's, and these order a list differently. trec_eval's keeps scores as float32 and puts the greater id first
# where they tie; MS MARCO's keeps float64 and puts the smaller id first. Ids that are numbered by frequency, as vocabularies are, make the
# second a ranking by popularity and the first its reverse: a model that scores all alike has a good RR@10, while RR, AP, nDCG and P@1 have
# it below chance. Scores of 1 and 1 − 1e-10, of saturated sigmoids, are a tie for all measures but RR@10. So one table of one run mixes two
# rankings. Nothing warns; the documentation has the cut-off as one of the depth that is looked at.
#
# Seen on 2026-11-29, 500 lists of a positive, drawn by popularity, and 99 other items of 1,000, ids by popularity:
#                                     RR@10     RR    P@1   Success@10   nDCG@10
#   scores all alike                   .474   .015   .000         .012      .005
#   scores at random                   .030   .051   .010         .102      .046
#   one list, relevant 1, other 1 − 1e-10:
#                                     1.000   .500   .000        1.000      .631
#
# Exits 0 while this is so, 1 when it has changed. Way out: break ties oneself and hand in ranks for scores; ir_measures.pytrec_eval alone
# takes the one order throughout, and refuses RR@10.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ir-measures==0.4.3 pytrec-eval-terrier==0.5.11 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import ir_measures
import numpy as np
from ir_measures import RR, P, Qrel, ScoredDoc, Success, nDCG

LISTS, ITEMS = 500, 1_000
measures = [RR @ 10, RR, P @ 1, Success @ 10, nDCG @ 10]


def values(relevant: list[Qrel], run: list[ScoredDoc]) -> list[float]:
    found = ir_measures.calc_aggregate(measures, relevant, run)
    return [round(float(found[measure]), 3) for measure in measures]


draw = np.random.default_rng(0)
popularity = 1 / np.arange(1, ITEMS + 1)
relevant, constant, random = [], [], []
for number in range(LISTS):
    positive = draw.choice(ITEMS, p=popularity / popularity.sum())
    others = draw.choice(np.delete(np.arange(ITEMS), positive), 99, replace=False)
    relevant.append(Qrel(f"user{number}", f"item{positive:03}", 1))
    for item in (positive, *others):
        constant.append(ScoredDoc(f"user{number}", f"item{item:03}", 0.5))
        random.append(ScoredDoc(f"user{number}", f"item{item:03}", float(draw.random(dtype=np.float32))))
alike, chance = values(relevant, constant), values(relevant, random)
near, apart = (values([Qrel("u", "a", 1)], [ScoredDoc("u", "a", 1.0), ScoredDoc("u", "b", other)]) for other in (1 - 1e-10, 0.9))
print(f"ir-measures {version('ir-measures')}, pytrec-eval-terrier {version('pytrec-eval-terrier')}: {', '.join(map(str, measures))}")
print(f"scores all alike {alike}\nat random {chance}\na relevant item of 1 beside 1 - 1e-10 {near}, beside .9 {apart}")
two_orders = alike[0] > 0.2 and max(alike[1], alike[2], alike[4]) < 0.05 and near[:3] == [1.0, 0.5, 0.0]
raise SystemExit(0 if two_orders and chance[0] <= chance[1] and apart == [1.0] * 5 else 1)
PYTHON
