"""Where a training step's time goes, by part of the model, forward and backward apart."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from benchmark.errors import UserError
from benchmark.nn.decoupler import Decoupler
from benchmark.nn.model import AssembledModel
from benchmark.nn.rebalance import RankOneRebalance
from benchmark.nn.router import Router
from benchmark.speed.contestants import Ours
from benchmark.speed.workload import Workload

REST = "everything else"
# Methods of modules that are parts of their own, wherever in a model they are; forward where nothing is said.
OF_BLOCKS: dict[tuple[type[nn.Module], str], str] = {
    (RankOneRebalance, "leading"): "rebalancing: Gram matrix, power iteration",
    (Decoupler, "forward"): "orthogonal map (Cayley)",
    (Decoupler, "penalty"): "HSIC",
    (Router, "forward"): "gates, components, maps",
    (Router, "_update"): "running rms of the gates' input",
}
Spent = dict[tuple[str, str], float]


@dataclass
class Clock:
    """Adds up what the parts of one turn take. A part within a part is not the outer one's; a node of the graph is its maker's.

    now: seconds. With one thread those that the thread computed for, which other processes do not lengthen.
    """

    now: Callable[[], float]

    def __post_init__(self) -> None:
        self.spent: Spent = defaultdict(float)
        self._inner = [0.0]  # of each open part, what parts within it took
        self._known: set[Any] = set()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = self.now()
            result = function(*args, **kwargs)
            took = self.now() - started
            self.spent[part, "forward"] += took - self._inner.pop()
            self._watch(part, _nodes(result), _nodes((args, kwargs)))
            self._inner[-1] += self.now() - started  # with the watching: it is nobody's
            return result

        return call

    def _watch(self, part: str, nodes: list[Any], before: list[Any]) -> None:
        """The nodes between are the part's, but for those of parts within it."""
        seen = {None, *before}
        while nodes:
            node = nodes.pop()
            if node in seen:
                continue
            seen.add(node)
            nodes.extend(earlier for earlier, _ in node.next_functions)
            if node not in self._known and not node.name().endswith("AccumulateGrad"):
                self._known.add(node)
                started: list[float] = []
                node.register_prehook(lambda _, started=started: started.append(self.now()))
                node.register_hook(lambda *_, started=started: self._add(part, self.now() - started.pop()))

    def _add(self, part: str, seconds: float) -> None:
        self.spent[part, "backward"] += seconds


def _nodes(tensors: Any) -> list[Any]:
    return [t.grad_fn for t in tree_leaves(tensors) if isinstance(t, Tensor)]


@contextlib.contextmanager
def watched(ours: Ours, clock: Clock) -> Iterator[None]:
    """Within it the parts of a contestant's model, and its optimisers, are timed."""
    model: Any = ours.model
    if not isinstance(model, AssembledModel):
        raise UserError(f"speed parts: {ours.name} is not made of table and interaction layers; leave the method out")
    interaction: Any = model.interaction
    plain = getattr(interaction, "plain", interaction)
    timed: list[tuple[Any, str, str]] = [
        (model.embedding, "forward", "table"),
        (interaction, "forward", "copies and sums between parts"),
        *((layer, "forward", "interaction layers") for layer in getattr(plain, "layers", ())),
        *((getattr(plain, part), "forward", part) for part in ("readout", "head") if hasattr(plain, part)),
        *((optimizer, "step", "optimiser") for optimizer in ours.optimizers),
    ]
    for module in interaction.modules():
        timed += [(module, method, part) for (kind, method), part in OF_BLOCKS.items() if isinstance(module, kind)]
    with contextlib.ExitStack() as stack:
        for owner, method, part in timed:
            setattr(owner, method, clock.timed(part, getattr(owner, method)))
            stack.callback(delattr, owner, method)
        yield


def parts(workloads: Sequence[Workload], device: torch.device, rounds: int) -> str:
    """Microseconds a sample, by part: the median of each workload's turns, which take turns after one that does not count."""
    contestants = [Ours(f"{w.method} · {w.backbone}, width {w.scale * w.dimension}, {w.precision}", w, device) for w in workloads]
    turns: list[list[Spent]] = [[] for _ in workloads]
    for number in range(rounds + 1):
        for ours, workload, found in zip(contestants, workloads, turns, strict=True):
            spent = _turn(ours, workload)
            if number > 0:
                found.append(spent)
    return "\n\n".join(_table(ours.name, found) for ours, found in zip(contestants, turns, strict=True))


def _turn(ours: Ours, workload: Workload) -> Spent:
    now = time.thread_time if workload.threads == 1 else time.perf_counter
    clock = Clock(now)
    with watched(ours, clock):
        started = now()
        ours.turn()
        total = now() - started
    clock.spent[REST, "forward"] = total - sum(clock.spent.values())
    return {key: 1e6 * seconds / workload.rows for key, seconds in clock.spent.items()}


def _table(name: str, turns: Sequence[Spent]) -> str:
    median = {key: statistics.median(turn.get(key, 0.0) for turn in turns) for turn in turns for key in turn}
    rows = [(part, median.get((part, "forward"), 0.0), median.get((part, "backward"), 0.0)) for part in dict.fromkeys(p for p, _ in median)]
    rows.sort(key=lambda row: -row[1] - row[2])
    whole = statistics.median(sum(turn.values()) for turn in turns)
    lines = [[part, f"{forward:.1f}", f"{backward:.1f}", f"{forward + backward:.1f}"] for part, forward, backward in rows]
    return tabulate(
        [*lines, ["the whole step", "", "", f"{whole:.1f}"]],
        headers=[name, "forward", "backward", "µs a sample"],
        disable_numparse=True,
        colalign=("left", "right", "right", "right"),
    )
