"""How much memory a training takes at least and how much is free; and the C library's allocator, set for a process that asks for the same
large tensors at every step.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmark.contracts import CTRModel, TableRule
from benchmark.errors import UserError
from benchmark.training.control_groups import GROUPS, TREE, control_groups, words_of

if TYPE_CHECKING:
    from benchmark.config import Trial
    from benchmark.data.store import Prepared

STATED = 1e9  # bytes of need from which on it is said
BYTES = 4  # of a number in float32
ADVICE = "take a lower scale or dimension, a higher min_count when the data are prepared, a smaller backbone, or a machine with more memory"
MEMINFO = Path("/proc/meminfo")
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
# Parameter numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Make glibc keep what is freed instead of returning it to the kernel, which zeroes every page again at the next step.

    Measured on two cores (RoBlock on FinalMLP at scale 4, one thread): 1.3 to 1.4 times the samples per second. Says whether the C
    library took it.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and mallopt(M_MMAP_MAX, 0) == 1 and mallopt(M_TRIM_THRESHOLD, 2**31 - 1) == 1


def restart_peak() -> None:
    """Let the process's peak memory count from now on, without what earlier trainings in it have freed.

    Nothing happens where the system has no such thing: the peak is then that of the whole life of the process.
    """
    if sys.platform.startswith("linux"):
        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
            trim(0)
        with suppress(OSError):
            CLEAR.write_text("5")  # proc(5): puts the peak resident set size, VmHWM, back to the present one


def peak() -> float:
    """MiB: the largest resident set since ``restart_peak``."""
    with suppress(OSError, ValueError, StopIteration):
        found = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(found.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # in KiB on Linux, as is VmHWM


def needed(model: CTRModel) -> int:
    """Bytes that training ``model`` holds at once, at least: parameters, their gradients, Adam's two moments, and the weights of the best
    epoch. Where a method has an optimiser of its own for the table its moments do not count.

    What comes on top depends on the batch: activations, and the weights of the best logloss while they are another epoch's. The model may
    be one without memory, built on torch's device "meta".
    """
    table = model.table()
    own_optimizer = table is not None and type(model.table_rule()).optimizer is not TableRule.optimizer
    total = 0
    for parameter in model.parameters():
        copies = 2 if not parameter.requires_grad else 3 if parameter is table and own_optimizer else 5
        total += copies * parameter.numel() * parameter.element_size()
    return total + sum(2 * buffer.numel() * buffer.element_size() for buffer in model.buffers())


def free(device: torch.device, meminfo: Path = MEMINFO, groups: Path = GROUPS, tree: Path = TREE) -> int | None:
    """Bytes that this process can still get on the device; on the CPU the least of what the kernel, the process's control groups and its
    own limits (RLIMIT_DATA, RLIMIT_AS) leave, files that are only cached counted as free. None where that cannot be read.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for what comes next
        return kept + int(torch.cuda.mem_get_info(device)[0])
    words = words_of(meminfo)
    of_kernel = [1024 * int(words[words.index("MemAvailable:") + 1])] if "MemAvailable:" in words else []
    return min([*of_kernel, *_left_by_groups(groups, tree), *_left_by_limits()], default=None)


def total(meminfo: Path = MEMINFO, groups: Path = GROUPS, tree: Path = TREE) -> int | None:
    """Bytes of memory that this machine has, or that this process's control groups may take of it. None where that cannot be read."""
    words = words_of(meminfo)
    of_machine = [1024 * int(words[words.index("MemTotal:") + 1])] if "MemTotal:" in words else []
    return min([*of_machine, *(limit for limit, _, _ in _groups(groups, tree))], default=None)


def data_of_this_process(status: Path = STATUS) -> int | None:
    """Bytes that count against RLIMIT_DATA. None where that cannot be read."""
    return _of_this_process("VmData:", status)


