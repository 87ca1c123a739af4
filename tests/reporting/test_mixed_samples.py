"""Layers' spectra of different validation rows in one column: the board says so, of records of any model."""

from __future__ import annotations

import numpy as np
import torch
from standin_records import record

from benchmark.metrics.layers import layer_metrics
from benchmark.records import Record
from benchmark.reporting.leaderboard import render, rows

NOTE = "note: the layers' spectra, eff. rank last among them, are of different validation rows, and differ for that reason, too: "
ONCE, TWICE, THRICE = [1] * 60, [2] * 30, [3] * 20  # how often each instance stands among 60


def trained(method: str, seed: int, repeats: list[int], width: int = 4, scale: int = 1, zero: bool = False) -> Record:
    """With the spectra of layer 1 of some model on such a sample, (60, 1, 3, width)."""
    different = torch.randn(len(repeats), 1, 3, width, generator=torch.Generator().manual_seed(seed + len(method)))
    states = different.repeat_interleave(torch.tensor(repeats), 0) * (0 if zero else 1 + seed)
    found = layer_metrics(states, None, np.array(repeats))
    return record(method, seed, cell={"scale": scale}, metrics={f"spectral/layer1/{name}": value for name, value in found.items()})


def notes(records: list[Record]) -> list[str]:
    return [line for line in render(rows(records), "table").splitlines() if line.startswith(NOTE)]


def test_different_rows_are_said_once_with_how_many_trainings() -> None:
    first = [trained(method, seed, TWICE) for method in ("single_embedding", "a") for seed in (0, 1)]
    drawn = [trained("bb", seed, THRICE) for seed in (0, 1, 2)] + [trained("a", 2, THRICE)]
    [line] = notes(first + drawn)
    assert line.removeprefix(NOTE).startswith("4 and 4 trainings at scale 1; `run SUITE --renew`")
    wide = [trained("a", 0, repeats, width=8, scale=2) for repeats in (TWICE,)] + [trained("bb", 0, THRICE, width=8, scale=2)]
    [line] = notes(first + drawn + wide)
    assert line.removeprefix(NOTE).startswith("4 and 4 trainings at scale 1; 1 and 1 trainings at scale 2; `run")


def test_equal_rows_other_models_and_other_widths_are_no_mixture() -> None:
    same = [trained(method, seed, TWICE) for method in ("single_embedding", "a") for seed in (0, 1)]
    assert notes([*same, trained("narrow", 0, THRICE, width=2), record("none"), trained("zeros", 0, THRICE, zero=True)]) == []
    assert notes([trained("a", 0, ONCE), trained("bb", 0, ONCE)]) == [], "where no instance stands twice nothing is known"
