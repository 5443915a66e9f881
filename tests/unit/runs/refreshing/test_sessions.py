"""A baseline from several sessions: which session each case comes from, and which sessions do not belong together."""

import hashlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.runs.refreshing.sessions import combined, read_session
from perf.runs.schema import StoredRun
from tests.support.factories import LOG_SPEEDUPS, as_run
from tests.unit.runs.made_runs import EQUAL, ITEM, WORKLOADS, run_of, stored
from tests.unit.runs.refreshing.made_sessions import CASE_NAMES, built, moved, session_files, written

USUAL = max(LOG_SPEEDUPS)  # the fastest slot counts


def change_of(run: StoredRun, name: str) -> float:
    observed = run.cases[name].samples["native-fp32"].observed
    assert observed is not None
    return round(observed.log_ratio - USUAL, 6)


@pytest.mark.parametrize(
    ("changes", "middle"),
    [((-0.03, 0.0, 0.01), 0.0), ((0.5, -0.5, 0.1), 0.1), ((0.02, 0.02, 0.9), 0.02), ((0.0, 0.1, 0.2, 0.3, 0.4), 0.2)],
)
def test_each_case_comes_from_the_session_in_the_middle(
    tmp_path: Path, changes: tuple[float, ...], middle: float
) -> None:
    run = as_run(built(tmp_path, *(moved(by, -by, 0.0) for by in changes)))
    assert change_of(run, CASE_NAMES[0]) == middle
    assert change_of(run, CASE_NAMES[1]) == -middle


def test_of_two_sessions_in_the_middle_the_newer_one_counts(tmp_path: Path) -> None:
    run = as_run(built(tmp_path, moved(0.2), moved(0.0), moved(0.3), moved(0.1)))
    assert change_of(run, CASE_NAMES[0]) == 0.1


def test_a_stored_case_is_what_its_source_measured_and_the_source_is_named(tmp_path: Path) -> None:
    files = session_files(tmp_path, [moved(0.0, 0.1, 0.2), moved(0.1, 0.2, 0.0), moved(0.2, 0.0, 0.1)])
    document = combined([read_session(path) for path in files])
    run = as_run(document)
    assert [source.file for source in run.perf.sources] == ["session-1.json", "session-2.json", "session-3.json"]
    for source, path in zip(run.perf.sources, files, strict=True):
        content = path.read_bytes()
        session = as_run(json.loads(content))
        assert source.sha256 == hashlib.sha256(content).hexdigest()
        assert source.datetime == session.datetime
        for name in source.cases:
            kept, own = run.cases[name], session.cases[name]
            assert (kept.latency_s, kept.stack) == (own.latency_s, own.stack)
            assert {of: s.floors for of, s in kept.samples.items()} == {of: s.floors for of, s in own.samples.items()}
    assert sorted(name for source in run.perf.sources for name in source.cases) == sorted(run.cases)
    assert run.datetime == run.perf.sources[-1].datetime


def test_the_log_speedups_of_all_sessions_stand_beside_a_case_oldest_first(tmp_path: Path) -> None:
    documents = [moved(0.2), moved(0.0), moved(0.1)]
    files = session_files(tmp_path, documents)
    run = as_run(combined([read_session(files[n]) for n in (2, 0, 1)]))
    logs = run.cases[CASE_NAMES[0]].samples["native-fp32"].sessions
    assert [round(value - USUAL, 6) for value in logs] == [0.2, 0.0, 0.1]


def test_the_newest_session_is_the_one_that_ended_last_wherever_it_ran(tmp_path: Path) -> None:
    ends = ("2026-11-24T01:00:00+14:00", "2026-11-23T15:00:00+00:00", "2026-11-23T20:00:00-11:00")
    documents = [{**moved(0.0), "datetime": end} for end in reversed(ends)]
    assert [source.datetime for source in as_run(built(tmp_path, *documents)).perf.sources] == list(ends)


def test_measurements_side_by_side_of_all_sessions_count(tmp_path: Path) -> None:
    sessions = [run_of({WORKLOADS[0]: -0.02}, wheel="c") for _ in range(3)]
    case = as_run(built(tmp_path, *sessions)).cases[CASE_NAMES[0]]
    assert case.side_by_side is not None
    assert len(case.side_by_side.values) == 12
    assert case.side_by_side.stack.wheel == "b" * 64


def test_one_that_was_not_measured_side_by_side_adds_nothing(tmp_path: Path) -> None:
    sessions = [run_of({WORKLOADS[0]: -0.02}, wheel="c", compared=compared) for compared in (True, True, False)]
    case = as_run(built(tmp_path, *sessions)).cases[CASE_NAMES[0]]
    assert case.side_by_side is not None
    assert len(case.side_by_side.values) == 8


def test_sessions_of_different_hosts_say_nothing_about_absolute_times(tmp_path: Path) -> None:
    run = as_run(built(tmp_path, moved(0.0), moved(0.0), moved(0.0, host_id="another")))
    assert run.perf.host_id is None


