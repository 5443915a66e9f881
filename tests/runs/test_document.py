"""What is no stored run is told by name, whatever is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.runs.baseline import usable_baseline
from perf.runs.document import MAX_BYTES, read_run

from .made import MACHINE_CLASS, as_run, benchmark, document, native


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


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
    assert run.cases["resnet50_v1-b1-mkl-fp32"].samples["native-fp32"].first == [1.60, 1.59, 1.61]


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no part of this suite": (lambda c: c.pop("perf"), "was not stored by this suite"),
    "another schema": (
        lambda c: c["perf"].update(schema=7),
        "has schema 7, and this version of the suite reads schema 1",
    ),
    "no samples": (lambda c: c["benchmarks"][1]["extra_info"].pop("samples"), "missing required field `samples`"),
    "text for a number": (lambda c: c["benchmarks"][1]["stats"].update(min="fast"), "Expected `float`, got `str`"),
    "a negative time": (
        lambda c: c["benchmarks"][1]["stats"].update(min=-1.0),
        "holds impossible times for resnet18_v1-b1-mkl-fp32",
    ),
    "no time": (
        lambda c: c["benchmarks"][1]["extra_info"].update(latency_s=0),
        "holds impossible times for resnet18_v1-b1-mkl-fp32",
    ),
    "not a number": (lambda c: c["benchmarks"][1]["stats"].update(median=float("nan")), "damaged or no stored run"),
    "without end": (
        lambda c: c["benchmarks"][1]["extra_info"].update(latency_s=float("inf")),
        "damaged or no stored run",
    ),
    "a case twice": (lambda c: c["benchmarks"].append(benchmark()), "holds the case resnet50_v1-b1-mkl-fp32 2 times"),
    "no class": (lambda c: c["perf"].update(machine_class=""), "names no machine class"),
}


@pytest.mark.parametrize("bad", BAD)
def test_impossible_content(tmp_path: Path, bad: str) -> None:
    spoil, told = BAD[bad]
    path = write(tmp_path / "0001_bad.json", spoiled(spoil))
    with pytest.raises(PerfError) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert "next: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "is empty"), (b"\n ", "is empty"), (b"\xff\xfe", "damaged"), (b"[]", "damaged")]
)
def test_no_json_object(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "0001_bad.json"
    path.write_bytes(content)
    with pytest.raises(PerfError, match=told):
        read_run(path)


def test_a_huge_file_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "0001_huge.json"
    with path.open("wb") as stream:
        stream.truncate(2 * MAX_BYTES)
    with pytest.raises(PerfError, match=r"0001_huge\.json: is no stored run: 100 MB"):
        read_run(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
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
    ("context", "told"),
    [
        ({"machine_class": "c5.metal"}, f"was measured on machine class c5.metal, and this is {MACHINE_CLASS}"),
        ({"complete": False}, "did not come to its end"),
        ({"injected": {"mkl-fp32": 0.05}}, "was slowed down on purpose"),
    ],
)
def test_runs_that_no_other_may_be_judged_by(tmp_path: Path, context: dict[str, Any], told: str) -> None:
    path = write(tmp_path / "0001_other.json", document(**context))
    with pytest.raises(PerfError, match=told):
        usable_baseline(path, MACHINE_CLASS)
