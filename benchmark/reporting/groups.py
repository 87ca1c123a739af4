"""Blocks of records -> groups, and what is said of several groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import fsum
from pathlib import Path

from benchmark.blocks import Block, blocks_of_records
from benchmark.config import NO_BACKBONE
from benchmark.records import Record, Store
from benchmark.reporting import acting
from benchmark.reporting.group import AGAIN, Group, code_versions, settings_of
from benchmark.reporting.text import counted
from benchmark.search.former import TodaysWords, settings_now
from benchmark.values import canonical, one_of, to_dict

Key = tuple[str, int, tuple[str, ...]]  # cell key, budget, names of the method's settings
FEWEST = 5  # methods under one condition that a rank correlation is taken over; presets of one file are one method
REPEATED, PLAIN = "_over_repeated_gaussian", "_over_gaussian"  # see batch_ratio


def stores_named(folders: Iterable[Path]) -> dict[str, Store]:
    """Results folders by their names, or by their paths where names are alike."""
    each = list(dict.fromkeys(folders))
    names = Counter(folder.name for folder in each)
    return {folder.name if folder.name and names[folder.name] == 1 else str(folder): Store(folder) for folder in each}


def blocks_of(records: Iterable[Record]) -> list[Block]:
    """Of a folder of records, without making them, or of records."""
    return records.blocks() if isinstance(records, Store) else blocks_of_records(records)


def groups(records: Iterable[Record], audit: Mapping[str, float] | None = None) -> list[Group]:
    """The groups of the final trainings among ``records``, in a fixed order. A data set of which there are several versions among the
    records is labelled ``name@fingerprint``, so that they never share a board. ``audit``: cell key -> dose measured afterwards; None: what
    the folder of the records has of it.
    """
    return groups_of(blocks_of(records), acting.audited(records) if audit is None else audit)


def boards_named(dataset: str | None, labels: Iterable[str], where: str) -> list[str]:
    """Labels of boards, each once, that the name of a data set means: a label itself, or all of ``name@fingerprint``; None: all of them.

    Raises UserError, which begins with ``where``, for a name that no board has.
    """
    known = list(dict.fromkeys(labels))
    if dataset is None:
        return known
    wanted = one_of("data set", dataset, {*known, *(label.split("@")[0] for label in known)}, where)
    return [label for label in known if wanted in (label, label.split("@")[0])]


def groups_of(blocks: Iterable[Block], audit: Mapping[str, float]) -> list[Group]:
    """See ``groups``."""
    found: dict[Key, list[Block]] = defaultdict(list)
    versions: dict[str, set[str]] = defaultdict(set)
    settings: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for block in blocks:
        trial = block.first.trial
        if trial.stage == "final":
            # A method that has got a setting since is another contestant, whatever the cell says: its default may have changed with it.
            found[trial.cell.key, trial.budget, settings_of(trial)].append(block)
            versions[trial.cell.dataset].add(trial.cell.data)
            settings[trial.cell.key].add(settings_of(trial))
    result = []
    for (key, budget, names), members in _taken_together(found).items():
        cell = members[0].first.trial.cell
        label = cell.dataset if len(versions[cell.dataset]) == 1 else f"{cell.dataset}@{cell.data}"
        chosen = _one_configuration(members)
        left_out = sum(len(block.seeds) for block in members) - sum(len(block.seeds) for block in chosen)
        lacks, had = other_settings(cell.method, names, settings[key])
        named = Group(label=label, cell=cell, budget=budget, blocks=chosen, lacks=lacks, had=had)
        result.append(replace(named, left_out=left_out, audited=audit.get(key)))
    return sorted(_with_grids(result), key=lambda g: (g.label, str(g.cell), g.budget, g.cell.key, _earlier(g), g.lacks, g.had))


def other_settings(method: str, names: Sequence[str], versions: Collection[Sequence[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a group: what its method has got since, and what it has lost since. ``versions``: names of settings of all groups of its cell.

    By the plug-in of today; where there is none of that name, methods are taken to get settings, as they mostly do, and to lose none.
    """
    if len(versions) == 1:
        return (), ()
    either = set[str]().union(*versions)
    now = settings_now(method)
    now = either if now is None else now
    return tuple(sorted(either & now - {*names})), tuple(sorted({*names} - now - set(names).intersection(*versions)))


