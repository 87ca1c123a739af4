#!/usr/bin/env bash
# torch 2.13.0 (CPU build, Python 3.11): ReduceLROnPlateau(factor=.1) of a learning rate that is a tensor divides it by 1,000 at three
# parameter groups.
#
# A rate as a tensor is what fused=True and compiled steps take. An optimiser hands this one tensor to each group that has no rate of its
# own. The scheduler goes from group to group, reads the group's rate, multiplies it, and writes it back into the tensor: the second group
# reads what the first one has written. So the rate falls by factor to the power of the number of groups, and the usual split of tables
# and dense layers with decays of their own squares it. The other schedulers read all groups before they write, and are right. A rate that
# is a number falls as documented. Nothing warns: training comes to rest, as after any plateau.
#
# Seen on 2026-11-29, Adam(lr=.1, fused=True), one epoch that was not better:
#   groups                          1      2      3
#   a number                     0.01   0.01   0.01
#   a tensor                     0.01  0.001 0.0001
#   a tensor, ExponentialLR(.1)  0.01   0.01   0.01
#
# Exits 0 while this is so, 1 when it has changed. Way out: give each group a tensor of its own, {"params": …, "lr": rate.clone()}.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import torch
from torch.optim import lr_scheduler

warnings.simplefilter("error")


def after_one_cut(groups: int, rate: float | torch.Tensor, exponential: bool = False) -> float:
    """The rate, to four digits, of every group: they are to be alike."""
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(groups)]
    optimizer = torch.optim.Adam([{"params": [p]} for p in parameters], lr=rate, fused=True)
    if exponential:
        scheduler = lr_scheduler.ExponentialLR(optimizer, 0.1)
    else:
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
        scheduler.step(1.0)
    for p in parameters:
        p.grad = torch.ones(1)
    optimizer.step()
    scheduler.step() if exponential else scheduler.step(2.0)
    (rate_now,) = {float(f"{float(group['lr']):.4g}") for group in optimizer.param_groups}
    return rate_now


number = [after_one_cut(groups, 0.1) for groups in (1, 2, 3)]
tensor = [after_one_cut(groups, torch.tensor(0.1)) for groups in (1, 2, 3)]
exponential = [after_one_cut(groups, torch.tensor(0.1), exponential=True) for groups in (1, 2, 3)]
print(f"torch {torch.__version__}\na number {number}\na tensor {tensor}\na tensor, ExponentialLR {exponential}")
raise SystemExit(0 if number == exponential == [0.01] * 3 and tensor == [0.01, 0.001, 0.0001] else 1)
PYTHON
