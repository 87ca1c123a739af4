"""Methods that do what no method should, trained beside twelve that do not: for chaos.py. Real trainings, real Ray, the real command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

from benchmark.records import Record, Store

ROOT = Path(__file__).parents[2]
HEALTHY = (
    *("single_embedding", "multi_embedding", "roblock", "wide_head", "ensemble", "vicreg"),
    *("uniformity", "barlow", "logdet", "layer_norm", "iternorm", "rank_one"),
)
# What each does when its model is first asked for logits while it trains; "in build" says otherwise.
KINDS: Mapping[str, str] = {
    "raises": "raise RuntimeError('no')",
    "raises_in_build": "in build",
    "raises_keyboard_interrupt": "raise KeyboardInterrupt",
    "gives_nan": "self.nan = True",
    "gives_too_few": "self.short = True",
    "recurses": "self.forward(ids, again=True)",
    "exits": "sys.exit(3)",
    "exits_at_once": "os._exit(3)",
    "is_killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "reads_address_0": "ctypes.string_at(0)",
    "never_ends": "all(True for _ in iter(int, 1))",
    "takes_all_memory": "self.taken = torch.ones(4_000_000_000)",
    "prints_100_mb": "[print('x' * 10**6) for _ in range(100)]",
    "forks": "os.fork() or (time.sleep(60), os._exit(0))",
    "starts_threads": "[threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in range(50)]",
    "sets_default_dtype": "torch.set_default_dtype(torch.float64)",
    "sets_no_gradients": "torch.set_grad_enabled(False)",
    "sets_threads": "torch.set_num_threads(2)",
    "sets_deterministic": "torch.use_deterministic_algorithms(True, warn_only=True)",
    "seeds_generators": "torch.manual_seed(7), np.random.seed(7), random.seed(7)",
    "sets_its_folder": "os.chdir('/')",
    "sets_its_environment": "os.environ.clear()",
    "blocks_signals": "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})",
}
METHOD = """
import ctypes, os, random, signal, sys, threading, time
from dataclasses import dataclass
import numpy as np
import torch
from benchmark.contracts import CTRModel
from benchmark.method import Method, Output, Parts


class Bad(torch.nn.Module):
    done = nan = short = False

    def misbehave(self, ids):
        if not self.done and self.training and ids.device.type != "meta":
            self.done = True
            {act}

    def forward(self, ids, again=False):
        if again:
            self.forward(ids, again)
        self.misbehave(ids)


@dataclass(frozen=True, kw_only=True)
class {name}(Method):
    summary = "does what no method should"
    source = "this test"

    def build(self, parts: Parts) -> CTRModel:
        {in_build}
        model, bad = parts.model(), Bad()
        model.register_module("bad", bad)

        def before(_, inputs):
            bad.train(model.training)
            bad(*inputs)

        def after(_, inputs, output):
            logits = output.logits * float("nan") if bad.nan else output.logits[1:] if bad.short else output.logits
            return output._replace(logits=logits)

        model.register_forward_pre_hook(before)
        model.register_forward_hook(after)
        return model
"""
SUITE = """
datasets = ["synthetic"]
methods = [{methods}]
backbones = ["dnn"]
[training]
epochs = 2
batch_size = 512
[options.datasets.synthetic]
rows = 2000
cardinalities = [3, 8, 40]
[options.backbones.dnn]
depth = 1
hidden = [16]
"""


def write(folder: Path, kinds: Mapping[str, str]) -> None:
    """A folder of plug-ins, a method of each kind."""
    (folder / "methods").mkdir(parents=True)
    for kind, act in kinds.items():
        name = "".join(word.title() for word in kind.split("_"))
        acts = ("pass", "raise RuntimeError('no')") if act == "in build" else (act, "pass")
        text = METHOD.format(name=name, act=acts[0], in_build=acts[1])
        (folder / "methods" / f"{kind}.py").write_text(text, encoding="utf-8")


def run(folder: Path, methods: tuple[str, ...], seconds: float, *more: str) -> tuple[int | None, dict[str, Record], str]:
    """The exit status (None: it hung), the record of each method, and what was said."""
    suite, results = folder / "suite.toml", folder / "results"
    suite.write_text(SUITE.format(methods=", ".join(f'"{name}"' for name in methods)), encoding="utf-8")
    command = [sys.executable, "-m", "benchmark", "run", str(suite), "--results", str(results), "--no-track"]
    limits = ["--trial-minutes", "0.3", "--memory-per-trial", "2"]
    own = {"BENCHMARK_PLUGINS": str(folder / "plugins"), "BENCHMARK_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, *limits, *more],
        cwd=folder,
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    status: int | None
    try:
        _, said = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        status, said = None, process.communicate()[1]
    return status, {record.trial.cell.method: record for record in Store(results)}, said


def misbehaved(folder: Path, seconds: float = 300) -> tuple[int, int, int, int, list[str]]:
    """Kinds, those that the run survived with a record or a line of their own, healthy trainings that were lost, or changed by them;
    and what each kind came to.
    """
    whole, mixed = folder / "healthy", folder / "mixed"
    write(whole / "plugins", {})
    write(mixed / "plugins", KINDS)
    _, wanted, said = run(whole, HEALTHY, seconds, "--executor", "local")
    assert wanted.keys() == set(HEALTHY), said
    in_turns = tuple(name for pair in zip_longest(KINDS, HEALTHY * 2) for name in pair if name)
    status, found, said = run(mixed, in_turns, seconds)
    told = [f"{kind}: {found[kind].status}, {found[kind].reason or '; '.join(found[kind].notes)}" for kind in KINDS if kind in found]
    survived = 0 if status is None or "Traceback" in said else sum(kind in found for kind in KINDS)
    lost = len(set(HEALTHY) - found.keys())
    changed = [name for name in HEALTHY if name in found and found[name].metrics != wanted[name].metrics]
    told += [f"changed: {name}: {found[name].status}, {found[name].reason}" for name in changed]
    return len(KINDS), survived, lost, len(changed), [*told, f"exit status {status}", *said.splitlines()[-3:]]