def _earlier(group: Group) -> int:
    """In how many settings its method was another than today."""
    return len(group.lacks) + len(group.had)


def _taken_together(found: Mapping[Key, list[Block]]) -> Mapping[Key, list[Block]]:
    """The same, where trainings of before and after a method got a setting are of one group if they mean the same: a suite that pins the
    former defaults adds seeds to such records. The group goes by the words of the older ones, as its board's other rows do. Trainings of
    the same seed stay apart, but for one that failed: the other is the same one trained again.
    """
    settings: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for (*_, names), members in found.items():
        settings[members[0].first.trial.cell.method].add(names)
    alike: dict[str, list[Key]] = defaultdict(list)  # cells that differ in their method's settings alone
    for key, members in found.items():
        cell = members[0].first.trial.cell
        if len(settings[cell.method]) > 1:  # of hardly any method, and else no plug-in has to be imported
            alike[canonical([to_dict(replace(cell, method_options={})), key[1]])].append(key)
    whole = dict(found)
    words = TodaysWords()
    for keys in alike.values():
        same: dict[tuple[str, tuple[str, ...]], list[Key]] = defaultdict(list)
        for key in sorted(keys, key=lambda key: len(key[2])):
            now = words.of(found[key][0].first.trial)
            same[now.cell.key, settings_of(now)].append(key)
        for oldest, *others in same.values():
            for key in others:
                older, newer = whole[oldest], found[key]
                if _seeds(older, failed=False).isdisjoint(_seeds(newer, failed=False)):
                    del whole[oldest], whole[key]
                    left = _unless_again(older, _seeds(newer))
                    oldest = oldest if left else key
                    whole[oldest] = left + _unless_again(newer, _seeds(older, failed=False))
    return whole


def _seeds(blocks: Iterable[Block], failed: bool = True) -> set[int]:
    """``failed``: with those that failed."""
    return {seed for block in blocks if failed or block.first.status != "failed" for seed in block.seeds}


def _unless_again(blocks: Iterable[Block], again: set[int]) -> list[Block]:
    """The blocks without trainings that failed of the seeds ``again``."""
    kept: list[Block] = []
    for block in blocks:
        if block.first.status != "failed" or again.isdisjoint(block.seeds):
            kept.append(block)
        else:
            kept += blocks_of_records(record for record in block.records if record.trial.seed not in again)
    return kept


def _with_grids(found: Sequence[Group]) -> list[Group]:
    """The same, with ``names_grid``: of a method on a board for all its groups or for none, so that it has one name in all cells."""
    own = {group.cell.method for group in found if group.own_grid}
    alike: dict[tuple[str, ...], set[str]] = defaultdict(set)  # all that is said of a group, the grid apart -> cell keys
    for group in found:
        if group.cell.method in own:
            said = canonical(group.cell.method_options), group.earlier
            alike[group.label, group.cell.method, group.conditions, *said].add(group.cell.key)
    several = {(label, method) for (label, method, *_), keys in alike.items() if len(keys) > 1}
    return [replace(g, names_grid=True) if g.own_grid and (g.label, g.cell.method) in several else g for g in found]


def batch_ratio(board: Iterable[Group]) -> str:
    """How the names end of the ratio that the batch matrices of a whole board have, so that none mixes two: to Gaussian rows that repeat as
    the sample's do, or, where a record was made before there was that one, to a plain Gaussian matrix.
    """
    for group in board:
        for name in (f"spectral/layer{layer}/batch/effective_rank" for layer in group.layers):
            if any(name + PLAIN in r.metrics and name + REPEATED not in r.metrics for r in group.finished):
                return PLAIN
    return REPEATED


