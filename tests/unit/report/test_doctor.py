"""The doctor's table: every finding once, doubtful ones with advice, nothing cut."""

import re
from io import StringIO

import pytest
from rich.console import Console

from perf.machine import Finding
from perf.report.doctor import print_findings

ADVICE = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
FINDINGS = [
    Finding("cpu_quota", "none", "fine", "A quota [stops] all threads for the rest of a period.", None),
    Finding("turbo", "on (intel_pstate)", "doubtful", "The frequency depends on the temperature.", ADVICE),
    Finding("governor", None, "unknown", "the host decides", None),
]


def printed(width: int, findings: list[Finding] = FINDINGS) -> str:
    out = StringIO()
    print_findings(findings, Console(file=out, width=width))
    return out.getvalue()


def test_a_wide_console_shows_each_finding_on_one_line() -> None:
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed(160).splitlines()]
    for finding in FINDINGS:
        name = finding.check.replace("_", " ")
        assert [name, finding.reading or "-", finding.verdict, finding.explanation] in rows


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_console_cuts_nothing(width: int) -> None:
    out = printed(width)
    assert "…" not in out
    letters = re.sub(r"\s", "", out)
    assert len(re.findall("[a-z]", letters)) == len(re.findall("[a-z]", re.sub(r"\s", "", printed(300))))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_advice_stays_on_one_line_to_be_copied(width: int) -> None:
    assert f"  turbo: {ADVICE}" in printed(width).splitlines()


def test_the_last_line_counts_verdicts() -> None:
    assert printed(80).splitlines()[-1] == "1 doubtful, 1 unknown, 1 fine"


def test_without_doubt_there_is_nothing_to_do() -> None:
    assert "What to do" not in printed(80, FINDINGS[:1])
