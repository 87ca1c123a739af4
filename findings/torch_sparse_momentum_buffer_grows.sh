#!/usr/bin/env bash
# torch 2.13.0 (CPU build, Python 3.11): SGD with momentum keeps a row of its buffer for every id that an Embedding(sparse=True) ever
# looked up, not for every row of the table.
#
# SGD takes sparse gradients, and with momentum too. The buffer of a dense gradient has the size of the table; that of a sparse one is a
# sparse tensor to which each step appends its gradient, and nothing ever merges equal rows. So memory grows with the samples that were
# trained on: after 300 steps the buffer of a table of 1,000 rows has entries for 75 times as many. The weights are those of the dense
# gradient, up to rounding (6e-5 of 3.9). Nothing warns.
#
# Seen on 2026-11-29, table of 1,000 rows, batches of 256 ids, momentum .9:
#   steps   rows of the buffer, sparse   dense   sparse, merged after each step
#      20                        5,084   1,000                            996
#      60                       15,133   1,000                          1,000
#     300                       74,614   1,000                          1,000
#
# Exits 0 while this is so, 1 when it has changed. Way out: merge it oneself, state["momentum_buffer"] = state["momentum_buffer"].coalesce().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -W error - <<'PYTHON'
import torch

ROWS, BATCH, STEPS = 1000, 256, (20, 60, 300)
torch.set_num_threads(1)


def buffer_rows(sparse: bool, merged: bool = False) -> tuple[dict[int, int], torch.Tensor]:
    """Steps -> rows that the momentum buffer has, and the weights at the end."""
    torch.manual_seed(0)
    embedding = torch.nn.Embedding(ROWS, 8, sparse=sparse)
    optimizer = torch.optim.SGD(embedding.parameters(), lr=0.1, momentum=0.9)
    found = {}
    for step in range(1, STEPS[-1] + 1):
        optimizer.zero_grad()
        embedding(torch.randint(0, ROWS, (BATCH,))).square().mean().backward()
        optimizer.step()
        state = optimizer.state[embedding.weight]
        if merged:
            state["momentum_buffer"] = state["momentum_buffer"].coalesce()
        buffer = state["momentum_buffer"]
        if step in STEPS:
            found[step] = buffer._nnz() if buffer.is_sparse else len(buffer)
    return found, embedding.weight.detach()


(sparse, weights), (dense, wanted), (merged, others) = buffer_rows(True), buffer_rows(False), buffer_rows(True, True)
print(f"torch {torch.__version__}")
for step in STEPS:
    print(f"{step:4} steps: sparse {sparse[step]:,}, dense {dense[step]:,}, merged {merged[step]:,}")
equal = torch.allclose(weights, wanted, atol=1e-3) and torch.allclose(others, wanted, atol=1e-3)
print(f"weights equal: {equal}")
same = equal and all(sparse[step] > 0.9 * step * BATCH and dense[step] == ROWS and merged[step] <= ROWS for step in STEPS)
raise SystemExit(0 if same else 1)
PYTHON
