"""Comparison over cells: pairing by seed and conditions, ranks, cost, correlation and internal state."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from standin_records import record

from benchmark.errors import UserError
from benchmark.metrics.statistics import rank_correlation
from benchmark.records import Record
from benchmark.reporting.comparison import compare, correlations, costs, differences
from benchmark.reporting.curves import curves
from benchmark.reporting.export import export
from benchmark.reporting.groups import FEWEST, PLAIN, REPEATED, groups


def case() -> list[Record]:
    """Three methods, two backbones, three seeds; "better" wins by .01 everywhere, "other" is level with dcnv2 and loses with xdeepfm."""
    gains = {"single_embedding": (0.0, 0.0), "better": (0.01, 0.01), "other": (0.0, -0.02)}
    found = []
    for method, by_backbone in gains.items():
        for backbone, gain in zip(("dcnv2", "xdeepfm"), by_backbone, strict=True):
            for seed in range(3):
                wobble = 1e-4 * seed * (method != "single_embedding") * (-1 if method == "other" and seed == 2 else 1)
                cost = {
                    "samples_per_second": 1000.0 * (2 if method == "other" else 1) * (seed + 1),
                    "fit_seconds": 5.0,
                    "parameters_dense": 10.0,
                }
                found.append(record(method, seed, 0.8 + 0.01 * seed + gain + wobble, cell={"backbone": backbone}, cost=cost))
    return found


def test_differences_are_paired_and_counted() -> None:
    headers, rows = differences(groups(case()), "single_embedding")
    assert headers == ["method", "dcnv2 1× depth 3", "xdeepfm 1× depth 3", "above/undecided/below"]
    table = {row[0]: row[1:] for row in rows}
    assert list(table) == ["better", "other"]
    assert table["better"][2] == "2/0/0" and table["better"][0].startswith("+0.01010 ± 0.0002")
    assert table["other"][2] == "0/1/1"


def test_another_control() -> None:
    text = compare(case(), "better", None, "table")
    assert "Test AUC less better's" in text
    _, rows = differences(groups(case()), "better")
    assert {row[0]: row[-1] for row in rows} == {"single_embedding": "0/0/2", "other": "0/0/2"}


def test_a_control_is_what_its_method_is_today() -> None:
    """Beside a row of before it had a setting, and one that chose among values of it."""

    def of(method: str, auc: float, settings: dict[str, float], **cell: object) -> Record:
        made = record(method, 0, auc, cell=cell, budget=2)
        return replace(made, trial=replace(made.trial, method=settings))

    today, before = of("m", 0.82, {"a": 1.0, "b": 2.0}), of("m", 0.80, {"a": 1.0})
    chosen = [of("m", auc, {"a": 1.0, "b": 2.0}, grid={"method.b": values}) for auc, values in ((0.85, [2.0, 3.0]), (0.86, [2.0, 4.0]))]
    others = [of("single_embedding", 0.81, {})]
    for kept, methods in (([before], {"m (before b)": -0.02}), (chosen, {"m (b of 2.0,3.0)": 0.03, "m (b of 2.0,4.0)": 0.04})):
        _, rows = differences(groups([*others, today, *kept]), "m")
        assert {row[0]: float(row[1]) for row in rows} == {"single_embedding": -0.01, **methods}


def test_any_metric_can_be_compared() -> None:
    def measured(method: str, seed: int, depth: int, value: float) -> Record:
        layers = {f"spectral/layer{layer}/batch/effective_rank": value * (layer == depth) for layer in range(depth + 1)}
        return record(method, seed, 0.8, cell={"depth": depth}, metrics=layers)

    found = [measured("single_embedding", s, d, 5.0 + s) for s in (0, 1) for d in (2, 3)]
    found += [measured("m", s, d, 7.0 + s) for s in (0, 1) for d in (2, 3)]
    text = compare(found, "single_embedding", None, "table", "spectral/layerlast/batch/effective_rank")
    assert "7.500 ± 0.707" in text and "+2.000 ± 0.000" in text and "Cost" not in text
    with pytest.raises(UserError, match="did you mean 'spectral/layer0/batch/effective_rank'"):
        compare(found, "single_embedding", None, "table", "spectral/layer0/batch/efective_rank")


def test_a_mean_and_its_spread_have_the_same_decimals() -> None:
    def pairs(*values: float) -> list[Record]:
        found = [record(seed=seed, metrics={"size": 0.0}) for seed in range(len(values))]
        return [*found, *(record("m", seed, metrics={"size": value}) for seed, value in enumerate(values))]

    for values, mean, difference in (
        ((33.4, 33.6), "33.50 ± 0.14", "+33.50 ± 1.27"),
        ((0.2, 0.4), "0.30000 ± 0.14142", "+0.300 ± 1.271"),
        ((-900.0, -1000.0), "-950.0 ± 70.7", "-950.0 ± 635.3"),
        ((12.0,), "12", "+12"),
        ((2e6, 4e6), "3e+06 ± 1.414e+06", "+3e+06 ± 1.271e+07"),
    ):
        text = compare(pairs(*values), "single_embedding", None, "table", "size")
        told = [line.split("  ")[1:] for line in text.splitlines() if line.startswith("m ")]
        assert [next(filter(None, cells)).strip() for cells in told] == [mean, difference]


def test_where_there_are_more_cells_than_methods_cells_are_rows() -> None:
    deep = [record(m, s, a, cell={"depth": 9}) for s in (0, 1) for m, a in (("single_embedding", 0.5), ("better", 0.6), ("other", 0.4))]
    headers, rows = differences(groups([*case(), *deep]), "single_embedding")
    assert headers == ["cell", "better", "other"] and len(rows) == 4
    assert ["dcnv2 1× depth 9", "+0.10000 ± 0.00000 (2)", "-0.10000 ± 0.00000 (2)"] in rows and rows[-1] == [
        "above/undecided/below",
        "3/0/0",
        "0/1/2",
    ]


def test_a_wide_table_is_printed_in_parts_that_leave_no_number_out() -> None:
    """The cells of many scales; a method that is in one cell only has a row where that cell is, and no other."""
    many = [replace_scale(r, scale) for scale in (1, 2, 4, 8, 16) for r in case()]
    many += [record("only_here", seed, 0.9 + seed / 300, cell={"scale": 1}) for seed in range(3)]
    many += [record(f"m{i}", seed, 0.7 + seed / 300 + i / 999, cell={"scale": 1}) for seed in range(3) for i in range(12)]
    whole, parted = (compare(many, "single_embedding", None, "table", width=width) for width in (None, 80))
    numbers = re.compile(r"[+-][.0-9]+ ± [.0-9]+")
    title = "Test AUC less"
    first, second = (text[text.index(title) : text.index("Cost over")] for text in (whole, parted))
    assert sorted(numbers.findall(first)) == sorted(numbers.findall(second)) and len(numbers.findall(first)) > 30
    assert max(map(len, second.splitlines())) <= 80 < max(map(len, first.splitlines()))
    assert second.count("only_here") == 1 and second.count("above/undecided/below") == 1 and second.count("\nbetter ") > 2


def test_cells_stand_by_size() -> None:
    """As text, 10 would stand before 2."""
    records = [*case(), *(replace_scale(r, scale) for scale in (10, 2) for r in case())]
    many = [record(f"m{i}", s, 0.7 + s / 300 + i / 999, cell={"scale": scale}) for s in (0, 1) for scale in (1, 10, 2) for i in range(9)]
    board = groups([*records, *many])
    sizes = [f"dcnv2 {scale}× depth 3" for scale in (1, 2, 10)]
    headers, _ = differences(board, "single_embedding")
    assert [name for name in headers if name.startswith("dcnv2")] == sizes
    assert list(dict.fromkeys(row[1] for row in costs(board)[1]))[:3] == sizes


def replace_scale(one: Record, scale: int) -> Record:
    return replace(one, trial=replace(one.trial, cell=replace(one.trial.cell, scale=scale)))


def test_conditions_are_not_mixed() -> None:
    """Another width, depth or budget is another column; a method without its control there has no difference."""
    records = [*case(), record("better", 0, 0.99, cell={"scale": 4}), record("better", 0, 0.99, budget=8)]
    headers, rows = differences(groups(records), "single_embedding")
    assert len(headers) == 4
    assert all("0.18" not in cell for row in rows for cell in row)


def test_rows_that_the_grid_of_a_method_tells_apart_are_all_there() -> None:
    """Two suites gave one method other values to choose from, as many of them: neither takes the other's place."""

    def chosen(auc: float, *values: int, backbone: str = "dcnv2") -> Record:
        return record("m", 0, auc, cell={"grid": {"method.w": list(values)}, "backbone": backbone}, budget=2)

    controls = [record(budget=2, cell={"backbone": backbone}) for backbone in ("dcnv2", "xdeepfm")]
    records = [*controls, chosen(0.81, 1, 2), chosen(0.75, 3, 4), chosen(0.82, 1, 2, backbone="xdeepfm")]
    _, rows = differences(groups(records), "single_embedding")
    assert {row[0]: row[1:3] for row in rows} == {"m (w of 1,2)": ["+0.01000", "+0.02000"], "m (w of 3,4)": ["-0.05000", "-"]}
    trainings = list(csv.DictReader(io.StringIO(export(records, "bencheval"))))
    assert len({(line["method"], line["task"], line["seed"]) for line in trainings}) == len(trainings) == 5
    assert "0.81000" in (table := export(records, "latex")) and "0.75000" in table
    _, rows = differences(groups([*controls, chosen(0.81, 1, 2)]), "single_embedding")
    assert [row[0] for row in rows] == ["m"]


