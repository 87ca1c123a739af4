"""Every operation of the room, found by its file: the fused form is the plain one, in values and gradients, and the switch chooses.

Random operations are given the same mask: whichever generator a form would draw it with, here it draws this one. That both generators
draw from the same distribution is in test_dropout.py.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.ops import dispatch, dropout

OPERATIONS: dict[str, Any] = {name: importlib.import_module(f"benchmark.ops.{name}") for name in dispatch.names()}
Found = dict[str, Tensor]


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(like: Tensor, rate: float) -> tuple[Tensor, float]:
        numbers = torch.rand(like.shape, generator=torch.Generator().manual_seed(7))
        return (numbers >= rate).to(like.dtype), 1 / (1 - rate)

    monkeypatch.setattr(dropout, "bernoulli", same)
    monkeypatch.setattr(dropout, "sfc64", same)


def cases(*dtypes: torch.dtype) -> list[Any]:
    """Name, type of the activations and number of the example, for the given types or those that training hands the operation."""
    return [
        pytest.param(name, dtype, number, id=f"{name}-{str(dtype).removeprefix('torch.')}-{number}")
        for name, module in OPERATIONS.items()
        for dtype in dtypes or module.TYPES
        for number in range(len(module.examples(dtype, torch.Generator())))
    ]


def example(name: str, dtype: torch.dtype, number: int) -> dict[str, Any]:
    inputs: dict[str, Any] = OPERATIONS[name].examples(dtype, torch.Generator().manual_seed(3))[number]
    return inputs


def computed(form: Callable[..., Tensor], inputs: dict[str, Any], autocast: bool = False, strided: bool = False) -> Found:
    """The result, its gradients with respect to all tensors and parameters, and the buffers after it.

    strided: the same numbers, but no tensor, nor the gradient of the result, is contiguous.
    """

    def laid_out(t: Tensor) -> Tensor:
        return t.mT.contiguous().mT if strided and t.ndim > 1 else t

    inputs = copy.deepcopy(inputs)
    leaves: Found = {}
    for name, value in inputs.items():
        if isinstance(value, Tensor):
            inputs[name] = laid_out(value)
            if value.is_floating_point():
                leaves[name] = inputs[name].requires_grad_()
        elif isinstance(value, nn.Module):
            leaves |= {f"{name}.{own}": parameter for own, parameter in value.named_parameters()}
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        result = form(**inputs)
    direction = torch.randn(result.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(result.dtype)
    gradients = torch.autograd.grad(result, list(leaves.values()), laid_out(direction))
    found = {"result": result.detach()} | {f"d {name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}
    for name, value in inputs.items():
        if isinstance(value, nn.Module):
            found |= {f"{name}.{own}": buffer for own, buffer in value.named_buffers()}
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize(("name", "dtype", "number"), cases(torch.float64))
def test_fused_is_plain(monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype, number: int, strided: bool, threads: int) -> None:
    """Where it goes through blocks, in several of them, the last one smaller."""
    torch.set_num_threads(threads)
    monkeypatch.setattr(OPERATIONS[name], "BLOCK", 100, raising=False)
    module, inputs = OPERATIONS[name], example(name, dtype, number)
    plain, fused = (computed(form, inputs, strided=strided) for form in (module.plain, module.fused))
    assert plain.keys() == fused.keys()
    for key, value in plain.items():
        torch.testing.assert_close(fused[key], value, atol=1e-10, rtol=1e-10, msg=f"{key}: {fused[key]}, plain {value}")


@pytest.mark.parametrize("units", [True, False])
@pytest.mark.parametrize(("name", "dtype", "number"), cases())
def test_fused_is_as_exact_as_plain(monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype, number: int, units: bool) -> None:
    """In the types of training, with a CPU's units for bfloat16 and without.

    Both forms round, at different places, so they cannot be compared with each other to the last bit. What can be asked is that the
    fused one is not further from the formula in float64 than the plain one is; a factor of two for the luck of a small example's
    roundings, and one rounding of the result itself, half a unit of the type's last place.
    """
    monkeypatch.setattr(dispatch, "bfloat16_units", lambda: units)
    module, inputs = OPERATIONS[name], example(name, dtype, number)
    exact = computed(module.plain, doubled(inputs))
    plain, fused = (computed(form, inputs, autocast=dtype == torch.bfloat16) for form in (module.plain, module.fused))
    for key, value in exact.items():
        assert fused[key].dtype == plain[key].dtype, key
        error, allowed = (float((one[key].double() - value.double()).norm()) for one in (fused, plain))
        assert error <= 2 * allowed + torch.finfo(dtype).eps / 2 * float(value.double().norm()), f"{key}: {error}, plain {allowed}"


def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
    """The same numbers in float64."""

    def double(value: Any) -> Any:
        if isinstance(value, nn.Module):
            return copy.deepcopy(value).double()
        return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value

    return {name: double(value) for name, value in inputs.items()}


@pytest.mark.parametrize(("name", "dtype", "number"), cases())
def test_the_switch_chooses_the_form(monkeypatch: pytest.MonkeyPatch, name: str, dtype: torch.dtype, number: int) -> None:
    """On a CPU without units for bfloat16, where every operation has a use for its fused form."""
    monkeypatch.setattr(dispatch, "bfloat16_units", lambda: False)
    module, inputs = OPERATIONS[name], example(name, dtype, number)
    ran: list[str] = []
    for form in ("plain", "fused"):
        monkeypatch.setattr(module, form, noting(module, form, ran))
    function = getattr(module, name)
    for off, expected in (((), "fused"), ((name,), "plain"), (set(OPERATIONS) - {name}, "fused")):
        ran.clear()
        with dispatch.switched_off(off):
            result = function(**copy.deepcopy(inputs))
        fast = expected if name != "bmm" or dtype == torch.bfloat16 else "plain"  # torch's own is the fast one in float32
        assert ran == [fast] and isinstance(result, Tensor), off


def noting(module: ModuleType, form: str, ran: list[str]) -> Callable[..., Tensor]:
    function: Callable[..., Tensor] = getattr(module, form)

    def noted(*args: Any, **kwargs: Any) -> Tensor:
        ran.append(form)
        return function(*args, **kwargs)

    return noted


def test_every_file_has_what_an_operation_has() -> None:
    for name, module in OPERATIONS.items():
        assert all(callable(getattr(module, part)) for part in ("plain", "fused", name, "examples")), name
        assert torch.float32 in module.TYPES and all(module.examples(dtype, torch.Generator()) for dtype in module.TYPES)