def test_a_case_that_a_session_lacks_is_left_out_with_the_reason(tmp_path: Path) -> None:
    lacking = moved(0.0, 0.0, 0.0, left_out={CASE_NAMES[1]: "wrong answers"})
    document = built(tmp_path / "sessions", moved(0.0, 0.0, 0.0), lacking, moved(0.0, 0.0, 0.0))
    why = document["perf"]["left_out"][ITEM.format(CASE_NAMES[1])]
    assert why == "1 session of 3 lack it: session-2.json (session-2.json: wrong answers)"
    assert CASE_NAMES[1] not in as_run(document).cases
    stored(tmp_path / "stored", run_of(EQUAL))
    with pytest.raises(PerfError, match=f"it lacks 1 case of 0001_made.json: {CASE_NAMES[1]}"):
        stored(tmp_path / "stored", document)


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (lambda: moved(0.0, machine_class="c5.metal"), "machine class made-2c-1n-avx2, session-3.json has c5.metal"),
        (lambda: moved(0.0, tier="nightly"), "tier unknown, session-3.json has nightly"),
        (lambda: moved(0.0, settings={"kernel": "6.2.0"}), "settings differ .*kernel: 6.1.0 -> 6.2.0"),
        (
            lambda: moved(0.0, tolerances={CASE_NAMES[0]: {"change": 0.3}}),
            f"sets other tolerances than in session-3.json: {CASE_NAMES[0]}",
        ),
        (lambda: run_of({WORKLOADS[0]: 0.0}, wheel="c"), "ran another stack than in session-3.json: wheel: "),
        (lambda: moved(0.0, complete=False), "it is unfinished"),
        (lambda: moved(0.0, injected={"mkl-fp32": 0.05}), "slowed down on purpose"),
    ],
)
def test_sessions_that_do_not_belong_together_are_refused(tmp_path: Path, last: Any, problem: str) -> None:
    with pytest.raises(PerfError, match=problem) as caught:
        built(tmp_path, moved(0.0), moved(0.0), last())
    assert caught.value.subject is not None
    assert caught.value.next_step is not None


def test_a_setting_that_one_session_could_not_read_and_another_did_not_know_is_the_same(tmp_path: Path) -> None:
    """As when a version of the suite reads a new one, which this machine does not have."""
    known = moved(0.0)["perf"]["settings"]
    documents = [moved(0.0), moved(0.0), moved(0.0, settings={**known, "frequency_limit": None})]
    assert as_run(built(tmp_path, *documents)).cases


def test_two_sessions_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="2 sessions, but a baseline needs 3 or more"):
        built(tmp_path, moved(0.0), moved(0.0))


def test_a_session_counts_once(tmp_path: Path) -> None:
    same = moved(0.0)
    with pytest.raises(PerfError, match=r"it is the same session as .*session-1\.json"):
        built(tmp_path, same, moved(0.0), same)


@pytest.mark.parametrize("end", ["2026-11-22T09:00:00+00:00", "2026-11-29T09:00:00+00:00"])
def test_a_copy_with_another_end_is_the_same_session(tmp_path: Path, end: str) -> None:
    one = moved(0.0)
    with pytest.raises(PerfError, match=r"it is the same session as .*session-[13]\.json"):
        built(tmp_path, one, moved(0.0), {**one, "datetime": end})


def test_a_copy_of_a_stored_run_with_another_end_is_not_stored(tmp_path: Path) -> None:
    one = run_of(EQUAL)
    stored(tmp_path, one)
    with pytest.raises(PerfError, match=r"the run is stored already: 0001_made\.json"):
        stored(tmp_path, {**one, "datetime": "2026-11-29T09:00:00+00:00"})


def test_a_baseline_is_no_session(tmp_path: Path) -> None:
    made = built(tmp_path, moved(0.0), moved(0.0), moved(0.0))
    with pytest.raises(PerfError, match="it is a baseline that was built from sessions"):
        built(tmp_path / "again", moved(0.0), made, moved(0.0))


def test_a_session_is_stored_once_alone_or_as_a_part(tmp_path: Path) -> None:
    sessions = [run_of(EQUAL) for _ in range(3)]
    stored(tmp_path / "stored", sessions[0])
    with pytest.raises(PerfError, match=r"a session of the run \(ended .*\) is stored already: 0001_made\.json"):
        stored(tmp_path / "stored", built(tmp_path / "sessions", *sessions))
    stored(tmp_path / "another", built(tmp_path / "sessions", *sessions))
    with pytest.raises(PerfError, match=r"is stored already: 0001_made\.json"):
        stored(tmp_path / "another", sessions[1])


@pytest.mark.parametrize("content", [b"", b"{", b'{"perf": {}}', b"[1]"])
def test_a_file_that_is_not_a_run_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(PerfError) as caught:
        read_session(path)
    assert caught.value.subject == str(path)


def test_a_truncated_session_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.json", run_of(EQUAL))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PerfError, match="is damaged"):
        read_session(path)


@given(st.lists(st.integers(-300, 300), min_size=3, max_size=7))
def test_the_session_in_the_middle_has_as_many_above_as_below(thousandths: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = as_run(built(Path(folder), *(moved(n / 1000) for n in thousandths)))
    middle = math.floor(change_of(run, CASE_NAMES[0]) * 1000 + 0.5)
    below, above = sum(n < middle for n in thousandths), sum(n > middle for n in thousandths)
    assert max(below, above) <= len(thousandths) / 2
