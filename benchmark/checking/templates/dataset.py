"""Template: say where the rows come from, what a row is, how it is split, and what you changed.

A file is one data set, named after the file. `python -m benchmark check template_name` encodes it and looks at what comes of it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmark.sources import Column, DataSet, Source, UserError, setting


# One frozen dataclass. Its fields are its settings: flags of `prepare`, and keys of [options.datasets.template_name] in a suite file.
@dataclass(frozen=True, kw_only=True)
class Template(DataSet):
    summary = "generated: two ids and a price, labels from a sum"  # a line of `list`
    source = "a template: name the publication and the address of the files"
    embedded = True  # made on first use. False: the user runs `prepare template_name --from PATH` first
    # Defaults of training that the publication uses:  training: ClassVar = {"batch_size": 1024}

    rows: int = setting(1_000, at_least=100, help="all parts together")
    seed: int = setting(0, at_least=0)

    def load(self, origin: Path | None, allow_checksum_mismatch: bool = False) -> Source:
        # From files: origin is what --from names, pl.scan_csv(origin / "train.csv") reads them lazily. Raise UserError, one line with the
        # file's name, for what the user can mend. The same files must give the same rows, in the same order.
        if origin is not None:
            raise UserError("data set template_name is generated: it takes no --from")
        random = np.random.default_rng(self.seed)
        user, item = random.integers(0, 40, self.rows), random.integers(0, 15, self.rows)
        price = random.gamma(2.0, 10.0, self.rows).round(2)
        logit = random.normal(size=40)[user] + random.normal(size=15)[item] - 0.03 * price
        label = (random.random(self.rows) < 1 / (1 + np.exp(-logit))).astype(np.uint8)
        frame = pl.DataFrame({"label": label, "user": user, "item": item, "price": price})
        train, valid = self.rows * 8 // 10, self.rows // 10
        return Source(
            # train, valid and test; or one frame and a division (benchmark/data/division.py).
            parts={
                "train": frame[:train].lazy(),
                "valid": frame[train : train + valid].lazy(),
                "test": frame[train + valid :].lazy(),
            },
            label="label",  # 0 and 1
            # categorical: a row of the table for each value. numeric: in equally frequent buckets. scaled: one row, times the number.
            # multi: several values in a cell, "a|b"; Column("tags", "multi", pooling="mean", most=16).
            columns=(Column("user"), Column("item"), Column("price", "numeric")),
            buckets=8,  # of each numeric column
            min_count=1,  # rarer training values become out-of-vocabulary
            # notes=("…",) are said by every board; known={"test/bayes_auc": …} are metrics known in advance.
        )
