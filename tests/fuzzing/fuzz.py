"""`make fuzz`: inputs that nobody would think of, made by Hypothesis, N of them (default a million), and a table of what came of them.

accepted: taken, and rightly.  refused: with one line.  wrong: anything else; the smallest such input is printed, and the status is 1.
The same N gives the same inputs. Ctrl-C ends it with the table so far.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from drawn import Kind
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from of_command_lines import COMMAND_LINES
from of_records import RECORDS
from of_suites import SUITE_FILES
from of_tables import TABLES
from tabulate import tabulate
from tqdm import tqdm

KINDS = (SUITE_FILES, RECORDS, TABLES, COMMAND_LINES)
AT_ONCE = 16  # inputs of one draw: what Hypothesis does for each takes longer than most inputs do
ROUND = 16_000  # inputs of all kinds; Hypothesis remembers all of a search, so that a longer one slows down
ENOUGH = 5  # wrong inputs of a kind, after which it is left


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder, in memory where the system has one there; Hypothesis keeps nothing elsewhere."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        set_hypothesis_home_dir(Path(name) / "hypothesis")
        yield Path(name)


@dataclass
class Tally:
    """What came of the inputs of a kind, of which there are to be ``wanted``, or a few more."""

    kind: Kind
    wanted: int
    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    searches: int = 0

    @property
    def left(self) -> int:
        return 0 if len(self.wrong) >= ENOUGH else max(self.wanted - self.counted.total(), 0)

    def search(self, folder: Path, count: int, bar: Callable[[], object] = lambda: None) -> None:
        """``count`` inputs, or fewer where one is wrong: what is wrong with the smallest that is goes to ``wrong``."""
        own = folder / self.kind.name.replace(" ", "_")
        own.mkdir(exist_ok=True)
        size = self.kind.size * AT_ONCE
        self.searches += 1

        @seed(self.searches)
        @settings(
            max_examples=-(-count // AT_ONCE),
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(st.binary(min_size=size, max_size=size))
        def some(data: bytes) -> None:
            for start in range(0, size, self.kind.size):
                taken = self.kind.check(data[start : start + self.kind.size], own)
                self.counted["accepted" if taken else "refused"] += 1
                bar()

        try:
            with self.kind.around(own):
                some()
        except Exception as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
            self.counted["wrong"] += 1

    def row(self) -> tuple[str, int, int, int, int]:
        of = self.counted
        return self.kind.name, of.total(), of["accepted"], of["refused"], of["wrong"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000, metavar="N")
    parser.add_argument("--kinds", nargs="+", choices=[kind.name for kind in KINDS], default=[kind.name for kind in KINDS])
    parsed = parser.parse_args()
    chosen = [kind for kind in KINDS if kind.name in parsed.kinds]
    shares = sum(kind.share for kind in chosen)
    tallies = [Tally(kind, parsed.count * kind.share // shares) for kind in chosen]
    with suppress(KeyboardInterrupt), scratch() as folder, tqdm(total=parsed.count, unit=" inputs", mininterval=2) as bar:
        while any(tally.left for tally in tallies):
            for tally in tallies:
                if tally.left:
                    bar.set_description(tally.kind.name)
                    said = len(tally.wrong)
                    tally.search(folder, min(tally.left, ROUND * tally.kind.share // shares), bar.update)
                    for wrong in tally.wrong[said:]:
                        bar.write(f"{tally.kind.name}: {wrong}\n", file=sys.stdout)
    print(tabulate([tally.row() for tally in tallies], headers=["kind", "inputs", "accepted", "refused in one line", "wrong"], intfmt=","))
    return 1 if any(tally.wrong for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
