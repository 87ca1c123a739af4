#!/usr/bin/env bash
# ray[tune] 2.60.0 (Python 3.11): ASHA stops trials that do well and runs one whose metric is NaN to the end.
#
# ASHAScheduler stops a trial whose metric is below the cut of its rung. NaN is below no number, so a trial that diverged passes each rung,
# at the budget of the best. Of a search over learning rates, whose upper end diverges, a good part of the time goes there. The rung's own
# cut leaves NaN out, and get_best_result() does not name such a trial: the result shows nothing of it. With MedianStoppingRule the same
# trial is stopped, and Optuna's SuccessiveHalvingPruner prunes NaN.
#
# Seen on 2026-11-29, one after the other, max_t=16, grace_period=2, reduction_factor=2, AUC per epoch constant or NaN from the second on:
#   trial                        .80   .79   diverged   .78   .50
#   epochs, ASHA                  16     2         16     2     2
#   epochs, MedianStoppingRule    16    16          2     2     2
#
# Exits 0 while this is so, 1 when it has changed. Way out: a RunConfig(stop=…) that ends a trial whose metric is NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet 'ray[tune]==2.60.0'
export HOME="$folder/home" RAY_TMPDIR="$folder/r" RAY_USAGE_STATS_ENABLED=0 RAY_AIR_NEW_OUTPUT=0 TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1
mkdir -p "$HOME" "$RAY_TMPDIR"
cd "$folder"
"$folder/venv/bin/python" -W ignore - 2> "$folder/log" <<'PYTHON' || { status=$?; tail -n 20 "$folder/log" >&2; exit "$status"; }
import math
from pathlib import Path

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler

EPOCHS = 16
aucs = [0.80, 0.79, math.nan, 0.78, 0.50]


def training(config: dict[str, int]) -> None:
    for epoch in range(EPOCHS):
        auc = aucs[config["trial"]]
        tune.report({"auc": 0.6 if math.isnan(auc) and epoch == 0 else auc})


def epochs(scheduler: TrialScheduler) -> tuple[list[int], float]:
    """Of each trial, and the AUC of the one that is named best."""
    tuner = tune.Tuner(
        training,
        param_space={"trial": tune.grid_search(list(range(len(aucs))))},
        run_config=tune.RunConfig(storage_path=str(Path.cwd() / "results"), verbose=0),
        tune_config=tune.TuneConfig(metric="auc", mode="max", scheduler=scheduler, max_concurrent_trials=1),
    )
    results = tuner.fit()
    return [result.metrics["training_iteration"] for result in results], results.get_best_result().metrics["auc"]


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
halving = epochs(ASHAScheduler(max_t=EPOCHS, grace_period=2, reduction_factor=2))
median = epochs(MedianStoppingRule(time_attr="training_iteration", grace_period=2, min_samples_required=2))
print(f"ray {ray.__version__}\nASHA {halving}\nmedian {median}", flush=True)
raise SystemExit(0 if halving == ([16, 2, 16, 2, 2], 0.8) and median[0][2] == 2 else 1)
PYTHON
