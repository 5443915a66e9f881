"""Shards: disjoint, complete, the same on every machine, and of about equal time."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.cnn.family import CnnCase, CnnFamily
from perf.files import ROOT
from perf.measure.plan import WorkloadKey
from perf.measure.tiers import effort_of
from perf.runs.night.shards import Times, divided, measured_times, seconds_of, subject_seconds

STORED = max((ROOT / "baselines").glob("intel-*/*.json"))
UNITS = st.dictionaries(
    st.tuples(st.sampled_from(["cnn", "rnn", "dist"]), st.text("abc", max_size=3)),
    st.floats(0, 1e6),
    max_size=30,
)
FAMILY = CnnFamily(pretrained=False, calibration="naive")


@given(UNITS, st.integers(1, 9))
def test_every_unit_is_in_one_shard_and_no_order_matters(seconds: dict[tuple[str, str], float], shards: int) -> None:
    placed = divided(seconds, shards)
    assert placed.keys() == seconds.keys()
    assert set(placed.values()) <= set(range(1, shards + 1))
    assert divided(dict(reversed(seconds.items())), shards) == placed


@given(UNITS, st.integers(1, 9))
def test_no_shard_takes_longer_than_its_part_and_the_longest_unit(
    seconds: dict[tuple[str, str], float], shards: int
) -> None:
    load_s = dict.fromkeys(range(1, shards + 1), 0.0)
    for unit, shard in divided(seconds, shards).items():
        load_s[shard] += seconds[unit]
    longest = max(seconds.values(), default=0.0)
    assert max(load_s.values()) <= (sum(seconds.values()) / shards + longest) * (1 + 1e-9)


@given(UNITS.filter(bool))
def test_no_shard_is_empty_while_there_are_units_for_it(seconds: dict[tuple[str, str], float]) -> None:
    positive = {unit: 1.0 + spent_s for unit, spent_s in seconds.items()}
    assert set(divided(positive, len(positive)).values()) == set(range(1, len(positive) + 1))


def test_a_stored_run_of_the_tier_says_how_long_its_workloads_took() -> None:
    times = measured_times(STORED, "quick")
    assert times.text == f"the time measured in {STORED.name}"
    cases = [benchmark["extra_info"] for benchmark in json.loads(STORED.read_bytes())["benchmarks"]]
    assert times.measured_s.keys() == {WorkloadKey(c["family"], c["subject"], c["workload"]) for c in cases}
    # No workload of the tier took longer than two minutes, nor less than its shortest slots.
    assert all(5 < seconds < 120 for seconds in times.measured_s.values())


@pytest.mark.parametrize("tier", ["nightly", "smoke"])
def test_a_stored_run_of_another_tier_says_nothing(tier: str) -> None:
    assert measured_times(STORED, tier) == Times({})


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"perf": {"tier": "quick"}})])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "0001_a.json"
    assert measured_times(path, "quick") == Times({})
    path.write_text(content)
    assert measured_times(path, "quick") == Times({}) == measured_times(None, "quick")


def test_without_a_measured_time_the_budget_and_the_operations_count() -> None:
    effort = effort_of("nightly")
    small, large = (CnnCase("resnet152_v2", batch, "mkl-fp32", FAMILY) for batch in (1, 64))
    assert seconds_of(small, Times({}), effort) == effort.workload_budget_s
    assert seconds_of(large, Times({}), effort) > effort.workload_budget_s
    known = Times({WorkloadKey("cnn", "resnet152_v2", "resnet152_v2-b64"): 7.0})
    assert seconds_of(large, known, effort) == 7.0
    assert seconds_of(small, known, effort) == effort.workload_budget_s


def test_a_subject_takes_as_long_as_its_workloads_whatever_the_number_of_variants() -> None:
    effort = effort_of("quick")
    cases = FAMILY.cases("quick", ["resnet50_v1"], [1, 4])
    assert subject_seconds(cases, Times({}), effort) == {("cnn", "resnet50_v1"): 2 * effort.workload_budget_s}
    assert subject_seconds(cases[:1], Times({}), effort) == {("cnn", "resnet50_v1"): effort.workload_budget_s}


def test_the_nightly_tier_is_balanced() -> None:
    cases = FAMILY.cases("nightly")
    seconds = subject_seconds(cases, Times({}), effort_of("nightly"))
    loads_s = dict.fromkeys((1, 2), 0.0)
    for unit, shard in divided(seconds, 2).items():
        loads_s[shard] += seconds[unit]
    assert max(loads_s.values()) < 1.2 * min(loads_s.values())
