"""FuxiCTR's preprocessing of train.csv, valid.csv and test.csv, run in an environment that has it: `fuxictr_preprocessing.py JSON`.

See ``benchmark/speed/data``. All fields are categorical texts, every value of the training part is kept, and the rest are its defaults:
it counts values with Polars, turns them into ids with a Python dictionary in tasks of Ray Data (half as many as the machine has cores),
and writes Parquet files.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fuxictr.preprocess import FeatureProcessor, build_dataset  # type: ignore[import-not-found]

told = json.loads(sys.argv[1])


def main() -> None:
    source = Path(told["source"])
    fields = {"name": told["fields"], "active": True, "dtype": "str", "type": "categorical"}
    label = {"name": "label", "dtype": "float"}
    started = time.perf_counter()
    encoder = FeatureProcessor(feature_cols=[fields], label_col=label, dataset_id="speed", data_root=told["out"])
    parts = {f"{part}_data": str(source / f"{part}.csv") for part in ("train", "valid", "test")}
    build_dataset(encoder, **parts, min_categr_count=1)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [peak] = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")]
    print("\nSPEED", json.dumps({"alone": seconds, "values": encoder.feature_map.total_features, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
