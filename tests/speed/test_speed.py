"""The speed commands: who runs when, what is counted, and what a peer that fails says. Speed itself is not tested."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark import plugins
from benchmark.__main__ import main
from benchmark.contracts import CTRModel, Output, TableRule
from benchmark.errors import UserError
from benchmark.method import Parts
from benchmark.ops import dispatch
from benchmark.records import Store
from benchmark.speed import records
from benchmark.speed.compare import MODELS, Timed, methods, race, ratio, step
from benchmark.speed.contestants import Ours, Peer, SetBySet, build
from benchmark.speed.counting import _Bytes, demand
from benchmark.speed.parts import Clock, parts, watched
from benchmark.speed.peers import HAVE, SCRIPTS
from benchmark.speed.scaling import Axis, axes, study
from benchmark.speed.workload import Workload

CPU = torch.device("cpu")
SMALL = Workload(cardinalities=(30, 20, 5), dimension=4, batch=64, batches=3, threads=1, options={"depth": 2, "hidden": [8, 6]})


class Fake:
    def __init__(self, name: str, log: list[str], seconds: float) -> None:
        self.name, self._log, self._seconds = name, log, seconds

    def turn(self) -> float:
        self._log.append(self.name)
        return self._seconds

    def close(self) -> None:
        pass


def test_contestants_measure_processs_and_the_first_round_does_not_count() -> None:
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
    assert demand(SMALL).flops == 3 * 2 * products


def test_bytes_are_those_of_operands_and_results_and_a_view_has_none() -> None:
    a, b = torch.zeros(5, 4), torch.zeros(4)
    with _Bytes() as moved:
        c = a.T.view(4, 5)
        assert moved.total == 0
        c = a + b
        assert moved.total == 4 * (20 + 4 + 20)
        c.mul_(2)
        torch.mm(a, c.T, out=torch.empty(5, 5))
    assert moved.total == 4 * (44 + 40 + 20 + 20 + 25)


def test_bytes_of_weights_are_shared_by_the_batch() -> None:
    small, large = demand(SMALL).bytes, demand(replace(SMALL, batch=1 << 20)).bytes
    weights = sum(parameter.nbytes for parameter in build(SMALL).parameters())
    assert (small - large) * SMALL.batch > 2 * weights and large > 4 * 12  # read forward, its gradient written; an embedding row


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("peers --scale 4", "speed peers: --scale is for step, methods, parts, scale, stream only"),
        ("peers --precision bf16", "speed peers: --precision is for step, methods, parts, scale, stream only"),
        ("step --out here", "speed step: --out is for scale, gpu, verdict only"),
        ("scale --methods roblock", "speed scale: --methods is for step, methods, parts, stream, verdict only"),
        ("step --scale 0", "--scale 0; it must be at least 1"),
        ("step --dimensions 10 0", "--dimensions 0; it must be at least 1"),
        ("step --backbones finalmlp --scale 7 --batch 8 --batches 1", "units1 = 400 does not divide into rows of 70"),
        (
            "parts --methods logistic_regression --batch 8 --batches 1",
            "logistic_regression · dcnv2, width 10, fp32 is not made of table and interaction layers",
        ),
        ("peers --backbones dcnv3", "unknown backbone 'dcnv3'"),
        ("peers --device cpu", "speed peers: --device is for step, parts, methods, scale, stream, verdict, gpu only"),
        ("records --shape criteo", "speed records: --shape is for peers, step, parts, methods, scale only"),
        ("stream --shape small", "speed stream: --shape is for peers, step, parts, methods, scale only"),
        ("gpu --batch 8", "speed gpu: --batch is for peers, step, parts, methods, scale, stream only"),
        ("verdict --rounds 2", "speed verdict: --rounds is for peers, step, parts, methods, scale, stream, data only"),
        ("verdict --threads 2", "speed verdict: --threads is for peers, step, parts, methods, scale, stream, data only"),
        ("step --threads 5000", "--threads: 5000: it must be a whole number between 1 and 4096"),
        ("methods --methods constant --batch 8 --batches 1", "constant has no parameters, so that no step can be timed"),
        ("step --methods constant --batch 8 --batches 1 --device cpu", "constant has no parameters, so that no step can be timed"),
    ],
)
def test_what_cannot_be_measured_is_one_line(capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert main(["speed", *words.split()]) == 2
    shown = capsys.readouterr().err
    assert message in shown and len(shown.splitlines()) == 1


class Told(TableRule):
    def training_starts(self, table: nn.Parameter, optimizer: torch.optim.Optimizer, std: float) -> None:
        assert std > 0
        self.epoch = 0

    def epoch_starts(self, epoch: int, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        self.epoch += epoch

    def batch_starts(self, ids: Tensor, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        assert self.epoch == 1


def test_a_rule_of_the_table_is_told_that_training_starts() -> None:
    parts = Parts(SMALL.schema, SMALL.scale, SMALL.dimension, plugins.make("backbones", SMALL.backbone, SMALL.options))
    assert Ours("ours", SMALL, CPU, model=parts.model(table_rule=Told())).turn() > 0


def test_our_turn_is_a_real_training_pass_and_restores_the_switches() -> None:
    ours = Ours("ours", SMALL, CPU, without=("dropout",))
    before = {name: parameter.clone() for name, parameter in ours.model.named_parameters()}
    with dispatch.switched_off(["routing"]):
        assert ours.turn() > 0 and dispatch.without() == ("routing",)
    same = [name for name, parameter in ours.model.named_parameters() if torch.equal(before[name], parameter)]
    assert all(re.search(r"linears\.\d\.bias", name) for name in same), "what batch normalisation takes out again"


@pytest.mark.parametrize("threads", [1, 2])
def test_parts_add_up_to_the_step_and_the_model_stays_as_it_was(threads: int) -> None:
    work = replace(SMALL, method="roblock", scale=2, threads=threads)
    ours = Ours("ours", work, CPU)
    attributes = {module: set(vars(module)) for module in ours.model.modules()}
    clock = Clock(time.perf_counter)
    with watched(ours, clock):
        started = time.perf_counter()
        ours.turn()
        whole = time.perf_counter() - started
    assert {module: set(vars(module)) for module in ours.model.modules()} == attributes
    assert 0.5 * whole < sum(clock.spent.values()) <= whole and min(clock.spent.values()) >= 0
    both = {"gates, components, maps", "HSIC", "orthogonal map (Cayley)", "interaction layers", "readout", "head", "table"}
    assert {part for part, direction in clock.spent if direction == "backward"} >= both
    assert ("running rms of the gates' input", "backward") not in clock.spent


def test_the_table_of_parts_has_the_whole_step() -> None:
    shown = parts([SMALL, replace(SMALL, precision="bf16")], CPU, rounds=1)
    assert shown.count("the whole step") == 2 and "single_embedding · dcnv2, width 4, bf16" in shown and "HSIC" not in shown


def test_the_step_table_names_every_switch() -> None:
    table = step([replace(SMALL, method="multi_embedding", scale=2)], CPU, rounds=1)
    assert all(f"without {name} " in table for name in (*dispatch.names(), "all of them"))
    assert all(found in table for found in ("as it is", "in bf16", "a loop over the sets", "multi_embedding · dcnv2", "GFLOP/s"))
    assert "tf32" not in table and "compile" not in table


def test_methods_are_timed_against_single_embedding_and_what_cannot_be_built_says_so() -> None:
    table = methods([replace(SMALL, scale=2)], ["multi_embedding", "roblock:no_hsic"], CPU, rounds=1)
    assert [line.split()[0] for line in table.splitlines()[3:]] == ["single_embedding", "multi_embedding", "roblock:no_hsic"]
    assert "1.00 (1.00 … 1.00)" in table.splitlines()[3]
    [refused] = [
        line
        for line in methods([replace(SMALL, backbone="xdeepfm", options={})], ["parallel_dnn"], CPU, 1).splitlines()
        if "parallel_dnn" in line
    ]
    assert "has a DNN on the embedding already" in refused


def test_a_compiled_contestant_trains_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda model: Compiled(model))  # a C++ compiler takes half a minute
    ours = Ours("ours", SMALL, CPU).compiled()
    before = ours.model.embedding.weight.clone()  # type: ignore[operator, union-attr]
    assert ours.turn() > 0 and not torch.equal(before, ours.model.embedding.weight)  # type: ignore[arg-type, union-attr]


class Compiled(CTRModel):
    """Like torch.compile's result, which has no length and says so."""

    def __init__(self, model: CTRModel) -> None:
        super().__init__()
        self.model = model

    def table(self) -> torch.nn.Parameter | None:
        return self.model.table()

    def forward(self, ids: torch.Tensor) -> Output:
        output: Output = self.model(ids)
        return output

    def __len__(self) -> int:
        raise TypeError("no length")


