#!/usr/bin/env bash
# torch 2.13.0 (CPU build, Python 3.11): in a bfloat16 table the gradient of a frequent value stops growing after 256 rows of a batch.
#
# The backward of a look-up adds the rows of one value one after the other, in the table's own type. bfloat16 has eight bits: from 256
# equal parts on, the next one is rounded away; float16 comes to it at 2,048. Of a value that 4,096 rows share, a sixteenth of the gradient
# is left (a half in float16), with nn.Embedding, dense or sparse, with nn.EmbeddingBag and with table[ids] alike. It is the frequent values
# that learn too slowly; rare ones are right. Others of torch's sums of the same numbers are right: index_add_(), which is the same sum, and
# the gradient of one parameter that is added to all rows, as a bias is. So to compare tables in bfloat16 and float32 on a CPU says little.
#
# Seen on 2026-11-29, the gradient of the mean of 4,096 rows that all look up one value, exact 1:
#   bfloat16: Embedding .0625, sparse .0625, EmbeddingBag .0625, table[ids] .0625; index_add_ 1, bias 1
#   float16:  Embedding .5, sparse .5, EmbeddingBag .5, table[ids] .5; index_add_ 1, bias 1
#   float32:  1 throughout
#
# Exits 0 while this is so, 1 when it has changed. Not tried on a GPU. Way out: the table in float32, and what was looked up cast to
# bfloat16.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
from collections.abc import Callable

import torch
from torch import nn

rows = 4096
ids = torch.zeros(rows, dtype=torch.long)


def gradients(kind: torch.dtype) -> dict[str, float]:
    """Of the mean over rows, for the one row of the table: each row's part is 1/4096, a power of two."""

    def of(look_up: Callable[[torch.Tensor], torch.Tensor]) -> float:
        table = torch.ones(2, 8, dtype=kind, requires_grad=True)
        (gradient,) = torch.autograd.grad(look_up(table), table, torch.full((rows, 8), 1 / rows, dtype=kind))
        return float((gradient.to_dense() if gradient.is_sparse else gradient)[0, 0])

    added = torch.zeros(2, 8, dtype=kind).index_add_(0, ids, torch.full((rows, 8), 1 / rows, dtype=kind))
    return {
        "Embedding": of(lambda table: nn.functional.embedding(ids, table)),
        "sparse": of(lambda table: nn.functional.embedding(ids, table, sparse=True)),
        "EmbeddingBag": of(lambda table: nn.functional.embedding_bag(ids[:, None], table, mode="sum")),
        "table[ids]": of(lambda table: table[ids]),
        "index_add_": float(added[0, 0]),
        "bias": of(lambda table: table[0] + torch.zeros(rows, 8, dtype=kind)),
    }


found = {kind: gradients(kind) for kind in (torch.bfloat16, torch.float16, torch.float32)}
print(f"torch {torch.__version__}")
for kind, values in found.items():
    print(f"{kind}: {values}")
left = {torch.bfloat16: 0.0625, torch.float16: 0.5, torch.float32: 1.0}
raise SystemExit(0 if all(list(values.values()) == [left[kind]] * 4 + [1.0] * 2 for kind, values in found.items()) else 1)
PYTHON
