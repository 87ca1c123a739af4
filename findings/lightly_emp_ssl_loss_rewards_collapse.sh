#!/usr/bin/env bash
# lightly 1.6.0 (torch 2.13.0, CPU build, Python 3.11): the term of EMPSSLLoss that is there to keep embeddings apart draws them together:
# minimised, the loss takes the effective rank from 28.8 to below 3, and by this term alone they vanish.
#
# The loss has two parts: the views of a row are to be alike, and the total coding rate, ½ log det(I + d/(n·ε)·ZᵀZ), is to be large, for
# without it all rows may be one point. The paper that the class refers to maximises the rate, and its authors' code, from which the file
# says that it is largely taken, hands back the negative of it. EMPSSLLoss adds the rate as it is to what is to be minimised. It is least,
# 0, where all embeddings are 0; of tables with rows of one length it is the smaller the fewer directions they have. The coefficient of the
# other part, 200, hides it: the loss falls, and views agree. Whoever compares losses by how well they keep rank has here one that works
# against it. Embeddings are not brought to length 1 either, as they are there, so that shrinking is open to them. Nothing warns.
#
# Seen on 2026-11-30, a linear layer from 64 to 32, four noisy views of 256 rows, Adam:
#                                 effective rank, steps 0    200    600   mean length, steps 0    600
#   EMPSSLLoss()                                     28.8    1.6    2.9                    3.3     .3
#   the rate with its sign turned                    28.8   31.4   31.4                    3.3    121
#   the views' part alone                            28.8    1.1    1.0                    3.3   10.4
#   EMPSSLLoss(inv_coef=0)                           28.8   28.6    7.2                    3.3    .01
#   the loss of rows of length 1: in all directions −174.9, in one direction −197.5
#
# Exits 0 while this is so, 1 when it has changed. Way out: tcr_loss() and invariance_loss() of the same file, the first one subtracted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip install --quiet --no-deps lightly==1.6.0
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import importlib.util
from collections.abc import Callable
from importlib.metadata import distribution, version

import torch
from torch import nn

# the file of the loss alone: the package's other losses import torchvision, whose build on PyPI is not for torch on CPUs
place = distribution("lightly").locate_file("lightly/loss/emp_ssl_loss.py")
spec = importlib.util.spec_from_file_location("emp_ssl_loss", str(place))
lightly = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lightly)

ROWS, INPUTS, COLUMNS, VIEWS, EPSILON, COEFFICIENT = 256, 64, 32, 4, 0.2, 200
Loss = Callable[[list[torch.Tensor]], torch.Tensor]
torch.manual_seed(0)
rows = torch.randn(ROWS, INPUTS)
views = [rows + 0.3 * torch.randn(ROWS, INPUTS) for _ in range(VIEWS)]


def rate(z_views: list[torch.Tensor]) -> torch.Tensor:
    grams = [torch.eye(COLUMNS) + COLUMNS / (ROWS * EPSILON) * z.T @ z for z in z_views]
    return torch.stack([torch.logdet(gram) for gram in grams]).mean() / 2


def unlike(z_views: list[torch.Tensor]) -> torch.Tensor:
    z = torch.stack(z_views)
    return -torch.cosine_similarity(z, z.mean(0, keepdim=True), dim=-1).mean()


def effective_rank(z: torch.Tensor) -> float:
    shares = torch.linalg.svdvals(z.double())
    shares = shares / shares.sum()
    return float(torch.special.entr(shares).sum().exp())


def trained(loss: Loss, steps: int) -> torch.Tensor:
    torch.manual_seed(1)
    layer = nn.Linear(INPUTS, COLUMNS, bias=False)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss([layer(view) for view in views]).backward()
        optimizer.step()
    return layer(rows).detach()


losses: dict[str, Loss] = {
    "EMPSSLLoss()": lightly.EMPSSLLoss(),
    "sign turned": lambda z: COEFFICIENT * unlike(z) - rate(z),
    "views alone": lambda z: COEFFICIENT * unlike(z),
    "rate alone": lightly.EMPSSLLoss(inv_coef=0),
}
print(f"lightly {version('lightly')}: effective rank after 0, 200, 600 steps, mean length after 0, 600")
ranks, lengths = {}, {}
for name, loss in losses.items():
    after = [trained(loss, steps) for steps in (0, 200, 600)]
    ranks[name] = [effective_rank(z) for z in after]
    lengths[name] = [float(z.norm(dim=1).mean()) for z in (after[0], after[-1])]
    print(f"{name:14}", *(f"{rank:6.1f}" for rank in ranks[name]), "  ", *(f"{length:8.4f}" for length in lengths[name]))
start = [trained(losses["EMPSSLLoss()"], 0) @ torch.eye(COLUMNS) for _ in range(VIEWS)]
added = torch.isclose(lightly.EMPSSLLoss()(start), rate(start) + COEFFICIENT * unlike(start))
spread, line = (nn.functional.normalize(z) for z in (start[0], start[0][:, :1].sign() * torch.ones(COLUMNS)))
of_spread, of_line = (float(lightly.EMPSSLLoss()([z] * VIEWS)) for z in (spread, line))
print(f"loss of rows of length 1 in all directions {of_spread:.1f}, in one direction {of_line:.1f}")
falls = max(ranks["EMPSSLLoss()"][1:]) < 5 and lengths["EMPSSLLoss()"][1] < 1 and lengths["rate alone"][1] < 0.1
kept = min(ranks["sign turned"]) > 28 and of_line < of_spread - 5
raise SystemExit(0 if bool(added) and falls and kept else 1)
PYTHON