def mixed(board: Sequence[Group]) -> dict[tuple[str, str], list[str]]:
    """Conditions and row -> notes on what is mixed on the board: code, the rows that layers' spectra are of, and seeds."""
    code, samples, seeds = mixed_code(board), mixed_samples(board), mixed_seeds(board)
    found = {}
    for group in board:
        key = group.conditions, group.row
        found[key] = [note for note in (code.get(group.cell.backbone), samples.get(key), seeds.get(key)) if note is not None]
    return found


def mixed_code(board: Iterable[Group]) -> dict[str, str]:
    """Backbone -> a note, where the rows of a board that have it were trained by different versions of its code: their differences are
    not the methods' alone.
    """
    members: dict[str, list[Block]] = defaultdict(list)
    for group in board:
        members[group.cell.backbone] += [block for block in group.blocks if block.first.status != "incompatible"]  # which has no numbers
    found = {}
    for backbone, blocks in members.items():
        parts: dict[str, int] = {}
        for what, n in code_versions(blocks).items():  # "backbone" and "backbone_code": two kinds of digest, of older and of newer records
            if not what.startswith("method"):
                part = what.partition("_")[0]
                parts[part] = max(n, parts.get(part, 0))
        if parts:
            words = " and ".join(f"{n} versions of the {what} code" for what, n in sorted(parts.items()))
            which = "sanity rows" if backbone == NO_BACKBONE else f"rows with {backbone}"
            found[backbone] = f"the {which} come from {words}; {AGAIN}"
    return found


def mixed_samples(board: Iterable[Group]) -> dict[tuple[str, str], str]:
    """Conditions and row -> the board's note, where layers' spectra that stand in one column are of different validation rows: of the first
    ones of the file in earlier records, of rows drawn at random since.

    Records tell by what repeated Gaussian rows reach: behind layer 0 that is one number, a function of the layer's width and of how often
    each instance stands among the rows. Where no instance stands there twice it is the same of any rows, and nothing is known.
    """
    found: dict[tuple[str, float], dict[float, list[Group]]] = defaultdict(lambda: defaultdict(list))
    for group in board:
        name = f"spectral/layer{group.layers[-1]}/batch/effective_rank" if group.layers and group.layers[-1] > 0 else ""
        values, plain, repeated = (group.metric(name + ending) for ending in ("", PLAIN, REPEATED))
        for seed in (seed for seed, value in values.items() if value and seed in plain and seed in repeated):
            width, sample = (float(f"{values[seed] / ratios[seed]:.8g}") for ratios in (plain, repeated))
            found[group.cell.data, width][sample].append(group)
    mixed = [samples for samples in found.values() if len(samples) > 1]
    told = set()
    for samples in mixed:
        counts = sorted(map(len, samples.values()), reverse=True)
        scales = tuple(sorted({group.cell.scale for members in samples.values() for group in members}))
        told.add((scales, f"{', '.join(map(str, counts[:-1]))} and {counts[-1]} trainings at scale {', '.join(map(str, scales))}"))
    what = "the layers' spectra, eff. rank last among them, are of different validation rows, and differ for that reason, too"
    note = f"{what}: {'; '.join(words for _, words in sorted(told))}; {AGAIN}"
    return {(group.conditions, group.row): note for samples in mixed for members in samples.values() for group in members}


def mixed_seeds(board: Iterable[Group]) -> dict[tuple[str, str], str]:
    """Conditions and row -> a note, where a row lacks seeds of those that it is ranked with: their means are not of the same ones."""
    found: dict[str, dict[str, set[int]]] = defaultdict(dict)
    for group in board:
        if group.status == "finished" and group.cell.backbone != NO_BACKBONE and (seeds := group.metric("test/auc")):
            found[group.conditions][group.row] = set(seeds)
    note = "rows of one backbone, scale and depth have different seeds: means and ranks are over each row's own, Δ over those of both"
    every = {conditions: set[int]().union(*rows.values()) for conditions, rows in found.items()}
    return {(conditions, row): note for conditions, rows in found.items() for row, seeds in rows.items() if seeds < every[conditions]}


