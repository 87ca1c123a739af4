"""The flags of all commands. Settings of plug-ins become flags from their dataclass fields: nobody lists them twice."""

from __future__ import annotations

import argparse
import difflib
import math
import os
import tomllib
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmark.config import CONTROL, DELTA, Precision, Training
from benchmark.discovery import PACKAGE, Kind
from benchmark.errors import UserError
from benchmark.flags import Settings, add_settings, published, read_settings, setting_groups
from benchmark.metrics.looks import FIRST_LOOK, MOST_SEEDS

RESULTS = Path("results")
THREADS = 4096  # more than any machine has
KIND: dict[str, Kind] = {"method": "methods", "backbone": "backbones", "dataset": "datasets"}
FRAPPE_SD = 0.00059  # of a paired difference with DCNv2 at scale 4, five seeds (results/reference/frappe_x1r)
DISTRIBUTION = "embedding-collapse-benchmark"
GIVEN = "flags given"  # in what argparse fills in: those that were met, by the names of their values
# The columns of benchmark/reporting/columns.py, which a help text cannot wait for.
COLUMNS = (
    *("rank", "method", "backbone", "scale", "depth", "trials", "protocol", "auc", "delta", "verdict", "acts", "won", "unseen", "logloss"),
    *("own", "ia", "rank_table", "rank_last", "flops", "table", "dense", "speed", "memory", "valid"),
)
DESCRIPTION = "Compares mitigations of embedding collapse in recommendation (CTR) models under one protocol."


class Once(argparse.Action):
    """Stores a value, as argparse does by default; but there the last of two flags counts, and the first does nothing."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        given = vars(namespace).setdefault(GIVEN, set())
        if option_string is not None and self.dest in given:
            raise argparse.ArgumentError(self, "it is given twice, and only one can count; give it once, with all of its values")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Reports a wrong flag in one line."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        for name in (None, "store"):
            self.register("action", name, Once)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")


class Version(argparse.Action):
    """Looks the version up when it is asked for: that takes as long as all the other flags."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"{DISTRIBUTION} {version()}")
        parser.exit()


