"""What is checked of a data set: its contract and, where its rows are at hand, what comes of encoding them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import plugins
from benchmark.checking.finding import Check, Finding, Note, Said, failure, findings
from benchmark.checking.settings import check_ranges
from benchmark.data.layout import files_of
from benchmark.data.prepare import prepare
from benchmark.data.store import PARTS, Prepared
from benchmark.data.vocabulary import UNSEEN
from benchmark.errors import UserError
from benchmark.faults import ContractError, place_of
from benchmark.metrics.ctr import auc
from benchmark.settings import name_of
from benchmark.sources import DataSet, Stream

SEED = 0
LEAK = 0.99  # AUC of one field's values alone
ROWS = 500_000  # of each part that are looked at, spread over it: it may be sorted, by label even


def check_dataset(name: str, origin: Path | None) -> Iterator[Finding]:
    """``origin``: the files, for a data set that is not embedded. Raises UserError where there are none."""
    owner: type[DataSet] = plugins.plugin("datasets", name)
    place = place_of(owner, "load")
    yield from check_ranges(owner, name)
    if origin is None and not owner.embedded:
        yield Finding("note", "rows", f"not looked at: it needs its files; python -m benchmark check {name} --from PATH")
        return
    if origin is not None:
        files_of(origin)  # a path that is not there is no fault of the plug-in
    with _cache_aside():
        try:
            _verify_draws(owner)
            prepared = prepare(name, {}, origin)
            said = _said(prepared)
        except (Exception, SystemExit) as error:  # a stream's draw() is foreign code, and is called here for the first time
            yield failure("rows", error, place)
            return
        yield Finding("ok", "rows", said)
        fingerprint = prepared.fingerprint
        cases = {name: prepared}
        for check in CHECKS:
            yield from findings(check, cases, place)
        try:
            again = prepare(name, {}, origin, force=True).fingerprint
        except UserError as error:
            yield failure("fingerprint", error, place)
            return
        if again == fingerprint:
            yield Finding("ok", "fingerprint", f"the same twice: {again}")
        else:
            words = "load() gives other rows each time: draw from a generator with a seed, and sort what has no order"
            yield Finding("FAILED", "fingerprint", f"{place}: {fingerprint} and {again}: {words}")


def _verify_draws(owner: type[DataSet]) -> None:
    """What a stream draws is trained on as it is. Raises ContractError."""
    stream = plugins.make("datasets", name_of(owner), {}).stream()
    if not isinstance(stream, Stream):
        return  # None, or what preparing refuses
    drawn: tuple[Any, Any] = stream.draw(SEED, 0)
    for what, found, kinds in zip(("values", "labels"), drawn, ("iu", "iub"), strict=True):
        if not isinstance(found, np.ndarray) or found.dtype.kind not in kinds or not found.flags.c_contiguous:
            given = f"of {found.dtype}, shape {found.shape}" if isinstance(found, np.ndarray) else f"of the type {type(found).__name__}"
            wanted = "whole numbers, in one piece (np.ascontiguousarray)"
            raise ContractError(f"draw() gives {what} {given}; the contract wants an array of {wanted}", place_of(type(stream), "draw"))
    if not np.isin(drawn[1], (0, 1)).all():
        raise ContractError("draw() gives labels other than 0 and 1", place_of(type(stream), "draw"))


@contextmanager
def _cache_aside() -> Iterator[None]:
    """What is encoded for a check leaves nothing in the user's cache."""
    before = os.environ.get("BENCHMARK_CACHE")
    with tempfile.TemporaryDirectory(prefix="benchmark-check-") as folder:
        os.environ["BENCHMARK_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["BENCHMARK_CACHE"]
            else:
                os.environ["BENCHMARK_CACHE"] = before


def _said(prepared: Prepared) -> str:
    parts = [f"{part} {prepared.rows[part]:,} ({prepared.arrays(part)[1].mean():.1%} positive)" for part in PARTS]
    return f"{', '.join(parts)}; {len(prepared.schema.fields)} fields, {prepared.schema.values:,} rows of the table"


def _some(prepared: Prepared, part: str) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Local ids and labels of one row out of each stretch of rows; not of every n-th, as there may be n - 1 negatives to each positive."""
    ids, labels = prepared.arrays(part)
    ends = np.arange(min(ROWS, len(labels)) + 1) * len(labels) // min(ROWS, len(labels))
    chosen = np.random.default_rng(0).integers(ends[:-1], ends[1:])
    return ids[chosen], labels[chosen]


def unseen(prepared: Prepared) -> Said:
    """Of the values of all fields; a cell of a multi-valued one has several, and that of a scaled one is no value."""
    shares, bags = [], prepared.schema.bags_of()
    for part in PARTS[1:]:
        ids, _ = _some(prepared, part)
        plain = [index for index, field in enumerate(prepared.schema.fields) if not field.factors and not field.bags]
        count, values = int((ids[:, plain] == UNSEEN).sum()), ids[:, plain].size
        for place, of_field in bags.items():
            rows = of_field.counts(np.bincount(ids[:, place], minlength=len(of_field.sizes)), prepared.schema.fields[place].cardinality)
            count, values = count + int(rows[UNSEEN]), values + int(rows.sum())
        shares.append(f"{part} {count / max(1, values):.1%}")
    return Said(", ".join(shares))


def leaks(prepared: Prepared) -> Said:
    """AUC in validation of each field's values, scored by their positive rate in training."""
    (train, labels), (valid, truth) = _some(prepared, "train"), _some(prepared, "valid")
    scores: dict[str, float] = {}
    for index, field in enumerate(prepared.schema.fields):
        rates = _rates(train[:, index], labels, field.ids)
        scores[field.name] = auc(torch.from_numpy(rates[valid[:, index]]), torch.tensor(truth))
    leaking = [f"{name} ({score:.3f})" for name, score in scores.items() if score >= LEAK]
    if leaking:
        raise Note(f"the values of {', '.join(leaking)} alone predict the label in validation: does a field say what happened afterwards?")
    best = max(scores, key=scores.__getitem__)
    return Said(f"the best, {best}, has {scores[best]:.3f}")


def _rates(ids: NDArray[np.int32], labels: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """(size,) positive rate of each id, drawn towards the mean as one more row would: a value not seen is the mean."""
    counts, positives = np.bincount(ids, minlength=size), np.bincount(ids, weights=labels, minlength=size)
    rates: NDArray[np.float64] = (positives + labels.mean()) / (counts + 1)
    return rates


CHECKS = (
    Check("unseen", "share of values that training has not seen", unseen),
    Check("leak", f"no field's values alone reach an AUC of {LEAK}", leaks),
)
