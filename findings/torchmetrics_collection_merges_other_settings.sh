#!/usr/bin/env bash
# torchmetrics 1.9.0 (torch 2.13.0, Python 3.11): in a MetricCollection a metric can take over another's setting after the first batch.
#
# A collection looks, after its first update, which metrics hold equal states, and from then on updates one of them and hands its state to
# the others. It does not look at their settings. Two that differ in one, a threshold say, hold equal states where the first batch gives
# both the same counts: none of its scores lies between the thresholds. All later batches are then counted with the setting of one, under
# both names. With another order of the same batches the numbers are right. (The tracker has 2596 and 2916, where the metrics compared so
# were a user's own or of text.)
#
# Seen on 2026-11-29, accuracy at thresholds .5 and .9 of two batches of two rows:
#   as they come (.75, .75), in reverse order (.75, .25), compute_groups=False (.75, .25)
#
# Exits 0 while this is so, 1 when it has changed. Way out: MetricCollection(…, compute_groups=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics.classification import BinaryAccuracy

batches = [(torch.tensor([0.1, 0.2]), torch.tensor([0, 1])), (torch.tensor([0.7, 0.8]), torch.tensor([1, 1]))]


def accuracies(order: list[tuple[torch.Tensor, torch.Tensor]], compute_groups: bool) -> tuple[float, float]:
    metrics = {"at_5": BinaryAccuracy(threshold=0.5), "at_9": BinaryAccuracy(threshold=0.9)}
    together = torchmetrics.MetricCollection(metrics, compute_groups=compute_groups)
    for scores, labels in order:
        together.update(scores, labels)
    found = together.compute()
    return float(found["at_5"]), float(found["at_9"])


as_they_come, reverse, apart = accuracies(batches, True), accuracies(batches[::-1], True), accuracies(batches, False)
print(f"torchmetrics {torchmetrics.__version__}\nas they come {as_they_come}, in reverse order {reverse}, compute_groups=False {apart}")
raise SystemExit(0 if as_they_come == (0.75, 0.75) and reverse == apart == (0.75, 0.25) else 1)
PYTHON
