"""The section at the end of a session: what it shows, and that it fits consoles of any width."""

import re
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from msgspec.structs import replace as changed
from rich.console import Console

from perf.checks import CheckResult
from perf.judge.change import Change
from perf.judge.judgement import Judgement, VerdictKind
from perf.judge.variance_prior import VariancePrior
from perf.report.brief import BREVITY, Brief, print_brief
from perf.runs.groups import RunVerdicts
from perf.runs.judges import NoBaseline
from perf.runs.record import CaseRecord
from perf.runs.verdict import Verdict
from tests.support.factories import document, gate
from tests.unit.report.made_verdicts import SETTINGS, drifted, judged_side_by_side
from tests.unit.report.records import LSTM, network, ratio, record, trained

NETWORKS = ("resnet18_v1", "resnet50_v1", "mobilenet1.0", "squeezenet1.0")
MOST_LINES = 60
MOST_CASES = BREVITY[0].cases
# The path of a run is one word, and stays one.
CLOSING = ["443 s in all. 3 of 600 blocks were disturbed.", f"This run: /home/a/{'cache/' * 20}run.json"]


def quick_tier() -> list[CaseRecord]:
    """Return records like those of the quick tier, each with a typical value beside its interval."""
    busy = {"typical": 21.3}
    records: list[CaseRecord] = []
    for name in NETWORKS:
        for batch in (1, 4):
            at: dict[str, Any] = {"facts": network(name, batch), "workload": f"{name}-b{batch}", "published": 26.86}
            fp32, int8 = ratio(11.56, **busy), ratio(24.98, low=24.1, high=25.74, **busy)
            records += [record("native-fp32", **at), record("mkl-fp32", fp32, **at), record("mkl-int8", int8, **at)]
    lstm = [changed(record("native-fp32"), **LSTM), changed(record("mkl-fp32", 6.57, published=10.49), **LSTM)]
    return [*records, trained(1), trained(2, ratio(0.773)), *lstm]


# The longest of its parts come from the user's home and the machine's class.
JUDGE_AGAIN = (
    "uv run mxperf judge /home/someone/.cache/mxnet-perf/runs/20261127T051818Z-123456/run.json "
    "baselines/intel-xeon-6.207-2c-1n-amx/0005_quick-5.json"
)
RECORDS = quick_tier()
NAMES = [record.name for record in RECORDS]
JUDGED = [name for name in NAMES if "native" not in name]


def brief(**fields: Any) -> Brief:
    described: dict[str, Any] = {
        "machine": ["intel-xeon-6.207-2c-1n-amx: Intel(R) Xeon(R) Processor, 2 cores, 1 NUMA node, kernel 6.18.44",
                    "instance 0: node 0, CPUs 0-1, 2 threads, numactl",
                    "builds mkl, mkl-dist, zoo: mxnet-mkl==1.5.0; native: mxnet==1.5.0, OpenBLAS for Prescott"],
        "warnings": ["doubtful before the start: turbo unknown (uv run mxperf doctor)"],
        "records": RECORDS, "answers": [], "judge": NoBaseline(), "judged": RunVerdicts({}), "selected": NAMES,
        "closing": CLOSING, "everything": JUDGE_AGAIN,
    }  # fmt: skip
    return Brief(**{**described, **fields})


def undecided(case: str, place: int) -> Verdict:
    """Return an inconclusive verdict whose reason and differences are those of its own case."""
    change = Change(-0.03 - place / 1000, (VariancePrior(0.0004, 4),))
    judgement = Judgement("inconclusive", "", change, 0.1, 0.08, 7 + place)
    reason = f"a change of {5 + place}% cannot be excluded; changed: program: {case}"
    return Verdict(case, "inconclusive", reason, (), judgement, changes=(f"program: {case}/0 -> {case}/1",))


def bad_night() -> Brief:
    """Return a section in which no case is `ok`, for many reasons."""
    kinds: tuple[VerdictKind, ...] = ("regressed", "drifted", "invalid", "inconclusive", "improved")
    verdicts = {name: replace(undecided(name, n), kind=kinds[n % 5]) for n, name in enumerate(JUDGED)}
    answers = [CheckResult("INT8 drift", name, "1", "2", problem) for name in NETWORKS for problem in (None, "far off")]
    answers += [CheckResult("layers of INT8", name, "1", "") for name in NETWORKS]
    gone = [*document()["benchmarks"]]
    return brief(
        judge=gate(document(*gone), settings=SETTINGS), judged=RunVerdicts(verdicts), answers=answers, selected=NAMES
    )


