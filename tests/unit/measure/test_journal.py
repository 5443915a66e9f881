"""The content of a journal after a session, however that ended, and which sessions may resume it."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from perf.errors import PerfError
from perf.facts import CheckFacts, RnnCheck
from perf.files import ROOT
from perf.measure.family import Checked
from perf.measure.journal import NAME, InvocationLine, Journal, resume_journal
from perf.measure.plan import Operator, Plan, SubjectKey, Variant, WorkloadKey
from perf.measure.results import Block, Failure, Invocation, Slot, WarmUp, WorkloadResult
from perf.measure.stacks import stack_of
from perf.stack import Stack
from tests.support.fakes import PLACEMENTS, build
from tests.support.tmpfs import mounting

CONDITIONS = {"machine class": "c5.metal", "wheel of mkl": "mxnet-mkl==1.5.0 (bbb)", "effort": {"slot_s": 0.2}}
FAILURES = {"mkl-int8": Failure("while being timed: the worker was ended by SIGKILL", "last lines")}
CHECKS: dict[str, Checked[CheckFacts]] = {"mkl-fp32": Checked(None, RnnCheck("jit:avx512_core", 1e-6, 1e-3))}
SUBJECT = SubjectKey("cnn", "resnet50_v1")
WORKLOAD = WorkloadKey("cnn", "resnet50_v1", "resnet50_v1-b1")
VARIANT = Variant("mkl-fp32", build("mkl", mkldnn=True), Operator("relu", {}, ("data",)))
STACK = stack_of(Plan("resnet50_v1", (VARIANT,), (), "mkl-fp32", family="cnn"), VARIANT, PLACEMENTS)
STACKS = {"native-fp32": replace(STACK, wheel="a" * 64), "mkl-fp32": STACK}


def invocation(latency_ns: int = 1000) -> Invocation:
    slot = Slot(((latency_ns, latency_ns + 1), (latency_ns,)), lost_share=None)
    block = Block({"native-fp32": slot, "mkl-fp32": slot}, disturbed=True)
    return Invocation((block,), {"mkl-fp32": WarmUp(3, 5000, steady=False)}, {"mkl-fp32": 2**31}, elapsed_s=1.5)


def line(latency_ns: int, stacks: Mapping[str, Stack] = STACKS, confirming: str | None = None) -> InvocationLine:
    return InvocationLine(
        key=WORKLOAD, confirming=confirming, stacks=dict(stacks), invocation=invocation(latency_ns), failures=FAILURES
    )


def reopened(folder: Path, conditions: dict[str, Any] | None = None) -> Journal:
    journal = Journal(folder, conditions or CONDITIONS)
    journal.close()
    return journal


def result(journal: Journal) -> WorkloadResult:
    return journal.result(WORKLOAD, None, STACKS)


def filled(folder: Path, count: int = 3) -> WorkloadResult:
    journal = Journal(folder, CONDITIONS)
    journal.record_checks(SUBJECT, STACKS, CHECKS)
    for number in range(count):
        journal.record(line(number + 1))
    journal.close()
    return result(journal)


def test_a_reopened_journal_has_all_its_content(tmp_path: Path) -> None:
    before = filled(tmp_path)
    journal = reopened(tmp_path)
    assert result(journal) == before
    assert before.failures == FAILURES
    assert b'"last_words":"last lines"' in (tmp_path / NAME).read_bytes(), "journals keep the name that they began with"
    assert [i.blocks[0].slots["mkl-fp32"].latency_ns for i in before.invocations] == [1.25, 2.25, 3.25]
    assert journal.checks(SUBJECT, STACKS) == CHECKS
    assert journal.checks(SubjectKey("cnn", "resnet18_v1"), STACKS) is None
    assert journal.checks(SubjectKey("dist", "resnet50_v1"), STACKS) is None, "another family's subject of that name"
    assert journal.result(WORKLOAD, "mkl-fp32", STACKS) == WorkloadResult((), {})
    assert journal.resumed is not None


def test_a_resumed_journal_continues_where_it_stopped(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    journal = Journal(tmp_path, CONDITIONS)
    journal.record(replace(line(7), failures={}))
    journal.close()
    whole = result(reopened(tmp_path))
    assert len(whole.invocations) == 2
    assert whole.failures == {}


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"variables": {"KMP_BLOCKTIME": "0"}}, "variables KMP_BLOCKTIME: not set -> 0"),
        ({"environment": {"LD_PRELOAD": "x.so"}}, "environment LD_PRELOAD: not set -> x.so"),
        ({"program": "net/fp32 0123456789ab no subgraph"}, "program: "),
        ({"wheel": "c" * 64}, "wheel: mxnet==1.5.0 (aaaaaaaaaaaa) -> mxnet==1.5.0 (cccccccccccc)"),
        ({"job": {"batch": 8}}, "job batch: not set -> 8"),
        ({"placement": ("instance 0: elsewhere",)}, "placement: "),
    ],
)
def test_invocations_with_a_different_stack_are_dropped_with_a_reason(
    tmp_path: Path, change: dict[str, Any], difference: str
) -> None:
    filled(tmp_path)
    now = {**STACKS, "mkl-fp32": replace(STACK, **change)}
    journal = Journal(tmp_path, CONDITIONS)
    assert journal.result(WORKLOAD, None, now) == WorkloadResult((), {}), "its failures are dropped too"
    assert journal.checks(SUBJECT, now) is None
    reasons = journal.dropped(WORKLOAD, None, now)
    assert len(reasons) == 3
    assert all(reason.startswith(f"mkl-fp32 ran a different stack: {difference}") for reason in reasons)
    journal.record(line(7, now))
    journal.close()
    resumed_journal = reopened(tmp_path)
    assert resumed_journal.result(WORKLOAD, None, now).invocations == (invocation(7),), "the two parts never mix"
    assert len(result(resumed_journal).invocations) == 3


def test_invocations_without_the_baseline_arm_are_dropped(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    now = {**STACKS, "mkl-fp32@baseline": STACK}
    journal = reopened(tmp_path)
    assert journal.result(WORKLOAD, None, now).invocations == ()
    assert journal.dropped(WORKLOAD, None, now) == [
        "mkl-fp32@baseline did not run in the same blocks then, but does now"
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_complete_lines_count_wherever_a_journal_is_cut_off(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / str(data.draw(st.integers(0, 10**9)))
    whole = filled(folder)
    path = folder / NAME
    content = path.read_bytes()
    end = data.draw(st.integers(1, len(content)))
    path.write_bytes(content[:end])
    remaining = result(reopened(folder)).invocations
    assert remaining == whole.invocations[: len(remaining)]
    assert len(remaining) == max(0, content[:end].count(b"\n") - 2)
    continued = Journal(folder, CONDITIONS)
    continued.record(line(9))
    continued.close()
    assert result(reopened(folder)).invocations == (*remaining, invocation(9))
    path.unlink()


def test_a_session_that_was_killed_within_a_line_can_be_resumed(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from perf.measure.journal import NAME, Journal
from tests.unit.measure.test_journal import CONDITIONS, line
journal = Journal(Path({str(tmp_path)!r}), CONDITIONS)
journal.record(line(1))
with (journal.folder / NAME).open("ab", buffering=0) as stream:
    stream.write(b'{{"measured":{{"key":')
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert result(reopened(tmp_path)).invocations == (invocation(1),)
    assert (tmp_path / NAME).read_bytes().endswith(b"\n")


def test_a_journal_with_different_conditions_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(PerfError) as caught:
        Journal(tmp_path, {**CONDITIONS, "wheel of mkl": "./new.whl (ddd)", "host": "x"})
    assert "host: None then, x now; wheel of mkl: mxnet-mkl==1.5.0 (bbb) then, ./new.whl (ddd) now" in str(caught.value)
    assert "next: leave out --perf-resume" in str(caught.value)
    assert len(result(reopened(tmp_path)).invocations) == 3


def test_a_journal_in_use_is_refused_and_unchanged(tmp_path: Path) -> None:
    """The other session may be in the middle of a line."""
    journal = Journal(tmp_path / "1", CONDITIONS)
    journal.record(line(1))
    path = tmp_path / "1" / NAME
    with path.open("ab") as stream:
        stream.write(b'{"measured":')
    content = path.read_bytes()
    program = f"""
