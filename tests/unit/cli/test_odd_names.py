"""Subcommands on files whose names hold line breaks, markup and marks of the writing direction."""

import sys
from pathlib import Path

import pytest

from perf.cli import main
from perf.report.page.write import DIRECTIONS
from tests.unit.runs.night.made_nights import BASELINE, TONIGHT

ODD = "a\nb \u202ec [/x] <b>"
SUBCOMMANDS = {
    "judge": ("judge", "{run}", "{baseline}"),
    "report": ("report", "{run}", "{baseline}", "-o", "{output}"),
    "comment": ("comment", "{run}", "{baseline}"),
    "export": ("export", "{run}", "--format=csv", "-o", "{output}"),
    "history": ("history", "add", "{run}", "--folder", "{output}"),
    "a missing run": ("judge", "{output}", "{baseline}"),
}


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_an_odd_name_is_shown_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / ODD
    (folder / "<b>").mkdir(parents=True)
    run, baseline = folder / f"{ODD.partition('/')[0]}.json", folder / "<b>" / "0001_a\n\u2067<b>.json"
    run.write_bytes(TONIGHT.read_bytes())
    baseline.write_bytes(BASELINE.read_bytes())
    output = folder / "out\n\u2066"
    paths = {"run": run, "baseline": baseline, "output": output}
    monkeypatch.setattr(sys, "argv", ["mxperf", *(part.format_map(paths) for part in SUBCOMMANDS[name])])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == (main.USAGE_ERROR if name == "a missing run" else 0)
    printed = capsys.readouterr()
    written = [path.read_text() for path in (output, *output.rglob("*")) if path.is_file()]
    for text in (printed.out, printed.err, *written):
        assert not set(DIRECTIONS) & set(text)
    assert not any("<b>" in text for text in written)
    assert "Traceback" not in printed.err