@pytest.mark.parametrize("backbone", MODELS)
def test_a_loop_over_the_sets_is_multi_embedding(backbone: str) -> None:
    """The same weights give the same scores: what is timed against it is the batching alone."""
    workload = replace(SMALL, method="multi_embedding", scale=3, backbone=backbone, options={})
    torch.manual_seed(0)
    batched, loop = build(workload), SetBySet(workload)
    table = loop.table()
    torch.nn.init.normal_(table)
    weights = loop.state_dict()
    renamed = {}
    for name in batched.state_dict():
        one = re.sub(r"^interaction\.(layers|readout)\.", r"sets.{}.\1.", name).replace("interaction.head.", "sets.0.head.")
        own = [weights[one.format(s)] for s in range(3)] if "{}" in one else [weights[one]]
        renamed[name] = torch.cat(own) if own[0].ndim else own[0]
    batched.load_state_dict(renamed)
    ids = torch.from_numpy(workload.ids[:20].astype("int64"))
    torch.testing.assert_close(batched.eval()(ids).logits, loop.eval()(ids).logits)


def test_the_study_varies_one_size_at_a_time_and_draws_it(tmp_path: Path) -> None:
    chosen = axes(replace(SMALL, batches=1))
    assert [axis.name for axis in chosen] == ["scale", "depth", "batch size", "table rows", "training rows", "sets"]
    by_name = {axis.name: axis for axis in chosen}
    assert [w.scale for w in by_name["scale"].workloads.values()] == list(by_name["scale"].workloads)
    assert [w.options["depth"] for w in by_name["depth"].workloads.values()] == list(by_name["depth"].workloads)
    assert all(rows == workload.rows for rows, workload in by_name["training rows"].workloads.items())
    assert all(values == workload.schema.values for values, workload in by_name["table rows"].workloads.items())
    path = tmp_path / "new" / "scale.png"
    few = [Axis(a.name, dict(list(a.workloads.items())[:2]), a.methods) for a in (by_name["depth"], by_name["sets"])]
    table = study(few, CPU, 1, path)
    assert path.stat().st_size > 10_000 and table.count("\n") == 6 and "roblock" in table


def test_a_step_needs_neither_ray_nor_mlflow_nor_polars() -> None:
    code = (
        "import sys; from benchmark.__main__ import main\n"
        "assert main('speed step --backbones dcnv2 --batch 16 --batches 1 --rounds 1 --threads 1 --device cpu'.split()) == 0\n"
        "print([name for name in ('ray', 'mlflow', 'polars', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr


def script(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "peer.py"
    path.write_text(f"import json, sys\nimport numpy as np\ntold = json.loads(sys.argv[1])\n{body}")
    return path


@pytest.mark.parametrize("plain", [False, True])
def test_records_that_are_made_for_measuring_are_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "one").symlink_to(records.REFERENCE / "teacher_control")  # all of them take ten seconds to read
    monkeypatch.setattr(records, "REFERENCE", tmp_path / "reference")
    made = 40
    records.make(tmp_path, made, plain)
    found = list(Store(tmp_path))
    assert len({record.trial_id for record in found}) == made and all(record.metrics for record in found)


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
