"""One trial, from its description to its record: every method, every backbone, and everything that can go wrong in one."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark import plugins
from benchmark.config import Suite, Trial
from benchmark.contracts import CTRModel
from benchmark.data.batches import Rows
from benchmark.data.ensure import ensure_prepared
from benchmark.data.store import Prepared
from benchmark.errors import UserError
from benchmark.method import assemble
from benchmark.metrics.spectral import Measured
from benchmark.records import Record, record_from_json
from benchmark.search.cells import default_trial, expand
from benchmark.search.worker import TRAIN, attempt
from benchmark.training import trial as trials
from benchmark.training.evaluate import score
from benchmark.training.resolved import resolved
from benchmark.training.torch_state import standard_state
from benchmark.training.trial import check, choose_device, memory_of, model_of, run_trial, train
from benchmark.training.unfilled import _numbers, without_values

BACKBONES = plugins.names("backbones")
METHODS = [n for name in plugins.names("methods") for n in (name, *(f"{name}:{p}" for p in plugins.plugin("methods", name).presets))]
# Every method, and every backbone in three ways: tests/checking trains the other pairs. And two that do not go together.
PAIRS = [(m, b) for m in METHODS for b in BACKBONES if b == "dcnv2" or m in ("single_embedding", "multi_embedding", "roblock")]
PAIRS += [("parallel_dnn", "dnn"), ("orthogonal_reg", "xdeepfm")]
DATA: dict[str, Any] = {"rows": 2000, "cardinalities": [3, 8, 40, 90]}


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def trial(method: str, backbone: str = "dcnv2", stage: Any = "final", scale: int = 2, seed: int = 0, **training: Any) -> Trial:
    suite = Suite(
        name="test",
        datasets=("synthetic",),
        methods=(method,),
        backbones=(backbone,),
        scales=(scale,),
        dimension=4,
        training={"epochs": 1, "batch_size": 800, **training},  # two steps
        options={"datasets": {"synthetic": DATA}},
    )
    [cell] = expand(suite)
    return default_trial(cell, stage, seed, 1)


def trained(wanted: Trial) -> Record:
    return run_trial(wanted, lambda metrics: None, "cpu", 1)


@cache
def in_float32(method: str, backbone: str) -> Record:
    return trained(trial(method, backbone))


@pytest.mark.parametrize(("method", "backbone"), PAIRS)
def test_every_method_and_every_backbone_gives_a_whole_record(method: str, backbone: str) -> None:
    record = in_float32(method, backbone)
    if record.status == "incompatible":  # which pairs are is nailed down in tests/golden
        assert record.reason and check(record.trial) == record.reason
        return
    assert record.status == "finished", record.reason
    assert {"valid/auc", "valid/logloss", "test/auc", "test/logloss", "test/bayes_auc", "best_epoch"} <= record.metrics.keys()
    assert {"parameters_table", "parameters_dense", "flops_per_sample", "peak_memory_mb", "wall_seconds"} <= record.cost.keys()
    assert 0 <= record.cost["evaluation_seconds"] <= record.cost["fit_seconds"] <= record.cost["wall_seconds"]
    assert {"data", "method_code", "training_code"} <= record.fingerprints.keys() and record.environment["device"] == "cpu"
    if plugins.plugin("methods", method).uses_backbone:
        layers = {name.split("/")[1] for name in record.metrics if name.startswith("spectral/layer")}
        assert layers == {f"layer{l}" for l in range(record.trial.cell.depth + 1)}
        assert "spectral/table/field4_90/information_abundance" in record.metrics
        assert record.cost["parameters_table"] == 8 * ensure_prepared("synthetic", DATA).schema.values
    assert record_from_json(record.to_json(), "here") == record and json.loads(record.to_json())["trial_id"] == record.trial_id


@pytest.mark.parametrize(
    ("method", "backbone"),
    [pytest.param(m, b, marks=pytest.mark.long if ":" in m else ()) for m, b in PAIRS if m != "single_embedding" or b == "dcnv2"],
)
def test_training_in_bfloat16(method: str, backbone: str) -> None:
    """It learns as in float32, to within what rounding may do, and is another trial."""
    wanted = trial(method, backbone)
    half = replace(wanted, training=replace(wanted.training, precision="bf16"))
    full, record = in_float32(method, backbone), trained(half)
    assert record.status == full.status and record.trial_id != full.trial_id, record.reason
    if record.status == "finished":
        if full.curve:
            assert record.curve[0]["train/loss"] == pytest.approx(full.curve[0]["train/loss"], rel=0.03)
        assert plugins.plugin("methods", method).uses_backbone is False or record.curve != full.curve


@pytest.mark.parametrize("method", plugins.names("methods"))
def test_a_model_that_is_only_tried_has_the_shapes_of_torch_s_own(method: str) -> None:
    """And is built once: torch's own way is for what cannot be built without values."""
    wanted, found = trial(method), []
    parts = resolved(wanted)

    def build() -> None:
        found.append(assemble(parts.method, parts.backbone, parts.data.schema, wanted.cell.scale, wanted.cell.dimension))

    with torch.device("meta"):
        without_values(build)
        build()
    ours, torchs = ({name: (value.shape, value.dtype) for name, value in model.state_dict().items()} for model in found)
    table = found[0].table()
    assert ours == torchs and (table is None or table.is_meta)


