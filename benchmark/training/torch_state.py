"""Torch's global state, the same around every trial: what one method sets must not reach the numbers of the next in the same process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import backends


@dataclass(frozen=True)
class _Switch:
    """One setting of the process: how it is read and set, and what it is while a trial runs."""

    name: str
    read: Callable[[], Any]
    put: Callable[[Any], Any]
    standard: Any


def _flag(name: str, owner: Any, attribute: str, standard: Any) -> _Switch:
    return _Switch(name, lambda: getattr(owner, attribute), lambda value: setattr(owner, attribute, value), standard)


def _autocast(device: str, dtype: torch.dtype) -> tuple[_Switch, _Switch]:
    return (
        _Switch(
            f"autocast on {device}",
            lambda: torch.is_autocast_enabled(device),
            lambda value: torch.set_autocast_enabled(device, value),
            False,
        ),
        _Switch(
            f"autocast's dtype on {device}",
            lambda: torch.get_autocast_dtype(device),
            lambda value: torch.set_autocast_dtype(device, value),
            dtype,
        ),
    )


# Who holds a precision of float32 products in the newer of torch's two interfaces, and what it is without anybody's doing.
_PRODUCTS: tuple[tuple[Any, str], ...] = (
    (backends, "none"),
    (backends.mkldnn, "none"),
    (backends.cudnn, "none"),
    (backends.mkldnn.conv, "none"),  # type: ignore[attr-defined]
    (backends.mkldnn.rnn, "none"),  # type: ignore[attr-defined]
    (backends.cudnn.conv, "tf32"),  # type: ignore[attr-defined]
    (backends.cudnn.rnn, "tf32"),
    (backends.mkldnn.matmul, "none"),  # type: ignore[attr-defined]
    (backends.cuda.matmul, "none"),
)


def _products() -> tuple[str, ...]:
    """The older interface writes "ieee" where nobody has said anything; it is the same."""
    return tuple(owner.fp32_precision.replace("none", "ieee") for owner, _ in _PRODUCTS)


def _put_products(wanted: tuple[str, ...]) -> None:
    for (owner, plain), value in zip(_PRODUCTS, wanted, strict=True):
        owner.fp32_precision = plain if value == "ieee" else value
    # The older interface has a memory of its own, and refuses to speak where the two differ.
    *_, mkldnn, cuda = wanted
    torch.set_float32_matmul_precision("medium" if mkldnn == "bf16" else "high" if "tf32" in (mkldnn, cuda) else "highest")
    for (owner, plain), value in zip(_PRODUCTS, wanted, strict=True):
        owner.fp32_precision = plain if value == "ieee" else value
    backends.cudnn.allow_tf32 = True


def _device(name: str) -> str | None:
    return None if name == "cpu" else name  # None takes the mode away that a default device is


def _flushes() -> bool:
    return float(torch.tensor(1e-310, dtype=torch.float64, device="cpu") * 1) == 0


_STANDARD_PRODUCTS = tuple(plain.replace("none", "ieee") for _, plain in _PRODUCTS)
_SWITCHES = (
    _Switch("default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    _Switch("default device", lambda: torch.get_default_device().type, lambda name: torch.set_default_device(_device(name)), "cpu"),
    _Switch("gradients", torch.is_grad_enabled, torch._C._set_grad_enabled, True),
    _Switch("deterministic algorithms", torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    _Switch("anomaly detection", torch.is_anomaly_enabled, torch.set_anomaly_enabled, False),
    _Switch("denormal numbers as zero", _flushes, torch.set_flush_denormal, False),
    _Switch("precision of float32 products", _products, _put_products, _STANDARD_PRODUCTS),
    *_autocast("cpu", torch.bfloat16),
    *_autocast("cuda", torch.float16),
    _Switch("autocast's cache", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled, True),
    _flag("order of einsum", backends.opt_einsum, "strategy", backends.opt_einsum.strategy),
    _flag("opt_einsum", backends.opt_einsum, "enabled", backends.opt_einsum.enabled),
    _flag("cuDNN's benchmark", backends.cudnn, "benchmark", False),
    _flag("cuDNN's determinism", backends.cudnn, "deterministic", False),
    _flag("cuDNN", backends.cudnn, "enabled", True),
    _flag("mkldnn", backends.mkldnn, "enabled", True),
    _flag("mkldnn's determinism", backends.mkldnn, "deterministic", False),
    _Switch("flash attention", backends.cuda.flash_sdp_enabled, backends.cuda.enable_flash_sdp, True),
    _Switch("attention in little memory", backends.cuda.mem_efficient_sdp_enabled, backends.cuda.enable_mem_efficient_sdp, True),
    _Switch("attention as a formula", backends.cuda.math_sdp_enabled, backends.cuda.enable_math_sdp, True),
    _Switch("cuDNN's attention", backends.cuda.cudnn_sdp_enabled, backends.cuda.enable_cudnn_sdp, True),
)


@contextmanager
def standard_state(threads: int | None) -> Iterator[Callable[[], list[str]]]:
    """Within it torch is as it comes, with so many threads (None: as many as before), whatever an earlier trial or the import of a plug-in
    has left; afterwards it is as it was before. Yields a function that says what has been changed meanwhile, in words.

    Random generators are not in it: they are seeded by every trial.
    """
    switches = (*_SWITCHES, _Switch("threads", torch.get_num_threads, torch.set_num_threads, threads or torch.get_num_threads()))
    before = [switch.read() for switch in switches]
    for switch in switches:
        _put(switch, switch.standard)

    def changed() -> list[str]:
        found = ((switch, switch.read()) for switch in switches)
        return [f"{switch.name} from {_said(switch.standard)} to {_said(value)}" for switch, value in found if value != switch.standard]

    try:
        yield changed
    finally:
        for switch, value in zip(switches, before, strict=True):
            _put(switch, value)


def _put(switch: _Switch, value: Any) -> None:
    """Only where it differs: setting a default device to what it is would leave a mode behind."""
    if switch.read() != value:
        switch.put(value)


def _said(value: Any) -> str:
    return "/".join(dict.fromkeys(value)) if isinstance(value, tuple) else str(value)
