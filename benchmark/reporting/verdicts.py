"""Groups -> the verdict on each against its control, and what a board says of its noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from benchmark.config import CONTROL
from benchmark.metrics.noise import Noise, Pool, cell_noise, less_noise, unequal_noise
from benchmark.metrics.power import LARGEST, MOST, seeds_to_tell
from benchmark.metrics.verdicts import LEVEL, Compared, Judgement, Key, futile, judge
from benchmark.reporting.group import Group

AUC = "test/auc"
NARROW = 0.05  # level, Bonferroni's over the rows of a cell, of the test that one varies less than the noise of its verdict says
UNEVEN = 0.01  # p below which a board speaks of it
SHOWN = (0.001, 0.0005, 0.0003)  # differences in AUC of which a board says how many seeds they take


def verdicts(board: Iterable[Group], controls: Mapping[str, Group], delta: float) -> tuple[dict[Key, Judgement], set[Key]]:
    """Conditions and row -> verdict, of the finished rows that have a seed in common with a finished control; Holm's rule goes over all.

    And those of them that were given up: undecided rows that `run --futility P` gives no more seeds, with the P that they were trained by.
    """
    rows = compared_rows(board, controls)
    compared = {
        conditions: Compared(
            controls[conditions].metric(AUC),
            {group.row: group.metric(AUC) for group in members},
            {group.row: group.max_seeds for group in members if group.max_seeds is not None},
        )
        for conditions, members in rows.items()
    }
    chances = {(conditions, group.row): group.futility for conditions, members in rows.items() for group in members if group.futility}
    given_up = {key for chance in set(chances.values()) for key in futile(compared, delta, chance) if chances.get(key) == chance}
    return judge(compared, delta), given_up


def uneven(board: Iterable[Group], controls: Mapping[str, Group], judged: Mapping[Key, Judgement]) -> dict[str, str]:
    """Conditions -> a note, where the methods of a cell are unequally noisy: which rows are judged by their own pairs, whether the others,
    whose verdicts take one noise for all, still differ in it, and whose own pairs vary less. ``board``, ``judged``: as in, and of,
    ``verdicts``: a row that does next to nothing has nearly its control's numbers, which is no noise of its own.
    """
    found = {}
    for conditions, members in compared_rows(board, controls).items():
        alone = [group for group in members if judged[conditions, group.row].own_noise]
        quiet = [group for group in alone if judged[conditions, group.row].quiet]
        loud = [group for group in alone if group not in quiet]
        said = []
        if len(loud) == len(members):
            said.append(f"{CONTROL} is noisier than the rest: every row is judged by its own pairs")
        elif loud:
            one, several = (
                "is noisier than the rest, and judged by its own pairs",
                "are noisier than the rest, and judged by their own pairs",
            )
            said.append(f"{_names(loud)} {_of(loud, f'{one}, the others without it', f'{several}, the others without them')}")
        if quiet:  # nothing of the others: their noise is without these rows, but for cells where that would be smaller
            judged_by = _of(quiet, "it is judged by its own pairs", "they are judged by their own pairs")
            said.append(f"the pairs of {_names(quiet)} vary far less than the rest's: {judged_by}")
        if len(alone) < len(members):
            alike = (controls[conditions], *(group for group in members if group not in alone))
            p = unequal_noise({group.row: group.metric(AUC) for group in alike})
            if p < UNEVEN:
                who = "others" if alone else "methods"
                said.append(f"the {who} differ in noise (Bartlett, p = {p:.1g}), and verdicts take one noise for all of them")
        control = controls[conditions]
        narrow = [group for group in members if group not in alone and _narrow(group, control, judged, len(members))]
        if narrow:
            read = f"read {_of(narrow, 'its interval', 'their intervals')}, too (docs/mathematics.md, 5.1)"
            said.append(f"the own pairs of {_names(narrow)} vary less than the noise that verdicts take; {read}")
        if said:
            cell = members[0].cell
            found[conditions] = f"{cell.backbone}, scale {cell.scale}, depth {cell.depth}: {'; '.join(said)}"
    return found


def _names(groups: Iterable[Group]) -> str:
    return ", ".join(dict.fromkeys(group.cell.method for group in groups))


def _of(groups: Sequence[Group], one: str, several: str) -> str:
    return one if len(groups) == 1 else several


def _narrow(group: Group, control: Group, judged: Mapping[Key, Judgement], rows: int) -> bool:
    """Whether a row's own pairs vary less than the noise of its verdict says, as where its mitigation hardly changes what is trained."""
    judgement = judged[group.conditions, group.row]
    pool = Pool((judgement.sd or 0.0) ** 2 / 2, judgement.df or 0, 0)
    return less_noise(paired(group, control), pool) * rows <= NARROW


