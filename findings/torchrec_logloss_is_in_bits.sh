#!/usr/bin/env bash
# torchrec 1.8.0 (fbgemm-gpu-cpu 1.8.0, torch 2.13.0, CPU build, Python 3.11): the logloss of a model that says .5 to all is 1, not .693: it
# is in bits, 44 % above what other libraries give under the same name.
#
# NEMetric(include_logloss=True) is documented to return "vanilla logloss" beside the normalised entropy. Log loss is the mean of −ln of the
# probability given to what happened, in scikit-learn, in torch's binary cross-entropy, which trains the model, and in the tables of CTR
# papers, where a thousandth counts. TorchRec takes the logarithm to base 2 in the sum that both of its metrics share. In the normalised
# entropy the base falls out, as it is in numerator and denominator; in the logloss it stays. The true probabilities so look worse than the
# mean click rate does in nats, and the training loss beside it in one plot reads as a model that does not generalise. No docstring speaks
# of a base, and nothing warns.
#
# Seen on 2026-11-30, 10,000 rows, 21 % clicks, in ten batches:
#                            logloss of torchrec   binary_cross_entropy()   normalised entropy, of torchrec and by hand
#   the true probabilities                 .6492                    .4500   .8704   .8704
#   the mean click rate                    .7459                    .5170  1.0000  1.0000
#   .5                                    1.0000                    .6931  1.3407  1.3407
#
# Exits 0 while this is so, 1 when it has changed. Way out: times ln 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# fbgemm-gpu-cpu stands in for fbgemm-gpu, which torchrec asks for by name
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 fbgemm-gpu-cpu==1.8.0 tensordict==0.15.3 torchmetrics==1.0.3 \
    pyre-extensions==0.0.32 tqdm==4.70.1
"$folder/venv/bin/python" -m pip install --quiet --no-deps torchrec==1.8.0
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning:torchrec.metrics - <<'PYTHON'
import math
from importlib.metadata import version

import torch
from torch.nn.functional import binary_cross_entropy
from torchrec.metrics.metrics_config import RecTaskInfo
from torchrec.metrics.ne import NEMetric

ROWS, BATCH = 10_000, 1_000
torch.manual_seed(0)
truth = torch.sigmoid(torch.randn(ROWS, dtype=torch.float64) - 1.5)
click = (torch.rand(ROWS) < truth).double()
task = RecTaskInfo(name="click", label_name="label", prediction_name="prediction", weight_name="weight")


def by_torchrec(predictions: torch.Tensor) -> tuple[float, float]:
    metric = NEMetric(world_size=1, my_rank=0, batch_size=BATCH, tasks=[task], include_logloss=True, window_size=ROWS)
    for part, label in zip(predictions.split(BATCH), click.split(BATCH), strict=True):
        metric.update(predictions={"click": part}, labels={"click": label}, weights={"click": torch.ones_like(label)})
    found = metric.compute()
    return float(found["ne-click|lifetime_logloss"]), float(found["ne-click|lifetime_ne"])


mean = click.mean().expand(ROWS).clone()
in_nats = float(binary_cross_entropy(mean, click))
print(f"torchrec {version('torchrec')}, {float(click.mean()):.0%} clicks: logloss, by torch, normalised entropy, by hand")
same = True
for name, predictions in {"truth": truth, "mean rate": mean, ".5": torch.full_like(truth, 0.5)}.items():
    (logloss, normalised), exact = by_torchrec(predictions), float(binary_cross_entropy(predictions, click))
    print(f"{name:10} {logloss:.4f} {exact:.4f}   {normalised:.4f} {exact / in_nats:.4f}")
    same &= math.isclose(logloss * math.log(2), exact, rel_tol=1e-9) and math.isclose(normalised, exact / in_nats, rel_tol=1e-9)
raise SystemExit(0 if same else 1)
PYTHON
