"""What each command does: call, print, and say an exit status. Its flags are in benchmark/commandline.py."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import api, commandline, plugins
from benchmark.config import CONTROL, SUITES, Suite, cache_folder, read_suite
from benchmark.discovery import KINDS, SINGULAR, entry
from benchmark.errors import UserError
from benchmark.flags import Settings, dataset_plugin
from benchmark.records import Record, Store
from benchmark.values import plain

if TYPE_CHECKING:
    from benchmark.tracking.place import Stamp


def say(*lines: str) -> None:
    """The end of a command that has done its work: that stands, with its exit status, even if nobody reads of it any more."""
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Let the rest of standard output go nowhere: Python would try it, and complain, once more at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    written = read_suite(parsed.suite)
    if parsed.rungs and not written.grid and (parsed.trials or written.trials) == 1:
        raise UserError(f"run: --rungs stops tuning trials early, and {written.name} has none; add --trials N, or leave --rungs out")
    suite = narrowed(written, parsed)
    if parsed.until_decided != (parsed.max_seeds is not None):
        given, missing = ("--until-decided", "--max-seeds N") if parsed.until_decided else ("--max-seeds", "--until-decided")
        raise UserError(f"run: {given} goes together with {missing}; add it")
    if parsed.until_decided and parsed.seeds is not None:
        raise UserError("run: --until-decided says itself how many seeds a row has; leave --seeds out")
    if parsed.futility is not None and not parsed.until_decided:
        raise UserError("run: --futility ends the seeds of --until-decided --max-seeds N early; add them, or leave it out")
    _check_grid_methods(written, suite)
    room = ("executor", "address", "device", "cpus_per_trial", "gpus_per_trial", "cpus", "gpus", "memory_per_trial")
    shared: dict[str, Any] = {name: getattr(parsed, name) for name in (*room, "max_seeds", "delta", "renew", "reuse")}
    shared["futility"] = parsed.futility or 0.0
    if parsed.dry_run:
        with contextlib.redirect_stdout(sys.stderr):
            text = api.plan(suite, parsed.results, **shared)
        from benchmark.reporting.board import View, folded_text

        say(folded_text(text, View(width=_width())))
        return 0
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the board, whatever a plug-in prints
        summary = api.run(
            suite,
            parsed.results,
            **shared,
            track=not parsed.no_track,
            trial_minutes=parsed.trial_minutes,
        )
    browse = f"{sys.executable} -m benchmark ui --results {parsed.results}"
    from benchmark.reporting.board import View

    say(
        api.leaderboard(parsed.results, delta=parsed.delta, view=View(width=_width())),
        f"\n{summary}",
        f"Records: {Store(parsed.results).folder}   Browse: {browse}",
    )
    return 1 if summary.statuses.get("failed") else 0


def _check_grid_methods(written: Suite, suite: Suite) -> None:
    from benchmark.search.cells import check_grid_methods

    if written.grid:
        check_grid_methods(written, suite)


def narrowed(suite: Suite, parsed: argparse.Namespace) -> Suite:
    """The suite with the axes that the command line replaces; of several products those that have what it names. Raises UserError."""
    axes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in ("datasets", "backbones", "methods", "scales", "depths", "seeds", "trials", "rungs")
        if (value := getattr(parsed, name)) is not None
    }
    if parsed.trials == 1 and parsed.rungs is None and not suite.grid:  # with the tuner goes what stops its trials
        axes["rungs"] = ()

    chosen = _of_products(suite, {axis: axes[axis] for axis in suite.AXES if axis in axes})
    also = tuple({axis: entries for axis, entries in block.items() if axis not in axes} for block in suite.also)
    others = {name: value for name, value in axes.items() if name not in suite.AXES}
    after = dataclasses.replace(suite, **axes, also=also) if chosen is None else dataclasses.replace(chosen, **others)

    # Options of a plug-in that the command line took off the suite's axis go with it; other unknown names stay, to be reported.
    def is_dropped(kind: Any, name: str) -> bool:
        from benchmark.search.cells import covers

        was, left = ({entry for product in one.products() for entry in getattr(product, kind)} for one in (suite, after))
        return covers(kind, was, name) and not covers(kind, left, name)

    options = {kind: {name: v for name, v in by_name.items() if not is_dropped(kind, name)} for kind, by_name in suite.options.items()}
    return dataclasses.replace(after, options=options)


def _of_products(suite: Suite, axes: Mapping[str, Sequence[Any]]) -> Suite | None:
    """The products of a suite that have all that is named of an axis, or some of it, without the others of it; None where there is one
    product, or where something is named that none has: all products then get it.
    """
    if not axes or not suite.also:
        return None
    from benchmark.search.cells import covers

    def has(product: Suite, axis: Any, value: Any) -> bool:
        entries = getattr(product, axis)
        return value != "all" and (value in entries if axis in ("scales", "depths") else covers(axis, entries, value))

    products = suite.products()
    kept = [{axis: [v for v in values if has(product, axis, v)] for axis, values in axes.items()} for product in products]
    whole = [(product, own) for product, own in zip(products, kept, strict=True) if all(own.values())]
    found = {axis: {v for _, own in whole for v in own[axis]} for axis in axes}
    if any(found[axis] != set(values) for axis, values in axes.items()):
        return None

    def of(product: Suite, own: Mapping[str, Sequence[Any]]) -> Suite:
        named: dict[str, Any] = {axis: tuple(values) for axis, values in own.items()}
        return dataclasses.replace(product, also=(), **named)

    left = [of(product, own) for product, own in whole]
    # What one product says of training stands for all: the first must say nothing that another leaves open.
    first = next((one for one in left if all(one.training.keys() <= other.training.keys() for other in left)), None)
    if first is None:
        return None
    also = [{**{axis: getattr(one, axis) for axis in suite.AXES}, "training": one.training} for one in left if one is not first]
    return dataclasses.replace(first, also=tuple(also))


def leaderboard(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.board import View
    from benchmark.reporting.leaderboard import Selection

    for flag in ("columns", "group", "details"):
        if getattr(parsed, flag) and parsed.format in ("csv", "json"):
            raise UserError(f"leaderboard: --{flag} is of a table, and --format {parsed.format} has every number; leave --{flag} out")
    selection = Selection(backbones=tuple(parsed.backbone), scales=tuple(parsed.scale), top=parsed.top)
    view = View(width=_width(), columns=tuple(parsed.columns), grouped=parsed.group, details=parsed.details)
    print(api.leaderboard(parsed.results, dataset=parsed.dataset, format=parsed.format, delta=parsed.delta, selection=selection, view=view))
    return 0


def _width() -> int | None:
    """Of the terminal that standard output is, or that COLUMNS speaks of; None where it goes to a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or os.environ.get("COLUMNS") else None


