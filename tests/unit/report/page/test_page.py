"""The page of a run: everything that it says is in its data, and nothing in it can do harm."""

import json
import re
import sys
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from perf.cli import main
from perf.report.page.data import Page
from tests.conftest import SmallDisk
from tests.unit.report.page.made_pages import (
    EARLIER,
    HOSTILE,
    LATER,
    SLOWED,
    case_in,
    many,
    regressed,
    renamed,
    stored,
    with_slots,
    write_report,
)


class Outline(HTMLParser):
    """What a browser would see of a page: its elements in order, the texts of its scripts, and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._within = ""
        self._id = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._within, self._id = tag, dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[self._id] = self.scripts.get(self._id, "") + data
        elif not self._within:
            self.text += data


def outline(page: Path) -> Outline:
    return Outline(page.read_text())


def data_of(page: Path) -> Page:
    return msgspec.json.decode(outline(page).scripts["data"], type=Page)


# No run of it is stored.
OTHER_CLASS = "amd-epyc-2c-1n-avx2"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_the_embedded_data_fit_their_schema(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = outline(write_report(monkeypatch, page, regressed(stored()))).scripts
    jsonschema.validate(json.loads(scripts["data"]), json.loads(scripts["schema"]))


def test_first_comes_the_result_with_all_counts(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = regressed(stored())
    gone = run["benchmarks"].pop(-1)["fullname"]
    run["benchmarks"].pop(0)
    run["perf"]["left_out"] = {gone: "worker died"}
    write_report(monkeypatch, page, run)
    heading = re.search(r"<h1.*?</h1>", page.read_text(), re.DOTALL)
    assert heading
    assert " ".join(Outline(heading[0]).text.split()) == "regressed 1 regressed, 16 ok, 1 not run, 1 vanished"


def test_a_regression_is_the_worst_with_all_that_is_known(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(write_report(monkeypatch, page, regressed(stored())))
    (worst,) = data.worst
    assert worst.case == SLOWED
    assert worst.change.startswith("-8.0% [")
    assert worst.cause.startswith("build:")
    assert worst.tolerance == 0.02
    assert any("slow.whl" in change for change in worst.changes)
    assert [(entry.name, entry.now) for entry in worst.answers] == [("kernels", "ref:any"), ("operators fused", "1")]
    assert SLOWED in worst.command
    assert "--benchmark-compare=0005_quick-5.json" in worst.command


def test_the_same_run_without_it_has_no_worst_case(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(write_report(monkeypatch, page, stored()))
    assert (data.word, dict(data.counts), data.worst) == ("ok", {"ok": 18}, [])


def test_every_case_has_a_row_with_speed_and_answers(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()
    rows = {row.name: row for row in data_of(write_report(monkeypatch, page, run)).cases}
    assert len(rows) == len(run["benchmarks"])
    row, record = rows[SLOWED], case_in(run, SLOWED)
    assert row.ratio
    assert (row.network, row.size, row.variant) == ("resnet50_v1", "4", "mkl-int8")
    assert row.ratio.value == record["speedup"]["value"]
    assert row.baseline == pytest.approx(case_in(stored(EARLIER), SLOWED)["speedup"]["value"], rel=0.01)
    assert row.published == 52.83
    assert row.answers.sqnr_db == record["facts"]["check"]["drift"]["sqnr_db"]
    assert row.answers.quantized == 56
    assert len(row.samples[0].typical) == record["speedup"]["invocations"]
    assert row.samples[0].then
    assert rows["resnet50_v1-b4-native-fp32"].verdict == "reference"


def test_without_a_baseline_the_verdicts_are_those_of_the_session(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()
    run["perf"]["machine_class"] = OTHER_CLASS
    data = data_of(write_report(monkeypatch, page, run, None))
    assert (data.word, data.compared, dict(data.counts)) == ("ok", "judged when it was measured", {"ok": 18})
    (row,) = (row for row in data.cases if row.name == SLOWED)
    assert row.change
    assert row.change_over.startswith("stored speedup over ")


def test_a_run_that_was_never_compared_says_so(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()
    run["perf"]["machine_class"] = OTHER_CLASS
    for entry in run["benchmarks"]:
        entry["extra_info"]["verdict"] = None
    data = data_of(write_report(monkeypatch, page, run, None))
    assert (data.word, data.compared) == ("not compared", "nothing")
    assert {row.verdict for row in data.cases} == {"reference", "not judged"}


def test_a_name_with_markup_does_no_harm(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = renamed(regressed(stored()), SLOWED, HOSTILE)
    run["perf"]["left_out"] = {f"perf/x.py::t[{HOSTILE}]": HOSTILE}
    run["perf"]["settings"]["kernel"] = HOSTILE
    clean, harmed = write_report(monkeypatch, page, stored()), page.with_name("other.html")
    expected = outline(clean)
    seen = outline(write_report(monkeypatch, harmed, run))
    assert [tag for tag, _ in seen.elements].count("script") == [tag for tag, _ in expected.elements].count("script")
    assert seen.scripts[""] == expected.scripts[""]
    assert any(row.network == HOSTILE for row in data_of(harmed).cases)
    assert HOSTILE in seen.text


def test_what_a_run_does_not_hold_is_not_recorded(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = outline(write_report(monkeypatch, page, stored())).text
    assert text.count("Latency by block: not recorded.") == len(stored()["benchmarks"])
    for absent in ("No case was explained", "Accuracy of single cases: not recorded"):
        assert absent in text
    assert "blocks: not recorded" in text
    assert text.count("Since the anchornot recorded") == 18


def test_it_needs_no_network(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elements = outline(write_report(monkeypatch, page, stored())).elements
    links = {value for _, attributes in elements for name, value in attributes.items() if name in {"src", "href"}}
    assert all(link and link.startswith("#") for link in links)
    assert "url(" not in page.read_text()
    assert {tag for tag, _ in elements} & {"img", "link", "iframe", "object"} == set()


def test_40_cases_with_all_blocks_stay_below_their_part_of_6_mb(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(write_report(monkeypatch, page, with_slots(many(stored(), 40))))
    assert len(data.cases) == 40
    assert all(series.blocks for row in data.cases for series in row.samples)
    assert "blocks: not recorded" not in page.read_text()
    assert page.stat().st_size < 6_000_000 * 40 / 200


def test_a_baseline_of_an_earlier_version_is_shown_without_its_answers(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = EARLIER.with_name("0004_quick-4.json")
    data = data_of(write_report(monkeypatch, page, regressed(stored(older), SLOWED), older))
    assert any("0004_quick-4.json" in warning for warning in data.warnings)
    assert data.word == "regressed"
    assert all(row.answers.sqnr_db is None for row in data.cases)


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mxperf", "report", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("content", ["", "{}", '{"perf": {"schema": 99}}', LATER.read_text()[:5000]])
def test_a_file_that_is_not_a_run_is_an_error(
    content: str, page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = page.with_name("run.json")
    run.write_text(content)
    assert run_main(monkeypatch, str(run), "-o", str(page)) == 4
    assert str(run) in capsys.readouterr().err
    assert not page.exists()


def test_a_baseline_that_is_not_there_is_an_error(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = page.with_name("missing.json")
    assert run_main(monkeypatch, str(LATER), str(missing), "-o", str(page)) == 4
    assert f"{missing}: cannot be read: No such file" in capsys.readouterr().err
    assert not page.exists()


WORKLOADS = ("resnet18_v1-b1", "resnet50_v1-b1", "mobilenet1.0-b1", "squeezenet1.0-b4")


@pytest.mark.parametrize("field", ["value", "low", "typical", "published", "batch", "change"])
def test_impossible_figures_do_not_hide_the_page(field: str, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()
    networks = [case_in(run, f"{name}-mkl-fp32") for name in WORKLOADS] + [case_in(run, SLOWED)]
    for record, value in zip(networks, [-1.0, 0.0, 1e-300, 1e300, 700.0], strict=True):
        places: dict[str, tuple[dict[str, Any], str, Any]] = {
            "published": (record, "published", value),
            "batch": (record["facts"], "batch", int(value)),
            "change": (record["verdict"]["ratios"][0], "change_low", value),
        }
        part, name, content = places.get(field, (record["speedup"], field, value))
        part[name] = content
    path = page.with_name("run.json")
    path.write_text(json.dumps(run))
    assert run_main(monkeypatch, str(path), "-o", str(page)) == 0
    assert len(data_of(page).cases) == len(run["benchmarks"])


def test_a_full_disk_leaves_no_half_page(
    small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = small_disk
    with suppress(OSError):
        (folder / "ballast").write_bytes(bytes(30_000_000))
    page = folder / "report.html"
    assert run_main(monkeypatch, str(LATER), "-o", str(page)) == 4
    assert "could not be written: No space left on device" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["ballast"]
