"""A session in folders whose names hold line breaks, markup and marks of the writing direction."""

from pathlib import Path

import pytest

from perf.files import ROOT
from tests.integration.faults.test_machine import MKL, in_namespace
from tests.support.session import run

pytestmark = [pytest.mark.alone, pytest.mark.slow]
RIGHT_TO_LEFT = "\u202e"
ODD = f"a\nb {RIGHT_TO_LEFT}c [/x] <script>"


def test_a_checkout_a_cache_and_stored_runs_in_folders_with_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    checkout, store = folder / "checkout", folder / "stored"
    for path in (checkout, store):
        path.mkdir(parents=True)
    before = in_namespace("--mount", first=f"mount --bind {ROOT} '{checkout}' && cd '{checkout}'")
    page, summary = folder / "page.html", folder / "summary.md"
    written = (f"--perf-report={page}", f"--perf-summary={summary}", "--benchmark-save=first")
    finished = run(folder, *MKL, f"--benchmark-storage=file://{store}", *written, before=before)
    assert finished.code == 0, finished.output
    assert list(store.glob("*/0001_first.json")) + list(store.glob("0001_first.json"))
    assert f"This run: {tmp_path}/a b" in finished.output
    shown = finished.output.partition("collected ")[2]  # before it, pytest shows the name of the checkout as it is
    for text in (shown, page.read_text(), summary.read_text()):
        assert RIGHT_TO_LEFT not in text
    for text in (page.read_text(), summary.read_text()):
        assert "[/x] <script>" not in text