def test_ranks_are_of_methods_that_finished_everywhere() -> None:
    text = compare([*case(), record("only_here", 0, 0.99)], "single_embedding", None, "table")
    part = text[text.index("Average rank over 2 cells") :]
    assert "1.00  better" in part and "only_here" not in part


def test_ranks_are_over_the_seeds_that_all_have() -> None:
    """Seeds 1 and 2 are the lucky ones, and "worse" has no others: below the control in each, its mean lies above."""
    places = [{"backbone": backbone} for backbone in ("dcnv2", "xdeepfm")]
    fewer = [record("worse", seed, 0.799 + 0.01 * seed, cell=place) for place in places for seed in (1, 2)]
    part = compare([*case(), *fewer], "single_embedding", None, "table").split("Average rank over 2 cells")[1]
    said = "over the 2 seeds of a cell that all have: 6 of their 22 trainings left out (p: Wilcoxon"
    assert said in part.split("\n\n")[0], "of each cell seed 0, which three of the methods have"
    assert re.findall(r"^  (\S+)  (\w+)", part, re.MULTILINE)[0] == ("1.00", "better")
    assert float(re.search(r"(\S+)  worse", part)[1]) > float(re.search(r"(\S+)  single_embedding", part)[1])  # type: ignore[index]
    one_less = [r for r in case() if (r.trial.cell.backbone, r.trial.cell.method, r.trial.seed) != ("xdeepfm", "other", 0)]
    said = "over the 2 to 3 seeds of a cell that all have: 2 of their 17 trainings left out"
    assert said in compare(one_less, "single_embedding", None, "table")
    assert "left out" not in compare(case(), "single_embedding", None, "table").split("Average rank")[1]