@pytest.mark.parametrize(
    ("func", "args", "named"),
    [
        (torch.eye, (3,), {}),
        (torch.eye, (3, 5), {}),
        (torch.eye, (), {"n": 4}),
        (torch.arange, (5,), {}),
        (torch.arange, (2, 9, 3), {}),
        (torch.arange, (2,), {"end": 9}),
        (torch.arange, (), {"start": 2, "end": 9, "step": 0.5}),
        (torch.linspace, (0, 1, 7), {}),
        (torch.linspace, (0, 1), {"steps": 7}),
    ],
)
def test_the_size_of_a_constant_is_known_before_it_is_made(func: Any, args: Any, named: Any) -> None:
    assert math.ceil(_numbers(func, *args, dtype=torch.float64, **named)) == func(*args, **named).numel()


@pytest.mark.parametrize("func", [torch.tril_indices, torch.triu_indices])
def test_no_triangle_has_more_indices_than_its_square(func: Any) -> None:
    assert func(4, 3, offset=1).numel() <= _numbers(func, 4, 3, offset=1) == 24


@pytest.mark.long
def test_models_are_tried_without_torch_s_compiler() -> None:
    """Whose import takes a second, and sympy's half of one."""
    code = f"""
import sys
from benchmark.config import Suite
from benchmark.search.cells import default_trial, expand
from benchmark.training.trial import model_of
options = {{"datasets": {{"synthetic": {DATA}}}}}
names = {{"datasets": ("synthetic",), "methods": {tuple(METHODS)}, "backbones": ("dcnv2",)}}
suite = Suite(name="test", **names, scales=(2,), dimension=4, options=options)
built = [cell.method for cell in expand(suite) if model_of(default_trial(cell, "final", 0, 1), True) is not None]
print(len(built), *sorted({{"torch._dynamo", "sympy"}} & sys.modules.keys()))
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(found[0]) > len(METHODS) - 10 and not found[1:]


def test_what_a_layer_adds_is_measured_where_an_identity_path_hides_it() -> None:
    names = {b: {n for n in trained(trial("multi_embedding", b)).metrics if "/term/" in n} for b in ("dcnv2", "xdeepfm")}
    assert {n.split("/")[1] for n in names["dcnv2"]} == {f"layer{l}" for l in range(1, 5)} and not names["xdeepfm"]


def test_a_constant_scores_one_half_and_the_entropy() -> None:
    record = trained(trial("constant"))
    assert record.metrics["test/auc"] == record.metrics["valid/auc"] == 0.5
    assert record.metrics["test/logloss"] > record.metrics["test/bayes_logloss"]


def test_a_tuning_trial_never_meets_the_test_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: Any) -> None:
        raise AssertionError("test data opened")

    monkeypatch.setattr(Prepared, "test", forbidden)
    record = trained(trial("single_embedding", stage="tune"))
    assert record.status == "finished", record.reason
    assert not any("test" in name for name in record.metrics) and "valid/auc" in record.metrics
    assert trained(trial("single_embedding")).reason == "AssertionError: test data opened"


def test_seeds_repeat_and_differ() -> None:
    one, same, other = (trained(trial("roblock", seed=seed)).metrics for seed in (1, 1, 2))
    assert one == same and one["test/auc"] != other["test/auc"]


def test_methods_of_one_width_and_seed_start_from_the_same_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a difference paired by seed would pair nothing but the order of batches."""
    tables: dict[tuple[str, int], torch.Tensor] = {}

    def stop(model: CTRModel, *rest: Any) -> None:
        table = model.table()
        assert table is not None
        tables[key] = table.detach().clone()
        raise RuntimeError("seen")

    monkeypatch.setattr("benchmark.training.trial.fit", stop)
    for key in (("single_embedding", 0), ("multi_embedding", 0), ("roblock", 0), ("roblock", 1)):
        assert trained(trial(key[0], seed=key[1])).reason == "RuntimeError: seen"
    first = tables["single_embedding", 0]
    assert torch.equal(first, tables["multi_embedding", 0]) and torch.equal(first, tables["roblock", 0])
    assert not torch.equal(first, tables["roblock", 1]) and float(first.std()) == pytest.approx(0.01, rel=0.1)


