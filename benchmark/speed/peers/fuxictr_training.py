"""FuxiCTR's training of the same work, run in an environment that has it: `fuxictr_training.py JSON`; see contestants.Peer.

Its wheel has layers, the model base class and loaders, but not the three models: they are put together here from its layers, sizes and
settings as in this suite (cross network and MLP in parallel, no linear part, no feature selection).
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.layers import CompressedInteractionNet, CrossNetV2, FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import BaseModel
from model_zoo.LongCTR.FinalMLP.FinalMLP import InteractionAggregation
from torch import Tensor, nn

logging.disable(logging.CRITICAL)
told = json.loads(sys.argv[1])
torch.set_num_threads(told["threads"])
torch.manual_seed(0)
fields = [f"f{n}" for n in range(len(told["cardinalities"]))]
width = len(fields) * told["dimension"]
options: dict[str, Any] = told["options"]


class Model(BaseModel):
    def __init__(self, feature_map: FeatureMap, folder: Path) -> None:
        (folder / "speed").mkdir(exist_ok=True)
        super().__init__(feature_map, model_id=told["backbone"], gpu=-1, verbose=0, model_root=str(folder), metrics=["AUC"])
        self.embedding_layer = FeatureEmbedding(feature_map, told["dimension"])
        mlp = {"hidden_activations": "ReLU", "dropout_rates": 0.2, "batch_norm": True}
        if told["backbone"] == "finalmlp":
            units = options["units1"], options["units2"]
            self.mlp1, self.mlp2 = (MLP_Block(width, hidden_units=[size] * options["depth"], **mlp) for size in units)
            self.fusion = InteractionAggregation(*units, output_dim=1, num_heads=1)
        else:
            self.mlp = MLP_Block(width, hidden_units=list(options["hidden"]), **mlp)
            if told["backbone"] == "dcnv2":
                self.cross = CrossNetV2(width, options["depth"])
                self.fc = nn.Linear(width + options["hidden"][-1], 1)
            else:
                self.cin = CompressedInteractionNet(len(fields), [options["maps"]] * options["depth"])
                self.fc = nn.Linear(options["hidden"][-1], 1)
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()
        self.model_to_device()

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        embedded = self.embedding_layer(self.get_inputs(inputs))
        flat = embedded.flatten(1)
        if told["backbone"] == "finalmlp":
            logits = self.fusion(self.mlp1(flat), self.mlp2(flat))
        elif told["backbone"] == "dcnv2":
            logits = self.fc(torch.cat((self.cross(flat), self.mlp(flat)), 1))
        else:
            logits = self.cin(embedded) + self.fc(self.mlp(flat))
        return {"y_pred": self.output_activation(logits)}


def main() -> None:
    folder = Path(told["folder"])
    arrays = np.load(told["data"])
    feature_map = FeatureMap("speed", str(folder))
    for name, size in zip(fields, told["cardinalities"], strict=True):
        feature_map.features[name] = {"source": "", "type": "categorical", "vocab_size": size}
    feature_map.labels, feature_map.num_fields = ["label"], len(fields)
    feature_map.default_emb_dim = told["dimension"]
    columns = {name: arrays["ids"][:, n].astype(np.int64) for n, name in enumerate(fields)}
    np.savez(folder / "fuxictr.npz", label=arrays["labels"].astype(np.float32), **columns)
    model = Model(feature_map, folder)
    batches = []
    for start in range(0, len(arrays["labels"]), told["batch"]):
        part = slice(start, start + told["batch"])
        batch = {name: torch.from_numpy(values[part].copy()) for name, values in columns.items()}
        batches.append({**batch, "label": torch.from_numpy(arrays["labels"][part].astype(np.float32))})
    loader = None
    print("SPEED ready", flush=True)
    for mode in sys.stdin:
        if mode.strip() == "epoch" and loader is None:
            loader, _ = RankDataLoader(
                feature_map,
                stage="train",
                train_data=str(folder / "fuxictr.npz"),
                batch_size=told["batch"],
                data_format="npz",
                num_workers=0,
            )
        started = time.perf_counter()
        model.train()
        model._max_gradient_norm = 10.0
        for batch in batches if mode.strip() == "steps" else loader:
            model.train_step(batch).item()  # its own loop reads the loss after each step
        print(f"SPEED {time.perf_counter() - started}", flush=True)


if __name__ == "__main__":
    main()
