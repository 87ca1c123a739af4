"""The board's columns: how a row reads in each, in whatever form the board has. The same digits on terminal, page, MLflow and in LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.config import NO_BACKBONE

if TYPE_CHECKING:
    from benchmark.reporting.leaderboard import Row

INERT = 0.01  # a dose below which a mitigation does not act on the model
WORDS = {"above": "above", "below": "below", "equal": "level", "undecided": "undecided"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """``text`` is what people read, ``value`` what is sorted and filtered by (None: nothing there)."""

    key: str
    heading: str  # with line breaks where a narrow column wants them
    help: str
    text: Callable[[Row], str]
    value: Callable[[Row], Any]
    numeric: bool = True
    shown: bool = True  # on a page, from the start


def _field(name: str, form: Callable[[Any], str], heading: str, help: str, *, shown: bool = False) -> Column:
    """A column that shows one field of the row."""
    return Column(
        key=name, heading=heading, help=help, text=lambda row: form(getattr(row, name)), value=lambda row: getattr(row, name), shown=shown
    )


def decimals(places: int) -> Callable[[float | None], str]:
    return lambda value: "-" if value is None else format(value, f".{places}f")


def human(value: float | None) -> str:
    """Three significant digits with k, M or G: 1.23M."""
    if value is None:
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def auc(row: Row) -> str:
    """Mean ± standard deviation (seeds); the status of a cell without a test AUC."""
    if row.test_auc_mean is None:
        return row.status
    sd = "" if row.test_auc_sd is None else f" ± {row.test_auc_sd:.5f}"
    failed = "" if row.status == "finished" else f"{row.status}, "
    return f"{row.test_auc_mean:.5f}{sd} ({failed}{row.seeds})"


def delta(row: Row) -> str:
    if row.delta_auc is None:
        return "-"
    half = "" if row.delta_auc_high is None else f" ± {row.delta_auc_high - row.delta_auc:.5f}"
    return f"{row.delta_auc:+.5f}{half}"


def verdict(row: Row) -> str:
    found = getattr(row, "verdict", None)
    return "-" if found is None else WORDS[found]


def acts(row: Row) -> str:
    dose = getattr(row, "acts", None)
    return "-" if dose is None else "inert" if dose < INERT else f"{dose:.2g}"


def placed(value: Callable[[Row], Any]) -> Callable[[Row], Any]:
    """Of a row with a backbone; a sanity row has none, and no size."""
    return lambda row: None if row.backbone == NO_BACKBONE else value(row)


def _text(value: Callable[[Row], Any]) -> Callable[[Row], str]:
    def shown(row: Row) -> str:
        found = value(row)
        return "-" if found is None or found == "" else str(found)

    return shown


def _plain(key: str, heading: str, help: str, value: Callable[[Row], Any], *, numeric: bool = True, shown: bool = True) -> Column:
    return Column(key=key, heading=heading, help=help, text=_text(value), value=value, numeric=numeric, shown=shown)


COLUMNS = (
    _plain("rank", "#", "rank by mean test AUC on this data set", lambda row: row.rank),
    _plain("method", "method", "what is compared; name:preset is a variant", lambda row: row.method, numeric=False),
    _plain("backbone", "backbone", "the model whose interaction layers it works in", placed(lambda row: row.backbone), numeric=False),
    _plain("scale", "scale", "table width over the base dimension", placed(lambda row: row.scale)),
    _plain("depth", "depth", "interaction layers", placed(lambda row: row.depth)),
    _plain("trials", "trials", "tuning trials of the cell; 1: the defaults", lambda row: row.tuning_trials, shown=False),
    _plain(
        "protocol",
        "protocol",
        "six digits for what the suite set away from the defaults",
        lambda row: row.protocol,
        numeric=False,
        shown=False,
    ),
    Column(
        key="auc",
        heading="test AUC\n± sd (seeds)",
        help="mean over seeds ± sample standard deviation (seeds)",
        text=auc,
        value=lambda row: row.test_auc_mean,
    ),
    Column(
        key="delta",
        heading="Δ to SE\n± 95 %",
        help="test AUC less single_embedding's of the same conditions, paired by seed, ± half its 95 % interval",
        text=delta,
        value=lambda row: row.delta_auc,
    ),
    Column(
        key="verdict",
        heading="verdict",
        help="what seeds say of Δ",
        text=verdict,
        value=lambda row: getattr(row, "verdict", None),
        numeric=False,
    ),
    Column(
        key="acts",
        heading="acts",
        help=f"what the mitigation does to the trained model, its dose; inert: below {INERT}",
        text=acts,
        value=lambda row: getattr(row, "acts", None),
    ),
    _field("test_logloss_mean", decimals(5), "log-\nloss", "test logloss, mean over seeds", shown=True),
    _field("information_abundance", decimals(2), "IA\ntable", "information abundance of the fields' tables, Σσ/σ₁"),
    _field("effective_rank_table", decimals(2), "eff.\nrank\ntable", "effective rank of the fields' tables"),
    _field("effective_rank_last", decimals(2), "eff.\nrank\nlast", "effective rank of a batch at the last interaction layer", shown=True),
    _field("flops_per_sample", human, "FLOPs", "of a forward pass, per sample"),
    _field("parameters_table", human, "params\ntable", "parameters of the embedding table"),
    _field("parameters_dense", human, "params\ndense", "all other parameters", shown=True),
    _field("samples_per_second", human, "samples\n/s", "in training, on the machine that ran it"),
    _field("peak_memory_mb", human, "peak\nMB", "of memory in training"),
    _field("valid_auc_mean", decimals(5), "valid\nAUC", "validation AUC, mean over seeds"),
)
