"""Records -> what a page is made of: for each board its lines, and for each line the numbers of its figures and how to repeat it."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from statistics import fmean
from typing import Any, NamedTuple

from benchmark.config import NO_BACKBONE
from benchmark.records import Record
from benchmark.reporting import acting
from benchmark.reporting.colours import colours
from benchmark.reporting.differing import HARDWARE
from benchmark.reporting.group import Group
from benchmark.reporting.groups import PLAIN, batch_ratio
from benchmark.reporting.leaderboard import Row, rows_and_groups
from benchmark.reporting.text import counted, difference_text
from benchmark.reporting.verdicts import in_words, rule_of
from benchmark.singular_values import OF_FIELD, Spectrum, unpacked
from benchmark.values import canonical, to_dict

FIELD = re.compile(r"spectral/table/(.+)/effective_rank_over_gaussian")  # a field's name may hold a slash
COUNTS = ("cores", "threads")
VERSIONS = ("python", "torch", "numpy")


class Filed(NamedTuple):
    fields: dict[str, float]  # field -> effective rank of its table over that of a Gaussian one of its shape, mean over seeds
    spectra: dict[str, Spectrum]  # matrix -> its singular values over the largest, mean over seeds
    spectra_seeds: int  # how many have them in their records
    curves: dict[int, list[tuple[float, float]]]  # seed -> (epoch, validation AUC) of each epoch
    machines: Counter[str]  # a machine, in words -> how many trainings it did
    versions: Counter[str]  # of Python and libraries, likewise


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the board and the trainings behind it."""

    row: Row
    group: Group
    ratio: str  # how the name of the ratio ends by which this board compares methods at one layer, see ``batch_ratio``

    @property
    def family(self) -> str:
        """The method's name without preset."""
        return self.row.method.partition(":")[0]

    @property
    def has_backbone(self) -> bool:
        return self.row.backbone != NO_BACKBONE

    @property
    def place(self) -> str:
        """Backbone, scale and depth in words; empty for a sanity row."""
        return f"{self.row.backbone} · {self.row.scale}× · depth {self.row.depth}" if self.has_backbone else ""

    @property
    def last(self) -> float | None:
        """Effective rank of the batch after the last layer over a Gaussian one's, mean over seeds."""
        last = self.group.last_layer
        values = {} if last is None else self.group.metric(f"spectral/layer{last}/batch/effective_rank{self.ratio}")
        return fmean(values.values()) if values else None

    @cached_property
    def filed(self) -> Filed:
        """What is in the records' files alone: each of them is read once, and a board has thousands."""
        fields: dict[str, list[float]] = defaultdict(list)
        spectra: dict[str, list[Spectrum]] = defaultdict(list)
        known = [record for record in self.group.records if record.status == "finished" and record.singular_values]
        found = Filed({}, {}, len(known), {}, Counter(), Counter())
        for record in self.group.records:
            if record.status == "finished":
                for name, field in _fields(tuple(record.metrics)):
                    fields[field].append(record.metrics[name])
            curve = [(entry["epoch"], entry["valid/auc"]) for entry in record.curve if {"epoch", "valid/auc"} <= entry.keys()]
            found.curves[record.trial.seed] = curve
            if record.status == "incompatible":
                continue  # nothing was trained
            environment = dict(record.environment)
            found.machines[_told(environment, HARDWARE)] += 1
            found.versions[_told(environment, VERSIONS)] += 1
        for record in known:
            for matrix, text in record.singular_values.items():
                spectra[matrix].append(unpacked(text))
        found.fields.update((field, fmean(values)) for field, values in fields.items())
        found.spectra.update((matrix, _mean(of_seeds)) for matrix, of_seeds in spectra.items())
        return found

    @property
    def fields(self) -> dict[str, float]:
        """Field -> effective rank of its table over that of a Gaussian one of its shape, mean over seeds."""
        return self.filed.fields

    @property
    def spectra(self) -> dict[str, Spectrum]:
        """Matrix, as named in records ("table/<field>", "layer0/batch"), -> its singular values over the largest, mean over seeds."""
        return self.filed.spectra

    @property
    def curves(self) -> dict[int, list[tuple[float, float]]]:
        """Seed -> (epoch, validation AUC) of each epoch."""
        return self.filed.curves

    @cached_property
    def layers(self) -> dict[int, list[float]]:
        """Layer -> effective rank of the batch there over a Gaussian one's, the same for all layers, of each seed."""
        found = {n: self.group.metric(f"spectral/layer{n}/batch/effective_rank{PLAIN}") for n in self.group.layers}
        return {layer: list(values.values()) for layer, values in found.items() if values}

    def cost(self, name: str) -> float | None:
        values = self.group.cost(name)
        return fmean(values.values()) if values else None


