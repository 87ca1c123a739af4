"""The commands as a user types them: what they print, what they import, and what a mistake gets."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark import commandline, plugins
from benchmark.__main__ import main
from benchmark.commands import narrowed
from benchmark.config import Suite, read_suite
from benchmark.discovery import Kind
from benchmark.records import NAMED

ROOT = Path(__file__).parents[1]
TINY = """
datasets = ["synthetic"]
methods = ["single_embedding", "constant"]
backbones = ["dcnv2"]
[training]
epochs = 1
batch_size = 512
[options.datasets.synthetic]
rows = 2000
cardinalities = [3, 8, 40]
[options.backbones.dcnv2]
depth = 1
hidden = [16]
"""
BOARD_KEYS = [  # others script against these, in this order
    *("rank", "method", "backbone", "dataset", "scale", "depth", "status", "seeds", "test_auc_mean", "test_auc_sd", "delta_auc"),
    *("test_logloss_mean", "information_abundance", "effective_rank_table", "effective_rank_last"),
    *("parameters_table", "parameters_dense", "samples_per_second"),
]


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def local(suite: Path | str, results: Path, *more: str) -> list[str]:
    return ["run", str(suite), "--executor", "local", "--no-track", "--results", str(results), *more]


def board(results: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["leaderboard", "--results", str(results), "--format", "json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def imported(*arguments: str) -> set[str]:
    """Which of the large packages a command has imported at its end, in a process of its own."""
    code = (
        "import sys; from benchmark.__main__ import main; code = main(sys.argv[1:])\n"
        "print('IMPORTED', *({'ray', 'mlflow', 'polars', 'pandas', 'matplotlib'} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("IMPORTED")]
    return set(line.split()[1:])


# --- what they print


def test_run_prints_the_board_and_again_trains_nothing(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    assert main(local(tiny, results)) == 0
    shown = capsys.readouterr()
    assert "synthetic: 2 of 2 cells finished" in shown.out and "2 finished in" in shown.out
    assert f"ui --results {results}" in shown.out and "[2/2, running 0]" in shown.err
    before = {path: path.read_bytes() for path in results.rglob("*.json")}
    assert main(local(tiny, results)) == 0
    assert "nothing left to train" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in results.rglob("*.json")} == before


def test_the_board_as_json_has_the_promised_keys(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(local(tiny, tmp_path, "--scales", "1", "2", "--seeds", "2")) == 0
    rows = board(tmp_path, capsys)
    assert [list(row)[: len(BOARD_KEYS)] for row in rows] == [BOARD_KEYS] * 3
    assert {(row["method"], row["scale"], row["status"], row["seeds"]) for row in rows} == {
        ("single_embedding", 1, "finished", 2),
        ("single_embedding", 2, "finished", 2),
        ("constant", 1, "finished", 2),
    }
    [constant] = [row for row in rows if row["method"] == "constant"]
    assert constant["test_auc_mean"] == 0.5 and constant["rank"] == 3 and constant["samples_per_second"] is None


def test_train_prints_one_record_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    words = "train --dataset synthetic --method roblock --scale 2 --epochs 1 --depth 2 --seed 3 --threads 1 --device cpu"
    code = main([*words.split(), "--backbone.hidden", "16,16", "--method.hsic_weight", "0.5"])
    record = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {"trial_id", "trial", "status", "metrics", "curve", "cost", "environment", "fingerprints"} <= record.keys()
    assert {"test/auc", "test/logloss", "valid/auc", "spectral/layer2/batch/effective_rank"} <= record["metrics"].keys()
    assert any(re.fullmatch(r"spectral/table/[^/]+/information_abundance", name) for name in record["metrics"])
    assert record["trial"]["seed"] == 3 and record["trial"]["training"]["epochs"] == 1 and len(record["curve"]) == 1
    assert record["trial"]["backbone"]["hidden"] == [16, 16] and record["trial"]["method"]["hsic_weight"] == 0.5


def test_train_says_what_changes_nothing_in_a_sanity_row(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["train", "--method", "constant", "--epochs", "1", "--threads", "1", "--device", "cpu"]
    for flags in (["--scale", "4"], ["--depth", "3"]):
        assert main([*small, *flags]) == 0
        shown = capsys.readouterr()
        assert "note: constant has no backbone: --scale and --depth change nothing" in shown.err
        assert json.loads(shown.out)["trial"]["cell"]["scale"] == 1
    assert main(small) == 0 and "note" not in capsys.readouterr().err


def test_list_shows_every_plugin_with_summary_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    kinds: tuple[Kind, ...] = ("methods", "backbones", "datasets")
    for kind in kinds:
        for name in plugins.names(kind):
            found = plugins.plugin(kind, name)
            assert name in shown and found.summary in shown and found.source in shown


def test_the_list_has_no_lines_and_colours_of_a_plugins_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "mine_coloured.py").write_text('class Mine:\n    summary = "in\\n\\x1b[31mred"\n    source = "me"\n')
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert main(["list"]) == 0
    assert "in \ufffd[31mred\n" in capsys.readouterr().out


def test_the_list_fits_the_terminal_and_says_no_less(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    whole = capsys.readouterr().out
    assert max(map(len, whole.splitlines())) > 80
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list"]) == 0
    folded = capsys.readouterr().out
    assert max(map(len, folded.splitlines())) <= 80 and folded.split() == whole.split()


@pytest.mark.parametrize(
    "command",
    [
        *("", "run", "leaderboard", "ui", "list", "prepare", "status", "train", "track", "figures", "report", "export", "power", "speed"),
        *("check", "new", "compare", "reproduce", "boards"),
    ],
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*([command] if command else []), "--help"])
    assert stopped.value.code == 0 and len(capsys.readouterr().out) > 150


def test_help_of_train_shows_the_knobs_of_what_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--method", "roblock", "--backbone", "xdeepfm", "--help"])
    shown = capsys.readouterr().out
    for flag in ("--learning-rate", "--embedding-l2", "--method.hsic_weight", "--method.deflation", "--backbone.maps"):
        assert flag in shown


def test_a_users_table_from_file_to_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "clicks.csv"
    lines = [f"{(n * 7 % 11 + n % 3) % 2},{n % 11},{'ab'[n % 2]}{n % 3},{n % 17 / 2}" for n in range(600)]
    table.write_text("\n".join(["click,ad,place,price", *lines]) + "\n")
    assert main(["prepare", str(table), "--label", "click", "--numeric", "price", "--name", "my_clicks"]) == 0
    assert "train 480, valid 60, test 60 rows, 3 fields" in capsys.readouterr().out
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'datasets = ["my_clicks"]\nmethods = ["multi_embedding"]\nbackbones = ["xdeepfm"]\nscales = [2]\n[training]\nepochs = 1'
    )
    assert main(local(suite, tmp_path / "results")) == 0
    assert [(row["dataset"], row["status"]) for row in board(tmp_path / "results", capsys)] == [("my_clicks", "finished")]
    assert main(["status", "--results", str(tmp_path / "results")]) == 0
    assert "my_clicks" in capsys.readouterr().out


def test_a_files_name_names_the_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{n % 2},{n % 7}" for n in range(100)]
    names = "2024.01.clicks.csv", "2024.02.clicks.csv.gz", "2024.01.clicks.tsv", "2024.01.clicks.tsv"
    replaced = [False, False, True, False]
    for name, gone in zip(names, replaced, strict=True):
        text = "\n".join(["click,ad", *lines]) + "\n"
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        assert main(["prepare", str(path), "--label", "click", "--separator", ","]) == 0
        shown = capsys.readouterr().out
        assert f"\n{name[:14]}: train 8" in f"\n{shown}"  # where it is encoded, a look at the table comes first
        assert ("note: it replaces 2024.01.clicks as made from 2024.01.clicks.csv; another --name would keep both" in shown) == gone


def test_a_table_that_takes_the_name_of_a_generated_set_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["label,ad", *(f"{n % 2},{n % 7}" for n in range(100))]))
    assert main(["prepare", "synthetic", "--rows", "1000", "--name", "taken"]) == 0 and "it replaces" not in capsys.readouterr().out
    assert main(["prepare", str(path), "--name", "taken"]) == 0
    assert "note: it replaces taken as made from the data set synthetic; another --name" in capsys.readouterr().out


def test_prepare_says_how_to_train_on_a_set_with_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "synthetic", "--rows", "1000"]) == 0
    assert "under [options.datasets.synthetic]" in capsys.readouterr().out.splitlines()[-1]


def test_the_quick_suite_is_what_it_is_said_to_be() -> None:
    suite = read_suite("quick")
    assert suite.datasets == ("synthetic",) and set(suite.scales) == {1, 4} and (suite.seeds, suite.trials) == (1, 1)
    assert set(suite.methods) == {"single_embedding", "multi_embedding", "roblock", "constant", "logistic_regression"}
    assert set(suite.backbones) == {"dcnv2", "xdeepfm", "finalmlp"}
    standard, full = read_suite("standard"), read_suite("full")
    assert (standard.datasets, standard.methods, standard.backbones) == (("synthetic", "frappe_x1"), ("all",), ("all",))
    assert (set(standard.scales), standard.seeds, standard.trials) == ({1, 2, 4, 10}, 3, 8)
    assert {2, 8} <= set(full.depths) and (full.seeds, full.trials) == (5, 16)


# --- what they import


def test_train_imports_neither_ray_nor_mlflow() -> None:
    assert not imported("train", "--epochs", "1", "--threads", "1", "--device", "cpu") & {"ray", "mlflow", "pandas", "matplotlib"}


def test_a_local_run_imports_no_ray_and_untracked_no_mlflow(tiny: Path, tmp_path: Path) -> None:
    assert "ray" not in imported("run", str(tiny), "--executor", "local", "--results", str(tmp_path / "tracked"))
    assert not imported(*local(tiny, tmp_path / "untracked")) & {"ray", "mlflow"}


# --- with Ray and MLflow, as the README has it


def test_a_ray_run_is_recorded_tracked_and_resumed(tiny: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    results = tmp_path / "results"
    command = [sys.executable, "-m", "benchmark", "run", str(tiny), "--results", str(results), "--device", "cpu"]
    outputs = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180) for _ in range(2)]
    assert [done.returncode for done in outputs] == [0, 0], outputs[0].stderr
    assert "2 finished in" in outputs[0].stdout and "nothing left to train" in outputs[1].stdout
    assert all(line.startswith("[") for line in outputs[0].stderr.splitlines()), "nothing but our own lines"
    client = MlflowClient(tracking_uri=f"sqlite:///{results / 'mlflow.db'}")
    [experiment] = [e for e in client.search_experiments() if e.name == "synthetic"]
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["stage"] for run in runs) == ["board", "cell", "cell", "final", "final"]
    records = [json.loads(path.read_text()) for path in (results / "records").glob("*.json")]
    assert {run.data.tags["trial_id"]: run.data.metrics["1 AUC"] for run in runs if run.data.tags["stage"] == "final"} == {
        record["trial_id"]: round(record["metrics"]["test/auc"], 5) for record in records
    }


def test_power_prints_how_often_verdicts_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["power", "--boards", "300", "--cells", "2", "--methods", "2", "--max-seeds", "5"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if line.startswith("no method differs ")]
    assert [line.split()[3:5] for line in lines] == [["5", "seeds"], ["until", "decided"], ["and", "futility"]]
    assert all(float(re.split(r"  +", line)[2]) < 8 for line in lines), "5 % and three standard errors of 300 boards"
    spent = [float(re.split(r"  +", line)[-1]) for line in lines]
    assert spent[0] == 30 and spent[2] < spent[1] <= 30
    assert main(arguments) == 0 and capsys.readouterr().out == shown


@pytest.mark.parametrize("columns", [80, 120])
def test_power_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["power", "--boards", "2"]
    assert main(arguments) == 0
    whole = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= columns
    designs = ("8 seeds ", "until decided ", "and futility 0.05 ")
    cells = [[line.split()[-5:] for line in text.splitlines() if any(name in line for name in designs)] for text in (whole, shown)]
    assert cells[0] == cells[1] and len(cells[0]) == 24
    assert " ".join(whole.split())[-100:] == " ".join(shown.split())[-100:]


def test_a_grid_and_seeds_until_decided_from_the_command_line(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Real trainings: two methods, two values of the embedding L2, at most three seeds."""
    tiny.write_text(TINY.replace("[training]", "[grid]\nembedding_l2 = [0, 1e-3]\n[training]"))
    narrowed = ("--methods", "single_embedding", "multi_embedding", "--scales", "2")
    arguments = local(tiny, tmp_path / "r", "--until-decided", "--max-seeds", "3", "--delta", "0.4", *narrowed)
    assert main(arguments) == 0
    assert "verdicts: " in capsys.readouterr().out
    rows = board(tmp_path / "r", capsys)
    assert {row["tuning_trials"] for row in rows} == {2} and all("training.embedding_l2" in row["won"] for row in rows)
    verdicts = {row["method"]: row["verdict"] for row in rows}
    assert verdicts.keys() == {"single_embedding", "multi_embedding"} and verdicts["single_embedding"] is None
    assert verdicts["multi_embedding"] in ("above", "below", "equal", "undecided") and {row["max_seeds"] for row in rows} == {3}
    assert all(0 < row["test_logloss_own_epoch_mean"] <= 2 for row in rows)
    assert any("winner's curse of 2 tuning trials" in note for row in rows for note in row["notes"])
    assert main(arguments) == 0 and "nothing left to train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "options", "after", "kept"),
    [
        ("roblock vicreg", "roblock vicreg", "all", "roblock vicreg"),  # among "all" are both, with what the suite says of them
        ("all", "roblock vicreg", "single_embedding roblock", "roblock"),
        ("all roblock:all", "roblock roblock:no_hsic", "roblock:all", "roblock:no_hsic"),
        ("vicreg roblock:no_hsic", "vicreg roblock:no_hsic", "roblock:all", "roblock:no_hsic"),
        ("roblock roblock:no_hsic", "roblock roblock:no_hsic", "roblock", "roblock"),
        ("all", "robloc", "roblock", "robloc"),  # a name that no axis had is reported later
    ],
)
def test_options_go_with_what_the_command_line_takes_off_an_axis(before: str, options: str, after: str, kept: str) -> None:
    given: dict[str, dict[str, Any]] = {name: {} for name in options.split()}
    suite = Suite(name="s", datasets=("synthetic",), methods=tuple(before.split()), options={"methods": given})
    parsed = commandline.parser().parse_args(["run", "quick", "--methods", *after.split()])
    assert [*narrowed(suite, parsed).options["methods"]] == kept.split()