from pathlib import Path
from perf.measure.journal import resume_journal
from tests.unit.measure.test_journal import CONDITIONS
resume_journal(Path({str(tmp_path)!r}), CONDITIONS)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    journal.close()
    assert "another session is still writing this journal" in done.stderr
    assert path.read_bytes() == content


def test_the_error_for_a_damaged_line_names_the_file(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b"resnet50_v1-b1", b'resnet50_v1-b1"', 1))
    with pytest.raises(PerfError, match=r"journal\.jsonl: is damaged"):
        Journal(tmp_path, CONDITIONS)


def test_an_earlier_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"header":{"version":1,"conditions":{}}}\n{"measured":{"phase":"invocation"}}\n')
    with pytest.raises(PerfError, match="cannot be resumed: its version is not 2"):
        Journal(tmp_path, CONDITIONS)


def resumed(runs: Path, conditions: dict[str, Any] | None = None) -> Path:
    journal = resume_journal(runs, conditions or CONDITIONS)
    journal.close()
    return journal.folder


def test_the_newest_session_with_the_same_conditions_is_resumed(tmp_path: Path) -> None:
    for name, conditions in (("1", CONDITIONS), ("2", CONDITIONS), ("3", {"machine class": "c5.24xlarge"})):
        reopened(tmp_path / name, conditions)
    assert resumed(tmp_path) == tmp_path / "2"
    with pytest.raises(PerfError, match=r"3/journal\.jsonl: .* machine class: c5\.24xlarge then, m5 now"):
        resume_journal(tmp_path, {"machine class": "m5"})


