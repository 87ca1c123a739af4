#!/usr/bin/env bash
# scikit-surprise 1.1.5 (numpy 2.4.6, scipy 1.17.1, Python 3.11): the fraction of concordant pairs, accuracy.fcp(), is .5000 of every model
# if each user has two test ratings; and of two models it can put the worse one first, with .89 beside .09.
#
# fcp() counts of each user the pairs in right order and those in wrong order, takes the mean of both over users, and divides. But a user
# without a right pair is left out of the first mean, and one without a wrong pair out of the second, where a 0 belongs. With two ratings a
# user has one pair: both means are 1, whatever the model. With three the figure is drawn towards .5. Where some users have two ratings and
# some have many it can say the reverse: light users whom a model serves without an error lower its mean of right pairs, and do not lower
# that of wrong ones. cross_validate() and GridSearchCV(measures=["fcp"]) go by it, on folds of random rows, in which light users have few.
# The documentation gives the name and a paper. Where every user has pairs of both kinds, of 20 ratings say, it is right. Nothing warns.
#
# Seen on 2026-11-30, 300 users with 40 ratings each to train on, none of which are equal, and a number of others to test on:
#   to test on a user                   2                  3                 20
#                           fcp()   share      fcp()   share      fcp()   share of right pairs
#   SVD                     .5000   .7633      .6189   .7300      .7378   .7378
#   SVD, turned round       .5000   .2367      .3811   .2700      .2622   .2622
#   baselines               .5000   .7333      .6130   .7144      .7153   .7153
#   neighbours              .5000   .7867      .6367   .7533      .7692   .7692
# and of 900 users with two ratings and 100 with twenty, of whose pairs either model has 90 in 190 right:
#   the 900 pairs right     .0901   .4975
#   the 900 pairs wrong     .8920   .4523
#
# Exits 0 while this is so, 1 when it has changed. Way out: count the pairs over all users, as below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet scikit-surprise==1.1.5 numpy==2.4.6 scipy==1.17.1
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from collections import defaultdict
from importlib.metadata import version
from itertools import combinations

import numpy as np
from surprise import SVD, BaselineOnly, Dataset, KNNBasic, Prediction, Reader, accuracy

USERS, ITEMS, TRAIN = 300, 200, 40


def figures(predictions: list[Prediction]) -> tuple[float, float]:
    """What fcp() says, and the share of a user's pairs of different ratings that are in right order, over all users."""
    of_user = defaultdict(list)
    for prediction in predictions:
        of_user[prediction.uid].append((prediction.r_ui, prediction.est))
    pairs = [pair for rows in of_user.values() for pair in combinations(rows, 2) if pair[0][0] != pair[1][0]]
    right = sum((one[0] - other[0]) * (one[1] - other[1]) > 0 for one, other in pairs)
    return float(accuracy.fcp(predictions, verbose=False)), right / len(pairs)


def turned(predictions: list[Prediction]) -> list[Prediction]:
    return [prediction._replace(est=-prediction.est) for prediction in predictions]


def trained(number: int) -> dict[str, tuple[float, float]]:
    draw = np.random.default_rng(0)
    tastes, traits, quality = draw.normal(0, 0.6, (USERS, 5)), draw.normal(0, 0.6, (ITEMS, 5)), draw.normal(0, 0.7, ITEMS)
    train, test = [], []
    for user in range(USERS):
        items = draw.choice(ITEMS, TRAIN + number, replace=False)
        ratings = 3 + quality[items] + traits[items] @ tastes[user] + draw.normal(0, 0.3, len(items))
        rows = [(str(user), str(item), float(rating)) for item, rating in zip(items, ratings, strict=True)]
        train, test = train + rows[:TRAIN], test + rows[TRAIN:]
    with open("train.csv", "w") as file:
        file.writelines(f"{user},{item},{rating:.6f}\n" for user, item, rating in train)
    reader = Reader(line_format="user item rating", sep=",", rating_scale=(-5, 11))
    trainset = Dataset.load_from_file("train.csv", reader).build_full_trainset()
    svd = SVD(random_state=0).fit(trainset).test(test)
    baselines, neighbours = (model(verbose=False).fit(trainset).test(test) for model in (BaselineOnly, KNNBasic))
    models = {"SVD": svd, "SVD, turned round": turned(svd), "baselines": baselines, "neighbours": neighbours}
    return {name: figures(predictions) for name, predictions in models.items()}


def made(light_are_right: bool) -> tuple[float, float]:
    """900 users with two ratings, all in right order or all in wrong order, and 100 with twenty, 90 of 190 pairs right."""
    light = [Prediction(str(user), str(item), item, item if light_are_right else -item, {}) for user in range(900) for item in range(2)]
    # Of the twenty the lower ten are in order and the upper ten, too, but all of the lower stand above all of the upper: 2·45 pairs right.
    heavy = [Prediction(str(user), str(item), item, (item + 10) % 20, {}) for user in range(900, 1000) for item in range(20)]
    return figures(light + heavy)


print(f"scikit-surprise {version('scikit-surprise')}: fcp(), share of right pairs")
found = {number: trained(number) for number in (2, 3, 20)}
for number, rows in found.items():
    for name, row in rows.items():
        print(f"  {number:2} ratings a user, {name:18} {row[0]:.4f} {row[1]:.4f}")
better, worse = made(True), made(False)
print(f"  the 900 right {better[0]:.4f} {better[1]:.4f}; the 900 wrong {worse[0]:.4f} {worse[1]:.4f}")
two, three, twenty = (found[number] for number in (2, 3, 20))
half = all(row[0] == 0.5 for row in two.values()) and min(two[name][1] for name in ("SVD", "baselines", "neighbours")) > 0.7
drawn = all(abs(row[0] - 0.5) < 0.7 * abs(row[1] - 0.5) for row in three.values())
right = all(abs(row[0] - row[1]) < 1e-9 for row in twenty.values())
reverse = better[1] > worse[1] + 0.03 and better[0] < 0.15 and worse[0] > 0.85
raise SystemExit(0 if half and drawn and right and reverse else 1)
PYTHON
