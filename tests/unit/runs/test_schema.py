"""Stored runs: what is invalid is refused with the name of the file, and which runs can be baselines."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.files import MAX_BYTES
from perf.judge.speedup import observe
from perf.runs.baseline import usable_baseline, usable_runs
from perf.runs.schema import read_run
from tests.support.factories import (
    CASE,
    LOG_SPEEDUPS,
    MACHINE_CLASS,
    as_run,
    as_stack,
    benchmark,
    document,
    measured_side_by_side,
    native,
)


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def extra(content: dict[str, Any]) -> dict[str, Any]:
    """The `extra_info` of resnet18_v1-b1-mkl-fp32."""
    extra_info: dict[str, Any] = content["benchmarks"][1]["extra_info"]
    return extra_info


def floors(content: dict[str, Any]) -> list[list[float]]:
    pairs: list[list[float]] = extra(content)["samples"]["native-fp32"]["floors"]
    return pairs


def spoiled(spoil: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = document()
    spoil(content)
    return content


def test_a_stored_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "0001_a.json", document()))
    assert run == as_run(document())
    assert set(run.cases) == {
        f"{workload}-{variant}"
        for workload in ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
        for variant in ("native-fp32", "mkl-fp32", "mkl-int8")
    }
    sample = run.cases[CASE].samples["native-fp32"]
    assert sample.typical == LOG_SPEEDUPS
    assert sample.floors == [(0.1, 0.1 * math.exp(-value)) for value in LOG_SPEEDUPS]
    assert sample.observed == observe(sample.floors)
    assert sample.over == run.cases["resnet50_v1-b1-native-fp32"].stack == as_stack("native-fp32")
    assert run.cases[CASE].side_by_side is None


def test_a_side_by_side_measurement_is_read_with_the_stack_of_the_baseline_arm(tmp_path: Path) -> None:
    baseline_arm = measured_side_by_side(0.01, -0.01, wheel="c" * 64)
    run = read_run(write(tmp_path / "0001_a.json", document(native(), benchmark(beside=baseline_arm))))
    side_by_side = run.cases[CASE].side_by_side
    assert side_by_side is not None
    assert (side_by_side.values, side_by_side.problem) == ([0.01, -0.01], None)
    assert side_by_side.stack == as_stack(wheel="c" * 64)


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a run of another tool": (lambda c: c.pop("perf"), "was not stored by this suite"),
    "a newer schema": (
        lambda c: c["perf"].update(schema=7),
        "has schema 7, but this version of the suite reads schema 2",
    ),
    "the schema before stacks": (
        lambda c: c["perf"].update(schema=1),
        "has schema 1, but this version of the suite reads schema 2",
    ),
    "no stack": (lambda c: extra(c).pop("stack"), "missing required field `stack`"),
    "half a stack": (lambda c: extra(c)["stack"].pop("wheel"), "missing required field `wheel`"),
    "an unknown part of a stack": (lambda c: extra(c)["stack"].update(gpu="none"), "unknown field `gpu`"),
    "a sample without a reference": (
        lambda c: extra(c)["samples"]["native-fp32"].pop("over"),
        "missing required field `over`",
    ),
    "a baseline arm without a stack": (
        lambda c: extra(c).update(beside={"values": []}),
        "missing required field `stack`",
    ),
    "a pass of infinite length": (lambda c: floors(c).append([float("inf"), 0.1]), "is damaged: "),
    "a pass of no length": (
        lambda c: floors(c).append([0.1, 0.0]),
        "contains an impossible speedup of resnet18_v1-b1-mkl-fp32 over native-fp32",
    ),
    "a pass of negative length": (
        lambda c: floors(c).append([-0.1, 0.1]),
        "contains an impossible speedup of resnet18_v1-b1-mkl-fp32 over native-fp32",
    ),
    "a pass of one build alone": (lambda c: floors(c).append([0.1]), "Expected `array` of length 2"),
    "no samples": (lambda c: extra(c).pop("samples"), "missing required field `samples`"),
    "text for a number": (lambda c: c["benchmarks"][1]["stats"].update(min="fast"), "Expected `float`, got `str`"),
    "a negative time": (
        lambda c: c["benchmarks"][1]["stats"].update(min=-1.0),
        "contains impossible times of resnet18_v1-b1-mkl-fp32",
    ),
    "no time": (
        lambda c: extra(c).update(latency_s=0),
        "contains impossible times of resnet18_v1-b1-mkl-fp32",
    ),
    "not a number": (lambda c: c["benchmarks"][1]["stats"].update(median=float("nan")), "is damaged: "),
    "an infinite time": (
        lambda c: extra(c).update(latency_s=float("inf")),
        "is damaged: ",
    ),
    "a time beyond any": (
        lambda c: extra(c).update(latency_s=1e308),
        "contains impossible times of resnet18_v1-b1-mkl-fp32",
    ),
    "an impossible end": (lambda c: c.update(datetime="yesterday"), "does not say when it ended: 'yesterday'"),
    "an end before the calendar": (
        lambda c: c.update(datetime="0001-01-01T00:00:00+14:00"),
        "does not say when it ended: '0001-01-01T00:00:00+14:00'",
    ),
    "a case twice": (
        lambda c: c["benchmarks"].append(benchmark()),
        "contains the case resnet50_v1-b1-mkl-fp32 2 times",
    ),
    "a tolerance of everything": (
        lambda c: c["perf"].update(tolerances={"a-b1": {"change": 1.5}}),
        "contains an impossible tolerance of a-b1: change 150.0%",
    ),
    "no class": (lambda c: c["perf"].update(machine_class=""), "has an invalid machine class"),
}


@pytest.mark.parametrize("bad", BAD)
def test_impossible_content_is_refused_by_file_name(tmp_path: Path, bad: str) -> None:
    spoil, message = BAD[bad]
    path = write(tmp_path / "0001_bad.json", spoiled(spoil))
    with pytest.raises(PerfError) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "next: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"\n ", "is empty"), (b"\xff\xfe", "damaged"), (b"[]", "damaged")]
)
def test_content_that_is_not_a_json_object_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "0001_bad.json"
    path.write_bytes(content)
    with pytest.raises(PerfError, match=message):
        read_run(path)


def test_a_huge_file_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "0001_huge.json"
    with path.open("wb") as stream:
        stream.truncate(2 * MAX_BYTES)
    with pytest.raises(PerfError, match=r"0001_huge\.json: is too large: 100 MB"):
        read_run(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="cannot be read: No such file"):
        read_run(tmp_path / "0001_gone.json")


@given(st.data())
def test_a_run_that_was_cut_short_is_refused_wherever_it_was_cut(data: st.DataObject) -> None:
    content = json.dumps(document(native(), benchmark())).encode()
    end = data.draw(st.integers(0, len(content) - 1))
    path = Path(data.draw(st.just("/dev/shm"))) / "mxnet-perf-cut.json"  # noqa: S108 - memory; the disk gains nothing
    path.write_bytes(content[:end])
    try:
        with pytest.raises(PerfError):
            read_run(path)
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"machine_class": "c5.metal"}, f"was measured on machine class c5.metal, not {MACHINE_CLASS}"),
        ({"complete": False}, "is an unfinished run"),
        ({"injected": {"mkl-fp32": 0.05}}, "was slowed down on purpose"),
    ],
)
def test_runs_that_cannot_be_baselines_are_refused(tmp_path: Path, context: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "0001_other.json", document(**context))
    with pytest.raises(PerfError, match=message):
        usable_baseline(path, MACHINE_CLASS)


def test_usable_runs_are_those_of_the_class_oldest_first(tmp_path: Path) -> None:
    contexts: list[dict[str, Any]] = [
        {"host_id": "a"},
        {"complete": False},
        {"machine_class": "c5.metal"},
        {"schema": 1},
        {"injected": {"mkl-fp32": 5.0}},
        {"host_id": "b"},
    ]
    for number, context in enumerate(contexts, 1):
        write(tmp_path / f"{number:04}_x.json", document(**context))
    (tmp_path / "0007_broken.json").write_text("{")
    write(tmp_path / "notes.json", document())
    assert [run.perf.host_id for run in usable_runs(tmp_path, MACHINE_CLASS)] == ["a", "b"]
    assert usable_runs(tmp_path / "missing", MACHINE_CLASS) == []
