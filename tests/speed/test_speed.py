"""The speed commands: who runs when, what is counted, and what a peer that fails says. Speed itself is not tested."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from benchmark.contracts import UserError
from benchmark.speed.compare import MODELS, Timed, race, ratio, step
from benchmark.speed.contestants import Ours, Peer, step_flops
from benchmark.speed.peers import HAVE, SCRIPTS
from benchmark.speed.work import Work

CPU = torch.device("cpu")
SMALL = Work(cardinalities=(30, 20, 5), dimension=4, batch=64, batches=3, threads=1, options={"depth": 2, "hidden": [8, 6]})


class Fake:
    def __init__(self, name: str, log: list[str], seconds: float) -> None:
        self.name, self._log, self._seconds = name, log, seconds

    def turn(self) -> float:
        self._log.append(self.name)
        return self._seconds

    def close(self) -> None:
        pass


def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    log: list[str] = []
    fast, slow = race([Fake("fast", log, 0.5), Fake("slow", log, 2.0)], SMALL, 3)
    assert log == ["fast", "slow"] * 4
    assert fast.speeds == (384.0,) * 3 and slow.median == 96.0 and ratio(fast, slow) == (4.0, 4.0, 4.0)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratio(Timed("a", (10.0, 20.0, 30.0)), Timed("b", (5.0, 20.0, 10.0))) == (2.0, 1.0, 3.0)


def test_flops_of_a_step_are_those_of_its_products() -> None:
    """Stacked DCNv2 on 12 inputs: two cross layers, 12·8, 8·6 and 6·1; each product once forward and twice backward (the embedding
    needs its gradient, too)."""
    products = 2 * 12 * 12 + 12 * 8 + 8 * 6 + 6
    assert step_flops(SMALL) == 3 * 2 * products


def test_our_turn_is_a_real_training_pass_and_restores_the_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_WITHOUT", "routing")
    ours = Ours("ours", SMALL, CPU, without="dropout")
    before = [parameter.clone() for parameter in ours.model.parameters()]
    assert ours.turn() > 0 and os.environ["BENCHMARK_WITHOUT"] == "routing"
    assert all(not torch.equal(a, b) for a, b in zip(before, ours.model.parameters(), strict=True))


def test_the_step_table_names_every_switch() -> None:
    table = step([SMALL], CPU, rounds=1, switches=("dropout",))
    assert "as it is" in table and "without dropout" in table and "single_embedding · dcnv2" in table and "GFLOP/s" in table


def script(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "peer.py"
    path.write_text(f"import json, sys\nimport numpy as np\ntold = json.loads(sys.argv[1])\n{body}")
    return path


def test_a_peer_is_told_the_work_and_answers_in_seconds(tmp_path: Path) -> None:
    body = (
        "rows = np.load(told['data'])\nprint('noise of a library')\nprint('SPEED ready', flush=True)\n"
        "for mode in sys.stdin:\n    print('more noise')\n    print('SPEED', len(rows['ids']) * len(mode.strip()), flush=True)\n"
    )
    peer = Peer("Fake", Path(sys.executable), script(tmp_path, body), SMALL, "steps")
    assert peer.turn() == SMALL.rows * 5 and peer.name == "Fake, steps only"
    peer.close()


def test_a_peer_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Fake, own loader: ended without an answer: .*no such library") as caught:
        Peer("Fake", Path(sys.executable), script(tmp_path, "raise ImportError('no such library')"), SMALL, "epoch")
    assert "\n" not in str(caught.value)


def test_every_peer_has_a_script_and_sizes_for_its_models() -> None:
    assert HAVE.keys() == SCRIPTS.keys()
    for name, models in HAVE.items():
        assert SCRIPTS[name].exists() and set(models) <= set(MODELS)
