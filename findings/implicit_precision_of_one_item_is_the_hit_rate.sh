#!/usr/bin/env bash
# implicit 0.7.3 (scipy 1.17.1, Python 3.11): precision_at_k(K=10) of users with one held-out item each is ten times the precision.
#
# Its denominator is not K a user: it is the smaller of K and the number of the user's held-out items, and hits and denominators are added
# up over all users before they are divided. So with one item held out, the usual split, "precision" is the hit rate, .55 below, where no
# list of ten can have more than .1; of users with many held-out items and with one, those with many weigh more. The documentation says
# "the calculated p@k". Nothing warns, and a comparison with another library's table is off by up to K.
#
# Seen on 2026-11-29, K=10, 200 users, 100 items:
#   held out a user   precision_at_k   hits / (K · users)   hits / sum of min(K, held out)
#   1                          .5500                .0550                            .5500
#   1 or 20                    .3455                .1900                            .3455
#   20                         .2625                .2625                            .2625
#
# Exits 0 while this is so, 1 when it has changed. Way out: recommend() and a precision of one's own, as below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet implicit==0.7.3 scipy==1.17.1 numpy==2.4.6
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import implicit
import numpy as np
from implicit.evaluation import precision_at_k
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

USERS, ITEMS, K = 200, 100, 10
draw = np.random.default_rng(0)
popularity = 1 / np.arange(1, ITEMS + 1)
popularity /= popularity.sum()


def split(held_out: list[int]) -> tuple[csr_matrix, csr_matrix]:
    """Clicks to train on, five a user, and those held out, of which each user has one of the given numbers in turn."""
    train, test = np.zeros((USERS, ITEMS), np.float32), np.zeros((USERS, ITEMS), np.float32)
    for user in range(USERS):
        number = held_out[user % len(held_out)]
        items = draw.choice(ITEMS, 5 + number, replace=False, p=popularity)
        train[user, items[number:]], test[user, items[:number]] = 1, 1
    return csr_matrix(train), csr_matrix(test)


def precisions(held_out: list[int]) -> tuple[float, float, float]:
    """Of implicit; hits by K·users; hits by the sum of the smaller one of K and the number of held-out items."""
    train, test = split(held_out)
    model = CosineRecommender(K=20, num_threads=1)
    model.fit(train, show_progress=False)
    items, _ = model.recommend(np.arange(USERS), train, N=K)
    relevant = test.toarray() > 0
    hits = sum(relevant[user, items[user][items[user] >= 0]].sum() for user in range(USERS))
    own = precision_at_k(model, train, test, K=K, show_progress=False, num_threads=1)
    return own, hits / (K * USERS), hits / np.minimum(K, relevant.sum(axis=1)).sum()


one, mixed, many = precisions([1]), precisions([1, 20]), precisions([20])
print(f"implicit {implicit.__version__}")
for name, row in {"one held out": one, "one or 20": mixed, "20": many}.items():
    print(f"{name:13} precision_at_k {row[0]:.4f}, hits by K and users {row[1]:.4f}, by min(K, held out) {row[2]:.4f}")
same = all(abs(row[0] - row[2]) < 1e-6 for row in (one, mixed, many))
same &= one[0] > 0.15 and abs(one[0] / one[1] - K) < 1e-6 and mixed[0] > 1.5 * mixed[1] and abs(many[0] - many[1]) < 1e-6
raise SystemExit(0 if same else 1)
PYTHON
