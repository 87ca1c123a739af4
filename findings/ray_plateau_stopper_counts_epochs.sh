#!/usr/bin/env bash
# ray[tune] 2.60.0 (Python 3.11): ExperimentPlateauStopper(top=10) ends a search of ten trials when the first has ten like epochs.
#
# It is documented to stop the search when the metric has come to rest across trials, and `top` is the number of the best models that it
# looks at. It keeps the best reported values, whichever trial they come from: ten epochs of one trial that has converged are "ten models"
# with a standard deviation of next to nothing, and the whole experiment is over, with the trials that wait. What is left looks like a
# search that has found its best. With one report a trial it does what it says.
#
# Seen on 2026-11-29, ten trials of 20 epochs, one after the other, AUC .50 to .70 in five epochs and then constant, 2 points higher with
# each trial (.72, .74 … .88), std=.001, top=10, mode="max":
#   with the stopper     1 trial  of 10 began, best AUC .70
#   without             10 trials of 10 began, best AUC .88
#
# Exits 0 while this is so, 1 when it has changed. Way out: a Stopper of one's own that keeps one value a trial.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet 'ray[tune]==2.60.0'
export HOME="$folder/home" RAY_TMPDIR="$folder/r" RAY_USAGE_STATS_ENABLED=0 RAY_AIR_NEW_OUTPUT=0 TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1
mkdir -p "$HOME" "$RAY_TMPDIR"
cd "$folder"
"$folder/venv/bin/python" -W ignore - 2> "$folder/log" <<'PYTHON' || { status=$?; tail -n 20 "$folder/log" >&2; exit "$status"; }
from pathlib import Path

import ray
from ray import tune
from ray.tune.stopper import ExperimentPlateauStopper, Stopper


def training(config: dict[str, int]) -> None:
    for epoch in range(20):
        tune.report({"auc": 0.5 + 0.02 * config["trial"] + 0.04 * min(epoch, 5)})


def search(stopper: Stopper | None) -> tuple[int, float]:
    """How many trials reported anything, and the best AUC of them."""
    tuner = tune.Tuner(
        training,
        param_space={"trial": tune.grid_search(list(range(10)))},
        run_config=tune.RunConfig(storage_path=str(Path.cwd() / "results"), verbose=0, stop=stopper),
        tune_config=tune.TuneConfig(metric="auc", mode="max", max_concurrent_trials=1),
    )
    aucs = [result.metrics["auc"] for result in tuner.fit() if result.metrics and "auc" in result.metrics]
    return len(aucs), round(max(aucs), 2)


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
stopped, whole = search(ExperimentPlateauStopper("auc", std=0.001, top=10, mode="max")), search(None)
print(f"ray {ray.__version__}\nwith the stopper {stopped[0]} of 10 trials, best {stopped[1]}")
print(f"without {whole[0]} of 10, best {whole[1]}", flush=True)
raise SystemExit(0 if stopped == (1, 0.7) and whole == (10, 0.88) else 1)
PYTHON