def _mean(of_seeds: Sequence[Spectrum]) -> Spectrum:
    """At each position; of those that have as many singular values as the first, which are all where the data is the same."""
    size = of_seeds[0].size
    alike = [spectrum.values for spectrum in of_seeds if spectrum.size == size]
    return Spectrum(size, tuple(fmean(values) for values in zip(*alike, strict=True)))


MATRIX = re.compile(r"layer(\d+)/(term/)?batch")


def matrices(found: Iterable[Line]) -> dict[str, str]:
    """The matrices that rows have singular values of, each with its name for people: the whole table, fields in the order of the data
    set, layers, and what each layer adds.
    """
    names = dict.fromkeys(matrix for line in found for matrix in line.spectra)
    layers = {matrix: match for matrix in names if (match := MATRIX.fullmatch(matrix))}
    told = {"table": "all fields"} if "table" in names else {}
    told |= {matrix: matrix.removeprefix(OF_FIELD) for matrix in names if matrix.startswith(OF_FIELD)}
    for matrix, match in sorted(layers.items(), key=lambda entry: (bool(entry[1][2]), int(entry[1][1]))):
        told[matrix] = f"layer {match[1]}" + (" term" if match[2] else "")
    return told


@lru_cache(maxsize=1 << 10)  # thousands of records have the same names
def _fields(metrics: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Name of the metric and of the field."""
    return tuple((name, match[1]) for name in metrics if (match := FIELD.fullmatch(name)))


def lines(records: Iterable[Record]) -> list[Line]:
    """Every row of the boards, in their order, with the trainings behind it."""
    return lines_of(rows_and_groups(records))


def lines_of(found: Sequence[tuple[Row, Group]]) -> list[Line]:
    """The same of boards that are made already."""
    ratios = {label: batch_ratio(group for _, group in members) for label, members in groupby(found, key=lambda entry: entry[0].dataset)}
    return [Line(row=row, group=group, ratio=ratios[row.dataset]) for row, group in found]


def command(line: Line) -> str:
    """What repeats a row: a suite file of its one cell, and the command that runs it, for a shell in the project's folder."""
    cell = line.group.cell
    content: dict[str, Any] = {"datasets": [cell.dataset], "methods": [cell.method]}
    if line.has_backbone:
        content |= {"backbones": [cell.backbone], "scales": [cell.scale], "depths": [cell.depth]}
    content |= {"seeds": 1 + max(r.trial.seed for r in line.group.records), "dimension": cell.dimension}
    content |= {} if cell.grid else {"trials": line.group.budget}
    content |= {"rungs": cell.rungs} if cell.rungs else {}
    options = {"datasets": (cell.dataset, cell.dataset_options), "methods": (cell.method, cell.method_options)}
    options["backbones"] = (cell.backbone, cell.backbone_options)
    tables = {"training": cell.training, **{f"options.{kind}.{_written(name)}": given for kind, (name, given) in options.items()}}
    for name, values in cell.grid.items():
        part, _, setting = name.partition(".")
        table = "grid" if part == "training" else f"grid.methods.{_written(cell.method)}"
        tables[table] = {**tables.get(table, {}), setting: values}
    toml = [f"{key} = {_written(value)}" for key, value in content.items()]
    for name, given in tables.items():
        toml += [f"[{name}]", *(f"{key} = {_written(value)}" for key, value in sorted(given.items()))] if given else []
    return "\n".join(["cat > row.toml <<'END'", *toml, "END", "python -m benchmark run row.toml --results again"])


def _written(value: Any) -> str:
    """As TOML has it, in which a sign beyond 16 bits is no pair of escapes."""
    return json.dumps(value, ensure_ascii=False)


def machines(found: Iterable[Line]) -> dict[str, int]:
    """A machine, in words -> how many trainings it did."""
    return dict(sum((line.filed.machines for line in found), Counter[str]()).most_common())


def versions(found: Iterable[Line]) -> dict[str, int]:
    return dict(sum((line.filed.versions for line in found), Counter[str]()).most_common())


def _told(environment: Mapping[str, str], keys: Sequence[str]) -> str:
    """The entries of an environment in words: counts before their name, the others after it."""
    parts = [
        f"{environment[key]} {key[:-1] if environment[key] == '1' else key}" if key in COUNTS else f"{key} {environment[key]}"
        for key in keys
        if key in environment
    ]
    return ", ".join(parts) or "not recorded"


def palette(found: Iterable[Line]) -> dict[str, str]:
    """Method -> colour, of the finished cells with a backbone: what figures show."""
    return colours(line.row.method for line in found if line.row.status == "finished" and line.has_backbone)


def series(board: Sequence[Line]) -> list[str]:
    """The name of each line in a figure: method; budget and protocol where the board has several of them; and what it was before."""
    budgets, protocols = len({line.row.tuning_trials for line in board}) > 1, len({line.row.protocol for line in board}) > 1

    def name(line: Line) -> str:
        row = line.row
        parts = [row.method, counted(row.tuning_trials, "trial") if budgets else "", row.protocol if protocols else ""]
        return " · ".join(filter(None, [*parts, line.group.earlier]))

    return list(map(name, board))


def about(line: Line) -> list[tuple[str, str]]:
    """What an opened row says, as pairs of name and text."""
    group, trial = line.group, line.group.records[0].trial
    costs = {name: line.cost(name) for name in ("fit_seconds", "epochs", "samples_per_second", "peak_memory_mb")}
    parts = dict.fromkeys(name.rpartition("/")[0] for name in line.row.knock_outs)
    spent = ", ".join(
        f"{_part(name).replace(' mb', ' MB')} {value:,.{0 if value >= 1000 else 1}f}" for name, value in costs.items() if value is not None
    )
    found = [
        ("test AUC by seed", ", ".join(f"{seed}: {value:.5f}" for seed, value in group.metric("test/auc").items())),
        ("why not finished", group.reason),
        ("verdict", _judged(line.row)),
        ("at", "\n".join(dict.fromkeys(frame for record in group.records for frame in record.frames))),
        ("set by the suite", group.overrides),
        ("method", _settings(trial.method)),
        ("backbone", _settings(trial.backbone)),
        ("training", _settings(to_dict(trial.training))),
        ("cost, mean over seeds", spent),
        ("doses: how much each part acts", ", ".join(f"{_part(name)} {dose:.2g}" for name, dose in line.row.doses.items())),
        ("without a part, AUC and logloss", ", ".join(f"{_part(name)} {' '.join(acting.changed(line.row, name))}" for name in parts)),
        ("the model of itself", _by_layer(line.row.internal_state)),
        ("notes", "\n".join(line.row.notes)),
        ("machines", "\n".join(f"{what} ({count})" for what, count in machines([line]).items())),
        ("records", ", ".join(f"{record.trial_id}.json" for record in group.records)),
    ]
    return [(name, text) for name, text in found if text]


def _by_layer(state: Mapping[str, float]) -> str:
    """A line a layer: "layer 0: gate entropy 0.079, …"."""
    layers: dict[str, list[str]] = defaultdict(list)
    for name, value in state.items():
        layer, _, quantity = name.rpartition("/")
        layers[layer.replace("layer", "layer ")].append(f"{_part(quantity)} {value:.3g}")
    ordered = sorted(layers.items(), key=lambda entry: (len(entry[0]), entry[0]))  # 2 before 10
    return "\n".join(f"{layer}: {', '.join(told)}" if layer else ", ".join(told) for layer, told in ordered)


def _part(name: str) -> str:
    return name.replace("_", " ")


def _judged(row: Row) -> str:
    """The verdict with what it rests on."""
    if row.verdict is None:
        return "none: it is inert" if row.inert else ""
    found = in_words(row.verdict, row.more_seeds, row.equal_within)
    if row.more_seeds is not None:
        found += " seed" if row.more_seeds == 1 else " seeds"
    if row.max_seeds is not None:
        found += f", by {rule_of(row.max_seeds, row.futility)}{'; given up' if row.given_up else ''}"
    if row.p_difference is None or row.p_equal is None:
        return found
    pooled = difference_text(row.delta_auc_pooled, row.delta_auc_pooled_high)
    whose = "its own pairs" if row.own_noise else "the cell's methods"
    return (
        f"{found}; Δ {pooled} with the noise of {whose}; after Holm p = {row.p_difference:.2g} (no difference), "
        f"{row.p_equal:.2g} (one of {row.equal_within:g} or more)"
    )


def _settings(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={canonical(value)}" for name, value in options.items())
