#!/usr/bin/env bash
# feature-engine 1.9.4 (pandas 3.1.1, scikit-learn 1.9.1, Python 3.11): WoEEncoder() of clicks −1 and 1, after a split, codes an ad that is
# clicked half the time as one that is clicked once in fifty; SelectByInformationValue() throws the ad out as of no use.
#
# Both take "binary" targets and turn those that are not 0 and 1 into 0 and 1. The new target is numbered from 0 on: it has lost the index
# of the old one, and is then grouped by the categories, which pandas does by index. After train_test_split(), a shuffle or a filter each
# row's ad meets the click of another row, and rows whose number is above the count of rows meet none. What comes out is noise about 0, with
# signs of its own. Clicks −1 and 1, as libFFM writes them, and 1 and 2 do so, as arrays too; 0 and 1, booleans, and a frame numbered from 0
# in order are right. Nothing warns; the documentation says of y that it must be binary.
#
# Seen on 2026-11-30, 20,000 rows, 70 % for training, four ads with click rates .02, .05, .20 and .50:
#   clicks                    weight of evidence by ad      AUC in the test part   information value
#   0 and 1              −2.60  −1.44    .04   1.44                        .819                1.783
#   −1 and 1               .06    .05   −.03    .05                        .300                 .002, left out
#   1 and 2                .06    .05   −.03    .05                        .300                 .002, left out
#   −1 and 1, renumbered −2.60  −1.44    .04   1.44                        .819                1.783
#
# Exits 0 while this is so, 1 when it has changed. Way out: clicks as 0 and 1, or reset_index(drop=True) of both before fit().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet feature-engine==1.9.4 pandas==3.1.1 numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pandas as pd
from feature_engine.encoding import WoEEncoder
from feature_engine.selection import SelectByInformationValue
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

ROWS = 20_000
draw = np.random.default_rng(0)
rate = pd.Series({"a": 0.02, "b": 0.05, "c": 0.2, "d": 0.5})
rows = pd.DataFrame({"ad": draw.choice(rate.index.to_numpy(), ROWS), "place": draw.choice(["top", "side", "foot"], ROWS)})
click = (draw.random(ROWS) < rows["ad"].map(rate)).astype(int)
train, test, clicked, clicked_later = train_test_split(rows, click, test_size=0.3, random_state=0)


def by_definition() -> list[float]:
    of_clicks, of_others = (train["ad"][clicked == kind].value_counts(normalize=True) for kind in (1, 0))
    return [float(np.log(of_clicks[ad] / of_others[ad])) for ad in rate.index]


def fitted(name: str, frame: pd.DataFrame, target: pd.Series) -> tuple[list[float], float, float]:
    encoder = WoEEncoder().fit(frame, target)
    weights = [float(encoder.encoder_dict_["ad"][ad]) for ad in rate.index]
    area = float(roc_auc_score(clicked_later, encoder.transform(test)["ad"]))
    selector = SelectByInformationValue(threshold=0.1).fit(frame, target)
    information, kept = float(selector.information_values_["ad"]), "ad" not in selector.features_to_drop_
    print(f"{name:22}", *(f"{weight:6.2f}" for weight in weights), f"  AUC {area:.3f}  value {information:.3f}  ad kept: {kept}")
    return weights, area, information


print(f"feature-engine {version('feature-engine')}: weight of evidence of four ads")
right = fitted("0 and 1", train, clicked)
wrong = [fitted("-1 and 1", train, 2 * clicked - 1), fitted("1 and 2", train, clicked + 1)]
renumbered = fitted("-1 and 1, renumbered", train.reset_index(drop=True), (2 * clicked - 1).reset_index(drop=True))
noise = all(max(map(abs, weights)) < 0.2 and area < 0.7 and information < 0.02 for weights, area, information in wrong)
same = np.allclose(right[0], by_definition()) and right == renumbered and right[1] > 0.8 and right[2] > 1
raise SystemExit(0 if noise and same else 1)
PYTHON
