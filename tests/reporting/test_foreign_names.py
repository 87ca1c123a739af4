"""Names in a record or a table are anybody's words, and stay words wherever they are shown: no HTML, formula, escape code or TeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from standin_records import record

from benchmark.__main__ import main
from benchmark.config import CONTROL
from benchmark.data.store import Prepared
from benchmark.records import Record, Store
from benchmark.reporting import data_description
from benchmark.reporting.board import View
from benchmark.reporting.comparison import compare
from benchmark.reporting.documents import written
from benchmark.reporting.export import export
from benchmark.reporting.leaderboard import render, rows
from benchmark.reporting.page.report import page
from benchmark.reporting.two_folders import compare_folders
from benchmark.search.progress import line

HTML = "<script>alert(1)</script>"
ESCAPE = "\x1b[31mred\x9b2J\x07\u202e"
LINK = "[here](javascript:alert(1))"
FORMULA = "=cmd|' /C calc'!A0"
TEX = r"\input{/etc/passwd}$^_%&#~"
NAMES = [HTML, ESCAPE, LINK, FORMULA, TEX, "@SUM(1)", "+1", "-2+3", "two\nlines", "a|b", "```\n# heading"]


def foreign(name: str, seed: int = 0) -> list[Record]:
    """A board on which everything that a record may call as it likes is called so."""
    place = {"dataset": name, "backbone": name}
    metrics = {f"model/layer0/{name}": 0.5, f"dose/knockout/{name}/auc": 0.1, "dose/best/x": 0.5}
    made = [record(m, s, 0.8 + s / 100, cell=place, metrics=metrics, notes=(name,)) for m in (CONTROL, name) for s in (seed, seed + 1)]
    failed = record("other", seed, None, cell=place, status="failed", reason=f"it says {name}")
    options = record("with options", seed, cell={**place, "method_options": {name: name}}, notes=(name,))
    return [replace(r, environment={"cpu": name, "device": name}) for r in (*made, failed, options)]


def table(name: str) -> str:
    return render(rows(foreign(name)), "table", View(details=True))


def narrow(name: str) -> str:
    return render(rows(foreign(name)), "table", View(width=60, details=True, grouped=True))


def document(name: str, tmp_path: Path) -> str:
    for entry in foreign(name):
        store = Store(tmp_path / "results")
        store.create()
        store.write(entry)
    return written("<!-- benchmark: leaderboard --results results -->\n<!-- end -->\n", "here", tmp_path)


def two(name: str, format: str) -> str:
    return compare_folders(foreign(name), foreign(name, 1), ("A", "B"), None, format, View())  # type: ignore[arg-type]


def described(prepared: Prepared, name: str, format: str) -> str:
    told = data_description.description(prepared, (10,))
    fields = tuple(replace(row, field=name) for row in told.by_field)
    return data_description.render(replace(told, dataset=name, notes=(name,), by_field=fields), format)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    from benchmark import api

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        return api.prepared("synthetic", {"rows": 500, "cardinalities": [3, 4]})


@pytest.mark.parametrize("name", NAMES)
def test_no_escape_code_and_no_line_of_its_own_on_a_terminal(name: str, tmp_path: Path, prepared: Prepared) -> None:
    plain = "a plain name"
    for show in (
        table,
        narrow,
        lambda name: compare(foreign(name), CONTROL, None, "table", width=None),
        lambda name: two(name, "table"),
        lambda name: described(prepared, name, "table"),
        lambda name: "\n".join(map(line, foreign(name))),
    ):
        text, usual = show(name), show(plain)
        assert all(part.isprintable() for part in text.split("\n")), (show, text)
        if show is not narrow:  # where lines are folded
            assert text.count("\n") == usual.count("\n"), "a name is in one line"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_does_not_end_the_table_of_a_document(name: str, tmp_path: Path) -> None:
    lines = document(name, tmp_path).split("\n")
    assert all(part.isprintable() for part in lines)
    marks = [part for part in lines if part.startswith("<!--") or re.fullmatch(r" {0,3}(`{3,}|~{3,})(text)? *", part)]
    assert marks == ["<!-- benchmark: leaderboard --results results -->", "```text", "```", "<!-- end -->"]


@pytest.mark.parametrize("name", NAMES)
def test_no_html_and_no_link_in_markdown(name: str, prepared: Prepared) -> None:
    for text in (
        render(rows(foreign(name)), "markdown", View(details=True)),
        compare(foreign(name), CONTROL, None, "markdown"),
        two(name, "markdown"),
        described(prepared, name, "markdown"),
    ):
        assert not re.search(r"<[A-Za-z/!?]", text) and "](" not in text
        assert all(part.isprintable() for part in text.split("\n"))
        tables = [part for part in text.split("\n\n") if part.startswith("|")]
        assert tables
        for part in tables:  # no cell ends early
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in part.splitlines() if row.startswith("|")}) == 1, part


def strings(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_of_a_csv_is_a_formula(name: str, prepared: Prepared) -> None:
    for text in (
        render(rows(foreign(name)), "csv"),
        export(foreign(name), "csv"),
        export(foreign(name), "bencheval"),
        two(name, "csv"),
        described(prepared, name, "csv"),
    ):
        cells = strings(text)
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not number(cell)]
        assert any(name in cell for cell in cells), "and nothing is lost"


def number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text != "+1"  # a name


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_name_is_a_command_of_tex(name: str) -> None:
    text, usual = (export(foreign(n), "latex") for n in (name, "plain"))
    own = set(re.findall(r"\\[a-zA-Z]+", usual)) | {r"\textbackslash", r"\textasciitilde", r"\textasciicircum"}
    assert set(re.findall(r"\\[a-zA-Z]+", text)) <= own
    assert text.count("\n") == usual.count("\n")
    bare = re.sub(r"\\.", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0 and bare.count("&") == re.sub(r"\\.", "", usual).count("&")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"{tag} {sorted(name for name, _ in attrs)}")


def tags(text: str) -> set[str]:
    parser = Tags()
    parser.feed(text)
    return set(parser.found)


@pytest.mark.parametrize("name", [*NAMES, "</script><img src=x onerror=alert(1)>", '"><img src=x>', "</textarea>"])
def test_a_page_has_no_tag_of_a_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.reporting.page.report.script", lambda: "")
    make: Callable[[str], str] = lambda name: page(foreign(name), name, name)  # noqa: E731
    assert tags(make(name)) == tags(make("plain"))


def test_status_and_errors_are_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.create()
    for entry in foreign(ESCAPE):
        store.write(entry)
    (store.folder / f"{ESCAPE[:6]}.json").write_text("{")
    main(["leaderboard", "--results", str(tmp_path)])
    main(["leaderboard", "--results", str(tmp_path), "--dataset", ESCAPE])
    (store.folder / f"{ESCAPE[:6]}.json").unlink()
    assert main(["status", "--results", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "it says" in shown.out and "not a record" in shown.err
    assert all(part.isprintable() for part in (shown.out + shown.err).split("\n"))


def test_a_record_that_names_a_file_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a record calls its method, backbone and data set: only plug-ins that were found are imported."""
    (tmp_path / "evil.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    store = Store(tmp_path / "results")
    store.create()
    names = ("evil", "evil:evil", "../evil", "./evil", str(tmp_path / "evil.py"), "benchmark.evil")
    made = [record(name, cell={"backbone": name, "dataset": name}) for name in names]
    for entry in made:
        store.write(entry)
    for words in (["leaderboard"], ["compare"], ["status"], ["export", "--format", "csv"]):
        main([*words, "--results", "results"])
    for entry in made:
        assert main(["reproduce", entry.trial_id, "--results", "results"]) == 2
    assert capsys.readouterr().err.count("no plug-in of that name is here now") == len(made) and not (tmp_path / "ran").exists()
