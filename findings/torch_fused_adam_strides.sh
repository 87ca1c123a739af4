#!/usr/bin/env bash
# torch 2.13.0 (CPU build, Python 3.11): Adam(fused=True) pairs the entries of a parameter and of its gradient by their order in memory.
#
# A parameter that is stored column after column (what torch.linalg.qr and .T give) and a gradient of the same shape that is stored row
# after row is valid input: `parameter.grad = …` takes it, and Adam(fused=False) steps each entry against its own gradient. With
# fused=True half of the entries below move the wrong way, without an error or a warning. The gradient that backward() itself writes has
# the parameter's strides, and there both agree; it shows where a gradient is set by hand: accumulated elsewhere, received, or the
# derivative of a product.
#
# Seen on 2026-11-28:
#   default [[-1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]]
#   fused   [[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]
#
# Exits 0 while this is so, 1 when it has changed. Way out: .contiguous() on the parameter, or a gradient of its strides.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch

gradient = torch.tensor([[1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])  # stored row after row


def directions(fused: bool) -> list[list[float]]:
    """The sign of the first step of every entry: Adam's is that of the gradient, turned round."""
    parameter = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3).T)  # 3 x 2, stored column after column
    before = parameter.detach().clone()
    parameter.grad = gradient.clone()
    torch.optim.Adam([parameter], lr=0.1, fused=fused).step()
    return (parameter.detach() - before).sign().tolist()


default, fused = directions(False), directions(True)
print(f"torch {torch.__version__}\ndefault {default}\nfused   {fused}")
right = (-gradient.sign()).tolist()
raise SystemExit(0 if default == right and fused != right else 1)
PYTHON
