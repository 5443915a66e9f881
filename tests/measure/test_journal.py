"""What is in the journal after a session's end, however it ended, and who may go on with it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.facts import CheckFacts, RnnCheck
from perf.measure.family import Checked
from perf.measure.journal import NAME, Journal, find_journal
from perf.measure.plan import SubjectKey, WorkloadKey
from perf.measure.results import Block, Failure, Invocation, Slot, WarmUp, WorkloadResult
from tests.tmpfs import mounting

CONDITIONS = {"machine class": "c5.metal", "wheel of mkl": "mxnet-mkl==1.5.0 (bbb)", "effort": {"slot_s": 0.2}}
FAILURES = {"mkl-int8": Failure("while being timed: the worker was ended by SIGKILL", "last words")}
CHECKS: dict[str, Checked[CheckFacts]] = {"mkl-fp32": Checked(None, RnnCheck("jit:avx512_core", 1e-6, 1e-3))}
SUBJECT = SubjectKey("cnn", "resnet50_v1")
WORKLOAD = WorkloadKey("cnn", "resnet50_v1", "resnet50_v1-b1")
ROOT = Path(__file__).resolve().parents[2]


def invocation(latency_ns: int = 1000) -> Invocation:
    slot = Slot(((latency_ns, latency_ns + 1), (latency_ns,)), lost_share=None)
    block = Block({"native-fp32": slot, "mkl-fp32": slot}, disturbed=True)
    return Invocation((block,), {"mkl-fp32": WarmUp(3, 5000, steady=False)}, {"mkl-fp32": 2**31}, elapsed_s=1.5)


def reopened(folder: Path, conditions: dict[str, Any] | None = None) -> Journal:
    journal = Journal(folder, conditions or CONDITIONS)
    journal.close()
    return journal


def filled(folder: Path, count: int = 3) -> WorkloadResult:
    journal = Journal(folder, CONDITIONS)
    journal.keep_checks(SUBJECT, CHECKS)
    for number in range(count):
        journal.keep(WORKLOAD, None, invocation(number + 1), FAILURES)
    journal.close()
    return journal.result(WORKLOAD)


def test_everything_is_there_again(tmp_path: Path) -> None:
    before = filled(tmp_path)
    journal = reopened(tmp_path)
    assert journal.result(WORKLOAD) == before
    assert before.failures == FAILURES
    assert [i.blocks[0].slots["mkl-fp32"].latency_ns for i in before.invocations] == [1.25, 2.25, 3.25]
    assert journal.checks(SUBJECT) == CHECKS
    assert journal.checks(SubjectKey("cnn", "resnet18_v1")) is None
    assert journal.checks(SubjectKey("dist", "resnet50_v1")) is None, "another family's subject of that name"
    assert journal.result(WORKLOAD, "mkl-fp32") == WorkloadResult((), {})


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    journal = Journal(tmp_path, CONDITIONS)
    journal.keep(WORKLOAD, None, invocation(7), {})
    journal.close()
    found = reopened(tmp_path).result(WORKLOAD)
    assert len(found.invocations) == 2
    assert found.failures == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_whatever_was_cut_off_the_rest_counts(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / str(data.draw(st.integers(0, 10**9)))
    whole = filled(folder)
    path = folder / NAME
    content = path.read_bytes()
    end = data.draw(st.integers(1, len(content)))
    path.write_bytes(content[:end])
    kept = reopened(folder).result(WORKLOAD).invocations
    assert kept == whole.invocations[: len(kept)]
    assert len(kept) == max(0, content[:end].count(b"\n") - 2)
    again = Journal(folder, CONDITIONS)
    again.keep(WORKLOAD, None, invocation(9), {})
    again.close()
    assert reopened(folder).result(WORKLOAD).invocations == (*kept, invocation(9))
    path.unlink()


def test_other_conditions_are_told_and_nothing_is_taken_over(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(PerfError) as caught:
        Journal(tmp_path, {**CONDITIONS, "wheel of mkl": "./new.whl (ddd)", "host": "x"})
    assert "host None then, x now; wheel of mkl mxnet-mkl==1.5.0 (bbb) then, ./new.whl (ddd) now" in str(caught.value)
    assert "next: leave out --perf-resume" in str(caught.value)
    assert len(reopened(tmp_path).result(WORKLOAD).invocations) == 3


def test_a_journal_in_use_is_refused(tmp_path: Path) -> None:
    program = f"from perf.measure.journal import Journal; Journal(__import__('pathlib').Path({str(tmp_path)!r}), {{}})"
    journal = Journal(tmp_path, {})
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    journal.close()
    assert "another session is still writing this journal" in done.stderr


def test_a_damaged_line_is_told_by_name(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b"resnet50_v1-b1", b'resnet50_v1-b1"', 1))
    with pytest.raises(PerfError, match=r"journal\.jsonl: is damaged"):
        Journal(tmp_path, CONDITIONS)


def test_the_newest_of_the_same_conditions_is_found(tmp_path: Path) -> None:
    for name, conditions in (("1", CONDITIONS), ("2", CONDITIONS), ("3", {"machine class": "c5.24xlarge"})):
        reopened(tmp_path / name, conditions)
    assert find_journal(tmp_path, CONDITIONS) == tmp_path / "2"
    with pytest.raises(PerfError, match=r"3/journal\.jsonl: .* machine class c5\.24xlarge then, m5 now"):
        find_journal(tmp_path, {"machine class": "m5"})


def test_a_session_that_measured_nothing_hides_no_other(tmp_path: Path) -> None:
    filled(tmp_path / "1")
    reopened(tmp_path / "2")
    assert find_journal(tmp_path, CONDITIONS) == tmp_path / "1"


def test_nothing_to_resume_is_told(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="there is no session to resume"):
        find_journal(tmp_path, CONDITIONS)


def test_a_full_disk_stops_no_measurement(tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    program = f"""
from pathlib import Path
from perf.measure.journal import Journal
from tests.measure.test_journal import CONDITIONS, WORKLOAD, invocation
journal = Journal(Path({str(folder)!r}), CONDITIONS)
for number in range(200):
    journal.keep(WORKLOAD, None, invocation(number + 1), {{}})
print(len(journal.result(WORKLOAD).invocations), journal.problem)
journal.close()
print(len(Journal(Path({str(folder)!r}), CONDITIONS).result(WORKLOAD).invocations))
"""
    done = subprocess.run(
        [*mounting(folder, "size=16k"), sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("200 ")
    assert "No space left on device" in first
    assert 0 < int(second) < 200
