"""How many CPUs a run takes: what affinity, control groups, SLURM and the user leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.training import room


def cpus(
    monkeypatch: pytest.MonkeyPatch, affinity: int = 8, quotas: list[float] | None = None, slurm: str = "", most: int | None = None
) -> int:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(affinity)))
    monkeypatch.setattr(room, "_quotas", lambda groups, tree: iter(quotas or []))
    monkeypatch.setenv(room.SLURM, slurm)
    return room.usable_cpus(most)


def test_the_least_of_all_that_limit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpus(monkeypatch) == 8
    assert cpus(monkeypatch, quotas=[12.0, 5.5]) == 5
    assert cpus(monkeypatch, quotas=[0.5]) == 1
    assert cpus(monkeypatch, slurm="3") == 3
    assert cpus(monkeypatch, slurm="30") == 8
    assert cpus(monkeypatch, most=2, slurm="3") == 2
    assert cpus(monkeypatch, most=64) == 8
    for wrong in ("two", "0", "-1", "²", "1.5"):
        with pytest.raises(UserError, match=room.SLURM):
            cpus(monkeypatch, slurm=wrong)


def test_affinity_of_this_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(room.SLURM, raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert room.usable_cpus() == 1
        assert room.places("cpu", 1, None) == 1 and room.places("cpu", 0.25, None) == 4 and room.places("cpu", 2, None) == 1
    finally:
        os.sched_setaffinity(0, before)


def files(tree: Path, content: dict[str, str]) -> Path:
    for name, text in content.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tree


V2 = {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "max 100000\n", "a/b/c/cpu.max": "150000 100000\n", "x/cpu.max": "1000 100000\n"}
V1 = {"cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}
NONE = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "content", "found"),
    [
        ("0::/a/b/c\n", V2, [1.5, 4.0]),  # its own, and that of the group above
        ("0::/a/b\n", V2, [4.0]),
        ("0::/gone\n", {"cpu.max": "200000 100000\n"}, [2.0]),  # in a container: the tree begins at its own group
        ("4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n", V1, [2.5]),
        ("1:cpu:/\n0::/\n", NONE, []),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "nonsense\n", "cpu/cpu.cfs_period_us": "0\n"}, []),
        ("0::/../other\n", {"cpu.max": "300000 100000\n"}, [3.0]),
        ("0::/\n", {}, []),
    ],
)
def test_quotas_of_control_groups(tmp_path: Path, groups: str, content: dict[str, str], found: list[float]) -> None:
    (tmp_path / "groups").write_text(groups)
    assert list(room._quotas(tmp_path / "groups", files(tmp_path / "tree", content))) == found
    assert list(room._quotas(tmp_path / "nothing", tmp_path / "tree")) == []


def test_a_trial_that_has_no_room_on_this_machine_is_refused_before_ray_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """And by a dry run, which starts none."""
    monkeypatch.setattr(room, "usable_cpus", lambda most: min(4, most or 4))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for executor, address in (("ray", "host:6379"), ("local", None)):
        assert room.limits("auto", address, executor, 5, None, None) == "auto"
    assert room.limits("auto", None, "ray", 4, None, None, 1.0) == "auto"
    for cpus, words in ((None, "4 CPUs"), (1, "1 CPU")):
        with pytest.raises(UserError, match=rf"--cpus-per-trial 5, and this run has {words} here"):
            room.limits("auto", None, "ray", 5, cpus, None)
    with pytest.raises(UserError, match=r"--gpus-per-trial 1\.5, and this run has 1 GPU here"):
        room.limits("auto", None, "ray", 1, None, None, 1.5)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(UserError, match=r"--gpus-per-trial 0\.5, and this run has 0 GPUs here"):
        room.limits("auto", None, "ray", 1, None, None, 0.5)


def test_limits_of_this_machine_are_not_the_clusters() -> None:
    for cpus, gpus in ((1, None), (None, 0), (None, 1)):
        with pytest.raises(UserError, match="run: --cpus and --gpus are of this machine"):
            room.limits("auto", "host:6379", "ray", 1, cpus, gpus)
    assert room.limits("auto", "host:6379", "ray", 1, None, None) == "auto"
    with pytest.raises(UserError, match="--address host:6379 is of a Ray cluster, and --executor local trains in this process"):
        room.limits("auto", "host:6379", "local", 1, None, None)
    assert room.limits("auto", None, "ray", 1, None, 0) == "cpu"
    assert room.limits("auto", None, "ray", 1, 2, 1) == "auto"
    with pytest.raises(UserError, match="--cpus 1 is less than the 2"):
        room.limits("auto", None, "local", 2, 1, None)
    for device, gpus_per_trial in (("auto", 0.25), ("cuda", 1.0), ("cpu", 0.0)):
        with pytest.raises(UserError, match=r"--gpus-per-trial .* is for trials side by side, and --executor local"):
            room.limits(device, None, "local", 1, None, None, gpus_per_trial)
    with pytest.raises(UserError, match="--gpus 0 leaves none"):
        room.limits("cuda", None, "ray", 1, None, 0)
    for device, gpus in (("auto", 0), ("cpu", None)):
        with pytest.raises(UserError, match=r"--gpus-per-trial 0\.5 needs a GPU, and "):
            room.limits(device, None, "ray", 1, None, gpus, 0.5)
    assert room.limits("cpu", None, "ray", 1, None, None, 0.0) == "cpu"