def test_that_there_are_no_ranks_for_want_of_a_common_seed_is_said() -> None:
    apart = [record("apart", seed, 0.79, cell={"backbone": b}) for b, seed in (("dcnv2", 1), ("xdeepfm", 7))]
    text = compare([*case(), *apart], "single_embedding", None, "table")
    assert "No ranks over cells: in 1 cell of 2 the 4 methods that finished in all of them have no seed in common" in text
    assert "Average rank" not in text
    two = [r for r in [*case(), *apart] if r.trial.cell.method in ("single_embedding", "apart")]
    assert "ranks over cells" not in compare(two, "single_embedding", None, "table"), "of two methods there is no ranking anyway"


def test_ranks_speak_of_p_only_where_there_are_some() -> None:
    """A control of other settings in each cell is none."""

    def of(backbone: str, seed: int, weight: int) -> Record:
        return record("m", seed, 0.7, cell={"backbone": backbone, "method_options": {"weight": weight}})

    several = [of(b, seed, weight) for b, weight in (("dcnv2", 1), ("xdeepfm", 2)) for seed in range(3)]
    part = compare([*case(), *several], "m", None, "table").split("Average rank")[1]
    assert "Wilcoxon" not in part and "(p = " not in part


def test_variants_of_a_method_do_not_count_as_methods_and_a_control_may_be_one() -> None:
    variants = [record("better:less", s, 0.9, cell={"backbone": b}) for s in (0, 1) for b in ("dcnv2", "xdeepfm")]
    variants += [record("tuned", s, 0.9, cell={"backbone": b, "method_options": {"a": 1}}) for s in (0, 1) for b in ("dcnv2", "xdeepfm")]
    part = compare([*case(), *variants], "single_embedding", None, "table").split("Average rank")[1]
    assert "better:less" not in part and "tuned" not in part
    part = compare([*case(), *variants], "tuned", None, "table").split("Average rank")[1]
    assert "tuned (a=1)" in part and "p = " in part


