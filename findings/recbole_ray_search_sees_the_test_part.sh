#!/usr/bin/env bash
# recbole 1.2.1 (ray 2.6.3, torch 2.13.0, Python 3.11): what objective_function() reports to Ray Tune are the metrics of the test part.
#
# It is the trainable that RecBole's search by Ray runs for each trial. It trains, evaluates on the test part, and hands that result to
# tune.report(): whatever metric a scheduler or get_best_trial() is told to look at, "auc" say, is test data's, and the winner is the trial
# that does best there. The function also returns the validation result, under other names, which the search by Hyperopt
# (recbole.trainer.HyperTuning) uses: of the two searches one is honest, and nothing in the metrics' names tells them apart.
#
# Seen on 2026-11-28, FM on the ml-100k that the package brings, one epoch, what Ray gets beside what the function returns:
#   reported to Ray: auc and logloss equal to test_result, not to best_valid_result
#
# Exits 0 while this is so, 1 when it has changed. Way out: a trainable of one's own that reports best_valid_result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==1.26.4 pandas==2.2.3 scipy==1.13.1 "ray[tune]==2.6.3" recbole==1.2.1 \
    setuptools==80.9.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from pathlib import Path

import recbole
from ray import tune
from recbole.quick_start import objective_function

reported: list[dict[str, float]] = []
tune.report = lambda **metrics: reported.append(metrics)  # outside of Ray: written down instead of sent
settings = {
    "model": "FM",
    "dataset": "ml-100k",
    "data_path": str(Path(recbole.__file__).parent / "dataset_example"),
    "load_col": {"inter": ["user_id", "item_id", "rating"]},
    "threshold": {"rating": 4},
    "epochs": 1,
    "train_batch_size": 4096,
    "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "group_by": None, "mode": "labeled"},
    "metrics": ["AUC", "LogLoss"],
    "valid_metric": "AUC",
    "use_gpu": False,
    "show_progress": False,
}
returned = objective_function(config_dict=settings, saved=False)
test, valid = dict(returned["test_result"]), dict(returned["best_valid_result"])
print(f"reported to Ray    {reported}\ntest_result        {test}\nbest_valid_result  {valid}")
raise SystemExit(0 if reported == [test] != [valid] else 1)
PYTHON
