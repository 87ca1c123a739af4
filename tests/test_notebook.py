"""docs/notebook.ipynb runs from its first cell to its last, and what it shows comes out.

Its cells run in one process of their own, as a kernel runs them: in __main__, which has no file, with their sources known to linecache.
A kernel itself (nbclient, ipykernel) would bring 26 packages into the lock for this one test.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmark.provenance import UNKNOWN
from benchmark.records import Store

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
KERNEL = """
import json, linecache
with open(NOTEBOOK, encoding="utf-8") as file:
    cells = [cell["source"] for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
for number, lines in enumerate(cells):
    name = f"<cell {number}>"
    linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
    exec(compile("".join(lines), name, "exec"))
"""
SHOWN = """
print("PIVOT", sorted(frame.pivot_table(index="method", columns="scale", values=columns)["test/auc"].columns))
print("FIGURE", [line.get_label() for line in axes.get_lines()])
"""


def test_it_is_committed_without_outputs_and_parses() -> None:
    assert len(CELLS) >= 10
    for cell in CELLS:
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))


def test_it_runs_and_shows_a_board_and_a_spectrum(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "BENCHMARK_CACHE": str(tmp_path / "cache")}
    code = f"NOTEBOOK = {str(NOTEBOOK)!r}\n{KERNEL}\n{SHOWN}"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert "PIVOT [1, 4]" in lines and "FIGURE ['SE', 'ME', 'Apart']" in lines
    assert any(line.startswith("synthetic: 6 of 6 cells finished") for line in lines)
    records = list(Store(tmp_path / "results" / "notebook"))
    own = [record for record in records if record.trial.cell.method == "Apart"]
    assert len(records) == 6 and len(own) == 2 and all(record.status == "finished" for record in records)
    assert len({record.fingerprints["method_code"] for record in own}) == 1 and own[0].fingerprints["method_code"] != UNKNOWN