def test_a_session_without_measurements_is_passed_over(tmp_path: Path) -> None:
    filled(tmp_path / "1")
    reopened(tmp_path / "2")
    assert resumed(tmp_path) == tmp_path / "1"


def test_a_running_session_is_passed_over(tmp_path: Path) -> None:
    filled(tmp_path / "1")
    filled(tmp_path / "2")
    running = Journal(tmp_path / "2", CONDITIONS)
    assert resumed(tmp_path) == tmp_path / "1"
    running.close()


def test_a_complete_session_is_not_resumed(tmp_path: Path) -> None:
    filled(tmp_path / "1")
    journal = Journal(tmp_path / "1", CONDITIONS)
    journal.finish()
    journal.close()
    reopened(tmp_path / "2", {"machine class": "c5.24xlarge"})
    with pytest.raises(
        PerfError, match=r"1/journal\.jsonl: there is no unfinished session to resume: the session of \d{4}-"
    ):
        resume_journal(tmp_path, CONDITIONS)


def test_nothing_to_resume_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="there is no unfinished session to resume"):
        resume_journal(tmp_path, CONDITIONS)


def test_a_full_disk_does_not_stop_measuring(tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    program = f"""
from pathlib import Path
from perf.measure.journal import Journal
from tests.unit.measure.test_journal import CONDITIONS, line, result
journal = Journal(Path({str(folder)!r}), CONDITIONS)
for number in range(200):
    journal.record(line(number + 1))
print(len(result(journal).invocations), journal.problem)
journal.close()
print(len(result(Journal(Path({str(folder)!r}), CONDITIONS)).invocations))
"""
    done = subprocess.run(
        [*mounting(folder, "size=64k"), sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("200 ")
    assert "No space left on device" in first
    assert 0 < int(second) < 200
