"""The house rules of design.md that can be read off the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the top to the bottom: a floor may import itself and the floors below it.
FLOORS = [
    {"benchmark.__main__"},
    {"benchmark.commands"},
    {"benchmark.label_noise"},
    {"benchmark.api"},
    {"benchmark.reporting", "benchmark.tracking"},
    {"benchmark.search", "benchmark.speed", "benchmark.checking"},
    {"benchmark.training"},
    {"benchmark.commandline"},
    {"benchmark.flags"},
    {"benchmark.methods", "benchmark.datasets", "benchmark.backbones"},
    {"benchmark.data"},
    {"benchmark.named"},
    {"benchmark.plugins"},
    {"benchmark.method"},
    {"benchmark.nn"},
    {"benchmark.ops"},
    {"benchmark.records"},
    {"benchmark.blocks"},
    {"benchmark.rows"},
    {"benchmark.record"},
    {"benchmark.contracts", "benchmark.sources", "benchmark.config", "benchmark.faults"},
    {"benchmark.index", "benchmark.packing", "benchmark.singular_values"},
    {"benchmark.settings", "benchmark.schema", "benchmark.discovery", "benchmark.provenance"},
    {"benchmark.values"},
    {"benchmark.errors", "benchmark.metrics", "benchmark.signals", "benchmark.surroundings"},
]
ONLY_HERE = {
    "ray": ["benchmark/search/ray_tune.py", "benchmark/search/ray_start.py", "benchmark/search/ray_presence.py"],
    "mlflow": ["benchmark/tracking"],
    "matplotlib": ["benchmark/reporting", "benchmark/speed/scaling.py"],
    "tabulate": ["benchmark/reporting", "benchmark/speed"],
    "pandas": ["benchmark/reporting"],
    "polars": ["benchmark/sources.py", "benchmark/data", "benchmark/speed/table.py", "benchmark/checking/templates/dataset.py", "datasets"],
}


def sources() -> list[Path]:
    return sorted(p for folder in ("benchmark", "methods", "datasets") for p in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """What the file imports when it runs: a name for the type checker alone is no dependence."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        n for top in ast.walk(tree) if isinstance(top, ast.If) and ast.unparse(top.test) == "TYPE_CHECKING" for n in ast.walk(top)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor(module: str) -> int | None:
    levels = [level for level, names in enumerate(FLOORS) for name in names if module == name or module.startswith(f"{name}.")]
    return min(levels) if levels else None


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downward_only(path: Path) -> None:
    relative = path.relative_to(ROOT).with_suffix("")
    module = ".".join(relative.parts if relative.parts[0] == "benchmark" else ("benchmark", *relative.parts)).removesuffix(".__init__")
    own = floor(module)
    if own is None:
        assert module == "benchmark"
        return
    for imported in imports(path):
        level = floor(imported)
        if level is not None:
            assert level >= own, f"{relative} imports {imported}, which stands above it"
        top = imported.split(".")[0]
        if top in ONLY_HERE:
            assert any(str(relative.with_suffix(".py")).startswith(place) for place in ONLY_HERE[top]), f"{relative} imports {top}"


def test_metrics_import_nothing_of_ours() -> None:
    for path in (ROOT / "benchmark" / "metrics").glob("*.py"):
        assert not {i for i in imports(path) if i.startswith("benchmark") and not i.startswith("benchmark.metrics")}


def test_plugin_folders_are_no_packages() -> None:
    assert not (ROOT / "methods" / "__init__.py").exists()
    assert not (ROOT / "datasets" / "__init__.py").exists()
