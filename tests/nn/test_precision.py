"""float32 within whatever precision training has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmark.nn.precision import float32, widened


@pytest.fixture
def tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def test_products_are_float32_within_and_the_settings_come_back(tf32: None) -> None:
    x = torch.randn(3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(KeyError), float32("cpu"):
            assert (x @ x).dtype == torch.float32 and not torch.backends.cuda.matmul.allow_tf32
            raise KeyError
        assert (x @ x).dtype == torch.bfloat16
    assert torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("given", "wanted"), [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)]
)
def test_only_bfloat16_is_widened(given: torch.dtype, wanted: torch.dtype) -> None:
    assert widened(torch.zeros(2, dtype=given)).dtype == wanted
