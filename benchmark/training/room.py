"""How much of this machine is a run's to use: what the scheduler, the container and the user leave it, not all that is built in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmark.errors import UserError
from benchmark.training.control_groups import GROUPS, TREE, control_groups, words_of
from benchmark.training.trial import choose_device

SLURM = "SLURM_CPUS_PER_TASK"


def usable_cpus(most: int | None = None) -> int:
    """At least 1: the least of this process's CPU affinity, the quotas of its control groups, SLURM_CPUS_PER_TASK, and ``most``.

    Raises UserError for a SLURM_CPUS_PER_TASK that is no number.
    """
    found = [float(len(os.sched_getaffinity(0))), *_quotas(GROUPS, TREE)]
    told = os.environ.get(SLURM)
    if told:
        if not told.isascii() or not told.isdecimal() or int(told) < 1:
            raise UserError(f"{SLURM}={told}: it must be a whole number of CPUs; set it right, or unset it")
        found.append(int(told))
    return max(1, int(min([*found, *([most] if most is not None else [])])))


def places(device: str, cpus: float, gpus: float | None, most_cpus: int | None = None, most_gpus: int | None = None) -> int:
    """How many trainings have room at once on this machine, at so many CPUs and GPUs (None: one where there is any) each; at least 1."""
    of_cpus = int(usable_cpus(most_cpus) / cpus + 1e-9)
    if choose_device(device).type == "cpu" or gpus == 0:
        return max(1, of_cpus)
    return max(1, min(of_cpus, int(_usable_gpus(most_gpus) / (gpus or 1.0) + 1e-9)))


def _quotas(groups: Path, tree: Path) -> Iterator[float]:
    """CPUs that the control groups of this process, and those above them, may use."""
    for folder, version in control_groups("cpu", groups, tree):
        quota = _version_2(folder) if version == 2 else _version_1(folder)
        if quota is not None:
            yield quota


def _version_2(folder: Path) -> float | None:
    words = words_of(folder / "cpu.max")
    return None if len(words) != 2 or words[0] == "max" else _ratio(*words)


def _version_1(folder: Path) -> float | None:
    quota, period = (words_of(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return None if len(quota) != 1 or len(period) != 1 or quota[0] == "-1" else _ratio(quota[0], period[0])


def _ratio(quota: str, period: str) -> float | None:
    try:
        return int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None


def limits(
    device: str,
    address: str | None,
    executor: str,
    cpus_per_trial: float,
    cpus: int | None,
    gpus: int | None,
    gpus_per_trial: float | None = None,
) -> str:
    """The device of a run that is to use so many CPUs and GPUs of this machine at most: "cpu" where "auto" is left no GPU.

    Raises UserError: a cluster or shares of a GPU without Ray, limits of this machine for a cluster, too few CPUs or GPUs for a trial, no
    GPU left for "cuda" or for a trial's share of one.
    """
    if address is not None and executor == "local":
        raise UserError(f"run: --address {address} is of a Ray cluster, and --executor local trains in this process; leave one of them out")
    if address is not None and (cpus is not None or gpus is not None):
        raise UserError(
            "run: --cpus and --gpus are of this machine, but the trials of --address run on the cluster's nodes; "
            "leave them out, and say with --cpus-per-trial and --gpus-per-trial what a trial takes there"
        )
    if executor == "local" and cpus is not None and cpus < int(cpus_per_trial):
        raise UserError(f"run: --cpus {cpus} is less than the {cpus_per_trial:g} that a trial takes; lower --cpus-per-trial")
    if executor == "local" and gpus_per_trial is not None:
        raise UserError(
            f"run: --gpus-per-trial {gpus_per_trial:g} is for trials side by side, and --executor local trains one after another in this "
            "process; leave one of them out"
        )
    if gpus == 0 and device == "cuda":
        raise UserError("run: --device cuda needs a GPU, and --gpus 0 leaves none; leave one of them out")
    if gpus_per_trial and (gpus == 0 or device == "cpu"):
        none = "--gpus 0 leaves none" if gpus == 0 else "--device cpu takes none"
        raise UserError(f"run: --gpus-per-trial {gpus_per_trial:g} needs a GPU, and {none}; leave one of them out")
    if executor == "ray" and address is None:
        for flag, asked, there in (("cpus", cpus_per_trial, usable_cpus(cpus)), ("gpus", gpus_per_trial or 0.0, _usable_gpus(gpus))):
            if asked > there + 1e-9:
                what = f"{there} {flag[:-1].upper()}{'' if there == 1 else 's'}"
                raise UserError(f"run: --{flag}-per-trial {asked:g}, and this run has {what} here; lower it")
    return "cpu" if gpus == 0 and device == "auto" else device


def _usable_gpus(most: int | None) -> int:
    there = torch.cuda.device_count()
    return there if most is None else min(most, there)
