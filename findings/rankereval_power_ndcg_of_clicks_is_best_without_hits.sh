#!/usr/bin/env bash
# rankerEval 0.2.0 (numpy 1.26.4, numba 0.61.2, Python 3.11): with relevance_scaling="power" the nDCG@10 of clicks is 1.00 for the ideal
# order, 1.47 for a model, 2.56 for items drawn at random and 2.85 for a list without a hit; of ratings it is below 0 at random.
#
# NDCG(k, relevance_scaling="power") is documented with the gain of 2 to the power of the label, less 1, and as "normalized to
# the range [0, 1]". It has np.power(x, 2) - 1: the square of the label, less 1. So an item of label 0 costs a gain of −1, a click, label 1,
# earns 0, and every list of ten is punished for each place without a click; the ideal of five clicks among ten as well. The quotient of
# two negative numbers is the larger the fewer hits a list has. With grades the ideal is positive again: better lists have more, but a long
# list less than its own first half, and a bad one less than none at all. The default, "identity", is right. Nothing warns.
#
# Seen on 2026-12-01, 1,000 users, 50 items each, of which five were clicked, or rated: 2 have a 3, 3 a 2, 5 a 1; base 2:
#                               power   by squares   identity   scikit-learn with gains of 2^label − 1
#   clicks    the ideal order   1.000        1.000      1.000                                    1.000
#             a model           1.473        1.473       .744                                     .744
#             at random         2.558        2.558       .157                                     .157
#             the reverse       2.848        2.848       .000                                     .000
#   ratings   the ideal order   1.000        1.000      1.000                                    1.000
#             a model            .645         .645       .722                                     .718
#             at random         -.079        -.079       .171                                     .151
#             the reverse       -.267        -.267       .000                                     .000
#
# Exits 0 while this is so, 1 when it has changed. Way out: "identity", with labels that are already 2^label − 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet rankerEval==0.2.0 numpy==1.26.4 scipy==1.15.3 numba==0.61.2 scikit-learn==1.6.1
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from rankereval import NDCG, BinaryLabels, NumericLabels, Rankings
from sklearn.metrics import ndcg_score

USERS, ITEMS, TOP = 1_000, 50, 10
draw = np.random.default_rng(0)
taste = draw.normal(size=(USERS, ITEMS))
rank = np.argsort(np.argsort(-taste, axis=1), axis=1)
clicks = (rank < 5).astype(float)
ratings = np.select([rank < 2, rank < 5, rank < 10], [3.0, 2.0, 1.0])
ranked = {
    "the ideal order": taste,
    "a model": taste + 0.7 * draw.normal(size=taste.shape),
    "at random": draw.normal(size=taste.shape),
    "the reverse": -taste,
}


def places(score: np.ndarray) -> np.ndarray:
    return np.argsort(-score, axis=1)[:, :TOP]


def power(labels: np.ndarray, score: np.ndarray, *, scaling: str = "power") -> float:
    kind = BinaryLabels if labels is clicks else NumericLabels
    order = Rankings.from_ranked_indices(places(score).tolist())
    return float(NDCG(TOP, relevance_scaling=scaling, log_base="2").mean(kind.from_matrix(labels), order))


def squared(labels: np.ndarray, score: np.ndarray) -> float:
    """What the library computes: gains of the label's square, less 1, in the list and in the ideal."""
    discount = 1 / np.log2(np.arange(2, TOP + 2))
    best, found = (np.take_along_axis(labels, places(by), axis=1) for by in (taste, score))
    return float(np.mean(((found**2 - 1) @ discount) / ((best**2 - 1) @ discount)))


print(f"rankerEval {version('rankerEval')}: nDCG@{TOP} by power, by squares, by identity, by scikit-learn with gains of 2^label - 1")
table = []
for kind, labels in (("clicks", clicks), ("ratings", ratings)):
    for name, score in ranked.items():
        right = float(ndcg_score(2**labels - 1, score, k=TOP))
        table.append([power(labels, score), squared(labels, score), power(labels, score, scaling="identity"), right])
        print(f"{kind:8} {name:16}", *(f"{value:.4f}" for value in table[-1]))
wrong, own, identity, right = np.array(table).T
turned = bool(np.all(np.diff(wrong[:4]) > 0) and np.all(np.diff(right[:4]) < 0) and wrong[0] == 1 and wrong[3] > 2)
negative = wrong[7] < -0.05 and right[7] == 0 and np.all(np.diff(wrong[4:]) < 0) and np.all(np.abs(wrong - right)[5:] > 0.05)
same = np.allclose(wrong, own, atol=1e-5) and np.allclose(identity[:4], right[:4], atol=1e-5)
raise SystemExit(0 if turned and negative and same else 1)
PYTHON
