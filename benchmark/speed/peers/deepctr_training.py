"""DeepCTR-Torch's training of the same work, run in an environment that has it: `deepctr_training.py JSON`; see contestants.Peer."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from deepctr_torch.inputs import SparseFeat
from deepctr_torch.models import DCN, xDeepFM

told = json.loads(sys.argv[1])
torch.set_num_threads(told["threads"])
torch.manual_seed(0)
options: dict[str, Any] = told["options"]


def main() -> None:
    arrays = np.load(told["data"])
    columns = [SparseFeat(f"f{n}", size, embedding_dim=told["dimension"]) for n, size in enumerate(told["cardinalities"])]
    shared = {
        "dnn_hidden_units": tuple(options["hidden"]),
        "dnn_dropout": 0.2,
        "dnn_use_bn": True,
        "l2_reg_linear": 0,
        "l2_reg_embedding": 0,
    }
    if told["backbone"] == "dcnv2":
        model = DCN([], columns, cross_num=options["depth"], cross_parameterization="matrix", l2_reg_cross=0, **shared)
    elif told["backbone"] == "xdeepfm":
        maps = (options["maps"],) * options["depth"]
        model = xDeepFM([], columns, cin_layer_size=maps, cin_split_half=False, cin_activation="linear", **shared)
    else:
        raise SystemExit(f"DeepCTR-Torch has no {told['backbone']}")
    model.compile("adam", "binary_crossentropy")
    x = [arrays["ids"][:, n] for n in range(len(columns))]
    y = arrays["labels"].astype(np.float32)
    cells = torch.from_numpy(arrays["ids"].astype(np.float32))
    labels = torch.from_numpy(y)
    print("SPEED ready", flush=True)
    for mode in sys.stdin:
        started = time.perf_counter()
        if mode.strip() == "epoch":
            model.fit([c.copy() for c in x], y, batch_size=told["batch"], epochs=1, verbose=0, shuffle=True)
        else:
            model.train()
            for start in range(0, len(labels), told["batch"]):
                part = slice(start, start + told["batch"])
                scores = model(cells[part]).squeeze()
                model.optim.zero_grad()
                loss = model.loss_func(scores, labels[part], reduction="sum")
                loss.item()  # its own loop reads the loss in each step
                loss.backward()
                model.optim.step()
        print(f"SPEED {time.perf_counter() - started}", flush=True)


if __name__ == "__main__":
    main()
