"""Sessions in folders, and with files, whose names hold line breaks, markup and marks of the writing direction."""

import json
import shutil
from pathlib import Path

import pytest

from perf.files import ROOT
from tests.integration.faults.test_machine import MKL, in_namespace
from tests.support.session import run

pytestmark = [pytest.mark.alone, pytest.mark.slow]
RIGHT_TO_LEFT = "\u202e"
ODD = f"a\nb {RIGHT_TO_LEFT}c [/x] <script>"


def test_a_checkout_a_cache_and_a_baseline_with_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    checkout, store = folder / "checkout", folder / "stored"
    for path in (checkout, store):
        path.mkdir(parents=True)
    before = in_namespace("--mount", first=f"mount --bind {ROOT} '{checkout}' && cd '{checkout}'")
    storage = f"--benchmark-storage=file://{store}"
    first = run(folder, *MKL, storage, f"--benchmark-save={ODD}", before=before)
    assert first.code == 0, first.output
    (stored,) = store.rglob("*.json")
    page, summary = folder / "page.html", folder / "summary.md"
    written = (f"--perf-report={page}", f"--perf-summary={summary}")
    second = run(folder, *MKL, storage, "--benchmark-compare", *written, before=before)
    assert "Compared with 0001_" in second.output, second.output
    for output in (first.output, second.output):
        assert "Traceback" not in output
        assert RIGHT_TO_LEFT not in output
    assert "<script>" not in page.read_text().partition("<body")[0].partition("<title")[2].partition("</title")[0]
    assert json.loads(stored.read_text())["perf"]
    shutil.rmtree(folder / "cache" / "runs")
