"""Tables in documents: docs/boards.md has those of the records, and what is not between markers stays as it is."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import pytest
from standin_records import record

from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.records import Store
from benchmark.reporting.documents import WIDTH, drawn, written
from benchmark.reporting.writing import write

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "docs" / "boards.md"
BLOCK = "<!-- benchmark: {} -->\n{}<!-- end -->"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = Store(tmp_path / "results")
    store.create()
    for method in ("single_embedding", "better"):
        for scale in (1, 2, 4, 8, 16):
            for seed in (0, 1):
                store.write(record(method, seed, 0.7 + scale / 100 + seed / 1000, cell={"scale": scale}))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "least"),
    [
        (BOARDS, 1),
        (BOARDS.with_name("boards_in_full.md"), 6),
        (BOARDS.with_name("roblock.md"), 1),
        (BOARDS.with_name("decide.md"), 1),
        (ROOT / "README.md", 1),
    ],
)
def test_the_reference_boards_are_those_of_the_records(path: Path, least: int) -> None:
    text = path.read_text(encoding="utf-8")
    assert written(text, path.name, ROOT) == text, "run `python -m benchmark boards`, and `boards README.md`"
    tables = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert len(tables) == text.count("<!-- benchmark:") - text.count("-->\n![") >= least
    assert max(len(line) for table in tables for line in table.splitlines()) <= WIDTH


@pytest.mark.parametrize(("name", "least"), [("boards.md", 4), ("decide.md", 1)])
def test_the_figures_of_the_reference_boards_are_those_of_the_records(name: str, least: int) -> None:
    text = BOARDS.with_name(name).read_text(encoding="utf-8")
    figures = drawn(text, name, ROOT)
    assert len(figures) == text.count("![") >= least
    for figure, content in figures.items():
        assert (BOARDS.parent / figure).read_bytes() == content, "run `python -m benchmark boards`"


def test_only_what_is_between_markers_changes(results: Path) -> None:
    around = "# Head\n\n    $ python -m benchmark leaderboard\n\n{}\n\nbetween <!-- a remark -->\n\n{}\n\nend\n"
    commands = "leaderboard --results results | table", "compare --results results --to better | Test AUC less"
    first = written(around.format(*(BLOCK.format(command, "") for command in commands)), "x.md", results)
    again = written(around.format(*(BLOCK.format(command, "old\n") for command in commands)), "x.md", results)
    assert first == again == written(first, "x.md", results)
    left = re.sub(r"<!-- benchmark: (.*?) -->\n```text\n.*?```\n<!-- end -->", r"\1", first, flags=re.DOTALL)
    assert left == around.format(*commands)
    assert first.count("Test AUC less better's") == 1 and "Average rank" not in first and "Ranked by mean" not in first
    assert "0.86050 ± 0.00071 (2)" in first and f"$ python -m benchmark {commands[1]}".partition(" |")[0] in first


def test_flags_that_choose_rows_choose_them_in_a_document_too(results: Path) -> None:
    text = written(BLOCK.format("leaderboard --results results --top 2 --dataset toy", ""), "x.md", results)
    assert "10 of 10 cells finished" in text and "2 of them shown" in text
    with pytest.raises(UserError, match="unknown backbone 'dcnv3'"):
        written(BLOCK.format("leaderboard --results results --backbone dcnv3", ""), "x.md", results)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- benchmark: leaderboard --results results -->\n", "has no <!-- end -->"),
        ("<!-- benchmark: list -->\n" + BLOCK.format("leaderboard", ""), "has no <!-- end -->"),
        (BLOCK.format("list", ""), "only leaderboard, compare, claims, curves and power DIR have tables"),
        (BLOCK.format("leaderboard --results none", ""), "no final training is recorded in none"),
        (BLOCK.format("claims results | Speed", ""), "no table has a title that begins with Speed"),
        (BLOCK.format("compare --results results | Speed", ""), "no table has a title that begins with Speed"),
        (BLOCK.format("compare --results results --to robloc", ""), "unknown method .robloc."),
        (BLOCK.format("figures --results results", ""), "name one view after a |"),
        (BLOCK.format("curves --results none", ""), "x.md: curves --results none: curves: no finished record has a curve"),
        (BLOCK.format("leaderboard --results 'x", ""), "x.md: leaderboard --results 'x: No closing quotation"),
        (BLOCK.format("figures 'x | forest", ""), "x.md: figures 'x: No closing quotation"),
        (BLOCK.format("leaderboard --help", ""), "x.md: leaderboard --help: that prints no table"),
        (BLOCK.format("leaderboard --results results --format json", ""), "leave --format out"),
        ("<!--benchmark: leaderboard -->\n<!-- end -->\n", "x.md: there is no marker"),
    ],
)
def test_a_mistake_in_a_document_is_one_line(text: str, words: str, results: Path) -> None:
    with pytest.raises(UserError, match=words):
        written(text, "x.md", results)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link = tmp_path / "new" / "x.csv", tmp_path / "link.csv"
    write(path, "old")
    path.chmod(0o640)
    link.symlink_to(path)
    write(link, "Δ")
    assert path.read_bytes() == "Δ".encode() and link.is_symlink() and path.stat().st_mode & 0o777 == 0o640

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match=r"x.csv: cannot be written \(No space left on device\); name another"),
    ):
        patch.setattr(Path, "write_bytes", full)
        write(path, "newer")
    assert [p.name for p in path.parent.iterdir()] == ["x.csv"] and path.read_bytes() == "Δ".encode()
    with pytest.raises(UserError, match=r"cannot be written \(Is a directory\)"):
        write(tmp_path, "x")
    with pytest.raises(UserError, match=r"cannot be written \(.*\); name another place"):
        write(path / "y.csv", "x")
    reading, writing = os.pipe()
    write(Path(f"/dev/fd/{writing}"), "to a pipe")
    assert os.read(reading, 99) == b"to a pipe"


def test_the_command_writes_and_checks(results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(results)
    path = results / "x.md"
    path.write_text("a\n" + BLOCK.format("leaderboard", "") + "\nb\n", encoding="utf-8")
    assert main(["boards", "x.md", "--check"]) == 1 and "run `boards`" in capsys.readouterr().out
    assert main(["boards", "x.md"]) == 0 and main(["boards", "x.md", "--check"]) == 0
    assert "toy: 10 of 10 cells finished" in path.read_text(encoding="utf-8")
    path.write_text(BLOCK.format("figures --results results | forest", ""), encoding="utf-8")
    assert main(["boards", "x.md", "--check"]) == 1 and main(["boards", "x.md"]) == 0 and main(["boards", "x.md", "--check"]) == 0
    figure = results / "images" / "results-forest.svg"
    assert "](images/results-forest.svg)" in path.read_text(encoding="utf-8") and "better" in figure.read_text(encoding="utf-8")
    figure.write_text("another")
    assert main(["boards", "x.md", "--check"]) == 1
    path.write_text(BLOCK.format("claims results | figure", ""), encoding="utf-8")
    assert main(["boards", "x.md"]) == 0 and main(["boards", "x.md", "--check"]) == 0
    figure = results / "images" / "claims.svg"
    assert "](images/claims.svg)" in path.read_text(encoding="utf-8") and "gain: test AUC" in figure.read_text(encoding="utf-8")
    path.write_text(BLOCK.format("claims results --methods nobody | figure", ""), encoding="utf-8")
    assert main(["boards", "x.md"]) == 2 and "x.md: claims results --methods nobody" in capsys.readouterr().err
    shutil.copytree(results / "results", results / "others")
    one, other = (BLOCK.format(f"claims {folder} | figure", "") for folder in ("results", "others"))
    path.write_text(f"{one}\n{one}\n", encoding="utf-8")
    assert main(["boards", "x.md"]) == 0
    path.write_text(f"{one}\n{other}\n", encoding="utf-8")
    assert main(["boards", "x.md"]) == 2 and "is images/claims.svg, too; take one of them out" in capsys.readouterr().err
