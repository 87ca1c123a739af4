"""``ui`` on a reference board in a real Chromium: MLflow's page is a leaderboard, the project's own page stands beside it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from browser import chromium, needs_chromium, show
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = needs_chromium
REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "teacher"
# The runs on the screen from the top: their names, and the text of the cells that can be seen, by column.
ON_SCREEN = """
const seen = e => { const b = e.getBoundingClientRect(), m = document.elementFromPoint(b.left + b.width / 2, b.top + b.height / 2);
  return b.width > 0 && b.top >= 0 && b.bottom <= innerHeight && b.right <= innerWidth && (e === m || e.contains(m)); };
const rows = {};
for (const cell of document.querySelectorAll('[role=gridcell]')) {
  if (!seen(cell)) continue;
  const row = cell.closest('[role=row]').getAttribute('row-index');
  (rows[row] = rows[row] || {})[cell.getAttribute('col-id')] = cell.innerText.trim();
}
return Object.keys(rows).map(Number).sort((a, b) => a - b).map(i => rows[i]);
"""
# Columns of which a cell's text is longer than the cell.
CUT = """
const long = cell => { const all = document.createRange(); all.selectNodeContents(cell);
  return [...all.getClientRects()].some(r => r.right > cell.getBoundingClientRect().right); };
return [...document.querySelectorAll('[role=gridcell]')].filter(long).map(cell => cell.getAttribute('col-id'));
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What `ui` prints: "leaderboard of teacher" and "with figures" -> address."""
    results = tmp_path_factory.mktemp("ui") / "teacher"
    shutil.copytree(REFERENCE, results)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-m", "benchmark", "ui", "--results", str(results), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            printed = [process.stdout.readline() for _ in range(3)]
            found = dict(line.strip().split(": ", 1) for line in printed[:2])
            for _ in range(240):
                try:
                    urlopen(found["with figures"], timeout=60).close()
                    break
                except (URLError, OSError):
                    time.sleep(0.25)
            yield found
        finally:
            process.kill()


def script(driver: webdriver.Chrome, text: str) -> Any:
    return driver.execute_script(text)


def rows_of(driver: webdriver.Chrome) -> list[dict[str, str]]:
    WebDriverWait(driver, 90).until(lambda d: len(script(d, ON_SCREEN)) >= 10)
    found: list[dict[str, str]] = script(driver, ON_SCREEN)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_mlflow_shows_the_ranked_rows_with_auc_and_difference_without_scrolling(
    driver: webdriver.Chrome, addresses: dict[str, str], scheme: str
) -> None:
    show(driver, addresses["leaderboard of teacher"], 1440, 900, scheme)
    rows = rows_of(driver)
    name, auc = "attributes.`Run Name`", "metrics.`1 AUC`"
    told = ["tags.`method`", "tags.`backbone`", "tags.`scale`", "tags.`verdict`", "tags.`delta`"]
    costs = ["metrics.`1 AUC sd`", "metrics.`3 logloss`", "metrics.`4 rank last`", "metrics.`5 dense`"]
    assert len(rows) == 10 and all({name, auc, *told, *costs} <= row.keys() for row in rows)
    assert not set(script(driver, CUT)) & {auc, *told, *costs}
    values = [float(row[auc]) for row in rows]
    assert values == sorted(values, reverse=True)
    names = [row[name].splitlines()[-1] for row in rows]
    assert [text.split()[0] for text in names] == [f"{n:02}" for n in range(1, 11)]
    assert names[5] == "06 ensemble dnn 10x depth 1"
    assert [rows[5][key] for key in told] == ["ensemble", "dnn", "10", "above", "+0.02447 ± 0.00378"]


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "dark"), (390, 844, "light")])
def test_the_page_beside_it_leads_to_mlflow_and_back(
    driver: webdriver.Chrome, addresses: dict[str, str], width: int, height: int, scheme: str
) -> None:
    show(driver, addresses["with figures"], width, height, scheme)
    script(driver, "document.querySelector('#board tbody tr:not([hidden]) button.open').click()")
    WebDriverWait(driver, 60).until(lambda d: script(d, "return document.querySelectorAll('.detail svg').length") == 3)
    assert ".json" in script(driver, "return document.querySelector('.detail').innerText")
    assert script(driver, "return document.documentElement.scrollWidth") <= width
    run = script(driver, "return document.querySelector('.detail a').href")
    show(driver, run, 1440, 900, scheme)
    back = "return [...document.querySelectorAll('a')].filter(a => a.href.includes('/board#')).map(a => a.href)"
    WebDriverWait(driver, 90).until(lambda d: script(d, back))
    numbers = "return [...document.querySelectorAll('span')].filter(e => /^0[.][0-9]{4,5}$/.test(e.innerText))"
    WebDriverWait(driver, 90).until(lambda d: script(d, numbers))
    assert script(driver, f"{numbers}.every(e => e.getBoundingClientRect().right <= innerWidth)"), "the run's numbers are off the screen"
    show(driver, script(driver, back)[0], width, height, scheme)
    assert script(driver, "return document.querySelectorAll('.detail').length") == 1


def test_a_cell_s_run_shows_its_figures(driver: webdriver.Chrome, addresses: dict[str, str]) -> None:
    """In MLflow's own frame, which runs in a sandbox."""
    show(driver, addresses["with figures"], 1440, 900)
    told, run = script(driver, "const cell = data.cells.find(c => c.method === 'ensemble'); return [cell.told, cell.link]")
    place, _, query = run.partition("?")
    show(driver, f"{addresses['with figures'].removesuffix('/board')}{place}/artifacts/cell.html?{query}", 1440, 900)
    frame = WebDriverWait(driver, 90).until(lambda d: d.find_element(By.TAG_NAME, "iframe"))
    driver.switch_to.frame(frame)
    try:
        drawn = (
            "return [...document.querySelectorAll('svg rect, svg.curves path')].filter(e => e.getBoundingClientRect().width > 20).length"
        )
        WebDriverWait(driver, 30).until(lambda d: script(d, drawn) > 10)
        assert told in script(driver, "return document.body.innerText")
        assert script(driver, "return document.documentElement.scrollWidth <= innerWidth")
    finally:
        driver.switch_to.default_content()


def test_another_name_is_refused(addresses: dict[str, str]) -> None:
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(addresses["with figures"], headers={"Host": "evil.example"}), timeout=60)
