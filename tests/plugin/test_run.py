"""A session that works: what it prints, stores and compares."""

import json
from pathlib import Path
from typing import Any

import pytest

from .session import Finished

pytestmark = pytest.mark.real

Benchmarks = dict[str, dict[str, Any]]

WORKLOADS = ("cifar_resnet20_v1-b1", "cifar_resnet20_v1-b4")
VARIANTS = ("native-fp32", "mkl-fp32", "mkl-int8")
EXTRA_INFO = """
    family subject workload variant program build wheel wheel_locked wheel_sha256 installed_record_sha256
    machine_class instances pinning items_per_pass throughput_items_per_s latency_s latency_p50_s latency_p90_s
    latency_p99_s invocations blocks blocks_not_quiet passes warm_up_passes warm_up_steady peak_memory_bytes
    reference speedup speedup_low speedup_high speedup_level published_speedup isa operators_fused
    operators_quantized operators_unfused output_difference samples lost_share attempts blocks_disturbed
    invocations_disturbed
"""


def test_every_case_passes_and_is_stored(sound: Finished, benchmarks: Benchmarks) -> None:
    assert "6 passed" in sound.output
    assert set(benchmarks) == {f"{workload} {variant}" for workload in WORKLOADS for variant in VARIANTS}
    for stored in benchmarks.values():
        assert stored["extra_info"].keys() >= set(EXTRA_INFO.split())
        assert stored["group"] == stored["extra_info"]["workload"]


def test_figures_agree_with_the_passes(benchmarks: Benchmarks) -> None:
    for stored in benchmarks.values():
        info, stats = stored["extra_info"], stored["stats"]
        assert stats["rounds"] == len(stats["data"]) == info["passes"] >= 12
        assert (info["invocations"], info["blocks"], info["instances"]) == (3, 6, 1)
        assert 0 <= info["blocks_not_quiet"] <= 6
        assert info["attempts"] >= info["blocks"]
        assert info["latency_p50_s"] == pytest.approx(stats["median"], rel=1e-6)
        assert stats["min"] <= info["latency_p50_s"] <= info["latency_p90_s"] <= info["latency_p99_s"] <= stats["max"]
        assert stats["min"] <= info["latency_s"] <= stats["max"]
        assert info["throughput_items_per_s"] * stats["mean"] == pytest.approx(info["items_per_pass"], rel=1e-6)
        assert [passes >= 1 for passes in info["warm_up_passes"]] == [True] * 3
        assert 10**7 < info["peak_memory_bytes"] < 10**10
        assert info["pinning"][0].startswith("instance 0: node ")


def test_batch_size_is_items_per_pass(benchmarks: Benchmarks) -> None:
    for variant in VARIANTS:
        assert [benchmarks[f"{workload} {variant}"]["extra_info"]["items_per_pass"] for workload in WORKLOADS] == [1, 4]


def test_speedup_is_of_the_others_over_the_reference(benchmarks: Benchmarks) -> None:
    for stored in benchmarks.values():
        info = stored["extra_info"]
        assert info["reference"] == "native-fp32"
        assert info["published_speedup"] is None, "the announcement measured no such network"
        if info["variant"] == "native-fp32":
            assert info["speedup"] is info["speedup_low"] is info["speedup_high"] is info["speedup_level"] is None
        else:
            assert 0 < info["speedup_low"] <= info["speedup"] <= info["speedup_high"]
            assert info["speedup_level"] == "invocations"


def test_each_variant_proves_what_it_is(benchmarks: Benchmarks) -> None:
    native, fp32, int8 = (benchmarks[f"{WORKLOADS[0]} {variant}"]["extra_info"] for variant in VARIANTS)
    assert [info["build"] for info in (native, fp32, int8)] == ["native", "mkl", "mkl"]
    assert [info["wheel"] for info in (native, fp32)] == ["mxnet==1.5.0", "mxnet-mkl==1.5.0"]
    assert all(info["wheel_locked"] and len(info["wheel_sha256"]) == 64 for info in (native, fp32, int8))
    assert fp32["installed_record_sha256"] == int8["installed_record_sha256"] != native["installed_record_sha256"]
    assert (native["operators_fused"], native["operators_quantized"]) == (0, 0)
    assert (fp32["operators_fused"] > 0, fp32["operators_quantized"], fp32["operators_unfused"]) == (True, 0, 0)
    assert int8["operators_quantized"] > 0
    assert native["isa"] == "unknown"
    assert "unknown" not in (fp32["isa"], int8["isa"])
    assert native["output_difference"] == 0
    assert 0 < fp32["output_difference"] < 1e-3 < int8["output_difference"] < 1


def test_table(sound: Finished) -> None:
    lines = [line.split() for line in sound.output.splitlines()]
    assert ["Network", "Batch", "native", "ms", "mkl-fp32", "published", "mkl-int8", "published"] in lines
    assert [words[1] for words in lines if words[:1] == ["cifar_resnet20_v1"]] == ["1", "4"]
    assert "build mkl: mxnet-mkl==1.5.0 (MKL-DNN, locked)" in sound.output
    assert "of it inside timed or warm-up passes" in sound.output


def test_summary_in_markdown(sound: Finished, written: Path) -> None:
    text = (written / "summary.md").read_text()
    assert f"Summary written to {written / 'summary.md'}" in sound.output
    assert text.startswith("# Speedup over native, smoke tier\n")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| cifar_resnet20_v1")]
    assert [row[1] for row in rows] == ["1", "4"]
    assert all(len(row) == 7 for row in rows)
    assert [path.name for path in written.iterdir() if path.name.startswith(".")] == [], "no half-written file"


def test_stored_machine_is_named_and_holds_nothing_momentary(
    benchmarks: Benchmarks, written: Path, store: Path
) -> None:
    assert benchmarks
    machine = json.loads((written / "run.json").read_text())["machine_info"]
    assert machine["machine_class"] == store.name
    assert not [reading for reading in machine["cpu"] if reading.startswith("hz_actual")]
