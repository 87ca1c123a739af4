"""What a board says, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from benchmark.config import CONTROL
from benchmark.metrics.statistics import rank_correlation
from benchmark.reporting.claims import growths
from benchmark.reporting.group import Group
from benchmark.reporting.groups import whole_methods
from benchmark.reporting.leaderboard import Row
from benchmark.reporting.page.content import Line
from benchmark.reporting.text import counted, mean_text

NAMED = 6  # names that a line holds


def answer(board: Sequence[Line]) -> list[str]:
    """The best row, the verdicts, what has 0 outside its own interval, whether gains grow, and whether less collapse means a better AUC."""
    ranked = [line for line in board if line.row.rank is not None and line.has_backbone]
    if not ranked:
        return []
    apart = len({line.place for line in ranked}) > 1
    best, *level = sorted((line for line in ranked if line.row.rank == ranked[0].row.rank), key=lambda line: line.row.method != CONTROL)
    too = f"; the same: {_names(level, apart)}" if level else ""  # as multi-embedding at scale 1, which is the control
    found = [f"Best mean test AUC: {best.row.method} with {best.place}, {_told(best.row)}{too}."]
    counts = Counter(line.row.verdict for line in ranked if line.row.verdict is not None)
    if counts:
        same = sum(line.row.verdict == "equal" and line.row.delta_auc == 0 == line.row.delta_auc_high for line in ranked)
        words = {"equal": f"equal ({same} of them to the last digit)"} if same else {}
        tally = ", ".join(f"{count} {words.get(verdict, verdict)}" for verdict, count in counts.most_common())
        inert = sum(line.row.inert for line in ranked)
        tally += f"; {inert} inert, without a verdict" if inert else ""
        told = [(word, [line for line in ranked if line.row.verdict == word]) for word in ("above", "below")]
        named = "".join(f" {word.capitalize()}: {_names(lines, apart)}." for word, lines in told if lines)
        how = "with the noise of a cell's methods and Holm's correction over the board"
        found.append(f"Verdicts against {CONTROL} of the same conditions, {how}: {tally}.{named}")
    compared = [line for line in ranked if line.row.delta_auc_low is not None and line.row.delta_auc_high is not None]
    if compared:
        above = [line for line in compared if (line.row.delta_auc_low or 0) > 0]
        below = [line for line in compared if (line.row.delta_auc_high or 0) < 0]
        sides = [
            f"{len(lines)} {word} 0" + (f" ({_names(lines, apart)})" if lines else "")
            for word, lines in (("above", above), ("below", below))
        ]
        of_what = f"{counted(len(compared), 'interval')} of Δ (95 %; test AUC less {CONTROL}'s)"
        found.append(f"Of {of_what}, each row's own and uncorrected, {', '.join(sides)}.")
    found += _growth(ranked)
    found += correlated(board)
    return found


def _growth(ranked: Sequence[Line]) -> list[str]:
    """Whether gains grow with width and with depth, where the board has several."""
    lines = []
    found = growths("", [line.group for line in ranked], ranked[0].row.equal_within)
    for size, word in (("scale", "width"), ("depth", "depth")):
        here = [finding for finding in found if finding.claim == size]
        if here:
            counts = Counter(finding.verdict for finding in here)
            tally = ", ".join(f"{count} {_verb(verdict, count)}" for verdict, count in counts.most_common())
            clear = [f"{f.name}'s {f.verdict} with {f.where}" for f in here if f.verdict in ("grows", "shrinks")]
            told = "; ".join(clear[:NAMED]) + (f" and {len(clear) - NAMED} more" if len(clear) > NAMED else "")
            lines.append(f"Does a gain over {CONTROL} grow with {word}? Of {len(here)}: {tally}." + (f" {told}." if clear else ""))
    return lines


def _verb(verdict: str, count: int) -> str:
    """ "1 grows", "2 grow"."""
    words = {"equal": "equal at both"} | ({} if count == 1 else {"grows": "grow", "shrinks": "shrink"})
    return words.get(verdict, verdict)


def correlated(board: Sequence[Line]) -> list[str]:
    """Spearman's ρ of the last layer's effective rank and AUC over the methods under one condition, where there are enough of them."""
    members = [line.group for line in board if line.row.status == "finished" and line.has_backbone and line.last is not None]
    lasts = {id(line.group): line.last for line in board}
    found = []
    for points in whole_methods(members).values():
        pairs = [(lasts[id(g)] or 0.0, fmean(g.metric("test/auc").values())) for g in points if g.metric("test/auc")]
        rho = rank_correlation([x for x, _ in pairs], [y for _, y in pairs])
        if rho is not None:
            found.append(
                f"Spearman's ρ of the last layer's effective rank and AUC over {len(pairs)} methods, {_where(points[0])}: {rho:+z.2f}."
            )
    return found


def _told(row: Row) -> str:
    return mean_text(row.test_auc_mean, row.test_auc_sd, row.status, row.seeds)


def _where(group: Group) -> str:
    return f"{group.cell.backbone} · {group.cell.scale}× · depth {group.cell.depth}"


def _names(lines: Sequence[Line], apart: bool) -> str:
    """``apart``: whether they are of several backbones, scales and depths; each of these is then said once."""
    by_place: dict[str, list[str]] = {}
    for line in lines[:NAMED]:
        by_place.setdefault(line.place if apart else "", []).append(line.row.method)
    names = [", ".join(methods) + (f" with {place}" if place else "") for place, methods in by_place.items()]
    return "; ".join(names) + (f" and {len(lines) - NAMED} more" if len(lines) > NAMED else "")