def _of_this_process(what: str, status: Path = STATUS) -> int | None:
    words = words_of(status)
    return 1024 * int(words[words.index(what) + 1]) if what in words else None


def _left_by_limits() -> Iterator[int]:
    if sys.platform.startswith("linux"):
        import resource

        for which, held in ((resource.RLIMIT_DATA, "VmData:"), (resource.RLIMIT_AS, "VmSize:")):
            limit, taken = resource.getrlimit(which)[0], _of_this_process(held)
            if limit != resource.RLIM_INFINITY and taken is not None:
                yield max(0, limit - taken)


def _left_by_groups(groups: Path, tree: Path) -> Iterator[int]:
    for limit, used, folder in _groups(groups, tree):
        words = words_of(folder / "memory.stat")
        cached = words[words.index("inactive_file") + 1] if "inactive_file" in words else "0"
        yield max(0, limit - used + int(cached))


def _groups(groups: Path, tree: Path) -> Iterator[tuple[int, int, Path]]:
    """Bytes that each control group with a limit may take and has taken, and its folder."""
    for folder, version in control_groups("memory", groups, tree):
        limit, used = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        numbers = [*words_of(folder / limit)[:1], *words_of(folder / used)[:1]]
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):  # not "max"
            yield int(numbers[0]), int(numbers[1]), folder


def in_words(model: CTRModel, bytes_needed: int) -> str:
    """What takes the memory: the table, and the rest where that is more than it."""
    table = model.table()
    dense = sum(p.numel() for p in model.parameters()) - (0 if table is None else table.numel())
    parts = [] if table is None else [f"a table of {table.shape[0]:,} x {table.shape[1]:,} numbers"]
    parts += [f"{dense:,} other parameters"] if table is None or dense > table.numel() else []
    return (
        f"training takes at least {bytes_needed / 1e9:,.2f} GB of memory ({' and '.join(parts)}, with gradients, Adam's moments and a copy)"
    )


def require(model: CTRModel, device: torch.device) -> str:
    """What training will take of the device's memory, in words, where it is much, else "". ``model``: as in ``needed``.

    Raises UserError where it cannot fit, before anything is taken.
    """
    wanted, left = needed(model), free(device)
    if left is not None and wanted > left:
        raise UserError(f"{in_words(model, wanted)}, and {left / 1e9:,.2f} GB are free; {ADVICE}")
    return in_words(model, wanted) if wanted >= STATED else ""


@dataclass(frozen=True)
class Width:
    """What a width alone says of the memory of a training, before any model is built."""

    values: int  # V, rows of a table of all fields
    fields: int  # F
    width: int  # D
    rows: int  # B, of a batch

    @classmethod
    def of(cls, trial: Trial, data: Prepared) -> Width:
        rows = min(trial.training.batch_size, data.rows["train"])
        return cls(data.schema.values, len(data.schema.fields), trial.cell.scale * trial.cell.dimension, rows)

    @property
    def needed(self) -> int:
        """Bytes of the embeddings (B, F, D) of a batch: no method trains with less, however it keeps its table."""
        return BYTES * self.rows * self.fields * self.width

    @property
    def is_addressable(self) -> bool:
        """Whether torch can count the bytes of the table, and of a square matrix over all fields, the largest that a layer has."""
        return BYTES * max(self.values * self.width, (self.fields * self.width) ** 2) < 2**63

    def __str__(self) -> str:
        table = f"a table of {self.values:,} x {self.width:,} numbers takes {5 * BYTES * self.values * self.width / 1e9:,.2f} GB of memory"
        return (
            f"{table}, with gradients, Adam's moments and a copy, and the embeddings of a batch of {self.rows:,} rows "
            f"{self.needed / 1e9:,.2f} GB"
        )

    def refused(self, left: int | None) -> UserError:
        return UserError(f"{self}{'' if left is None else f'; {left / 1e9:,.2f} GB are free'}; {ADVICE}")
