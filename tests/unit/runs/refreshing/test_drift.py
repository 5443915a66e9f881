"""The sum of drift since the anchor: small losses that creep in are refused, accepted ones start the sum again."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.runs.acceptance import Waiver
from perf.runs.refreshing.records import CaseDrift
from perf.runs.schema import StoredRun, read_run
from tests.support.factories import LOG_SPEEDUPS, benchmark, document, measured_side_by_side, native, sample, stack
from tests.unit.runs.made_runs import EQUAL, WORKLOADS, ended_later, run_of, stored
from tests.unit.runs.refreshing.made_sessions import CASE_NAMES, built, moved

NOISE = (0.0005, -0.0005, 0.0002, -0.0002)
CASE = CASE_NAMES[1]


def drift_of(run: StoredRun, name: str = CASE) -> CaseDrift:
    assert run.perf.drift is not None
    return run.perf.drift.cases[name]


def wheel_of(number: int) -> str:
    return f"{number:x}" * 64


def new_wheel(number: int, change: float, *, compared: bool = True, pace: float = 0.0) -> dict[str, Any]:
    """Return a session of a further wheel, side by side with the one before it, which it loses `change` against."""
    entries = []
    for workload in WORKLOADS:
        arm = measured_side_by_side(*(change + x for x in NOISE), wheel=wheel_of(number - 1))
        values = [value + pace + change * number for value in LOG_SPEEDUPS]
        figures: dict[str, Any] = {"stack": stack(wheel=wheel_of(number)), "samples": {"native-fp32": sample(values)}}
        if number and compared:
            figures["beside"] = arm
        entries += [native(workload), benchmark(workload, **figures)]
    return ended_later(document(*entries))


def refused_at(folder: Path, step: float, most: int = 15) -> tuple[int, str]:
    """Return which refresh is refused, and why, when each wheel loses `step` against the one before."""
    stored(folder, new_wheel(0, step))
    for number in range(1, most):
        try:
            stored(folder, new_wheel(number, step))
        except PerfError as error:
            return number, str(error)
    raise AssertionError(f"{most} losses of {step} were stored")


def test_a_creep_of_one_percent_by_one_wheel_after_another_is_refused_with_its_sum(tmp_path: Path) -> None:
    """Each wheel loses 1 %, which the tolerance allows."""
    number, message = refused_at(tmp_path, -0.01)
    assert 2 <= number <= 4
    assert f"{CASE} ({math.expm1(-0.01 * number):+.1%} since the anchor 0001_made.json" in message
    assert "Sum of drift since the anchor 0001_made.json: median" in message


def test_a_creep_of_one_percent_by_refreshes_of_sessions_is_refused_with_its_sum(tmp_path: Path) -> None:
    stored(tmp_path / "stored", run_of(EQUAL))

    def refresh(step: int) -> None:
        sessions = [moved(0.0, -0.01 * step + hour, 0.0) for hour in (0.003, -0.003, 0.0)]
        stored(tmp_path / "stored", built(tmp_path / "sessions", *sessions))

    def creep() -> None:
        for step in range(1, 30):
            refresh(step)

    with pytest.raises(PerfError, match=rf"{CASE} \(-\d+\.\d% since the anchor 0001_made\.json") as caught:
        creep()
    assert "largest losses: " + CASE in str(caught.value)
    assert 2 < len(list((tmp_path / "stored").glob("*.json"))) < 20


def test_the_sum_is_stored_with_its_interval(tmp_path: Path) -> None:
    stored(tmp_path, new_wheel(0, 0.004))
    stored(tmp_path, new_wheel(1, 0.004))
    drift = drift_of(stored(tmp_path, new_wheel(2, 0.004)))
    assert drift.change == pytest.approx(math.exp(0.008))
    assert drift.unaccepted == drift.change
    assert (drift.low or 1.0) < math.exp(0.008) < (drift.high or 1.0)
    assert drift.since == "0001_made.json"


def test_a_case_that_came_later_counts_from_its_first_run(tmp_path: Path) -> None:
    stored(tmp_path, run_of({WORKLOADS[0]: 0.0}))
    stored(tmp_path, run_of(EQUAL))
    assert drift_of(stored(tmp_path, run_of(EQUAL))).since == "0002_made.json"


def test_an_accepted_loss_stays_in_the_sum_but_is_not_held_against_the_next_run(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    stored(tmp_path, run_of({**EQUAL, WORKLOADS[1]: -0.5}), Waiver(reason="wanted"))
    drift = drift_of(stored(tmp_path, run_of({**EQUAL, WORKLOADS[1]: -0.5})))
    assert drift.change == pytest.approx(math.exp(-0.5))
    assert drift.unaccepted == pytest.approx(1.0)


def test_what_was_never_compared_is_unknown_not_zero(tmp_path: Path) -> None:
    """A stored run over another reference, without a measurement side by side."""
    stored(tmp_path, run_of(EQUAL))
    content = run_of(EQUAL, wheel="c", compared=False)
    for entry in content["benchmarks"]:
        for of in entry["extra_info"]["samples"].values():
            of["over"] = stack("native-fp32", wheel="e" * 64)
    run = stored(tmp_path, content, Waiver(reason="a new reference"))
    assert (drift_of(run).change, drift_of(run).unaccepted) == (None, None)


def test_the_anchor_is_the_one_that_the_file_names(tmp_path: Path) -> None:
    for _ in range(2):
        stored(tmp_path, run_of(EQUAL))
    (tmp_path / "anchor").write_text("0002_made.json\n")
    run = stored(tmp_path, run_of(EQUAL))
    assert run.perf.drift is not None
    assert run.perf.drift.anchor == "0002_made.json"
    assert drift_of(run).since == "0002_made.json"


def test_an_anchor_that_is_not_there_is_refused(tmp_path: Path) -> None:
    stored(tmp_path, run_of(EQUAL))
    (tmp_path / "anchor").write_text("0009_<script>.json\n")
    with pytest.raises(PerfError, match=r"names no stored run of this class: '0009_<script>\.json'") as caught:
        stored(tmp_path, run_of(EQUAL))
    assert caught.value.subject == str(tmp_path / "anchor")


@pytest.mark.parametrize("damage", ["edited", "removed"])
def test_an_anchor_that_was_edited_or_removed_is_refused(tmp_path: Path, damage: str) -> None:
    for _ in range(3):
        stored(tmp_path, run_of(EQUAL))
    anchor = tmp_path / "0001_made.json"
    if damage == "edited":
        anchor.write_text(json.dumps(json.loads(anchor.read_text())))
    else:
        anchor.unlink()
    with pytest.raises(PerfError, match=r"cannot be the anchor: (it was edited|the anchor of 0003_made\.json is 0001)"):
        stored(tmp_path, run_of(EQUAL))
    (tmp_path / "anchor").write_text("0002_made.json\n")
    run = read_run(tmp_path / "0003_made.json")
    assert stored(tmp_path, run_of(EQUAL)).perf.drift != run.perf.drift


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([-0.004, 0.0, 0.004]), min_size=1, max_size=5))
def test_the_sum_of_wheels_is_the_sum_of_their_changes(steps: list[float]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = stored(folder, new_wheel(0, 0.0))
        for number, step in enumerate(steps, 1):
            # The machine has another pace each time: what counts is the measurement side by side.
            run = stored(folder, new_wheel(number, step, pace=0.001 * number), Waiver(reason="made"))
    change = drift_of(run).change
    assert change == pytest.approx(math.exp(sum(steps)))


def test_the_sum_is_judged_by_the_tolerance_that_the_case_was_marked_with(tmp_path: Path) -> None:
    for number in range(6):
        content = new_wheel(number, -0.01)
        content["perf"]["tolerances"] = {name: {"change": 0.2, "resolution": 0.5} for name in CASE_NAMES}
        drift = stored(tmp_path, content).perf.drift
    assert drift is not None
    assert drift.cases[CASE].change == pytest.approx(math.exp(-0.05))