def paired(group: Group, control: Group) -> list[float]:
    """Test AUC less the control's with the same seed, of the seeds that both have."""
    mine, others = group.metric(AUC), control.metric(AUC)
    return [mine[seed] - others[seed] for seed in sorted(mine.keys() & others.keys())]


def noise_of(control: Group, rows: Iterable[Group]) -> Noise:
    """Of the cell that a control and its rows are."""
    return cell_noise({group.row: group.metric(AUC) for group in (control, *rows)}, control.row)


def compared_rows(board: Iterable[Group], controls: Mapping[str, Group]) -> dict[str, list[Group]]:
    """Conditions -> the finished rows that have a seed in common with a finished control. Others cannot be compared, and count nowhere."""
    rows: dict[str, list[Group]] = defaultdict(list)
    for group in board:
        control = controls.get(group.conditions)
        if control is None or control.status != "finished" or group.status != "finished" or group.cell.method == CONTROL:
            continue
        if not group.metric(AUC).keys().isdisjoint(control.metric(AUC)):
            rows[group.conditions].append(group)
    return rows


def in_words(verdict: str | None, more_seeds: int | None, delta: float, inert: bool = False) -> str:
    """ "above", "equal within ±0.0003", "undecided: about 12 more" (seeds), "inert"; "-" where there is nothing to compare with."""
    if verdict == "equal":
        return f"equal within ±{delta:g}"
    if verdict == "undecided" and more_seeds is not None:
        return f"undecided: about {more_seeds} more"
    return verdict or ("inert" if inert else "-")


def noise(sds: Sequence[float], comparisons: int) -> list[str]:
    """What the noise of a board lets one see; ``sds`` are of a paired difference, one a row. Nothing where there is none."""
    sd = (sum(value**2 for value in sds) / len(sds)) ** 0.5 if sds else 0.0
    if not sd:
        return []
    spread = f" ({min(sds):.5f} to {max(sds):.5f} in the cells)" if max(sds) > min(sds) else ""
    lines = [f"noise: sd of a paired difference {sd:.5f}{spread}; seeds that show a difference with power .8: {_seeds(sd, LEVEL)}"]
    if comparisons > 1:
        lines.append(f"by the strictest step of Holm's rule over the {comparisons} comparisons: {_seeds(sd, LEVEL / comparisons)}")
    return lines


def _seeds(sd: float, level: float) -> str:
    needed = {difference: seeds_to_tell(difference, sd, level) for difference in SHOWN}
    return ", ".join(f"{seeds_text(n)} for {difference:g}" for difference, n in needed.items())


def seeds_text(n: int) -> str:
    """What ``seeds_to_tell`` and ``seeds_to_equate`` give, in words where no number is enough."""
    return str(n) if n < MOST else f"over {LARGEST}"


def rule_of(max_seeds: int | None, futility: float) -> str:
    """How a row's verdict was come to, in words."""
    if max_seeds is None:
        return "one test of all seeds"
    until = f", unless the chance of a verdict fell below {futility:g}" if futility else ""
    return f"looks after each seed, up to {max_seeds}{until}"
