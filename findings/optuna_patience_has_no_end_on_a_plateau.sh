#!/usr/bin/env bash
# optuna 5.0.0 (Python 3.11): PatientPruner(None, patience=3) never stops a trial whose metric stands still; min_delta makes it wait longer.
#
# Its documentation has it prune a trial "if the improvement … after a patience period is less than a threshold", allow pruning when the
# objective "doesn't improve for `patience` consecutive steps", and calls it early stopping where no pruner is wrapped. The code asks for
# more: the best of the last patience + 1 values must be worse than the best before by more than min_delta. A model whose AUC is .5 in every
# epoch, or that has come to rest, is not worse than before and runs to the end, whatever the patience. And min_delta, "tolerance value to
# check whether or not the objective improves", works backwards: it does not ask for a larger gain, it lets a larger loss pass. A pruner
# that should save the time of dead models spends all of it on them. (3835 of its tracker, on the sign of min_delta, was closed as stale.)
#
# Seen on 2026-11-29, direction maximize, patience=3, of 100 epochs:
#   AUC in an epoch                     min_delta=0   .01   .05   early stopping by the documentation
#   .5 in each                                100   100   100     4
#   .60 .65 .70, then .70                     100   100   100     6
#   .60 .65 .70, then 1e-6 more each          100   100   100     6 with min_delta=.01
#   .60 .65 .70, then .68                       7     7   100     6
#
# Exits 0 while this is so, 1 when it has changed. Way out: count the epochs without a gain in the objective, and raise TrialPruned there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet optuna==5.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import optuna

EPOCHS, PATIENCE = 100, 3
optuna.logging.set_verbosity(optuna.logging.WARNING)
rise = [0.60, 0.65, 0.70]
curves = {
    "still": [0.5] * EPOCHS,
    "at rest": rise + [0.70] * (EPOCHS - 3),
    "1e-6 more": rise + [0.70 + 1e-6 * epoch for epoch in range(1, EPOCHS - 2)],
    "falls": rise + [0.68] * (EPOCHS - 3),
}


def pruned_after(curve: list[float], min_delta: float) -> int:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.PatientPruner(None, patience=PATIENCE, min_delta=min_delta))
    trial = study.ask()
    for epoch, auc in enumerate(curve):
        trial.report(auc, epoch)
        if trial.should_prune():
            return epoch + 1
    return len(curve)


def stopped_after(curve: list[float], min_delta: float) -> int:
    """By a count of the epochs that are not better than the best before by more than min_delta."""
    best, since = curve[0], 0
    for epoch, auc in enumerate(curve[1:], start=1):
        best, since = (auc, 0) if auc > best + min_delta else (best, since + 1)
        if since == PATIENCE:
            return epoch + 1
    return len(curve)


deltas = (0.0, 0.01, 0.05)
print(f"optuna {optuna.__version__}, patience {PATIENCE}, min_delta {deltas}")
pruned = {name: [pruned_after(curve, delta) for delta in deltas] for name, curve in curves.items()}
stopped = {name: [stopped_after(curve, delta) for delta in deltas] for name, curve in curves.items()}
for name in curves:
    print(f"{name}: pruned after {pruned[name]}, by counting {stopped[name]}")
endless = all(pruned[name] == [EPOCHS] * 3 for name in ("still", "at rest", "1e-6 more"))
waits = pruned["falls"][:2] == [7, 7] and pruned["falls"][2] == EPOCHS
raise SystemExit(0 if endless and waits and stopped["still"] == [4] * 3 and stopped["at rest"][:2] == [6, 6] else 1)
PYTHON
