"""What a run leaves behind, and what it holds, are nobody else's trouble: folders of killed runs, locks in forked children."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import standin_search as standin

from benchmark.errors import UserError
from benchmark.search.leftovers import PREFIX, scratch
from benchmark.search.lock import at_work, only_one
from benchmark.search.run import run_suite

OLD = time.time() - 25 * 3600

TINY = """
datasets = ["synthetic"]
methods = ["single_embedding", "multi_embedding"]
backbones = ["dnn"]
scales = [2]
seeds = 1
trials = 1
[training]
epochs = 1
[options.datasets.synthetic]
rows = 2000
"""

FORKING = """
import os, sys, time
from pathlib import Path
from benchmark.search.lock import only_one
with only_one(Path(sys.argv[1])):
    if os.fork() == 0:
        print("child", flush=True)
        time.sleep(60)
        os._exit(0)
    assert sys.stdin.readline() == "end\\n"
    os._exit(0)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_forked_child_does_not_keep_the_folder(tmp_path: Path, killed: bool) -> None:
    command = [sys.executable, "-c", FORKING, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=standin.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as driver:
        assert driver.stdin is not None and driver.stdout is not None
        try:
            assert driver.stdout.readline() == "child\n"
            assert at_work(tmp_path), "the child's closing lifts nothing"
            with pytest.raises(UserError, match="another run"), only_one(tmp_path):
                pass
            if killed:
                driver.kill()
            else:
                driver.stdin.write("end\n")
                driver.stdin.flush()
            driver.wait(timeout=30)
            assert not at_work(tmp_path)
            with only_one(tmp_path):
                pass
        finally:
            os.killpg(driver.pid, 9)


def test_a_file_system_without_locks_is_said_by_a_run_and_keeps_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("benchmark.search.lock.fcntl.flock", refuse)
    with pytest.raises(UserError, match="cannot be locked"), only_one(tmp_path):
        pass
    assert not at_work(tmp_path), "`track` and `ui` need no lock"


def test_a_folder_in_the_place_of_the_lock_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UserError, match=r"\.lock: cannot be locked \(Is a directory\); name another"), only_one(tmp_path):
        pass
    assert not at_work(tmp_path)


def test_folders_of_killed_runs_go_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    for name in ("old", "young", "busy inside"):
        (tmp_path / f"{PREFIX}{name}" / "run").mkdir(parents=True)
    (elsewhere / "kept").mkdir(parents=True)
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    for path in (tmp_path / f"{PREFIX}old" / "run", *tmp_path.glob(f"{PREFIX}*")):
        if "young" not in path.name:
            os.utime(path, (OLD, OLD), follow_symlinks=False)
    with scratch() as first:
        os.utime(first, (OLD, OLD))
        left = {path.name.removeprefix(PREFIX) for path in tmp_path.iterdir()} - {Path(first).name.removeprefix(PREFIX)}
        assert left == {"young", "busy inside", "link", "file", "elsewhere"} and (elsewhere / "kept").is_dir()
        with scratch():
            assert Path(first).is_dir(), "a run has it, however long ago it began"
    assert not Path(first).exists()


def test_a_results_folder_that_was_moved_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "log"))
    first = run_suite(standin.suite(), tmp_path / "first", "local", train=standin.TRAIN)
    (tmp_path / "first").rename(tmp_path / "second")
    again = run_suite(standin.suite(seeds=2), tmp_path / "second", "local", train=standin.TRAIN)
    assert first.statuses == {"finished": 5} and again.recorded_before == 5 and again.statuses == {"finished": 5}
    assert not (tmp_path / "first").exists()


@pytest.mark.long
@pytest.mark.parametrize("executor", ["ray", "local"])
def test_a_home_that_cannot_be_written_is_not_needed(tmp_path: Path, executor: str) -> None:
    """With data to make, Ray and MLflow. Not even root writes into /proc."""
    (tmp_path / "tiny.toml").write_text(TINY)
    unset = ("MLFLOW_TRACKING_URI", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": "/proc", "BENCHMARK_CACHE": str(tmp_path / "cache")}
    results = tmp_path / "results"
    for arguments in (["run", str(tmp_path / "tiny.toml"), "--executor", executor], ["report"], ["figures"]):
        command = [sys.executable, "-m", "benchmark", *arguments, "--results", str(results)]
        done = subprocess.run(command, cwd=standin.ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert len(list((results / "records").glob("*.json"))) == 2 and (results / "mlflow.db").exists()
