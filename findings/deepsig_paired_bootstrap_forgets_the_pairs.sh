#!/usr/bin/env bash
# deepsig 1.2.8 (scipy 1.17.1, numpy 2.4.6, Python 3.11): the paired bootstrap, bootstrap_test(), is not paired: A, better than B by .02 for
# each of 50 users, give or take .007, has p = .103, and .001 by permutation_test() of the same library.
#
# The docstring says "paired bootstrap test" and the README "paired-bootstrap". The function wants as many scores of one side as of the
# other, but draws the 50 of A and the 50 of B anew apart from each other, so that what makes one user easier than another stays in their
# difference. With B's scores sorted, so that each stands beside another user's, the answer stays what it was but for the luck of the
# draw; that of a paired test does not. It is a test of two separate samples. Where scores go together, as those of two models on the
# same users, data sets or seeds do, it finds next to nothing, which looks like care: the README says of both tests that they have less
# power than ASO. Where they go against each other, as the shares of clicks that two lists win of one another do, it is wrong more often
# than its level. Where they have nothing to do with each other, as in the example of the README, it is right. Nothing warns.
#
# Seen on 2026-11-30, p-values, of 1,000 samples where there are any:
#                             the pairs   B sorted
#   bootstrap_test()               .103       .126
#   the same, by pairs             .000       .081
#   permutation_test()             .001       .081
#   t test, paired              3.0e-27       .084
#   t test, two samples            .139       .139
# and how often p is at most .05, 200 times 50 users:          bootstrap_test()   by pairs   t test, paired
#   users of spread .1, models the same but for noise of .02               .000       .055             .055
#   the same, A better by .01                                              .000       .950             .955
#   shares of clicks that sum up to 1, lists of equal worth                .135       .040             .035
#
# Exits 0 while this is so, 1 when it has changed. Way out: permutation_test(), or draw pairs, as below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet deepsig==1.2.8 numpy==2.4.6 scipy==1.17.1
cd "$folder"
export OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from deepsig import bootstrap_test, permutation_test
from scipy import stats

USERS, SAMPLES, TIMES, LEVEL = 50, 1_000, 200, 0.05
draw = np.random.default_rng(0)


def by_pairs(a: np.ndarray, b: np.ndarray) -> float:
    """The library's own rule, the share of samples whose mean is at least twice that seen, but with users drawn, both scores of each."""
    difference = a - b
    means = difference[np.random.default_rng(0).integers(0, USERS, (SAMPLES, USERS))].mean(axis=1)
    return float(np.mean(means >= 2 * difference.mean()))


def paired_t(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.ttest_rel(a, b, alternative="greater").pvalue)


def two_samples_t(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.ttest_ind(a, b, alternative="greater").pvalue)


def library(a: np.ndarray, b: np.ndarray) -> float:
    return float(bootstrap_test(a, b, num_samples=SAMPLES, seed=0))


def permuted(a: np.ndarray, b: np.ndarray) -> float:
    return float(permutation_test(a, b, num_samples=SAMPLES, seed=0))


def models(better: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two models on users of whom some are easier than others."""
    users = draw.normal(0.7, 0.1, USERS)
    a, b = draw.normal(0, noise / np.sqrt(2), (2, USERS))
    return users + better + a, users + b


def shares() -> tuple[np.ndarray, np.ndarray]:
    """Of 20 clicks of each user on a list mixed from two of equal worth, the share that went to either."""
    a = draw.binomial(20, draw.beta(2, 2, USERS)) / 20
    return a, 1 - a


a, b = models(0.02, 0.007)
print(f"deepsig {version('deepsig')}: p of the pairs, and with B sorted")
found = {}
for test in (library, by_pairs, permuted, paired_t, two_samples_t):
    found[test] = test(a, b), test(a, np.sort(b))
    print(f"  {test.__name__:14} {found[test][0]:.3g} {found[test][1]:.3g}")
print("how often p is at most .05: library, by_pairs, paired_t")
often = {}
makers = {"same": lambda: models(0, 0.02), "better": lambda: models(0.01, 0.02), "shares": shares}
for name, maker in makers.items():
    pairs = [maker() for _ in range(TIMES)]
    often[name] = [float(np.mean([test(*pair) <= LEVEL for pair in pairs])) for test in (library, by_pairs, paired_t)]
    print(f"  {name:7}" + " ".join(f"{share:.3f}" for share in often[name]))
blind = found[library][0] > 0.05 and max(found[test][0] for test in (by_pairs, permuted, paired_t)) < 0.002
orderless = abs(found[library][0] - found[library][1]) < 0.05 and abs(found[library][0] - found[two_samples_t][0]) < 0.06
quiet = often["same"][0] < 0.01 and often["better"][0] < 0.05 < 0.8 < min(often["better"][1:])
loud = often["shares"][0] > 0.09 and max(often["same"][1:] + often["shares"][1:]) < 0.085
raise SystemExit(0 if blind and orderless and quiet and loud else 1)
PYTHON
