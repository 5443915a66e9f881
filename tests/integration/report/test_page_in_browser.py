"""The report page in a browser: no console error, and filters, sorting and unfolding work."""

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from perf.ladder.chart import chart_of
from perf.ladder.table import Grid
from tests.unit.ladder.made_ladder import ladder
from tests.unit.report.page.made_pages import (
    HOSTILE,
    SLOWED,
    drifted,
    many,
    regressed,
    renamed,
    stored,
    with_slots,
    write_report,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
TIMEOUT_S = 60
# A phone, a tablet, and windows around the widths at which columns fold or rows become cards.
WIDTHS = (320, 390, 800, 1000, 1024, 1280, 1366)
# Runs in a copy of the page after its own script; what it returns becomes the text of the last element.
ACTING = (
    "<pre id='acted'></pre><script>document.getElementById('acted').textContent=JSON.stringify((()=>{%s})())</script>"
)
# The cases that are shown, in their order.
SHOWN = "return [...document.querySelectorAll('#table tbody:not([hidden])')].map(b => b.dataset.name)"

# HTML elements for each case of a page that was just opened; 180 when this was written.
MOST_ELEMENTS = 250
# The pixels by which a document is wider than its window.
BEYOND = "all.documentElement.scrollWidth - all.documentElement.clientWidth"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")


class Acted(HTMLParser):
    """The text that `ACTING` left in a page."""

    text = ""
    _inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "pre" and ("id", "acted") in attrs

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data


def opened(page: Path, folder: Path, **address: str) -> tuple[str, str]:
    """Return a page's document after its script ran, and what the browser's console said."""
    assert BROWSER
    where = f"{page.as_uri()}#{urlencode(address)}" if address else page.as_uri()
    command = [BROWSER, "--headless", "--no-sandbox", "--window-size=1400,900", f"--user-data-dir={folder}"]
    logged = ["--enable-logging=stderr", "--log-level=0", "--dump-dom", where]
    done = subprocess.run([*command, *logged], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of a run with one regression, one case with markup in its name and one that was not run."""
    run = drifted(with_slots(renamed(regressed(stored()), "squeezenet1.0-b4-mkl-int8", HOSTILE)))
    run["perf"]["left_out"] = {run["benchmarks"].pop(0)["fullname"]: "worker died"}
    return write_report(monkeypatch, tmp_path / "report.html", run)


def acted(page: Path, script: str, **address: str) -> Any:
    """Return what a script returns that acts on the open page. Nothing may be said on the console."""
    copy = page.with_name("acting.html")
    copy.write_text(page.read_text().replace("</body>", ACTING % script + "</body>"))
    document, console = opened(copy, page.parent / "profile", **address)
    assert console == ""
    parser = Acted()
    parser.feed(document)
    return json.loads(parser.text)


def test_an_error_on_the_console_would_be_seen(page: Path) -> None:
    page.write_text(page.read_text().replace("</body>", "<script>console.error('seen')</script></body>"))
    assert "seen" in opened(page, page.parent / "profile")[1]


def test_nothing_is_said_and_no_name_becomes_markup(page: Path) -> None:
    title, scripts = acted(page, "return [document.title, document.scripts.length]")
    assert title == "regressed: run.json"
    assert scripts == 4, "schema, data, the page's own and this one"


def test_filters_live_in_the_address(page: Path) -> None:
    assert acted(page, SHOWN, verdict="regressed") == [SLOWED]
    names = acted(page, SHOWN, network="resnet50_v1", size="4")
    assert names == [f"resnet50_v1-b4-{variant}" for variant in ("native-fp32", "mkl-fp32", "mkl-int8")]
    choose = (
        "const one = document.querySelector('select[name=variant]'); one.value = 'r2';"
        "one.dispatchEvent(new Event('input', { bubbles: true }));"
        f"return [location.hash, (() => {{ {SHOWN} }})()]"
    )
    assert acted(page, choose, family="dist") == ["#family=dist&variant=r2", ["train-resnet18_v1-b1-mkl-r2"]]


def test_links_to_a_section_leave_the_filters_as_they_are(page: Path) -> None:
    script = (
        'const links = [...document.querySelectorAll(\'a[href^="#"]:not([href*="="])\')];'
        "links.forEach(link => link.click());"
        "const section = document.activeElement.id;"
        f"return [links.length, location.hash, section, (() => {{ {SHOWN} }})()]"
    )
    links, address, section, names = acted(page, script, verdict="regressed")
    assert links > 5
    assert (address, section, names) == ("#verdict=regressed", "environment", [SLOWED])


def test_the_table_sorts_in_both_directions_with_empty_cells_last(page: Path) -> None:
    click = "document.querySelector('[data-sort=ratio]').click();"
    values = (
        "return [...document.querySelectorAll('#table tbody')].map(b => b.dataset.ratio).filter(Boolean).map(Number)"
    )
    values = f"(() => {{ {values} }})()"
    up, down = acted(page, f"{click} const up = {values}; {click} return [up, {values}]")
    assert len(up) == 18
    assert up == sorted(up)
    assert down == sorted(up, reverse=True)
    script = (
        "const rows = [...document.querySelectorAll('#table tbody')].slice(0, 18);"
        "const sorted = document.querySelector('[aria-sort=descending] button').dataset.sort;"
        "return [rows.some(b => !b.dataset.ratio), sorted]"
    )
    assert acted(page, script, sort="ratio", order="down") == [False, "ratio"]
    assert acted(page, SHOWN, sort="verdict")[0] == SLOWED


def test_a_row_unfolds_and_keys_move_between_rows(page: Path) -> None:
    script = """
      const toggles = [...document.querySelectorAll('#table tbody:not([hidden]) .toggle')];
      toggles[0].click(); toggles[0].focus();
      toggles[0].dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true }));
      const detail = document.getElementById(toggles[0].getAttribute('aria-controls'));
      return [toggles[0].ariaExpanded, getComputedStyle(detail).display, document.activeElement === toggles[1],
        new URLSearchParams(location.hash.slice(1)).get('open') === toggles[0].ariaLabel]"""
    assert acted(page, script) == ["true", "table-row", True, True]


def seen_in_frames(page: Path, script: str) -> list[Any]:
    """Return what a script returns of the document `all` at each of the `WIDTHS`. Frames of several widths stand in for
    windows: a headless window is at least 500 px wide.
    """
    frames = "".join(f"<iframe width={width} height=900></iframe>" for width in WIDTHS)
    document = json.dumps(page.read_text()).replace("</", "<\\/")
    loaded = (
        f"const text = {document}; const frames = [...document.querySelectorAll('iframe')]; let left = frames.length;"
        "for (const frame of frames) { frame.onload = () => { if (--left) return;"
        "document.getElementById('acted').textContent = JSON.stringify(frames.map(f => { const all = "
        f"f.contentDocument; {script} }})) }}; frame.srcdoc = text }}"
    )
    outer = page.with_name("frames.html")
    outer.write_text(f"<meta charset=utf-8>{frames}<pre id='acted'></pre><script>{loaded}</script>")
    seen, console = opened(outer, page.parent / "profile")
    assert console == ""
    parser = Acted()
    parser.feed(seen)
    values: list[Any] = json.loads(parser.text)
    return values


def test_nothing_scrolls_sideways_at_any_width(page: Path) -> None:
    script = (
        "for (const row of all.querySelectorAll('#table tbody')) row.classList.add('open'); "
        f"return [f.width, all.querySelectorAll('.open').length > 20, {BEYOND}]"
    )
    assert seen_in_frames(page, script) == [[str(width), True, 0] for width in WIDTHS]


def test_the_page_of_a_ladder_folds_into_the_columns_that_fit(tmp_path: Path) -> None:
    made = ladder({f"workload{number}": {release: [0.0, 0.1] for release in ("1.4.1", "1.5.0")} for number in range(6)})
    page = tmp_path / "ladder.html"
    page.write_text(chart_of(Grid(made)))
    columns = "new Set([...all.querySelectorAll('svg')].map(s => s.getBoundingClientRect().left)).size"
    assert seen_in_frames(page, f"return [{BEYOND}, {columns}]") == [[0, n] for n in (1, 1, 2, 2, 2, 3, 3)]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="there is no pdftotext here")
def test_the_heading_of_the_table_repeats_on_every_printed_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BROWSER
    large, pdf = write_report(monkeypatch, page, many(stored(), 90)), page.with_name("page.pdf")
    print_it = [BROWSER, "--headless", "--no-sandbox", f"--user-data-dir={page.parent / 'profile'}"]
    subprocess.run(
        [*print_it, f"--print-to-pdf={pdf}", large.as_uri()], check=True, timeout=TIMEOUT_S, capture_output=True
    )
    done = subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], check=True, timeout=TIMEOUT_S, capture_output=True, text=True
    )
    pages = [text for text in done.stdout.split("\f") if "native-fp32   " in text]
    assert len(pages) > 2
    assert all("Smallest loss" in text for text in pages)


def test_200_cases_with_all_blocks_open_with_a_bounded_number_of_elements(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long they take to open is a claim of `benchmarks.page`; the number of elements decides it."""
    large = write_report(monkeypatch, page.with_name("large.html"), with_slots(many(stored(), 200)))
    cases, elements = acted(large, f"return [(() => {{ {SHOWN} }})().length, document.querySelectorAll('*').length]")
    assert cases == 200
    assert elements / cases < MOST_ELEMENTS
    assert large.stat().st_size < 6_000_000