def test_divergence_is_a_status() -> None:
    record = trained(trial("single_embedding", learning_rate=1e6))
    assert record.status == "diverged" and record.reason and "test/auc" not in record.metrics


PLUGIN = """
from dataclasses import dataclass
from benchmark.contracts import CTRModel, Incompatible
from benchmark.method import Method, Parts

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    summary = "for a test"
    source = "a test"
    def build(self, parts: Parts) -> CTRModel:
        model = parts.model()
        {body}
"""


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("raise Incompatible('needs rows that are fields')", "incompatible", "needs rows that are fields"),
        ("raise RuntimeError('out of\\nmemory')", "failed", "RuntimeError: out of memory"),
        ("return None", "failed", "build returns None; the contract wants a CTRModel"),
        ("model.forward = lambda ids: 1 / 0; return model", "failed", "ZeroDivisionError"),
        ("model.interaction.readout.forward = lambda states: states[0].flatten(2)[..., :3]; return model", "failed", "RuntimeError"),
    ],
)
def test_foreign_code_that_fails_is_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, body: str, status: str, reason: str
) -> None:
    name = f"mine_{abs(hash(request.node.name)) % 10**8}"  # a module stays imported: each file has a name of its own
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / f"{name}.py").write_text(PLUGIN.format(body=body))
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    record = trained(trial(name))
    assert record.status == status and reason in record.reason and "\n" not in record.reason
    if status == "incompatible":
        assert check(record.trial) == reason


