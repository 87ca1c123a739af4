"""Multi-valued fields beside FuxiCTR 2.3.10's sequences: the same cells, the same weights, the same embeddings and gradients.

    python -m venv peer && peer/bin/pip install -r benchmark/speed/peers/requirements.txt
    PYTHONPATH=. python tests/peers/fuxictr_sequences.py peer/bin/python

Not part of the tests, for it needs that environment. Its Tokenizer (splitter "|", max_len 3, padding "post", min_freq 2) makes ids of the
cells, its FeatureEmbedding with MaskedSumPooling or MaskedAveragePooling embeds them; its rows are ours, that of padding 0. Exits with 1
where vocabularies are not one to one, or numbers differ by more than float32's rounding. A cell without values is 0 there, and here the
row of missing cells.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

MOST, LEAST, WIDTH = 3, 2, 10
POOLING = {"sum": "MaskedSumPooling", "mean": "MaskedAveragePooling"}
CLOSE = 2e-6  # float32's rounding of numbers up to 10


def cells(rows: int, part: str) -> list[str]:
    """Up to six values of 40, and rare ones that come once; one cell in ten has none. Each of the 40 is alone in a training cell."""
    draw = random.Random(part)
    names = [f"v{n}" for n in range(40)]
    found = []
    for row in range(rows):
        values = draw.choices(names, k=draw.randint(1, 6))
        if draw.random() < 0.2:
            values[draw.randrange(len(values))] = f"{part}{row}"
        found.append("|".join(values))
    found = ["" if draw.random() < 0.1 else cell for cell in found]
    return [*names, *found] if part == "train" else found


def weights(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def here(python: str) -> bool:
    import polars as pl

    from benchmark.data.encode import encode
    from benchmark.data.store import open_prepared
    from benchmark.nn.embedding import EmbeddingTable
    from benchmark.schema import MISSING, UNSEEN
    from benchmark.sources import Column, Source

    parts = {part: cells(rows, part) for part, rows in (("train", 4000), ("valid", 1000), ("test", 1000))}
    same = True
    for pooling in POOLING:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            frames = {part: pl.LazyFrame({"y": [n % 2 for n in range(len(texts))], "tags": texts}) for part, texts in parts.items()}
            columns = (Column("tags", "multi", pooling, MOST),)  # type: ignore[arg-type]
            source = Source(parts=frames, label="y", columns=columns, min_count=LEAST)
            encode(source, folder / "toy", {"name": "toy", "dataset": "synthetic", "options": {}})
            prepared = open_prepared(folder / "toy")
            table = EmbeddingTable(prepared.schema, WIDTH)
            torch.nn.init.normal_(table.weight, generator=torch.Generator().manual_seed(0))
            texts = [text for of_part in parts.values() for text in of_part]
            ids = torch.from_numpy(np.concatenate([prepared.arrays(part)[0] for part in parts]))
            ours = table(ids)[:, 0]
            alone = {text: int(table.row_of[bag]) for text, [bag] in zip(texts, ids.tolist(), strict=True) if text and "|" not in text}
            rows = {text: row for text, row in alone.items() if row > UNSEEN}
            filled = torch.tensor([bool(text) for text in texts])
            (ours * weights(tuple(ours.shape)))[filled].sum().backward()
            told = {"pooling": pooling, "rows": rows, "cells": texts, "table": table.weight.tolist(), "unseen": UNSEEN}
            (folder / "told.json").write_text(json.dumps(told))
            subprocess.run([python, __file__, "--there", name], check=True)
            theirs = {key: torch.from_numpy(value) for key, value in np.load(folder / "theirs.npz").items()}
        assert table.weight.grad is not None
        far = {
            "embeddings": float((ours.detach() - theirs["embedded"])[filled].abs().max()),
            "gradients": float((table.weight.grad - theirs["gradient"]).abs().max() / table.weight.grad.abs().max()),
            "cells without values": float(theirs["embedded"][~filled].abs().max()),
        }
        said = ", ".join(f"{what} {number:.1e}" for what, number in far.items())
        size, vocabulary = prepared.schema.fields[0], int(theirs["vocabulary"])
        print(
            f"{POOLING[pooling]}: {len(texts)} cells ({int(filled.sum())} with values), {size.bags} bags of {size.cardinality} rows, their"
        )
        print(f"  vocabulary {vocabulary}; largest differences, of gradients as a share of the largest: {said}")
        missing = bool((ours[~filled] == table.weight[MISSING]).all())
        same &= vocabulary == size.cardinality and missing and max(far.values()) <= CLOSE
    return same


def there(folder: Path) -> None:
    from fuxictr.features import FeatureMap  # type: ignore[import-not-found]
    from fuxictr.preprocess.tokenizer import Tokenizer  # type: ignore[import-not-found]
    from fuxictr.pytorch.layers import FeatureEmbedding  # type: ignore[import-not-found]

    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    tokenizer = Tokenizer(min_freq=LEAST, splitter="|", max_len=MOST, padding="post")
    training = cells(4000, "train")
    assert told["cells"][: len(training)] == training
    tokenizer.build_vocab(Counter(token for cell in training for token in cell.split("|")))
    ids = torch.from_numpy(tokenizer.encode_sequence(told["cells"]))
    features = FeatureMap("toy", str(folder))
    encoder = f"layers.{POOLING[told['pooling']]}()"
    size = tokenizer.vocab_size()
    features.features["tags"] = {"source": "", "type": "sequence", "feature_encoder": encoder, "vocab_size": size, "padding_idx": 0}
    layer = FeatureEmbedding(features, WIDTH)
    [weight] = layer.parameters()
    place = {0: None, tokenizer.vocab["__OOV__"]: told["unseen"], **{tokenizer.vocab[text]: row for text, row in told["rows"].items()}}
    assert len(place) == size and {text for text in tokenizer.vocab if not text.startswith("__")} == set(told["rows"])
    with torch.no_grad():
        for token, row in place.items():
            weight[token] = torch.tensor(told["table"][row]) if row is not None else 0
    embedded = layer({"tags": ids})[:, 0]
    filled = torch.tensor([bool(text) for text in told["cells"]])
    (embedded * weights(tuple(embedded.shape)))[filled].sum().backward()
    gradient = torch.zeros(len(told["table"]), WIDTH)
    assert weight.grad is not None
    for token, row in place.items():
        if row is not None:
            gradient[row] = weight.grad[token]
    np.savez(folder / "theirs.npz", embedded=embedded.detach().numpy(), gradient=gradient.numpy(), vocabulary=size)


if __name__ == "__main__":
    if sys.argv[1] == "--there":
        there(Path(sys.argv[2]))
    else:
        sys.exit(0 if here(sys.argv[1]) else 1)
