"""The board's columns: how a row reads in each, in whatever form the board has: the same digits on terminal, page and in LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchmark.config import NO_BACKBONE
from benchmark.records import INERT
from benchmark.reporting import acting
from benchmark.reporting.text import difference_text, human, mean_text, text
from benchmark.reporting.verdicts import in_words

if TYPE_CHECKING:
    from benchmark.reporting.leaderboard import Row

R = TypeVar("R")  # what a line of the table is of


@dataclass(frozen=True, kw_only=True)
class Column(Generic[R]):
    """``text`` is what people read, ``value`` what is sorted by (None: nothing there).

    rank:  0: never left out; the higher, the sooner where a terminal is narrow
    where: "both": on terminal and page from the start; "terminal"; "asked": where it is asked for
    when:  of a board, whether there is anything to show
    short: what stands in its place where a terminal has no room for it
    """

    key: str
    heading: str  # with line breaks where a narrow column wants them
    text: Callable[[R], str]
    value: Callable[[R], Any]
    help: str = ""
    rank: int = 9
    where: str = "asked"
    numeric: bool = True
    when: Callable[[Sequence[R]], bool] = lambda board: True
    short: Column[R] | None = None

    @property
    def name(self) -> str:
        """The heading in one line."""
        return self.heading.replace("-\n", "").replace("\n", " ")


def _number(key: str, field: str, form: Callable[[Any], str], heading: str, help: str, **more: Any) -> Column[Row]:
    """A column that shows one field of the row."""
    return Column(
        key=key, heading=heading, help=help, text=lambda row: form(getattr(row, field)), value=lambda row: getattr(row, field), **more
    )


def _word(key: str, heading: str, help: str, value: Callable[[Row], Any], **more: Any) -> Column[Row]:
    def shown(row: Row) -> str:
        found = value(row)
        return "-" if found is None or found == "" else str(found)

    return Column(key=key, heading=heading, help=help, text=shown, value=value, **more)


def _five(value: float | None) -> str:
    return text(value, ".5f")


def _two(value: float | None) -> str:
    return text(value, ".2f")


def _any(field: str) -> Callable[[Sequence[Row]], bool]:
    return lambda board: any(getattr(row, field, None) for row in board)


def _several(field: str) -> Callable[[Sequence[Row]], bool]:
    return lambda board: len({getattr(row, field) for row in board}) > 1


def _placed(field: str) -> Callable[[Row], Any]:
    """Of a row with a backbone; a sanity row has none, and no size."""
    return lambda row: None if row.backbone == NO_BACKBONE else getattr(row, field)


def _won(row: Row) -> str:
    return ", ".join(f"{name.partition('.')[2]}={value}" for name, value in row.won.items())


def _verdict(row: Row) -> str:
    """In five letters."""
    return OPEN if row.verdict == "undecided" else row.verdict or in_words(None, None, row.equal_within, row.inert)


OPEN = "open"  # undecided, in short
SHORT: Column[Row] = Column(key="verdict", heading="ver-\ndict", text=_verdict, value=_verdict, numeric=False)
COLUMNS: tuple[Column[Row], ...] = (
    _word("rank", "#", "rank by mean test AUC on this data set", lambda row: row.rank, rank=1, where="both"),
    _word("method", "method", "name, or name:preset for a variant", lambda row: row.method, rank=0, where="both", numeric=False),
    _word("backbone", "backbone", "the model that is mended", _placed("backbone"), rank=0, where="both", numeric=False),
    _word("scale", "scale", "table width over the base dimension", _placed("scale"), rank=0, where="both"),
    _word("depth", "depth", "interaction layers", _placed("depth"), rank=0, where="both"),
    _word(
        "trials",
        "trials",
        "tuning trials; 1: the defaults",
        lambda row: row.tuning_trials,
        rank=1,
        where="both",
        when=_several("tuning_trials"),
    ),
    _word(
        "protocol",
        "protocol",
        "six digits for what is set away from the defaults",
        lambda row: row.protocol,
        rank=1,
        where="both",
        when=_several("protocol"),
    ),
    Column(
        key="auc",
        heading="test AUC\n± sd (seeds)",
        help="mean over seeds ± sample standard deviation (seeds)",
        text=lambda row: mean_text(row.test_auc_mean, row.test_auc_sd, row.status, row.seeds),
        value=lambda row: row.test_auc_mean,
        rank=0,
        where="both",
    ),
    Column(
        key="delta",
        heading="Δ to SE\n± 95 %",
        help="test AUC less single_embedding's of the same conditions, paired by seed, ± half the 95 % interval of these pairs",
        text=lambda row: difference_text(row.delta_auc, row.delta_auc_high),
        value=lambda row: row.delta_auc,
        rank=0,
        where="both",
    ),
    Column(
        key="verdict",
        heading="verdict\n(seeds)",
        help="what the seeds say of Δ; undecided: about how many more would tell",
        text=lambda row: in_words(row.verdict, row.more_seeds, row.equal_within, row.inert),
        value=lambda row: row.verdict or ("inert" if row.inert else None),
        rank=2,
        where="both",
        numeric=False,
        # One seed each tells nothing, and nobody needs a column that says so.
        when=lambda board: any(row.verdict not in (None, "undecided") or row.p_difference is not None for row in board),
        short=SHORT,
    ),
    Column(
        key="acts",
        heading="acts",
        help=f"what the mitigation does to the trained model, its dose; inert: below {INERT}, and no verdict",
        text=lambda row: acting.in_words(row.acts),
        value=lambda row: row.acts,
        rank=3,
        where="both",
        when=lambda board: any(row.acts is not None for row in board),
    ),
    _word("won", "won", "what was chosen of the grid", _won, rank=3, where="both", numeric=False, when=_any("won")),
    _number(
        "unseen",
        "test_auc_unseen_pairs_mean",
        _five,
        "AUC\nunseen\npairs",
        "over test rows whose pair of two fields no training row has",
        rank=4,
        where="both",
        when=_any("test_auc_unseen_pairs_mean"),
    ),
    _number("logloss", "test_logloss_mean", _five, "log-\nloss", "test logloss, mean over seeds", rank=4, where="both"),
    _number(
        "own",
        "test_logloss_own_epoch_mean",
        _five,
        "log-\nloss own\nepoch",
        "at the epoch of the best validation logloss",
        rank=6,
        where="terminal",
        when=_any("test_logloss_own_epoch_mean"),
    ),
    _number("ia", "information_abundance", _two, "IA\ntable", "information abundance of the fields' tables", rank=7, where="terminal"),
    _number("rank_table", "effective_rank_table", _two, "eff.\nrank\ntable", "of the fields' tables", rank=7, where="terminal"),
    _number("rank_last", "effective_rank_last", _two, "eff.\nrank\nlast", "of a batch after the last layer", rank=5, where="both"),
    _number("flops", "flops_per_sample", human, "FLOPs", "of a forward pass, per sample"),
    _number("table", "parameters_table", human, "params\ntable", "parameters of the embedding table", rank=8, where="terminal"),
    _number("dense", "parameters_dense", human, "params\ndense", "all other parameters", rank=6, where="terminal"),
    _number("speed", "samples_per_second", human, "samples\n/s", "in training, on the machine that ran it", rank=9, where="terminal"),
    _number("memory", "peak_memory_mb", human, "peak\nMB", "of memory in training; on a CPU of its process"),
    _number("valid", "valid_auc_mean", _five, "valid\nAUC", "validation AUC, mean over seeds"),
)
KEYS = tuple(column.key for column in COLUMNS)
