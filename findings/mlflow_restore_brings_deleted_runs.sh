#!/usr/bin/env bash
# mlflow 3.17.2 (SQLite, Python 3.11): restore_experiment() also restores runs that had been deleted one by one before.
#
# delete_experiment() marks the experiment's runs as deleted, restore_experiment() marks all of them as active. Nothing is kept of how a
# run was before: one that somebody threw away by itself, days earlier, is back among the experiment's rows, with its metrics.
#
# Seen on 2026-11-28:
#   one run deleted        ['active', 'deleted']
#   experiment there again ['active', 'active']
#
# Exits 0 while this is so, 1 when it has changed. Way out: note the deleted runs before, and delete them again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet mlflow==3.17.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import mlflow

client = mlflow.MlflowClient("sqlite:///store.db")
experiment = client.create_experiment("board")
kept, thrown_away = (client.create_run(experiment).info.run_id for _ in range(2))


def stages() -> list[str]:
    return [client.get_run(run).info.lifecycle_stage for run in (kept, thrown_away)]


client.delete_run(thrown_away)
before = stages()
client.delete_experiment(experiment)
client.restore_experiment(experiment)
after = stages()
print(f"mlflow {mlflow.__version__}\none run deleted        {before}\nexperiment there again {after}")
raise SystemExit(0 if before == ["active", "deleted"] and after == ["active", "active"] else 1)
PYTHON
