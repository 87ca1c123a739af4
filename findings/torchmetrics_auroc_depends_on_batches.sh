#!/usr/bin/env bash
# torchmetrics 1.9.0 (torch 2.13.0, Python 3.11): BinaryAUROC of logits depends on how the rows are batched, and loses ties at high scores.
#
# update() takes a batch for logits when one of its values lies outside of [0, 1], and puts that batch through a float32 sigmoid; a batch
# whose logits all lie inside is kept as it is. Then the same logit stands at two places in the ranking, by the company it had in its batch.
# AUC is a matter of order alone, and no sigmoid is needed for it. Besides, float32's sigmoid is 1 from a logit of 17 on: high scores
# become ties, low ones do not.
#
# Seen on 2026-11-28, AUC of 4,096 logits of N(.5, .5²), positives half a deviation higher; and of the same logits + 20:
#   exact .6218, one batch .6218, batches of 4 rows .6151
#   + 20: exact .6218, one batch .5000
#
# Exits 0 while it is so, 1 when that has changed. Way out: give it probabilities in float64, or ranks divided by their number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 torchmetrics==1.9.0 scikit-learn==1.9.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC

generator = torch.Generator().manual_seed(0)
labels = (torch.rand(4096, generator=generator) < 0.3).long()
logits = 0.5 + 0.5 * torch.randn(4096, generator=generator) + 0.25 * labels


def torchmetrics_auc(scores: torch.Tensor, size: int) -> float:
    metric = BinaryAUROC()
    for some, their_labels in zip(scores.split(size), labels.split(size), strict=True):
        metric.update(some, their_labels)
    return float(metric.compute())


exact = roc_auc_score(labels, logits.double())
whole, batched = torchmetrics_auc(logits, 4096), torchmetrics_auc(logits, 4)
high, high_exact = torchmetrics_auc(logits + 20, 4096), roc_auc_score(labels, (logits + 20).double())
print(f"exact {exact:.4f}, one batch {whole:.4f}, batches of 4 rows {batched:.4f}")
print(f"+ 20: exact {high_exact:.4f}, one batch {high:.4f}")
raise SystemExit(0 if abs(whole - exact) < 1e-4 and abs(batched - exact) > 0.005 and abs(high - high_exact) > 0.01 else 1)
PYTHON