PRODUCTS = (
    {"methods": ["single_embedding", "parallel_dnn"], "backbones": ["dcnv2"]},
    {"methods": ["single_embedding"], "scales": [1], "training": {"epochs": 2}},
)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("--backbones dnn", "dnn roblock 10, dnn single_embedding 10, dnn single_embedding 1"),
        ("--backbones dcnv2", "dcnv2 parallel_dnn 10, dcnv2 single_embedding 10"),
        ("--scales 1", "dnn single_embedding 1"),
        ("--methods roblock", "dnn roblock 10"),
        ("--methods single_embedding --scales 10", "dnn single_embedding 10, dcnv2 single_embedding 10"),
        # What no product has all get, as a suite of one product does.
        ("--backbones finalmlp --methods roblock", "finalmlp roblock 10, finalmlp roblock 1"),
        ("--scales 1 4 --methods roblock", "dnn roblock 1, dnn roblock 4, dcnv2 roblock 1, dcnv2 roblock 4"),
    ],
)
def test_a_suite_of_several_products_is_narrowed_to_those_that_have_what_is_named(given: str, left: str) -> None:
    methods, options = ("single_embedding", "roblock"), {"methods": {"roblock": {"epsilon": 0.2}, "parallel_dnn": {}}}
    suite = Suite(name="s", datasets=("synthetic",), methods=methods, backbones=("dnn",), scales=(10,), also=PRODUCTS, options=options)
    after = narrowed(suite, commandline.parser().parse_args(["run", "quick", *given.split()]))
    cells = [
        (f"{backbone} {method} {scale}", product.training.get("epochs", 10))
        for product in after.products()
        for backbone in product.backbones
        for method in product.methods
        for scale in product.scales
    ]
    assert {name for name, _ in cells} == set(left.split(", "))
    assert all((epochs == 2) == name.endswith(" 1") for name, epochs in cells if given == "--backbones dnn")
    assert after.options["methods"].keys() == {name for name in options["methods"] if name in left}