def parser() -> Parser:
    """All commands without the plug-ins' own settings, which ``add_settings`` adds when the plug-in is known."""
    top = Parser(prog="python -m benchmark", description=DESCRIPTION, allow_abbrev=False)
    top.add_argument("--version", action=Version, nargs=0, default=argparse.SUPPRESS, help="print name and version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, what: str, details: str = "") -> Parser:
        return commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}. {details}",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    run = command(
        "run",
        "train every cell of a suite that has no record yet, then print the leaderboard",
        "\nThe same command again resumes: finished, diverged and incompatible trials are not repeated, failed ones are.",
    )
    run.add_argument(
        "suite", nargs="?", type=_home, default="quick", help="one that `list` names, or the path of a suite file (.toml); default quick"
    )
    only = ". Of a suite with [[also]] that names them: of its products those alone that have them"
    for axis in ("datasets", "backbones", "methods"):
        run.add_argument(f"--{axis}", nargs="+", metavar="NAME", help=f"replace the suite's {axis}; 'all' stands for every one found{only}")
    run.add_argument("--scales", nargs="+", type=int, metavar="S", help="replace the suite's scales; the table's width is S x dimension")
    run.add_argument("--depths", nargs="+", type=int, metavar="L", help="replace the suite's depths (interaction layers)")
    run.add_argument("--seeds", type=int, metavar="K", help="final trainings of each cell")
    run.add_argument("--trials", type=int, metavar="N", help="tuning trials of each cell; 1: the defaults, nothing tuned")
    run.add_argument(
        "--rungs",
        nargs="*",
        type=_between(int, 1, 10**6),
        metavar="E",
        help="epochs after each of which the better half of a cell's tuning trials goes on, as in --rungs 1 3; without a number: all go on",
    )
    run.add_argument("--executor", choices=("ray", "local"), default="ray", help="Ray Tune, or the same loop in this process (default ray)")
    _device(run)
    run.add_argument(
        "--address", type=_some, metavar="ADDRESS", help="of an existing Ray cluster (ray://…, host:port or auto); default: start one here"
    )
    run.add_argument(
        "--cpus-per-trial",
        type=_between(float, 0.01, THREADS),
        default=1,
        metavar="N",
        help="also the torch threads of a trial (default 1)",
    )
    run.add_argument(
        "--gpus-per-trial",
        type=_between(float, 0.001, THREADS),
        metavar="G",
        help="may be a fraction: 0.25 puts four trials on a GPU (default: 1 where there is one)",
    )
    run.add_argument(
        "--cpus",
        type=_between(int, 1, THREADS),
        metavar="N",
        help="use at most N CPUs of this machine (default: those that affinity, control groups and SLURM_CPUS_PER_TASK leave)",
    )
    run.add_argument("--gpus", type=_between(int, 0, THREADS), metavar="N", help="use at most N GPUs of this machine; 0: none")
    run.add_argument(
        "--trial-minutes",
        type=_between(float, 0.01, 10**6),
        metavar="M",
        help="a trial that takes longer is ended, and its record says failed (default: as long as it takes)",
    )
    run.add_argument(
        "--memory-per-trial",
        type=_between(float, 0.01, 10**6),
        metavar="GB",
        help="of this machine's memory; a trial that needs more ends, and its record says failed (default: with Ray on this machine's "
        "CPUs its memory over the trials at once, else no limit)",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be trained, how long that takes here and what it needs; train and write nothing",
    )
    run.add_argument(
        "--renew",
        action="store_true",
        help="move this suite's records that other code has made into RESULTS/replaced, and train them again",
    )
    run.add_argument(
        "--reuse",
        nargs="+",
        type=_path,
        default=[],
        metavar="DIR",
        help="other results folders: what they have recorded of these cells is copied, and not trained again",
    )
    run.add_argument("--no-track", action="store_true", help="leave MLflow out; `track` can build it later")
    run.add_argument(
        "--until-decided",
        action="store_true",
        help="final seeds where verdicts are open, one more at a time from 2 on, with bounds that allow for the looks; needs --max-seeds",
    )
    run.add_argument(
        "--max-seeds",
        type=_between(int, FIRST_LOOK, MOST_SEEDS),
        metavar="N",
        help="of a row, with --until-decided; it is part of the bounds",
    )
    run.add_argument(
        "--futility",
        type=_between(float, 1e-6, 0.5),
        metavar="P",
        help="with --until-decided: no more seeds for a row once the chance that N decide it is below P, by its difference so far and its "
        "noise; `power` says what that saves and costs",
    )
    _delta(run)
    _results(run)

    board = command("leaderboard", "print the board of the recorded trials")
    board.add_argument("--dataset", type=_some, metavar="NAME", help="only this data set")
    board.add_argument(
        "--backbone", nargs="+", default=[], metavar="NAME", help="only these backbones; ranks stay those of the whole board"
    )
    board.add_argument("--scale", nargs="+", type=int, default=[], metavar="S", help="only these scales")
    board.add_argument("--top", type=_between(int, 1, 10**9), metavar="N", help="only the first N rows of each board")
    board.add_argument(
        "--columns", nargs="+", default=[], choices=COLUMNS, metavar="NAME", help=f"of the table, in this order: {', '.join(COLUMNS)}"
    )
    board.add_argument("--group", action="store_true", help="a block for each backbone, scale and depth")
    board.add_argument("--details", action="store_true", help="also what models say of themselves, layer by layer")
    board.add_argument("--format", choices=("table", "markdown", "csv", "json"), default="table")
    _delta(board)
    _results(board)

    against = command(
        "compare",
        "print differences with intervals, ranks over cells, costs, and how spectra go with AUC; or what differs between two folders",
        "\nOf one folder (--results) methods are compared with --to. Of two, A and B, every cell is compared with itself:"
        "\nrecords of another machine, or of another version of the code.",
    )
    against.add_argument("folders", nargs="*", type=_path, metavar="A B", help="two results folders")
    against.add_argument("--to", type=_some, metavar="METHOD", help=f"of one folder: what differences are taken to (default {CONTROL})")
    against.add_argument(
        "--metric",
        type=_some,
        metavar="NAME",
        help="of one folder: what is compared, as records name it, e.g. spectral/layerlast/batch/effective_rank (default test/auc)",
    )
    against.add_argument("--dataset", type=_some, metavar="NAME", help="only this data set")
    against.add_argument(
        "--format", choices=("table", "markdown", "csv", "json"), default="table", help="csv and json: of two folders, every number"
    )
    _results(against)

    claimed = command(
        "claims",
        "say whether mitigating collapse pays, and whether its gain grows with width and with depth",
        f"\nOf one results folder or several: each method's difference to {CONTROL} at the greatest width, and how much greater it is there"
        "\nthan at the smallest width or depth, paired by seed, with intervals and verdicts.",
    )
    claimed.add_argument("folders", nargs="*", type=_path, default=[Path("results")], metavar="DIR", help="default results")
    claimed.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="default: all")
    claimed.add_argument("--format", choices=("table", "markdown"), default="table")
    claimed.add_argument("--figure", type=_path, metavar="FILE", help="draw it, too: a .svg, .png or .pdf of up to six methods")
    _delta(claimed)

    curve = command(
        "curves",
        "print what is recorded after each epoch, over the seeds of each cell: scores, and what a model says of its own state",
        "\nA row an epoch that all seeds reached: their mean, standard deviation, and the first over the second."
        "\nAs in: curves --metric gate_entropy_moved        how far RoBlock's gates are from their start, by layer",
    )
    curve.add_argument(
        "--metric", default="valid/auc", metavar="NAME", help="of a curve, as records name it, or how that ends (default valid/auc)"
    )
    curve.add_argument("--dataset", type=_some, metavar="NAME", help="only this data set")
    curve.add_argument("--format", choices=("table", "markdown"), default="table")
    _results(curve)

    ui = command("ui", "browse the MLflow leaderboard", "Brings the MLflow store up to date with the records first.")
    ui.add_argument("--host", type=_some, default="127.0.0.1")
    ui.add_argument("--port", type=int, default=5000)
    _results(ui)

    figures = command("figures", "draw the board: AUC against scale, cost and effective rank, spectra, differences as a forest plot")
    figures.add_argument("--out", type=_path, metavar="DIR", help="where the files go (default RESULTS/figures)")
    figures.add_argument("--format", nargs="+", choices=("png", "pdf", "svg"), default=["png"], help="default png")
    figures.add_argument("--width", choices=("page", "column"), default="page", help="column: to be read in a paper's column, 3.35 inches")
    _results(figures)

    report = command("report", "write the board, its figures and what repeats each row as one HTML file to send")
    report.add_argument("--out", type=_path, metavar="FILE", help="default RESULTS/report.html")
    _results(report)
    documents = command(
        "boards",
        "write the tables and figures of docs/boards.md, or of another document, again from the records",
        "\nA table stands between two markers, of which the first names the command that prints it; the text around is left alone:"
        "\n\n    <!-- benchmark: compare --results results/reference/collapse | Test AUC less -->\n    <!-- end -->"
        "\n\nWhat stands after a | is how the titles of the tables begin that are wanted; of leaderboard there is | table, of figures"
        "\n| forest, | pareto and so on, and of claims and power | figure: an SVG file in images/ beside the document.",
    )
    documents.add_argument("file", nargs="?", type=_path, default=Path("docs/boards.md"), metavar="FILE", help="default docs/boards.md")
    documents.add_argument("--check", action="store_true", help="write nothing; the exit status is 1 if it is not as it would be written")

    power = command(
        "power",
        "simulate boards: how often verdicts are wrong, how often they come, and how many seeds they take",
        "\nBoards are drawn at random with the noise given; the rules are those of `leaderboard` and `run --until-decided`."
        "\nWith results folders nothing is drawn: it says what the noise of their cells lets one see, and what --difference takes there.",
    )
    power.add_argument("folders", nargs="*", type=_path, metavar="DIR", help="results, as in: power results/reference/*")
    power.add_argument("--cells", type=_between(int, 1, 1000), default=4, metavar="C", help="of a board (default 4)")
    power.add_argument("--methods", type=_between(int, 1, 1000), default=4, metavar="M", help="of a cell, beside the control (default 4)")
    power.add_argument("--max-seeds", type=_between(int, FIRST_LOOK, MOST_SEEDS), default=8, metavar="N", help="of a row (default 8)")
    power.add_argument(
        "--sd", type=_between(float, 1e-9, 1), default=FRAPPE_SD, help=f"of a paired difference in AUC (default {FRAPPE_SD:g}, Frappe's)"
    )
    power.add_argument(
        "--difference", type=_between(float, 1e-9, 1), default=0.0005, metavar="D", help="in AUC, whose power is printed (default 0.0005)"
    )
    power.add_argument(
        "--futility", type=_between(float, 1e-6, 0.5), default=0.05, metavar="P", help="of `run`, for the third design (default 0.05)"
    )
    power.add_argument("--boards", type=_between(int, 1, 10**6), default=10_000, metavar="B", help="drawn at random (default 10000)")
    power.add_argument("--seed", type=_between(int, 0, 2**63 - 1), default=0, help="of the draw")
    power.add_argument("--figure", type=_path, metavar="FILE", help="of results folders: draw it, too, as .svg, .png or .pdf")
    _delta(power)

    export = command(
        "export",
        "print the results for a paper or another program",
        "\nlatex:     a booktabs table a data set, the best AUC of each cell in bold, and what is not told apart from it"
        "\nbencheval: a line a training: method, task, seed, metric_error (1 - AUC), time_train_s, time_infer_s"
        "\ncsv:       every number of the board, and the ids of its trainings",
    )
    export.add_argument("--format", choices=("latex", "bencheval", "csv"), required=True)
    export.add_argument("--dataset", type=_some, metavar="NAME", help="only this data set")
    export.add_argument("--out", type=_path, metavar="FILE", help="write there instead of printing")
    _results(export)

    _results(command("track", "build the MLflow store from the records; what is there already is left alone"))
    _results(command("status", "say what is recorded, what went wrong, and which data sets are prepared"))
    command("list", "show methods, backbones, data sets and suites, with their sources")

    speed = command(
        "speed",
        "measure throughput of training and of data",
        "\npeers: this suite, FuxiCTR and DeepCTR-Torch on the same work, in turns on the CPU; sets up the peers' environment on first use."
        "\nstep:  this suite's training step, with each optimisation switched off in turn, in other precisions, and by CowClip's rules."
        "\nparts: where that step's time goes, by part of the model, forward and backward."
        "\nmethods: a training step of each method over single embedding's of the same width."
        "\nscale: how the cost grows with scale, depth, batch, table, rows and sets; a table and a figure."
        "\ndata:  encoding a made-up table like Criteo's, beside FuxiCTR's preprocessing; opening it; batches."
        "\nrecords: board, MLflow's store and the start of a run where thousands of trials are recorded; beside another checkout."
        "\nstream: training on rows that are drawn meanwhile (data set teacher), in turns with training on prepared ones."
        "\nverdict: a whole board, from the first tuning trial to the verdicts: every draw and seed to its end, and as --rungs and"
        "\n       --until-decided with --futility 0.05 have it. The default, suite `verdict`, takes hours."
        "\ngpu:   steps at Criteo's shape, an epoch of 33 million rows, evaluation, on a GPU; one JSON file. On a CPU with tiny sizes.",
    )
    speed.add_argument("what", choices=("peers", "step", "parts", "methods", "scale", "data", "records", "stream", "verdict", "gpu"))
    speed.add_argument(
        "--backbones",
        nargs="+",
        metavar="NAME",
        help="default: dcnv2, xdeepfm and finalmlp; of methods and scale: dcnv2; of stream: dnn and dcnv2; verdict: replace the suite's",
    )
    speed.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME",
        help="of step, parts and stream: default single_embedding; of methods: default every one that has a backbone; verdict: replace the "
        "suite's",
    )
    speed.add_argument("--dimensions", nargs="+", type=int, metavar="D", help="base dimensions (default 10)")
    speed.add_argument("--scale", type=int, metavar="S", help="of the model; of scale: where it is not varied (default 1; of methods: 4)")
    speed.add_argument("--batch", type=int, metavar="B", help="rows of a batch (default 4096)")
    speed.add_argument("--batches", type=int, metavar="N", help="of one turn; rows = batch x batches (default 6; of stream: 120)")
    speed.add_argument("--shape", choices=("small", "criteo"), help="12 fields with 12,000 values, or 39 with 2 million (default small)")
    speed.add_argument("--precision", choices=typing.get_args(Precision), help="of step, parts, methods, scale and stream (default fp32)")
    speed.add_argument("--compile", action="store_true", help="step: also through torch.compile")
    speed.add_argument("--threads", type=_between(int, 1, THREADS), metavar="N", help="torch threads of every contestant (default 2)")
    speed.add_argument("--rounds", type=int, metavar="R", help="turns of each contestant (default 5)")
    speed.add_argument("--rows", nargs="+", type=int, metavar="N", help="data: sizes of the table (default 1000000)")
    speed.add_argument("--no-peers", action="store_true", help="data: without FuxiCTR, whose environment takes minutes to set up")
    speed.add_argument("--count", type=int, metavar="N", help="records: how many (default 2000)")
    speed.add_argument("--against", type=_path, metavar="DIR", help="records, verdict: another checkout of this project, measured too")
    speed.add_argument("--suite", type=_home, metavar="SUITE", help="verdict: one that `list` names, or a suite file (default verdict)")
    speed.add_argument("--datasets", nargs="+", metavar="NAME", help="verdict: replace the suite's data sets")
    speed.add_argument("--scales", nargs="+", type=int, metavar="S", help="verdict: replace the suite's scales")
    speed.add_argument("--trials", type=int, metavar="N", help="verdict: replace the suite's number of tuning trials")
    speed.add_argument("--seeds", type=int, metavar="K", help="verdict: replace the suite's number of seeds")
    speed.add_argument(
        "--side", choices=("before", "now"), help="verdict: measure this one alone and leave it in --out, where a later call finds it"
    )
    speed.add_argument(
        "--out",
        type=_path,
        metavar="PATH",
        help="scale: folder of the PNG files (default results/figures); gpu: the file (gpu.json); verdict: keep the records there",
    )
    _device(speed, default=None)

    check = command(
        "check",
        "test a method, a backbone or a data set against its contract, a line for each result",
        "\nok: kept; note: worth knowing; FAILED: to be mended, with file and line. The exit status is 1 if anything failed.",
    )
    check.add_argument("name", metavar="NAME", help="one that `list` names; of a method also a preset, as in roblock:no_hsic")
    check.add_argument("--kind", choices=KIND, help="of the plug-in, where several have the name")
    check.add_argument("--from", dest="origin", type=_path, metavar="PATH", help="files of a data set that is not generated")

    new = command("new", "write the file of a new plug-in, which passes `check` and says in comments how to go on")
    new.add_argument("kind", choices=KIND)
    new.add_argument("name", metavar="NAME", help="of the file and the plug-in: small letters, digits and _")
    new.add_argument("--in", dest="folder", type=_path, metavar="FOLDER", help="a private folder of plug-ins (default: this project's own)")

    prepare = command(
        "prepare",
        "encode a data set into the cache (BENCHMARK_CACHE, default .cache)",
        "\nDATASET is a name of `list`, or the path of a table of your own: a file (CSV, TSV, JSON lines, libsvm, libffm, Parquet, Arrow;"
        "\ntext also as .gz, .zst, .xz, .bz2), a folder with train, valid and test, one of part files, or a pattern in quotation marks."
        "\nSettings of the data set are flags too: `python -m benchmark prepare DATASET --help` shows them.",
    )
    prepare.add_argument("dataset", type=_home, metavar="DATASET")
    prepare.add_argument("--from", dest="source_path", type=_path, metavar="PATH", help="file or folder that holds the data")
    prepare.add_argument("--name", type=_some, help="name under which your own file is found later (default: the file's name)")
    prepare.add_argument(
        "--allow-checksum-mismatch", action="store_true", help="take files that are not the official ones; every board says so"
    )
    prepare.add_argument("--force", action="store_true", help="encode again even if it is there")
    prepare.add_argument(
        "--dry-run", action="store_true", help="look at the first rows, say what each column would become, and write nothing"
    )

    described = command(
        "describe", "print what is in a prepared data set: rows, fields, how often values occur, what validation has not seen"
    )
    described.add_argument("dataset", metavar="DATASET")
    described.add_argument("--format", choices=("table", "markdown", "csv", "json"), default="table")

    train = command(
        "train",
        "train and test one trial in this process and print its record as JSON",
        "\nEvery setting is a flag. Those of the method and the backbone start with --method. and --backbone.;"
        "\n`python -m benchmark train --method roblock --backbone xdeepfm --help` shows them.",
    )
    train.add_argument("--dataset", default="synthetic", metavar="NAME")
    train.add_argument("--method", default="single_embedding", metavar="NAME")
    train.add_argument("--backbone", default="dcnv2", metavar="NAME")
    train.add_argument("--scale", type=int, default=1, metavar="S", help="table width = S x dimension (default 1)")
    train.add_argument("--dimension", type=int, default=10, metavar="D", help="base dimension (default 10)")
    train.add_argument("--depth", type=int, metavar="L", help="interaction layers (default: the backbone's own)")
    train.add_argument("--seed", type=_between(int, 0, 2**63 - 1), default=0)
    train.add_argument("--threads", type=_between(int, 1, THREADS), metavar="N", help="torch threads (default: torch's own choice)")
    _device(train)
    train.add_argument("--results", type=_path, metavar="DIR", help="also store the record there")

    again = command(
        "reproduce",
        "train a recorded trial again and say whether it agrees; nothing is stored",
        "\nIt agrees where AUC and logloss differ by no more than the standard deviation over the seeds of its cell in the folder,"
        f"\nor by {DELTA:g} where there are not two of them. The exit status is 1 if it does not.",
    )
    again.add_argument(
        "record", type=_home, metavar="RECORD", help="the id of a trial in --results, or its beginning, or the path of a record file"
    )
    again.add_argument("--threads", type=_between(int, 1, THREADS), metavar="N", help="torch threads (default: as many as the record had)")
    again.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto: the CPU for a record of a CPU, else the GPU where there is one",
    )
    _results(again)
    return top