def real_night() -> Brief:
    """Return a section as a candidate wheel made it: every line as long as real texts and paths are."""
    wheel = "/home/someone/wheels/slower/mxnet_mkl-1.5.0-py2.py3-none-manylinux1_x86_64.whl"
    reasons: list[tuple[VerdictKind, str]] = [
        ("regressed", "99.994 % confidence that it changed, and 99.963 % that the change exceeds the tolerance"),
        ("invalid", "there is no undisturbed measurement side by side with the baseline's stack"),
        ("inconclusive", "it may have changed by more than its tolerance, but the evidence is too weak for an alarm"),
    ]
    changes = (f"wheel: mxnet-mkl==1.5.0 (c80de69bde7a) -> {wheel} (ebe20f06332e)", "python: 3.11.2 -> 3.11.7")
    judgement = Judgement("regressed", "", Change(-0.07, (VariancePrior(0.0004, 4),)), 0.1, 0.08, 54)
    verdicts = {}
    for number, name in enumerate(JUDGED):
        kind, reason = reasons[number % 3]
        verdicts[name] = Verdict(name, kind, reason, (), judgement, changes=changes)
    machine, build = brief().machine[:2], f"builds mkl: {wheel}, not locked; native: mxnet==1.5.0, OpenBLAS; zoo"
    marked = changed(RECORDS[1], speedup=ratio(11.56, typical=21.3, invocations=2))
    return brief(
        machine=[*machine, build],
        records=[RECORDS[0], marked, *RECORDS[2:]],
        answers=[CheckResult("INT8 drift", name, "1", "2") for name in NETWORKS],
        judge=gate(),
        judged=RunVerdicts(verdicts),
        closing=["Charts of training: /home/someone/.cache/mxnet-perf/runs/20261127T165342Z-19781/training.html",
                 "1336 s in all. 88 of 434 blocks were disturbed by other programs or the hypervisor and do not count.",
                 "Sum of drift since the anchor 0001_quick-1.json: median +0.3% of 16 cases; largest losses: "
                 "resnet50_v1-b4-mkl-fp32 -7.7%, resnet50_v1-b4-mkl-int8 -3.9%, mobilenet1.0-b4-mkl-fp32 -0.4%.",
                 "doubtful while it ran: steal 3.1 %: the hypervisor ran other guests: repeat the run at another hour",
                 *CLOSING[1:]],
    )  # fmt: skip


def lines_of(shown: Brief, width: int) -> list[str]:
    out = StringIO()
    print_brief(shown, Console(file=out, width=width))
    return out.getvalue().splitlines()


QUIET = brief(judge=gate(), judged=RunVerdicts({name: Verdict(name, "ok", "") for name in JUDGED}))


@pytest.mark.parametrize(
    "shown", [brief(), QUIET, bad_night(), real_night()], ids=["not compared", "all ok", "nothing ok", "long texts"]
)
def test_the_quick_tier_fits_sixty_lines_of_a_hundred_columns(shown: Brief) -> None:
    """With its heading, and the two lines that say where the summary and the page are."""
    assert len(lines_of(shown, 100)) + 3 <= MOST_LINES


def test_what_did_not_fit_is_counted() -> None:
    text = " ".join(" ".join(lines_of(real_night(), 100)).split())
    cases = len(re.findall(r" (?:regressed|invalid|inconclusive)  ", "\n".join(lines_of(real_night(), 100))))
    assert 1 <= cases < MOST_CASES
    assert f"and {len(JUDGED) - cases} more cases, " in text
    assert "regressed: 99.994 % confidence" in text
    assert "Compared with 0001_a.json" in text


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("shown", [QUIET, bad_night()], ids=["all ok", "nothing ok"])
def test_no_line_is_wider_than_the_terminal_but_for_one_long_word(shown: Brief, width: int) -> None:
    wide = [line for line in lines_of(shown, width) if len(line) > width]
    assert wide == [line for line in wide if "run.json" in line and len(line.split()) <= 3]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_every_workload_has_one_line_with_both_speedups_and_their_intervals(width: int) -> None:
    lines = lines_of(QUIET, width)
    for name in NETWORKS:
        rows = [line for line in lines if re.match(rf"{name} +[14]  ", line)]
        assert len(rows) == 2
        assert all("11.56 [10.40, 12.72] ~21.30" in row and "24.98 [24.10, 25.74] ~21.30" in row for row in rows)
    assert sum("6.57 [5.91, 7.23]" in line for line in lines) == 1
    assert sum("77.3 % [69.6, 85.0]" in line for line in lines) == 1