def test_one_trial_takes_the_rungs_with_the_tuner() -> None:
    suite = Suite(name="s", datasets=("synthetic",), trials=8, rungs=(1, 2))
    words = {"--trials 1": (1, ()), "--trials 4": (4, (1, 2)), "--seeds 2": (8, (1, 2)), "--trials 4 --rungs 3": (4, (3,))}
    for given, (trials, rungs) in words.items():
        after = narrowed(suite, commandline.parser().parse_args(["run", "quick", *given.split()]))
        assert (after.trials, after.rungs) == (trials, rungs), given


# --- what a mistake gets


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quik"], "unknown suite 'quik'; did you mean 'quick'?"),
        (["run", "no/such.toml"], "no/such.toml: no such suite file"),
        (["run", "quick", "--methods", "robloc"], "unknown method 'robloc'; did you mean 'roblock'?"),
        (["run", "quick", "--backbones", "dcn"], "unknown backbone 'dcn'; did you mean 'dcnv2'?"),
        (["run", "quick", "--datasets", "frape_x1"], "unknown data set 'frape_x1'; did you mean 'frappe_x1'?"),
        (["run", "quick", "--datasets", "frappe_x1"], "data set frappe_x1 is not prepared"),
        (["run", "quick", "--seeds", "0"], "seeds = 0; it must be at least 1"),
        (["run", "quick", "--scales", "0"], "scales has 0"),
        (["run", "quick", "--until-decided"], "--until-decided goes together with --max-seeds N; add it"),
        (["run", "quick", "--max-seeds", "8"], "--max-seeds goes together with --until-decided; add it"),
        (["run", "quick", "--until-decided", "--max-seeds", "1"], "--max-seeds: 1: it must be a whole number between 2 and 200"),
        (["run", "quick", "--until-decided", "--max-seeds", "8", "--seeds", "3"], "leave --seeds out"),
        (["run", "quick", "--rungs", "1"], "--rungs stops tuning trials early, and quick has none; add --trials N"),
        (["run", "quick", "--device", "cpu", "--gpus-per-trial", "0.5"], "--gpus-per-trial 0.5 needs a GPU, and --device cpu takes none"),
        (["run", "quick", "--executor", "local", "--address", "auto"], "--address auto is of a Ray cluster, and --executor local trains"),
        (["leaderboard", "--format", "csv", "--columns", "auc"], "--columns is of a table, and --format csv has every number"),
        (["leaderboard", "--delta", "0"], "--delta: 0: it must be a number between 1e-06 and 1"),
        (["power", "--boards", "0"], "--boards: 0: it must be a whole number between 1 and 1000000"),
        (["run", "quick", "--scale", "1"], "unrecognized arguments: --scale 1 (see python -m benchmark run --help)"),
        (["run", "quick", "--cpus-per-trial", "0"], "--cpus-per-trial: 0: it must be a number between 0.01 and 4096"),
        (["run", "quick", "--gpus-per-trial", "nan"], "--gpus-per-trial: nan: it must be a number between 0.001 and 4096"),
        (["run", "quick", "--address", "localhost:1"], "--address localhost:1: nobody answers there"),
        (["train", "--threads", "1e9"], "--threads: 1e9: it must be a whole number between 1 and 4096"),
        (["train", "--seed", "-1"], "--seed: -1: it must be a whole number between"),
        (["train", "--learning-rate", "nan"], "--learning-rate = nan; it must be a finite number"),
        (["train", "--backbone.hidden", "16,0"], "hidden = (16, 0); it must be at least 1"),
        (["run", "quick", "--results", "/dev/null/results"], "the results folder cannot be written"),
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--method", "robloc"], "unknown method 'robloc'; did you mean 'roblock'?"),
        (["train", "--method", "multi_embedding", "--method.sets", "3"], "width 10 (scale 1 x dimension 10) is not divisible by 3 sets"),
        (["train", "--learning-rate", "fast"], "--learning-rate = 'fast'; it must be a number"),
        (["train", "--epochs", "0"], "epochs = 0; it must be greater than 0"),
        (["train", "--method.strength", "1"], "(see python -m benchmark train --method single_embedding --backbone dcnv2 --help)"),
        (["train", "--method", "vicreg", "--method.wieght=1"], "--backbone dcnv2 --help); did you mean --method.weight?"),
        (["leaderboard", "--backbones", "dnn"], "(see python -m benchmark leaderboard --help); did you mean --backbone?"),
        (["prepare", "no_such.csv", "--label", "y"], "no_such.csv: no such file"),
        (["prepare", "--name", "mine", "no_such.csv", "--label", "y"], "arguments: --label y; DATASET comes first, as it says which flags"),
        (["prepare", "frappe_x1"], "HF_HUB_OFFLINE forbids downloading it; unset it, or name a folder"),
        (["prepare", "frappe_x1", "--from", "/no/such/folder"], "/no/such/folder: no such file or folder"),
        (["leaderboard", "--results", "/no/such/folder"], "no final training is recorded"),
        (["compare", "/no/such/folder"], "compare: name two folders, not 1"),
        (["compare", "/no/such/folder", "."], "no records in /no/such/folder/records"),
        (["compare", "a", "b", "--to", "roblock"], "every cell is compared with itself, by test AUC and logloss; leave --to out"),
        (["boards", "/no/such/file.md"], "/no/such/file.md: No such file or directory"),
        (["compare", "--format", "csv"], "--format csv is of two folders; of one there is `leaderboard --format csv`"),
        (["ui", "--results", "/no/such/folder"], "no mlflow.db there yet"),
        (["figures", "--results", "/no/such/folder"], "no records in /no/such/folder/records"),
        (["track", "--results", "/no/such/folder"], "no records in /no/such/folder/records"),
        (["status", "--results", "/dev/null"], "the records cannot be read"),
        (["speed", "step", "--rounds", "0"], "speed: --rounds 0; it must be at least 1"),
        (["speed", "step", "--backbones", "dcn", "--rounds", "1"], "unknown backbone 'dcn'; did you mean 'dcnv2'?"),
        (["prepare", "no_label.csv"], "no_label.csv: no such file or folder"),
        (["prepare", "csv", "--label", "y"], "name your file"),
        (["prepare", "/dev/null", "--allow-checksum-mismatch"], "of a table of your own no checksum is known"),
        (["prepare", "synthetic", "--from", "."], "data set synthetic is generated: it takes no --from"),
        (["prepare", "synthetic", "--dry-run", "--force"], "--dry-run writes nothing, and --force writes again what is there"),
        (["train", "--scale", "1000000000"], "a table of 3,837 x 10,000,000,000 numbers takes 767,400.00 GB of memory"),
        (["prepare", "/dev/null", "--label", "y"], "/dev/null: neither a file nor a folder"),
        (["prepare", "a" * 300, "--label", "y"], "File name too long"),
        (["prepare", "a\nb" * 100, "--label", "y"], "a ba b"),
        (["compare", "--results=--"], "--results=--: -- is no value (a folder of that name is ./--)"),
        (["run", "quick", "--results", ""], "argument --results: it is empty; leave it out, or give it a value"),
        (["export", "--format", "csv", "--out="], "argument --out: it is empty"),
        (["prepare", ""], "argument DATASET: it is empty"),
        (["prepare", "x.csv", "--name", ""], "argument --name: it is empty"),
        (["compare", "--to", ""], "argument --to: it is empty"),
        (["ui", "--host", ""], "argument --host: it is empty"),
        (["run", "quick", "--address", ""], "argument --address: it is empty"),
        (["run", "quick", "--methods", "a", "--methods", "b"], "argument --methods: it is given twice, and only one can count"),
        (["prepare", "x.csv", "--numeric", "a", "--numeric", "b"], "argument --numeric: it is given twice"),
        (
            ["train", "--method.hsic_weight", "1", "--method", "roblock", "--method.hsic_weight=1"],
            "--method.hsic_weight: it is given twice",
        ),
        (
            ["describe", "/dev/null"],
            "/dev/null is a file or folder, and no data set yet; `python -m benchmark prepare /dev/null` makes one of it",
        ),
        (["run", "quick", "--datasets", "/dev/null"], "suite quick: /dev/null is a file or folder, and no data set yet"),
        (["prepare", "a.csv", "--from", "b.csv"], "prepare: a.csv and --from b.csv are two tables; name one"),
        (["compare", "a", "b", "--results", "c"], "a and b are compared, and --results c would be a third folder"),
        (["compare", "a", "./a"], "a and a are one folder"),
    ],
)
def test_a_mistake_gets_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if not line.startswith("[")]  # those are of a run's progress
    assert shown.out == "" and len(lines) == 1 and lines[0].startswith("error: ") and words in lines[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 1", "epoch = 1", "unknown key 'epoch'; did you mean 'epochs'?"),
        ('backbones = ["dcnv2"]', 'backbone = ["dcnv2"]', "unknown key 'backbone'; did you mean 'backbones'?"),
        ("hidden = [16]", "hiden = [16]", "[options.backbones.dcnv2]: backbone dcnv2: unknown key 'hiden'; did you mean 'hidden'?"),
        ("[options.backbones.dcnv2]", "[options.backbone.dcnv2]", "unknown kind of plug-in 'backbone'; did you mean 'backbones'?"),
        ("batch_size = 512", 'batch_size = "512"', "batch_size = '512'; it must be of type int"),
        ("epochs = 1", "epochs =", "not valid TOML"),
        ("epochs = 1", "epochs = [1979-05-27]", "epochs = datetime.date(1979, 5, 27); it must be a number"),
        ("epochs = 1", "learning_rate = inf", "it must be a finite number"),
        ("depth = 1", "depth = 0", "depth = 0; it must lie in [1, 1000]"),
        ("[training]", "[grid]\nepochs = [2, 3]\n[training]", "[grid]: epochs is in [training] too; keep one of them"),
        ("[training]", "[grid]\nlearning_rat = [2, 3]\n[training]", "unknown setting 'learning_rat'; did you mean 'learning_rate'?"),
        (
            "[training]",
            "[grid.methods.roblock]\nepsilon = [0.1, 0.2]\n[training]",
            "[grid.methods.roblock]: the suite does not have this method; add it to methods, or take its grid out",
        ),
    ],
)
def test_a_mistake_in_a_suite_file_gets_one_line(
    tiny: Path, old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in TINY
    tiny.write_text(TINY.replace(old, new))
    assert main(local(tiny, tmp_path / "results")) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1 and words in shown and not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["x,y", "1,2"], "there is no column 'label'; name the one with 0 and 1 by --label (columns: x, y)"),
        (["label,x", "1,a", "2,b"], "row 2, column 'label': '2' is no label; a label is 0 or 1"),
        (["label,x", "1,a", "0"], "line 3: 1 cells, but the header has 2 columns"),
        (["label,x", "1,a", "0,b"], "would be empty"),
        ([], "the file is empty"),
    ],
)
def test_a_mistake_in_a_table_gets_one_line(rows: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("\n".join(rows))
    assert main(["prepare", str(table), "--label", "label"]) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1 and words in shown and str(table) in shown


def test_a_broken_plugin_stops_only_those_who_ask_for_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "broken_here.py").write_text("import no_such_module\n")
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert main(local(tiny, tmp_path / "results", "--methods", "broken_here")) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1 and "broken_here.py:1: the plug-in does not import: ModuleNotFoundError" in shown
    assert main(["list"]) == 2, "the others are listed all the same"
    assert "roblock" in capsys.readouterr().out
    assert main(local(tiny, tmp_path / "results")) == 0


