#!/usr/bin/env bash
# fuxictr 2.3.10 (torch 2.13.0, scikit-learn 1.9.1, Python 3.11): its logloss counts 36 nats for a negative that the model gives a logit of
# 17, and 17 for a positive that it gives −17.
#
# evaluate() takes the sigmoid in float32, where it is exactly 1 from a logit of 17 on, and small numbers on the other side keep their
# digits. The probabilities are then made float64, and scikit-learn clips by the type that it gets: at 2.2e-16, so that the negative costs
# −ln(2.2e-16) = 36.04. Given the float32 numbers it would have clipped at 1.2e-7 and counted 15.94. Neither is 17. So a logloss says more
# of the type than of the model where positives are rare and a few negatives are surely wrong, and the error has one side only.
#
# Seen on 2026-11-28, nats of the row:
#   label 0, logit +17: 36.04
#   label 1, logit −17: 17.00
#
# Exits 0 while this is so, 1 when it has changed. Way out: logloss from the logits, softplus(z) − y·z.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 polars==1.30.0 scikit-learn==1.9.1 fuxictr==2.3.10
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math
from collections import OrderedDict

import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.models import BaseModel

fields = FeatureMap("data", ".")
fields.features = OrderedDict(logit={"source": "", "type": "numeric"})
fields.labels, fields.num_fields = ["click"], 1


class Model(BaseModel):
    """Its one feature is its logit."""

    def __init__(self) -> None:
        super().__init__(fields, verbose=0, model_root=".", metrics=["logloss"])

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"y_pred": self.output_activation(self.get_inputs(inputs)["logit"].view(-1, 1))}


def nats(logit: float, label: float) -> float:
    """Of one row: beside it are one of each class with probability .5, whose ln 2 are taken off."""
    rows = {"logit": torch.tensor([logit, 0.0, 0.0]), "click": torch.tensor([label, 0.0, 1.0])}
    return 3 * Model().evaluate([rows])["logloss"] - 2 * math.log(2)


negative, positive = nats(17.0, 0.0), nats(-17.0, 1.0)
print(f"label 0, logit +17: {negative:.2f}\nlabel 1, logit -17: {positive:.2f}")
raise SystemExit(0 if abs(negative - 36.04) < 0.01 and abs(positive - 17) < 0.01 else 1)
PYTHON