def test_what_a_model_says_of_itself_in_a_curve_may_be_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record can be written all the same: it would end the run, of all methods."""
    (tmp_path / "methods").mkdir()
    words = (
        "import torch; model.interaction.diagnostics = lambda: {'gradients': float(torch.is_grad_enabled())}; model.interaction.curve = "
        "lambda: {'nan': float('nan'), 'two': model.table().new_tensor(2), **model.interaction.diagnostics()}; return model"
    )
    (tmp_path / "methods" / "mine_says.py").write_text(PLUGIN.format(body=words))
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    told: list[Mapping[str, float]] = []
    record = run_trial(trial("mine_says"), told.append, "cpu", 1)
    assert record.status == "finished" and json.loads(json.dumps(told)) == [*record.curve]
    for entry in record_from_json(record.packed(), "").curve:
        assert entry["model/two"] == 2.0 and "model/nan" not in entry and entry["model/gradients"] == 0.0
    assert record.metrics["model/gradients"] == 0.0


CHANGES = {
    "torch.set_default_dtype(torch.float64)": "default dtype from torch.float32 to torch.float64",
    "torch.set_default_device('meta')": "default device from cpu to meta",
    "torch.set_grad_enabled(False)": "gradients from True to False",
    "torch.use_deterministic_algorithms(True, warn_only=True)": "deterministic algorithms from 0 to 1",
    "torch.set_num_threads(2)": "threads from 1 to 2",
    "torch.set_autocast_enabled('cpu', True)": "autocast on cpu from False to True",
    "torch.set_float32_matmul_precision('medium')": "precision of float32 products",
    "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'": "precision of float32 products",
    "torch.set_flush_denormal(True)": "denormal numbers as zero from False to True",
    "torch.backends.mkldnn.enabled = False": "mkldnn from True to False",
}


def test_what_a_method_sets_of_torch_reaches_no_other_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set when it builds, which its record says, and when its file is imported, before any trial."""
    (tmp_path / "methods").mkdir()
    setting = f"import torch; {'; '.join(CHANGES)}"
    (tmp_path / "methods" / "sets_torch.py").write_text(PLUGIN.format(body=f"{setting}; return model"))
    at_import = f"import torch\ntorch.set_default_dtype(torch.float64)\n{PLUGIN.format(body='return model')}"
    (tmp_path / "methods" / "sets_torch_early.py").write_text(at_import)
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    usual = {name: in_float32(name, "dcnv2") for name in ("uniformity", "multi_embedding")}
    wanted = [trial("sets_torch"), *(record.trial for record in usual.values())]
    try:
        early = trial("sets_torch_early")  # imports it
        assert torch.get_default_dtype() == torch.float64
        records = [attempt(TRAIN, one, lambda metrics: None, "cpu", 1) for one in (*wanted, early)]
    finally:
        torch.set_default_dtype(torch.float32)
    changing, *others, last = records
    [note] = [note for note in changing.notes if "changes torch" in note]
    assert note.startswith("sets_torch (or its backbone, dcnv2) changes torch for the whole process: ")
    assert all(words in note for words in CHANGES.values())
    assert [(r.metrics, r.notes) for r in others] == [(r.metrics, r.notes) for r in usual.values()]
    assert last.status == "finished" and last.metrics == in_float32("single_embedding", "dcnv2").metrics, "it trains in float32 too"
    check(trial("sets_torch"))
    with standard_state(None) as changed:
        torch.set_default_dtype(torch.float64)
        assert changed() == ["default dtype from torch.float32 to torch.float64"]
    assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled() and torch.get_num_threads() == 1


def test_data_that_changed_under_a_trial_is_refused() -> None:
    wanted = trial("single_embedding")
    with pytest.raises(UserError, match="start the run again"):
        trained(replace(wanted, cell=replace(wanted.cell, data="0" * 12)))


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.training.memory.free", lambda device: 1000)
    assert trained(trial("constant")).status == "finished", "what is small is not even looked at"
    monkeypatch.setattr("benchmark.training.trial.SURELY_FITS", 0)
    with pytest.raises(UserError, match=r"at least .* GB of memory \(a table of \d+ x 8 numbers .* and 0.00 GB are free"):
        trained(trial("single_embedding"))


