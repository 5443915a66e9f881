"""github-action-benchmark's JSON: the figures in full, and texts that are markup nowhere."""

import json
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace as changed

from perf.report.exports.benchmark_action import benchmark_action_files, plain
from perf.runs.session.run import MeasuredRun
from tests.unit.report.exports.exported import FIGURES, HOSTILE, TEXTS, TRAINED, run_of, stored_run
from tests.unit.report.records import FP32


def entries(run: MeasuredRun, direction: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(benchmark_action_files(run)[f"{direction}-is-better.json"])
    return listed


@pytest.mark.parametrize("direction", ["bigger", "smaller"])
def test_every_entry_has_what_the_action_needs_and_a_name_of_its_own(direction: str) -> None:
    listed = entries(stored_run(), direction)
    assert len({entry["name"] for entry in listed}) == len(listed) > 10
    for entry in listed:
        assert isinstance(entry["value"], int | float)
        assert set(entry) <= {"name", "unit", "value", "range", "extra"}
        assert all(isinstance(entry[key], str) for key in set(entry) - {"value"})


def test_speedups_have_their_interval_and_latencies_their_unit() -> None:
    (speedup,) = entries(run_of(FP32), "bigger")
    assert speedup["name"] == "resnet50_v1-b8-mkl-fp32: speedup over native-fp32"
    assert (speedup["value"], speedup["unit"]) == (15.554, "times")
    assert speedup["range"] == f"{15.554 * 0.9} to {15.554 * 1.1}"
    assert "verdict: not judged" in speedup["extra"]
    (latency,) = entries(run_of(FP32), "smaller")
    assert (latency["value"], latency["unit"]) == (0.25, "s")
    (efficiency,) = entries(run_of(*TRAINED), "bigger")
    assert efficiency["unit"] == "fraction"


def test_without_a_speedup_there_is_no_file_for_speedups() -> None:
    """The action fails on an empty list."""
    assert list(benchmark_action_files(run_of(changed(FP32, speedup=None)))) == ["smaller-is-better.json"]


@given(FIGURES)
def test_figures_are_exact(figure: float) -> None:
    (latency,) = entries(run_of(changed(FP32, latency_s=figure)), "smaller")
    assert latency["value"] == figure


@given(TEXTS)
def test_no_text_is_markup(text: str) -> None:
    assert not set("<>&`|\\").intersection(plain(text).replace("\\u", ""))
    assert plain(text).isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_escaped_in_every_text(name: str) -> None:
    for direction in ("bigger", "smaller"):
        (entry,) = entries(run_of(changed(FP32, workload=name, machine_class=name)), direction)
        assert entry["name"].startswith(plain(f"{name}-mkl-fp32"))
        assert f"machine class: {plain(name)}\n" in entry["extra"]
