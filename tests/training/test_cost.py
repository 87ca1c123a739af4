"""What a model is said to cost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmark import plugins
from benchmark.contracts import CTRModel
from benchmark.errors import Incompatible
from benchmark.method import assemble
from benchmark.schema import Field, Schema
from benchmark.training.cost import flops_per_sample
from benchmark.training.memory import CLEAR, keep_freed_memory, peak, restart_peak

SCHEMA = Schema(tuple(Field(f"f{size}", size) for size in (5, 9, 30, 70)), 0.3)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def built(method: str, backbone: str) -> CTRModel:
    return assemble(plugins.make("methods", method, {}), plugins.make("backbones", backbone, {}), SCHEMA, 2, 4)


def counted(model: CTRModel, threads: int) -> float:
    torch.set_num_threads(threads)
    return flops_per_sample(model, len(SCHEMA.fields), torch.device("cpu"))


@pytest.mark.parametrize("backbone", plugins.names("backbones"))
@pytest.mark.parametrize("method", ["single_embedding", "multi_embedding", "roblock"])
def test_operations_do_not_depend_on_the_number_of_threads(method: str, backbone: str) -> None:
    try:
        model = built(method, backbone)
    except Incompatible:
        return
    assert counted(model, 1) == counted(model, 2) > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_operations_of_xdeepfm_are_those_counted_by_hand(threads: int) -> None:
    """Width 8, 4 fields: two CIN layers of 16 maps (Lian et al., eq. 6), a DNN of 400, 400 and 1, a linear unit on 32 sums of maps."""
    products = 8 * (4 * 4 * 16 + 16 * 4 * 16) + (4 * 8 * 400 + 400 * 400 + 400) + 32
    assert counted(built("single_embedding", "xdeepfm"), threads) == 2 * products


@pytest.mark.parametrize(
    ("method", "control", "products"),
    [("spectral_softening", "single_embedding", 4 * 8 * 8), ("roblock", "multi_embedding", 4 * (2 * 8 * 8 + 8 * 4))],
)
def test_what_a_batch_takes_once_is_no_operation_of_a_sample(method: str, control: str, products: int) -> None:
    """Width 8, 4 fields. Softening multiplies each field by a matrix (D, D); RoBlock by its basis, its maps and W (D, S·K). Both make their
    matrices anew in every batch, whatever its size: D³ a field that no sample is to bear a 64th of.
    """
    more = counted(built(method, "dnn"), 1) - counted(built(control, "dnn"), 1)
    assert more == 2 * products


@pytest.mark.skipif(not CLEAR.exists(), reason="a kernel that can start its count anew")
def test_peak_memory_forgets_what_was_freed_before() -> None:
    """A worker trains one trial after another: a small one after a large one took what the small one takes."""
    keep_freed_memory()
    held = torch.zeros(300, 2**18)  # 300 MiB
    restart_peak()
    before = peak()
    del held
    restart_peak()
    after = peak()
    assert after < before - 290
    held = torch.zeros(100, 2**18)
    del held
    assert 95 < peak() - after < 150