def version() -> str:
    """As installed; of a checkout that is not installed, what its pyproject.toml says; of a mere copy of the package, "unknown"."""
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        project = PACKAGE.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]) if project.is_file() else "unknown"


def _between(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: it must be a {'whole ' * (kind is int)}number between {low} and {high}")
        return value

    return number


def _some(text: str) -> str:
    """Not empty, as "$NAME" is where the shell does not know NAME."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; leave it out, or give it a value (of a path, . is this folder)")
    return text


def _home(text: str) -> str:
    """The text with the home folder in the place of a ~ or ~NAME at its start: no shell puts it there in --results=~/runs."""
    found = os.path.expanduser(_some(text))
    if found.startswith("~"):
        raise argparse.ArgumentTypeError(f"{text}: no home folder is known of that name; write the whole path, or ./{text}")
    return found


def _path(text: str) -> Path:
    return Path(_home(text))


def _results(command: Parser) -> None:
    command.add_argument("--results", type=_path, default=RESULTS, metavar="DIR", help="folder of the records (default results)")


def _delta(command: Parser) -> None:
    command.add_argument(
        "--delta",
        type=_between(float, 1e-6, 1),
        default=DELTA,
        metavar="D",
        help=f"test AUC within which a row is equal to its control (default {DELTA:g})",
    )


def _device(command: Parser, default: str | None = "auto") -> None:
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default=default, help="auto: the GPU where there is one (default)")


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Settings]]:
    """The command, and the settings of plug-ins by group ("training", "method", "backbone", "dataset"). Raises UserError."""
    for word in arguments:
        if word.startswith("--") and word.endswith("=--"):  # Python 3.11's argparse makes an empty list of the value
            raise UserError(f"python -m benchmark: {word}: -- is no value (a folder of that name is ./--)")
    first = parser()
    wants_help = {"-h", "--help"} & set(arguments)
    if arguments[:1] == ["train"] or (arguments[:1] == ["prepare"] and len(arguments) > 1 and not arguments[1].startswith("-")):
        known, _ = first.parse_known_args([a for a in arguments if a not in wants_help])
        groups = setting_groups(known)
        command = _of(first, known.command)
        for prefix, (title, owner) in groups.items():
            add_settings(command, prefix, title, owner, published(known) if owner is Training else {})
        parsed = _all_known(first, arguments)
        return parsed, {prefix.strip(".") or _unnamed(known): read_settings(parsed, prefix, owner) for prefix, (_, owner) in groups.items()}
    return _all_known(first, arguments), {}


def _all_known(first: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Points to the help of the command itself when a flag is unknown."""
    parsed, unknown = first.parse_known_args(arguments)
    if unknown:
        prog = f"{first.prog} {parsed.command}"
        if parsed.command == "prepare" and all(map(os.path.exists, unknown)):  # the shell has put them in place of a pattern
            raise UserError(f"{prog}: {1 + len(unknown)} files; name their folder, or put a pattern in quotation marks, as in 'logs/*.csv'")
        words = f"{prog}: unrecognized arguments: {' '.join(unknown)}"
        if parsed.command == "prepare" and arguments[1].startswith("-"):
            raise UserError(f"{words}; DATASET comes first, as it says which flags there are: {prog} DATASET {arguments[1]} …")
        near = difflib.get_close_matches(unknown[0].partition("=")[0], _of(first, parsed.command)._option_string_actions, n=1)
        of = f" --method {parsed.method} --backbone {parsed.backbone}" if parsed.command == "train" else ""  # whose settings there are
        raise UserError(f"{words} (see {prog}{of} --help){f'; did you mean {near[0]}?' if near else ''}")
    return parsed


def _of(first: Parser, name: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    commands = next(action for action in first._actions if isinstance(action, argparse._SubParsersAction))
    found: argparse.ArgumentParser = commands.choices[name]
    return found


def _unnamed(known: argparse.Namespace) -> str:
    return "training" if known.command == "train" else "dataset"
