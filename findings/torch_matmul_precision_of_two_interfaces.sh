#!/usr/bin/env bash
# torch 2.13.0 (Python 3.11, CPU build): torch.get_float32_matmul_precision() goes on to say "high" after the newer interface has put every
# product back to full float32, while torch.backends.cuda.matmul.allow_tf32, also of the older interface, raises a RuntimeError.
#
# torch.set_float32_matmul_precision("high") sets fp32_precision of both backends' products to "tf32". Setting those two to "ieee" again is
# not seen by the older getter, which has a memory of its own; the other old one refuses to answer. So code that saves and restores the
# precision by the documented getter and setter turns TF32 back on where somebody had turned it off.
#
# Seen on 2026-11-28:
#   highest | tf32 tf32 | ieee ieee, old getter: high | allow_tf32: RuntimeError | restored: tf32 tf32
#
# Exits 0 while it is so, 1 when that has changed. Way out: read and write fp32_precision of each backend, and set the old one to match.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch

cuda, cpu = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul


def new() -> str:
    return f"{cuda.fp32_precision} {cpu.fp32_precision}"


begin = torch.get_float32_matmul_precision()
torch.set_float32_matmul_precision("high")
high = new()
cuda.fp32_precision = cpu.fp32_precision = "ieee"
back, said = new(), torch.get_float32_matmul_precision()
try:
    other = str(cuda.allow_tf32)
except RuntimeError:
    other = "RuntimeError"
torch.set_float32_matmul_precision(said)  # what a save and restore around somebody's code does
restored = new()
print(f"{begin} | {high} | {back}, old getter: {said} | allow_tf32: {other} | restored: {restored}")
found = (begin, high, back, said, other, restored)
raise SystemExit(found != ("highest", "tf32 tf32", "ieee ieee", "high", "RuntimeError", "tf32 tf32"))
PYTHON