@pytest.mark.parametrize("method", ["single_embedding", "ensemble"])
@pytest.mark.parametrize("scale", [10**9, 10**14, 10**25])
def test_a_width_without_bounds_is_refused_before_its_shapes_are_made(method: str, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take memory themselves, a module for each set, and torch cannot count their bytes."""
    monkeypatch.setattr("benchmark.training.trial.assemble", None)
    wide = trial(method, scale=scale)
    assert check(wide) is None and model_of(wide) is None, "the trial says it"
    words = rf"a table of [\d,]+ x {4 * scale:,} numbers takes [\d,.]+ GB of memory, .* 800 rows [\d,.]+ GB; [\d,.]+ GB are free; take a "
    with pytest.raises(UserError, match=words):
        trained(wide)
    needed, said = memory_of(wide) or (0, "")
    assert needed == 4 * 800 * 4 * (4 * scale) and said.startswith("a table of ")
    monkeypatch.setattr("benchmark.training.trial.free", lambda device: 10**40)
    monkeypatch.setattr("benchmark.training.memory.free", lambda device: 10**40)
    with pytest.raises(UserError, match=words):  # one row of that width may fit, but no table
        trained(wide)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(UserError, match="sees no GPU"):
            choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0").index == 0
    with pytest.raises(UserError, match="'cuda:1'; this machine's torch sees 1 GPU, counted from cuda:0"):
        choose_device("cuda:1")


def test_rows_that_are_fields_are_averaged_over_the_same_fields_at_every_layer() -> None:
    """Width 8: of the fields with 3, 8, 40 and 90 values three can fill it. xDeepFM's rows behind layer 0 are feature maps."""
    dcnv2, xdeepfm = (trained(trial("single_embedding", name)).metrics for name in ("dcnv2", "xdeepfm"))
    assert [dcnv2[f"spectral/layer{l}/rows_averaged"] for l in range(5)] == [dcnv2["spectral/table/fields_averaged"]] * 5 == [3.0] * 5
    assert [xdeepfm[f"spectral/layer{l}/rows_averaged"] for l in range(3)] == [3.0, 16.0, 16.0]


def test_logloss_at_its_own_best_epoch() -> None:
    """A training that ends at that epoch has its weights last; the longer one's model is again that of the best AUC."""
    long = trial("single_embedding", "dnn", epochs=6, learning_rate=0.01, patience=8, plateau_factor=1.0)
    kept: list[CTRModel] = []
    record = train(long, resolved(long), lambda metrics: None, "cpu", 1, keep=kept.append)
    losses = [entry["valid/logloss"] for entry in record.curve]
    epoch = record.metrics["logloss_epoch"]
    assert epoch == 1 + losses.index(min(losses)) < record.metrics["best_epoch"], "both are best at once: the test shows nothing"
    short = trained(trial("single_embedding", "dnn", epochs=int(epoch), learning_rate=0.01, patience=8, plateau_factor=1.0))
    assert short.metrics["best_epoch"] == epoch and short.metrics["test/logloss_own_epoch"] == short.metrics["test/logloss"]
    assert record.metrics["test/logloss_own_epoch"] == pytest.approx(short.metrics["test/logloss"], abs=1e-7)
    assert record.metrics["test/logloss_own_epoch"] < record.metrics["test/logloss"]
    test = resolved(long).data.test(torch.device("cpu"))
    assert score(kept[0], test)["logloss"] == record.metrics["test/logloss"]


def test_spectra_and_knock_outs_are_of_a_random_sample_of_validation_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a file may stand in order of time, and its first ones are of the first days alone."""
    looked_at: list[Rows] = []
    for name in ("spectra", "knock_outs"):  # of fewer than 65,536 rows both have all
        whole = getattr(trials, name)

        def kept(model: CTRModel, sample: Rows, *rest: Any, whole: Any = whole) -> Any:
            looked_at.append(sample)
            return whole(model, sample, *rest)

        monkeypatch.setattr(trials, name, kept)
    wanted = trial("roblock", "dnn")
    train(wanted, resolved(wanted), lambda metrics: None, "cpu", 1)
    assert len(looked_at) == 2
    valid = resolved(wanted).data.fold(torch.device("cpu")).valid
    ids, _ = next(valid.batches(len(valid)))
    for sample in looked_at:
        found, _ = next(sample.batches(len(valid)))
        assert len(found) == len(valid) and not torch.equal(found, ids)
        assert torch.equal(*(rows[np.lexsort(rows.T.numpy())] for rows in (found, ids)))


def test_knock_outs_of_another_seed_are_of_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layer spectra of all seeds are of the same ones. Four seeds go over all rows of the sample."""
    looked_at: dict[str, list[Tensor]] = {"spectra": [], "knock_outs": []}
    for name, kept in looked_at.items():

        def found(model: CTRModel, sample: Rows, *rest: Any, kept: list[Tensor] = kept, name: str = name) -> Any:
            kept.append(next(sample.batches(len(sample)))[0])
            return Measured({}, {}) if name == "spectra" else {}

        monkeypatch.setattr(trials, name, found)
    one = trial("roblock", "dnn")
    valid = len(resolved(one).data.fold(torch.device("cpu")).valid)
    monkeypatch.setattr(trials, "QUARTER", valid // 4)
    for seed in range(4):
        assert trained(replace(one, seed=seed)).status == "finished"
    assert all(torch.equal(sample, looked_at["spectra"][0]) for sample in looked_at["spectra"])
    assert torch.equal(torch.cat(looked_at["knock_outs"]), looked_at["spectra"][0])