def by_conditions(all_groups: Iterable[Group], method: str) -> dict[str, Group]:
    """Conditions -> the method's group under them; the one with today's default hyper-parameters where there are several."""
    found: dict[str, Group] = {}
    for group in all_groups:
        if group.cell.method == method and (group.conditions not in found or _set_apart(group) < _set_apart(found[group.conditions])):
            found[group.conditions] = group
    return found


def by_size(group: Group) -> tuple[str, int, int]:
    """What cells are ordered by: backbones by name, scales and depths as numbers, 2 before 10; sanity rows first."""
    return ("", 0, 0) if group.cell.backbone == NO_BACKBONE else (group.cell.backbone, group.cell.scale, group.cell.depth)


def _set_apart(group: Group) -> tuple[bool, bool, int]:
    """How far a group is from its method's defaults of today: set by the suite, chosen of a grid, of other settings than those of today."""
    return bool(group.cell.method_options), bool(group.own_grid), _earlier(group)


def uncompared(board: Iterable[Group], control: str) -> Iterable[str]:
    """How many cells of a board of finished ones, sanity rows left out, are compared with nothing, and why."""
    members = list(board)
    controls = by_conditions(members, control)
    bases = [(group, controls.get(group.conditions)) for group in members if group.cell.backbone != NO_BACKBONE]
    seeds = [(group.metric("test/auc").keys(), base.metric("test/auc").keys()) for group, base in bases if base is not None]
    reasons = {
        f"{control} has not finished under the same conditions": len(bases) - len(seeds),
        f"there is no seed in common with {control}": sum(own.isdisjoint(others) for own, others in seeds),
    }
    yield from (f"not compared: {count} of {counted(len(bases), 'cell')}, since {why}" for why, count in reasons.items() if count)


def whole_methods(all_groups: Iterable[Group]) -> dict[str, list[Group]]:
    """Conditions -> their groups, presets left out, where there are at least ``FEWEST``: what a rank correlation is taken over.

    Methods that give the same numbers count as one, the first: with one set multi-embedding and its controls are single embedding.
    """
    found: dict[str, dict[object, Group]] = defaultdict(dict)
    for group in all_groups:
        if group.is_whole_method:
            numbers = tuple(sorted(group.metric("test/auc").items()))
            found[group.conditions].setdefault(numbers or group.row, group)
    return {conditions: list(members.values()) for conditions, members in found.items() if len(members) >= FEWEST}


def _one_configuration(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The seeds of one set of hyper-parameters: a cell tuned twice must not count a seed twice, nor mix two winners.

    Taken is the set with the most finished seeds, then the better mean validation AUC: never a choice on test data. One of which all failed
    goes behind one that did not finish for reasons of its own, with which a run goes on (search/cell_state.py).
    """
    words = TodaysWords() if len({len(block.first.trial.method) for block in blocks}) > 1 else None
    sets: dict[str, list[Block]] = defaultdict(list)
    for block in blocks:
        trial = block.first.trial if words is None else words.of(block.first.trial)
        sets[f"{trial.settings} {trial.draw}"].append(block)

    def merit(key: str) -> tuple[int, float, bool, str]:
        finished = [block for block in sets[key] if block.first.status == "finished"]
        count = sum(len(block.seeds) for block in finished)
        valid = [value for block in finished for value in block.metrics.of("valid/auc").values()]
        return count, fsum(valid) / count if count else 0.0, any(block.first.status != "failed" for block in sets[key]), key

    return tuple(sorted(sets[max(sets, key=merit)] if len(sets) > 1 else blocks, key=lambda block: block.seeds[0]))
