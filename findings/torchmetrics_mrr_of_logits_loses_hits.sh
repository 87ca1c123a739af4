#!/usr/bin/env bash
# torchmetrics 1.9.0 (torch 2.13.0, Python 3.11): MRR, MAP, recall and precision take a relevant item whose score is not above 0 for an
# irrelevant one.
#
# The four are metrics of order; the classes are documented to take a model's float predictions, the functions "estimated probabilities".
# Before they sort they strike out the relevance of each item with a score of 0 or less. Logits of clicks, which are rare, and dot
# products of embeddings are often below 0: a hit in the first place counts as none. To take one number off all scores, which leaves every
# order as it is, brings the four down to 0, and of two models with the same ranking the one with the larger bias wins. Hit rate, NDCG,
# R-precision and AUROC of the same scores do not change; with one relevant item a list recall is the hit rate, and here it is not.
# Nothing warns. (It came with 3104 of its tracker, as a remedy for lists of zeros.)
#
# Seen on 2026-11-29, 200 lists of 20 items, one of them relevant, scores N(0, 1), those of relevant items 1.5 higher:
#   scores            MRR     MAP   precision@5   recall@5   hit rate@5    NDCG   AUROC
#   sigmoid         .5688   .5688         .1510      .7550        .7550   .6688   .8571
#   as they are     .5631   .5631         .1510      .7550        .7550   .6688   .8571
#   all less 3      .0875   .0875         .0180      .0900        .7550   .6688   .8571
#   all less 10     .0000   .0000         .0000      .0000        .7550   .6688   .8571
#
# Exits 0 while this is so, 1 when it has changed. Way out: scores above 0 in the same order, as the ranks from below are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6 torchmetrics==1.9.0
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics import retrieval

LISTS, ITEMS = 200, 20
torch.manual_seed(0)
lists = torch.arange(LISTS).repeat_interleave(ITEMS)
relevant = torch.zeros(LISTS * ITEMS, dtype=torch.long)
relevant[torch.arange(LISTS) * ITEMS + torch.randint(0, ITEMS, (LISTS,))] = 1
scores = torch.randn(LISTS * ITEMS, dtype=torch.float64) + 1.5 * relevant


def metrics(scores: torch.Tensor) -> list[float]:
    fall = retrieval.RetrievalMRR(), retrieval.RetrievalMAP(), retrieval.RetrievalPrecision(top_k=5), retrieval.RetrievalRecall(top_k=5)
    stay = retrieval.RetrievalHitRate(top_k=5), retrieval.RetrievalNormalizedDCG(), retrieval.RetrievalAUROC()
    return [round(float(metric(scores, relevant, indexes=lists)), 4) for metric in (*fall, *stay)]


print(f"torchmetrics {torchmetrics.__version__}: MRR, MAP, precision@5, recall@5, hit rate@5, NDCG, AUROC")
right = metrics(torch.sigmoid(scores))
plain, less, far = metrics(scores), metrics(scores - 3), metrics(scores - 10)
print(f"sigmoid     {right}\nas they are {plain}\nall less 3  {less}\nall less 10 {far}")
falls = all(right[i] >= plain[i] > 4 * less[i] > far[i] == 0.0 for i in range(4)) and right[3] == right[4]
raise SystemExit(0 if falls and right[4:] == plain[4:] == less[4:] == far[4:] else 1)
PYTHON