@pytest.mark.parametrize(("width", "shown"), [(80, ()), (100, ("published",)), (160, ("published", "ms", "GFLOP/s"))])
def test_columns_go_by_their_place_where_the_terminal_is_narrow(width: int, shown: tuple[str, ...]) -> None:
    lines = lines_of(QUIET, width)
    heading = " ".join(lines[lines.index(next(line for line in lines if "Table 2" in line)) + 1 :][:2])
    assert [name for name in ("published", "ms", "GFLOP/s") if name in heading] == list(shown)


def test_the_last_line_counts_the_verdicts_and_the_one_before_says_where_the_run_is() -> None:
    lines = lines_of(QUIET, 100)
    assert lines[-1] == f"Verdicts: {len(JUDGED)} ok."
    assert lines[-2].endswith("run.json")
    assert lines[:4] == [*brief().machine, *brief().warnings]


def test_the_gravest_cases_come_first_and_the_rest_are_counted() -> None:
    lines = lines_of(bad_night(), 100)
    start = next(number for number, line in enumerate(lines) if line.startswith("Case "))
    rows = lines[start + 2 : start + 2 + MOST_CASES]
    assert [row.split()[1] for row in rows] == ["regressed"] * MOST_CASES


def test_what_is_left_out_is_counted_with_the_command_that_prints_it() -> None:
    text = " ".join(" ".join(lines_of(bad_night(), 100)).split())
    assert f"and {len(JUDGED) - MOST_CASES} more cases, 3 more reasons, 17 more differences: {JUDGE_AGAIN} " in text
    assert "mxperf judge" not in " ".join(lines_of(QUIET, 100))


def test_an_identical_reason_is_printed_once_with_its_cases() -> None:
    verdicts = {name: undecided(name, place) for place, name in enumerate(JUDGED[:5])}
    text = " ".join(" ".join(lines_of(brief(judge=gate(), judged=RunVerdicts(verdicts)), 100)).split())
    reason = "inconclusive: a change of 5 to 9% cannot be excluded; --perf-invocations=11 would decide them. 5 cases: "
    assert text.count("cannot be excluded") == 1
    assert f"{reason}{', '.join(JUDGED[:3])} and 2 more." in text


def test_a_verdict_stands_beside_the_comparison_that_it_is_based_on() -> None:
    verdicts = [judged_side_by_side(-0.1, "resnet18_v1-b1"), drifted()]
    shown = brief(judge=gate(), judged=RunVerdicts({verdict.case: verdict for verdict in verdicts}))
    rows = [
        re.split(r"\s{2,}", line.strip()) for line in lines_of(shown, 100) if re.search(r" (regress|drift)ed ", line)
    ]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("resnet18_v1-b1-mkl-fp32", "regressed", "the baseline's stack"),
        ("resnet50_v1-b1-mkl-fp32", "drifted", "native-fp32"),
    ]
    assert rows[0][2].startswith("-10.0% [-10.")


def test_answers_are_counted_and_those_that_are_not_right_are_named() -> None:
    text = " ".join(" ".join(lines_of(bad_night(), 100)).split())
    wrong, unjudged = "INT8 drift of resnet18_v1 and 3 more", "layers of INT8 of resnet18_v1 and 3 more"
    assert f"Checks of answers: 4 wrong ({wrong}), 4 not judged ({unjudged}), 4 right." in text


def test_where_only_answers_were_checked_their_figures_are_shown() -> None:
    answers = [CheckResult("INT8 drift", "resnet18_v1", "25.2 dB", "24.0 dB")]
    text = "\n".join(lines_of(brief(records=[], answers=answers, closing=[]), 100))
    assert re.search(r"^INT8 drift +resnet18_v1 +25\.2 dB +24\.0 dB +right *$", text, re.MULTILINE)
    assert "25.2 dB" not in "\n".join(lines_of(brief(answers=answers), 100))