def export(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.export import export as exported
    from benchmark.reporting.writing import write

    _recorded(parsed.results)
    text = exported(Store(parsed.results), parsed.format, parsed.dataset)
    if parsed.out is None:
        print(text, end="")
    else:
        write(parsed.out, text)
        print(parsed.out)
    return 0


def compare(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    if parsed.folders:
        return _two_folders(parsed)
    from benchmark.reporting.comparison import AUC
    from benchmark.reporting.comparison import compare as compared

    if parsed.format in ("csv", "json"):
        raise UserError(f"compare: --format {parsed.format} is of two folders; of one there is `leaderboard --format {parsed.format}`")
    records, metric = _recorded(parsed.results), parsed.metric or AUC
    print(compared(records, parsed.to or CONTROL, parsed.dataset, parsed.format, metric, width=_width()))
    return 0


def claims(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.claims import claims as claimed
    from benchmark.reporting.claims import found_in

    for store in map(Store, parsed.folders):
        if not store.paths():
            raise UserError(_nothing_in(store))
    found = found_in(parsed.folders, parsed.methods, parsed.delta)
    texts = claimed(found, parsed.delta, parsed.format, _width())
    if parsed.figure is not None:
        from benchmark.reporting.claims_plot import write  # matplotlib: a second

        write(found.findings, parsed.figure)
        texts.append(f"figure: {parsed.figure}")
    print("\n\n".join(texts))
    return 0


def curves(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.curves import curves as recorded

    print("\n\n".join(recorded(_recorded(parsed.results), parsed.metric, parsed.dataset, parsed.format, _width())))
    return 0


def _two_folders(parsed: argparse.Namespace) -> int:
    from benchmark.reporting.board import View
    from benchmark.reporting.two_folders import compare_folders

    if len(parsed.folders) != 2:
        raise UserError(f"compare: name two folders, not {len(parsed.folders)}; the methods of one are compared with --results DIR")
    for flag in ("to", "metric"):
        if getattr(parsed, flag) is not None:
            raise UserError(f"compare: of two folders every cell is compared with itself, by test AUC and logloss; leave --{flag} out")
    a, b = parsed.folders
    if parsed.results != commandline.RESULTS:
        raise UserError(f"compare: {a} and {b} are compared, and --results {parsed.results} would be a third folder; leave --results out")
    if a.resolve() == b.resolve():
        raise UserError(f"compare: {a} and {b} are one folder, of which every cell is itself; name another")
    names = str(a), str(b)
    print(compare_folders(_recorded(a), _recorded(b), names, parsed.dataset, parsed.format, View(width=_width())))
    return 0


def ui(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.tracking.ui import boards, ui_command
    from benchmark.tracking.view import BOARD

    command, environment = ui_command(parsed.results, parsed.host, parsed.port)
    stamp, _ = _tracked(parsed.results)
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    server = f"http://{host}:{parsed.port}"
    found = boards(stamp, server)
    for dataset, address in found.items():
        print(f"leaderboard of {plain(dataset)}: {address}")
    print(f"with figures: {server}{BOARD}")
    print(f"MLflow at {next(iter(found.values()), server)}   (stop with Ctrl-C)", flush=True)
    os.execvpe(command[0], command, environment)


def figures(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.plots import figures as draw

    records = _recorded(parsed.results)
    paths = draw(records, parsed.out or parsed.results / "figures", parsed.format, parsed.width)
    if not paths:
        raise UserError(f"nothing to draw in {Store(parsed.results).folder}: no cell with a backbone has finished yet")
    for path in paths:
        print(path)
    return 0


def report(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.page.report import page
    from benchmark.reporting.writing import write

    _recorded(parsed.results)
    text = page(Store(parsed.results), str(Store(parsed.results).folder), f"{commandline.DISTRIBUTION} {commandline.version()}")
    path = parsed.out or parsed.results / "report.html"
    write(path, text)
    print(f"{path} ({len(text.encode()) / 1e6:.2f} MB)")
    return 0


def boards(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.documents import drawn, written
    from benchmark.reporting.writing import write

    try:
        before = parsed.file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{parsed.file}: not a text in UTF-8") from None
    after = written(before, str(parsed.file), Path())
    figures = {parsed.file.parent / name: content for name, content in drawn(after, str(parsed.file), Path()).items()}
    if parsed.check:
        same = after == before and all(path.exists() and path.read_bytes() == content for path, content in figures.items())
        print(f"{parsed.file}: {'as it would be written' if same else 'its tables or figures are not those of the records; run `boards`'}")
        return 0 if same else 1
    for path, content in figures.items():
        write(path, content)
    write(parsed.file, after)
    for path in (parsed.file, *figures):
        print(path)
    return 0


def power(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.board import View, folded_text
    from benchmark.reporting.power import power as simulated

    if parsed.folders:
        return _decidable(parsed)
    if parsed.figure is not None:
        raise UserError("power: --figure draws recorded boards; name results folders")
    design = parsed.cells, parsed.methods, parsed.max_seeds, parsed.sd, parsed.difference, parsed.delta, parsed.futility
    for part in simulated(*design, parsed.boards, parsed.seed, _width()):
        print(folded_text(part, View(width=_width())), flush=True)
    return 0


def _decidable(parsed: argparse.Namespace) -> int:
    from benchmark.reporting.decidable import decidable_in, table

    usual = commandline.parse(["power"])[0]
    for name in ("cells", "methods", "max_seeds", "sd", "futility", "boards", "seed", "delta"):
        if getattr(parsed, name) != getattr(usual, name):
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"power: {flag} is of boards that are drawn, and results folders are recorded; leave {flag} or the folders out")
    for store in map(Store, parsed.folders):
        if not store.paths():
            raise UserError(_nothing_in(store))
    found = decidable_in(parsed.folders, parsed.difference)
    texts = [table(found, parsed.difference, _width())]
    if parsed.figure is not None:
        from benchmark.reporting.decidable_plot import write  # matplotlib: a second

        write(found, parsed.figure)
        texts.append(f"figure: {parsed.figure}")
    print("\n\n".join(texts))
    return 0


def track(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    if not Store(parsed.results).paths():
        raise UserError(_nothing_in(Store(parsed.results)))
    from benchmark.search.lock import at_work

    if at_work(parsed.results):
        goes_on = "a run is at work in this folder, and writes to MLflow itself unless it has --no-track"
        raise UserError(f"{parsed.results}: {goes_on}; type this again when it has ended")
    _, (written, left_out) = _tracked(parsed.results)
    print(f"{written} records added to the MLflow store")
    return 2 if left_out else 0


def _tracked(results: Path) -> tuple[Stamp, tuple[int, list[str]]]:
    """Bring MLflow up to the records; what was left out is said on stderr. mlflow is imported (for seconds) only where anything changed."""
    from benchmark.tracking.place import Stamp

    store = Store(results)
    stamp = Stamp(store, results)
    if stamp.holds():
        return stamp, (0, [])
    from benchmark.tracking.mlflow_store import rebuild

    written, left_out = rebuild(store, results)
    for line in left_out:
        print(f"error: {plain(line)}", file=sys.stderr)
    return stamp, (written, left_out)


def _recorded(results: Path) -> list[Record]:
    """The records of a results folder. Raises UserError when there are none."""
    found = list(Store(results))
    if not found:
        raise UserError(_nothing_in(Store(results)))
    return found


def _nothing_in(store: Store) -> str:
    return f"no records in {store.folder}; run `python -m benchmark run quick` first, or name another folder"


def status(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.data.store import prepared_names, prepared_with_options

    records = list(Store(parsed.results))
    counts = Counter((record.trial.stage, record.status) for record in records)
    print(f"{len(records)} records in {Store(parsed.results).folder}")
    for (stage, state), count in sorted(counts.items()):
        print(f"  {stage:6}{state:14}{count}")
    for record in records:
        if record.status not in ("finished", "stopped"):
            turn = f"tuning {record.trial.draw}" if record.trial.stage == "tune" else f"seed {record.trial.seed}"
            print(plain(f"  {record.status}: {record.trial.cell}, {turn} ({record.trial_id}): {record.reason}"))
    print(f"prepared data sets in {cache_folder()}: {', '.join([*prepared_names(), *prepared_with_options()]) or 'none'}")
    return 0


def list_plugins(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.data.store import prepared_names, prepared_with_options

    broken = []
    for kind in KINDS:
        print(f"{SINGULAR[kind]}s")
        for name in plugins.names(kind):
            try:
                found = entry(kind, name) or plugins.plugin(kind, name)
                presets = ", ".join(f"{name}:{preset}" for preset in found.presets) if kind == "methods" else ""
                _tell(name, found.summary, found.source, *([f"presets: {presets}"] if presets else []))
            except UserError as error:
                broken.append(str(error))
    print("prepared data sets")
    print("\n".join(f"  {line}" for line in _lines(", ".join([*prepared_names(), *prepared_with_options()]) or "none", 2)))
    print("suites")
    for path in sorted(SUITES.glob("*.toml")):
        _tell(path.stem, read_suite(path.stem).summary)
    for line in broken:
        print(f"error: {line}", file=sys.stderr)
    return 2 if broken else 0


def _tell(name: str, *texts: str) -> None:
    """A name with what is said of it beside it, each text from a line of its own on."""
    for line in (line for text in texts for line in _lines(plain(text), 26)):  # a plug-in's own words
        print(f"  {name:23} {line}")
        name = ""


def _lines(text: str, indent: int) -> list[str]:
    """As many as the terminal makes of the text, ``indent`` characters to its right."""
    width = _width()
    return [text] if width is None else textwrap.wrap(text, max(40, width - indent), break_long_words=False, break_on_hyphens=False) or [""]


def prepare(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.data.files import plain_name
    from benchmark.data.look import Look
    from benchmark.data.prepare import look_at
    from benchmark.data.prepare import prepare as encode
    from benchmark.data.store import folder_of, identity_of
    from benchmark.reporting import data_look

    name = dataset_plugin(parsed.dataset)
    source_path, alias = parsed.source_path, parsed.name
    if source_path is not None and name != parsed.dataset:
        raise UserError(f"prepare: {parsed.dataset} and --from {source_path} are two tables; name one of them")
    if name == "csv":
        if source_path is None and parsed.dataset == "csv":
            raise UserError("prepare csv: name your file, as in `python -m benchmark prepare FILE --label COLUMN`")
        source_path = source_path or Path(parsed.dataset)
        if parsed.allow_checksum_mismatch:
            raise UserError("prepare: of a table of your own no checksum is known; leave --allow-checksum-mismatch out")
        alias = alias or plain_name(source_path)
    if parsed.dry_run:
        if parsed.force:
            raise UserError("prepare: --dry-run writes nothing, and --force writes again what is there; leave one of them out")
        say(data_look.table(look_at(name, settings["dataset"], source_path, parsed.allow_checksum_mismatch, alias)))
        return 0
    before = None if alias is None or parsed.force else identity_of(folder_of(alias, {}))

    def looked(look: Look) -> None:
        say(data_look.table(dataclasses.replace(look, notes=()), data_look.FEW))  # its notes stand in what was prepared

    prepared = encode(name, settings["dataset"], source_path, parsed.allow_checksum_mismatch, alias, parsed.force, looked)
    parts = ", ".join(f"{part} {rows:,}" for part, rows in prepared.rows.items())
    schema = prepared.schema
    gone = []
    made_from = (before or {}).get("files")
    if isinstance(made_from, dict) and made_from != (identity_of(prepared.folder) or {}).get("files"):
        origin = ", ".join(made_from) or f"the data set {(before or {}).get('dataset')}"
        gone = [f"note: it replaces {prepared.name} as made from {origin}; another --name would keep both"]
    say(
        f"{prepared.name}: {parts} rows, {len(schema.fields)} fields, {schema.values:,} values, fingerprint {prepared.fingerprint}",
        *(f"note: {note}" for note in prepared.notes),
        *gone,
        f"train on it: {sys.executable} -m benchmark run quick --datasets {prepared.name}"
        if not prepared.options
        else f"train on it: a suite file with these settings under [options.datasets.{prepared.name}], or give it a --name of its own",
    )
    return 0


def describe(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.data.ensure import ensure_prepared
    from benchmark.reporting.data_description import describe as described

    print(described(ensure_prepared(parsed.dataset, {}), parsed.format))
    return 0


def train(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    if "backbone" not in settings and (parsed.scale != 1 or parsed.depth is not None):
        print(f"note: {parsed.method} has no backbone: --scale and --depth change nothing", file=sys.stderr)
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the record, whatever a plug-in prints
        record = api.train(
            parsed.method,
            parsed.backbone,
            parsed.dataset,
            scale=parsed.scale,
            dimension=parsed.dimension,
            depth=parsed.depth,
            seed=parsed.seed,
            training=settings["training"],
            method_options=settings["method"],
            backbone_options=settings.get("backbone"),
            threads=parsed.threads,
            device=parsed.device,
            results=parsed.results,
            report=None if sys.stderr.isatty() else _say_epoch,  # a terminal has a bar
            interactive=True,
        )
    say(record.to_json().rstrip())
    return 0 if record.status == "finished" else 1


def reproduce(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.reporting.reproduction import again, find, in_words, judged, scores

    recorded, store = find(parsed.record, parsed.results)
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the answer, whatever a plug-in prints
        now = again(recorded, _no_line if sys.stderr.isatty() else _say_epoch, parsed.device, parsed.threads, interactive=True)
    found = scores(recorded, now, store)
    agrees, verdict = judged(recorded, now, found)
    say(in_words(recorded, now, found, verdict, _width()))
    return 0 if agrees else 1


def _no_line(metrics: Mapping[str, float]) -> None:
    """A terminal has a bar."""


def _say_epoch(metrics: Mapping[str, float]) -> None:
    """A line for each epoch, where no bar can be drawn."""
    shown = f"epoch {metrics['epoch']:.0f}: loss {metrics['train/loss']:.5f}, valid AUC {metrics['valid/auc']:.5f}"
    print(f"{shown}, {metrics['samples_per_second']:,.0f} samples/s", file=sys.stderr, flush=True)


def speed(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.speed.command import speed as measured

    measured(parsed)
    return 0


def check(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.checking.check import check as findings

    failed, out = False, sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # standard output is what was found, whatever a plug-in prints
        for finding in findings(parsed.name, commandline.KIND.get(parsed.kind), parsed.origin):
            failed = failed or finding.verdict == "FAILED"
            print(finding, file=out, flush=True)
    return 1 if failed else 0


def new(parsed: argparse.Namespace, settings: dict[str, Settings]) -> int:
    from benchmark.checking.new import write

    say(*write(commandline.KIND[parsed.kind], parsed.name, parsed.folder))
    return 0


COMMANDS: Mapping[str, Callable[[argparse.Namespace, dict[str, Settings]], int]] = {
    "run": run,
    "leaderboard": leaderboard,
    "compare": compare,
    "claims": claims,
    "curves": curves,
    "ui": ui,
    "figures": figures,
    "report": report,
    "export": export,
    "boards": boards,
    "power": power,
    "track": track,
    "status": status,
    "list": list_plugins,
    "prepare": prepare,
    "describe": describe,
    "train": train,
    "reproduce": reproduce,
    "speed": speed,
    "check": check,
    "new": new,
}
