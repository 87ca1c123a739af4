"""A training that was killed, or has paused, goes on after its last whole epoch, to the same record: what is kept on the disk for it.

One file a trial in the cache, ``checkpoints/<trial id>.pt``: weights, optimisers, generators, the best epochs' weights, the curve. Its size
is up to five times the model's, and it is written at the end of an epoch when the last one is a minute old, and when the training pauses:
one of seconds has none otherwise.
Read with torch's ``weights_only``, which runs no code of the file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.config import cache_folder
from benchmark.contracts import CTRModel
from benchmark.values import digest

EVERY = 60.0  # seconds between two
STALE = 14 * 86400.0  # seconds after which nobody comes back for one
PLAIN = (torch.Tensor, bool, int, float, str, type(None))


def path_of(trial_id: str) -> Path:
    return cache_folder() / "checkpoints" / f"{trial_id}.pt"


def forget(trial_id: str) -> None:
    """When the record is written."""
    _forget(path_of(trial_id))


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@dataclass
class Checkpoint:
    """``made_by``: what must be the same for a training to go on: code, data, device, threads, PyTorch. ``folder``: None: the cache's."""

    trial_id: str
    made_by: Mapping[str, str]
    every: float = EVERY
    folder: Path | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._last = time.monotonic()
        self.found: int | None = None  # the epoch after which the training went on

    @property
    def path(self) -> Path:
        return path_of(self.trial_id) if self.folder is None else self.folder / f"{self.trial_id}.pt"

    def save(
        self,
        model: CTRModel,
        optimizers: Sequence[torch.optim.Optimizer],
        generator: torch.Generator,
        reached: Mapping[str, Any],
        at_once: bool = False,
    ) -> None:
        """At the end of an epoch, where it is time or ``at_once``. A full disk costs the checkpoint, not the training."""
        if not at_once and time.monotonic() - self._last < self.every:
            return
        path = self.path
        building = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path.parent)
            torch.save(
                {
                    "made_by": digest(dict(self.made_by)),
                    "model": model.state_dict(),
                    "attributes": [_plain(one) for one in _holders(model, optimizers)],
                    "random": _random_states(generator),
                    "reached": dict(reached),
                },
                building,
            )
            os.replace(building, path)
        except (OSError, RuntimeError):  # torch's writer raises the latter
            with suppress(OSError):
                building.unlink()
        self._last = time.monotonic()

    def load(
        self, model: CTRModel, optimizers: Sequence[torch.optim.Optimizer], generator: torch.Generator, device: torch.device
    ) -> dict[str, Any] | None:
        """Put everything back as it was, and return what ``save`` was given as ``reached``; None: there is nothing to go on from."""
        try:
            content = torch.load(self.path, map_location=device, weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # cut off: the training starts anew
            _forget(self.path)
            return None
        try:
            if content["made_by"] != digest(dict(self.made_by)):
                return None
            holders = list(_holders(model, optimizers))
            attributes = content["attributes"]
            if len(holders) != len(attributes):
                return None
            model.load_state_dict(content["model"])
            for one, values in zip(holders, attributes, strict=True):
                _put_back(one, values)
            _set_random_states(generator, content["random"])
        except Exception:  # of other code after all, and half of it is put back already
            _forget(self.path)
            raise
        reached: dict[str, Any] = content["reached"]
        self.found = int(reached["epoch"])
        return reached


def _holders(model: CTRModel, optimizers: Sequence[torch.optim.Optimizer]) -> Iterator[object]:
    """What may keep a state of its own in attributes: modules, the table's rule, optimisers and optimisers inside them."""
    yield from model.modules()
    yield model.table_rule()
    for optimizer in optimizers:
        yield optimizer
        yield from (inner for inner in vars(optimizer).values() if isinstance(inner, torch.optim.Optimizer))


def _plain(one: object) -> dict[str, Any]:
    """Attributes that are tensors or plain values; of a module its buffers that state_dict leaves out, of an optimiser its state, too."""
    found: dict[str, Any] = {name: value for name, value in vars(one).items() if isinstance(value, PLAIN)}
    if isinstance(one, nn.Module):
        found |= {name: one._buffers[name] for name in one._non_persistent_buffers_set}
    if isinstance(one, torch.optim.Optimizer):
        found["state_dict"] = one.state_dict()
    return {name: _unadorned(value) for name, value in found.items()}


def _unadorned(value: Any) -> Any:
    """Without a graph; NumPy's double, which is a float too, as Python's: of NumPy's the reader takes nothing."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    return float(value) if isinstance(value, float) else value


def _put_back(one: object, values: dict[str, Any]) -> None:
    """Into tensors that are there, where they fit, since others may hold them, too."""
    if isinstance(one, torch.optim.Optimizer):
        one.load_state_dict(values.pop("state_dict"))
    for name, value in values.items():
        there = getattr(one, name, None)
        if isinstance(value, torch.Tensor) and isinstance(there, torch.Tensor) and _fits(value, there):
            with torch.no_grad():
                there.copy_(value)
        else:
            setattr(one, name, value)


def _fits(value: torch.Tensor, there: torch.Tensor) -> bool:
    return there.shape == value.shape and there.dtype == value.dtype


def _random_states(generator: torch.Generator) -> dict[str, torch.Tensor]:
    states = {"torch": torch.get_rng_state(), "batches": generator.get_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(generator.device)} if generator.device.type == "cuda" else {})


def _set_random_states(generator: torch.Generator, states: Mapping[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["torch"].cpu())
    generator.set_state(states["batches"].cpu())
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), generator.device)


def _clear(folder: Path) -> None:
    """Those of trials that nobody has gone on with."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()