def test_costs_are_ratios_to_single_embedding() -> None:
    headers, rows = costs(groups(case()))
    table = {(row[0], row[1]): dict(zip(headers[2:], row[2:], strict=True)) for row in rows}
    assert table["other", "dcnv2 1× depth 3"] == {"epoch": "0.50", "training": "1.00", "FLOPs": "-", "dense": "1.00", "memory": "-"}


def test_correlations_need_several_methods() -> None:
    def spectrum(method: str, auc: float, rank: float) -> Record:
        names = ("spectral/layer0/batch/effective_rank_over_gaussian", "spectral/layer2/batch/effective_rank_over_gaussian")
        values = dict(zip(names, (rank, -rank), strict=True)) | {"spectral/layer2/batch/effective_rank": 1.0}
        return record(method, 0, auc, metrics=values)

    pairs = [(0.80, 5.0), (0.81, 6.0), (0.82, 5.5), (0.83, 8.0), (0.84, 7.0)]
    members = [spectrum(f"m{i}", *pair) for i, pair in enumerate(pairs)]
    assert correlations(groups(members[: FEWEST - 1]))[1] == []
    again = spectrum("same", *pairs[0])  # as multi-embedding with one set is single embedding
    assert correlations(groups([*members[: FEWEST - 1], again]))[1] == []
    assert correlations(groups([*members, again])) == correlations(groups(members))
    _, rows = correlations(groups(members))
    expected = rank_correlation([r for _, r in pairs], [a for a, _ in pairs])
    table = {row[0]: row[1] for row in rows}
    assert table["spectral/layer0/batch/effective_rank_over_gaussian"] == f"{expected:+.2f} (5)"
    assert expected is not None and table["spectral/layerlast/batch/effective_rank_over_gaussian"] == f"{-expected:+.2f} (5)"
    assert table["spectral/table/information_abundance_over_gaussian"] == "-"


def test_batch_matrices_are_compared_in_one_ratio() -> None:
    """In the newer one where all records have it."""
    old, new = (f"spectral/layer0/batch/effective_rank{ratio}" for ratio in (PLAIN, REPEATED))
    base = {"spectral/layer0/batch/effective_rank": 1.0}
    members = [record(f"m{i}", 0, 0.8 + i / 100, metrics={**base, old: 1.0 + i, new: 2.0 - i}) for i in range(FEWEST)]
    for found, expected in (
        (members, {new: "-1.00 (5)"}),
        ([*members, record("m9", 0, 0.9, metrics={**base, old: 9.0})], {old: "+1.00 (6)"}),
    ):
        table = {row[0]: row[1] for row in correlations(groups(found))[1]}
        assert expected.items() <= table.items() and not {old, new} - expected.keys() <= table.keys()


def test_nothing_to_compare_with_is_said() -> None:
    with pytest.raises(UserError, match="no finished cell of single_embedding"):
        compare([record("better")], "single_embedding", None, "table")
    with pytest.raises(UserError, match="compare: unknown method 'beter'; did you mean 'better'"):
        compare(case(), "beter", None, "table")
    sanity = [record("constant", s, 0.5, cell={"backbone": "none", "depth": 0}) for s in range(3)]
    more = [record("logistic_regression", s, 0.6, cell={"backbone": "none", "depth": 0}) for s in range(3)]
    assert "no backbone" in compare([*sanity, *more], "constant", None, "table"), "a heading, too"
    with pytest.raises(UserError, match="unknown data set 'tay'"):
        compare(case(), "single_embedding", "tay", "table")
    lost = [*case(), record(auc=None, status="failed", cell={"dataset": "lost"})]
    for told, words in (
        (lambda: compare(lost, "single_embedding", "lost", "table"), "no finished cell of single_embedding"),
        (lambda: export(lost, "latex", "lost"), "no final training has finished"),
        (lambda: curves(lost, "valid/auc", "lost", "table"), "no finished record has a curve"),
    ):
        with pytest.raises(UserError, match=words):
            told()
    assert "lost" not in compare(lost, "single_embedding", None, "table")