def test_a_corrupt_record_is_named_and_kept(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(local(tiny, tmp_path)) == 0
    corrupt = tmp_path / "records" / "000000000000.json"
    corrupt.write_text('{"trial_id": "0000')
    for arguments in (["leaderboard", "--results", str(tmp_path)], local(tiny, tmp_path), ["status", "--results", str(tmp_path)]):
        capsys.readouterr()
        NAMED.clear()  # as in the next command
        assert main(arguments) == 0, "nothing else stops"
        shown = capsys.readouterr().err
        assert len(shown.splitlines()) == 1 and str(corrupt) in shown and "not a record" in shown
    assert len(list((tmp_path / "records").glob("*.json"))) == 3


def test_a_diverging_trial_is_recorded_and_not_on_top(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_text(TINY.replace("epochs = 1", "epochs = 3\nlearning_rate = 1e6"))
    assert main(local(tiny, tmp_path)) == 0
    assert [(row["method"], row["status"], row["rank"]) for row in board(tmp_path, capsys)] == [
        ("constant", "finished", 1),
        ("single_embedding", "diverged", None),
    ]
    assert main(local(tiny, tmp_path)) == 0, "a diverged trial is a result: it is not run again"
    assert "nothing left to train" in capsys.readouterr().out


def foreign(folder: Path, name: str, body: str) -> None:
    """A private method whose build() does what ``body`` says."""
    (folder / "methods").mkdir(exist_ok=True)
    (folder / "methods" / f"{name}.py").write_text(
        "from dataclasses import dataclass\nimport torch\nfrom benchmark.method import Method\nprint('hello from a plug-in')\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Foreign(Method):\n"
        "    summary = 'x'\n    source = 'x'\n"
        "    def build(self, parts):\n"
        f"        {body}\n"
    )


@pytest.mark.parametrize("body", ["raise RuntimeError('boom')", "raise SystemExit(5)"])
def test_a_method_that_fails_does_not_stop_the_others(
    body: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "foreign_raises" if "Runtime" in body else "foreign_exits"
    foreign(tmp_path, name, body)
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert main(local(tiny, tmp_path / "results", "--methods", name, "constant")) == 1
    assert {(row["method"], row["status"]) for row in board(tmp_path / "results", capsys)} == {(name, "failed"), ("constant", "finished")}


def test_the_record_is_all_there_is_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "print('noise'); return parts.model()"
    foreign(tmp_path, "foreign_prints", body)
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert main(["train", "--method", "foreign_prints", "--epochs", "1", "--threads", "1", "--device", "cpu"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["status"] == "finished" and "noise" in shown.err and "hello from a plug-in" in shown.err


def test_a_private_plugin_cannot_take_a_name_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign(tmp_path, "roblock", "pass")
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    assert main(["train", "--method", "roblock"]) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1 and "has this name already; rename the file" in shown


def test_a_copied_record_is_not_another_seed(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(local(tiny, tmp_path)) == 0
    capsys.readouterr()
    assert main(["leaderboard", "--results", str(tmp_path), "--format", "json"]) == 0
    whole = capsys.readouterr().out
    first = sorted((tmp_path / "records").glob("*.json"))[0]
    (tmp_path / "records" / "copy.json").write_bytes(first.read_bytes())
    capsys.readouterr()
    assert main(["leaderboard", "--results", str(tmp_path), "--format", "json"]) == 0
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1 and first.stem in shown.err and "copy.json" in shown.err
    assert shown.out == whole


def test_a_damaged_cache_is_named_or_made_again(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded data set is made again; what a user prepared is named, and the advice helps."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    assert main(local(tiny, tmp_path / "one")) == 0
    [folder] = (tmp_path / "cache" / "datasets").glob("synthetic-*")
    whole = {path.name: path.read_bytes() for path in folder.glob("[!.]*")}
    for name, content in (("counts.npy", b""), ("train.ids.npy", b""), ("schema.json", b'{"version": 1}'), ("schema.json", b"[[[")):
        (folder / name).write_bytes(content)
        assert main(["list"]) == 0 and main(local(tiny, tmp_path / "one")) == 0
        assert {path.name: path.read_bytes() for path in folder.glob("[!.]*")} == whole, name


def test_a_data_set_plugin_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "foreign_data.py").write_text(
        "from dataclasses import dataclass\nfrom typing import ClassVar\nfrom benchmark.sources import DataSet\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Foreign(DataSet):\n"
        "    summary: ClassVar[str] = 'x'\n    source: ClassVar[str] = 'x'\n    embedded: ClassVar[bool] = True\n    kind: str = ''\n"
        "    def load(self, source_path, allow_checksum_mismatch=False):\n        return [1 / 0] if self.kind else None\n"
    )
    monkeypatch.setenv("BENCHMARK_PLUGINS", str(tmp_path))
    for flags, words in ([], "load() must return a Source"), (["--kind", "x"], "ZeroDivisionError"):
        capsys.readouterr()
        assert main(["prepare", "foreign_data", *flags]) == 2
        shown = capsys.readouterr().err
        assert len(shown.splitlines()) == 1 and "data set foreign_data" in shown and words in shown


def test_a_run_goes_on_when_nobody_reads_its_progress(tiny: Path, tmp_path: Path) -> None:
    arguments = " ".join(local(tiny, tmp_path, "--seeds", "3"))
    command = f"{sys.executable} -m benchmark {arguments} 2>&1 | head -n 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("[0/") and len(list((tmp_path / "records").glob("*.json"))) == 6


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_failure_is_told_by_the_exit_status_even_if_nobody_reads(command: str, tiny: Path, tmp_path: Path) -> None:
    foreign(tmp_path, "foreign_unread", "raise RuntimeError('boom')")
    arguments = (
        local(tiny, tmp_path / "results", "--methods", "foreign_unread") if command == "run" else ["train", "--method", "foreign_unread"]
    )
    environment = {**os.environ, "BENCHMARK_PLUGINS": str(tmp_path)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments], cwd=ROOT, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 1 and "BrokenPipe" not in done.stderr
    assert done.stderr.count("Traceback") == (command == "train"), "that of the plug-in's own error, which train shows"


def test_a_terminal_without_greek_gets_the_board_all_the_same(tiny: Path, tmp_path: Path) -> None:
    assert main(local(tiny, tmp_path)) == 0
    command = [sys.executable, "-m", "benchmark", "leaderboard", "--results", str(tmp_path)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=environment)
    assert done.returncode == 0 and done.stderr == b"" and b"? to SE" in done.stdout


def test_a_full_disk_is_one_line(tiny: Path, tmp_path: Path) -> None:
    assert main(local(tiny, tmp_path)) == 0
    command = f"{sys.executable} -m benchmark leaderboard --results {tmp_path} > /dev/full"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == "error: No space left on device\n"


def test_figures_without_anything_to_draw_make_nothing(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(local(tiny, tmp_path, "--methods", "constant")) == 0
    capsys.readouterr()
    assert main(["figures", "--results", str(tmp_path)]) == 2
    assert "nothing to draw" in capsys.readouterr().err and not (tmp_path / "figures").exists()


def test_figures_are_not_put_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "figures"
    place.write_text("mine")
    assert main(["figures", "--results", str(ROOT / "results" / "reference" / "gates"), "--out", str(place)]) == 2
    assert capsys.readouterr().err == f"error: {place}: no figures can be put there (File exists); name another folder with --out\n"
    assert place.read_text() == "mine"


def test_a_bad_record_stops_no_other_on_the_way_to_mlflow(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(local(tiny, tmp_path)) == 0
    (tmp_path / "records" / "bad.json").write_text("{")
    capsys.readouterr()
    assert main(["track", "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "2 records added" in shown.out and len(shown.err.splitlines()) == 1 and "bad.json: not a record" in shown.err


def test_help_says_what_the_settings_of_a_table_mean(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prepare", "mine.csv", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "--label COLUMN column with 0 and 1; default label" in shown and "none given: 8:1:1" in shown and "default none given" not in shown
    )


def test_output_into_a_pipe_that_closes() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = f"{sys.executable} -m benchmark list | head -n 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.stdout == "methods\n" and done.stderr == ""