def test_cells_that_are_compared_with_nothing_are_counted() -> None:
    """Without a control, beside one that has not finished, and without a seed in common; a sanity row has no control anyway."""
    more = [record("better", cell={"dataset": "another"}), record("better", cell={"scale": 4}), record("late", 7)]
    more += [record(cell={"scale": 4}, auc=None, status="diverged"), record("constant", cell={"backbone": "none", "depth": 0})]
    another, toy = compare([*case(), *more], "single_embedding", None, "table").split("toy: 9 finished cells")
    alone = "since single_embedding has not finished under the same conditions"
    assert f"not compared: 1 of 1 cell, {alone}" in another
    assert f"not compared: 1 of 8 cells, {alone}" in toy
    assert "not compared: 1 of 8 cells, since there is no seed in common with single_embedding" in toy
    assert "not compared" not in compare(case(), "single_embedding", None, "table")


def test_of_single_pairs_no_interval_is_promised() -> None:
    one = [r for r in case() if r.trial.seed == 0]
    text = compare(one, "single_embedding", None, "table")
    assert "less single_embedding's under the same conditions, paired by seed, n = 1 pair of seeds: there is no interval\n" in text
    assert "±" not in text
    some = compare([*one, record("better", 1, 0.9), record(seed=1, auc=0.8)], "single_embedding", None, "table")
    assert "paired by seed, ± half the 95 % interval, uncorrected (pairs of seeds)\n" in some


def test_that_nothing_is_compared_is_said() -> None:
    alone = [record(seed=seed, metrics={"of_one": 1.0}) for seed in range(2)]
    said = "nothing to compare: no other method has {} beside single_embedding, of the same cell and seed"
    assert said.format("test AUC") in compare([*alone, record("constant", cell={"backbone": "none"})], "single_embedding", None, "table")
    assert said.format("of_one") in compare([*alone, record("m")], "single_embedding", None, "table", "of_one")
    assert "nothing to compare" not in compare([*alone, record("m")], "single_embedding", None, "table")


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_the_whole_text(format: str) -> None:
    text = compare([*case(), record("constant", cell={"backbone": "none", "depth": 0}, auc=0.5)], "single_embedding", "toy", format)  # type: ignore[arg-type]
    assert "toy: 7 finished cells" in text and "Friedman" in text and "Cost over" in text
    assert "memory on a CPU: of its process, in records of before" in text


def test_seconds_of_different_processors_are_not_compared() -> None:
    def trained(method: str, seed: int, cpu: str) -> Record:
        cost = {"fit_seconds": 2.0, "parameters_dense": 6.0}
        return replace(record(method, seed, 0.5, cost=cost), environment={"device": "cpu", "cpu": cpu})

    found = [trained(method, seed, cpu) for seed in (0, 1) for method, cpu in (("single_embedding", "a"), ("same", "a"), ("other", "b"))]
    headers, rows = costs(groups(found))
    by_method = {row[0]: dict(zip(headers, row, strict=True)) for row in rows}
    assert by_method["same"]["training"] == "1.00" and by_method["other"]["training"] == "-"
    assert by_method["same"]["dense"] == by_method["other"]["dense"] == "1.00"


def test_seconds_and_memory_are_compared_seed_by_seed_on_one_machine() -> None:
    """A cluster gave the method one seed here and one there, and the control the same two the other way round."""
    where = {"cpu": (10.0, 300.0), "gpu": (1.0, 70.0)}  # seconds and memory of any training there

    def trained(method: str, seed: int, device: str, factor: float) -> Record:
        seconds, memory = where[device]
        cost = {"fit_seconds": seconds * factor, "samples_per_second": 1e5 / (seconds * factor), "peak_memory_mb": memory * factor}
        return replace(record(method, seed, 0.5, cost=cost), environment={"device": device})

    crossed = [trained("single_embedding", s, d, 1) for s, d in enumerate(("cpu", "gpu"))]
    crossed += [trained("m", s, d, 2) for s, d in enumerate(("gpu", "cpu"))]
    for more, expected in (([], "-"), ([trained("single_embedding", 2, "gpu", 1), trained("m", 2, "gpu", 2)], "2.00")):
        headers, [row] = costs(groups([*crossed, *more]))
        found = dict(zip(headers, row, strict=True))
        assert {name: found[name] for name in ("epoch", "training", "memory")} == dict.fromkeys(("epoch", "training", "memory"), expected)
