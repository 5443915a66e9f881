"""A session that works: what it prints, stores and compares."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.machine import read_topology
from perf.runs.record import CaseRecord
from tests.integration.plugin.conftest import properties
from tests.support.inline import Finished
from tests.support.session import cache_of, check_sum_and_mean, slots_of

pytestmark = pytest.mark.alone
Benchmarks = dict[str, dict[str, Any]]

WORKLOADS = ("cifar_resnet20_v1-b1", "cifar_resnet20_v1-b4")
RECURRENT = "lstm-16-16-l2-n2-t5"
# A session runs an instance on each.
NODES = len(read_topology().nodes)
VARIANTS = ("native-fp32", "mkl-fp32", "mkl-int8")
OF_NETWORKS = "type network batch flops_per_pass check bytes_per_pass"
OF_RECURRENT = "type cell shape layers flops_per_pass check bytes_per_pass"


def test_every_case_passes_and_is_stored(sound: Finished, benchmarks: Benchmarks) -> None:
    assert "8 passed" in sound.output
    networks = {f"{workload} {variant}" for workload in WORKLOADS for variant in VARIANTS}
    recurrent = {f"{RECURRENT} {variant}" for variant in VARIANTS[:2]}
    assert set(benchmarks) == networks | recurrent
    for name, stored in benchmarks.items():
        of_family = OF_NETWORKS if name in networks else OF_RECURRENT
        assert stored["extra_info"].keys() == {field.encode_name for field in msgspec.structs.fields(CaseRecord)}
        assert stored["extra_info"]["facts"].keys() == set(of_family.split())
        assert stored["group"] == stored["extra_info"]["workload"]


def test_figures_agree_with_the_passes(benchmarks: Benchmarks) -> None:
    for stored in benchmarks.values():
        info, stats = stored["extra_info"], stored["stats"]
        assert stats["rounds"] == len(stats["data"]) == info["passes"] >= 12
        assert (info["invocations"], info["blocks"], info["instances"]) == (3, 6, NODES)
        assert info["latency_p50_s"] == pytest.approx(stats["median"], rel=1e-6)
        assert stats["min"] <= info["latency_p50_s"] <= info["latency_p90_s"] <= info["latency_p99_s"] <= stats["max"]
        assert stats["min"] <= info["latency_s"] <= stats["max"]
        assert 0 < info["slots_near_fastest"] <= 1
        assert [passes >= 1 for passes in info["warm_up_passes"]] == [True] * 3
        assert 10**7 < info["peak_memory_bytes"] < 10**10
        nodes = [placement.partition(",")[0] for placement in info["stack"]["placement"]]
        assert nodes == [f"instance {place}: node {node.id}" for place, node in enumerate(read_topology().nodes)]


def test_throughput_is_the_sum_over_instances_and_latency_their_mean(
    benchmarks: Benchmarks, sound_folder: Path
) -> None:
    """Computed again from the journal's passes: instance by instance, on however many nodes this machine has."""
    (journal,) = cache_of(sound_folder).glob("runs/*/journal.jsonl")
    slots = slots_of(journal.read_text().splitlines())
    assert slots.keys() == benchmarks.keys()
    for name, stored in benchmarks.items():
        check_sum_and_mean(stored, slots[name])


def test_batch_size_is_items_per_pass(benchmarks: Benchmarks) -> None:
    for variant in VARIANTS:
        assert [benchmarks[f"{workload} {variant}"]["extra_info"]["items_per_pass"] for workload in WORKLOADS] == [1, 4]


def test_all_other_variants_have_a_speedup_over_the_reference(benchmarks: Benchmarks) -> None:
    for stored in benchmarks.values():
        info = stored["extra_info"]
        assert info["reference"] == "native-fp32"
        assert info["published"] is None, "the announcement measured no such network"
        if info["variant"] == "native-fp32":
            assert info["speedup"] is None
        else:
            estimate = info["speedup"]
            assert 0 < estimate["low"] <= estimate["value"] <= estimate["high"]
            assert estimate["typical"] > 0
            assert (estimate["invocations"], estimate["disturbed"]) == (3, False)


def test_each_variant_proves_what_it_is(benchmarks: Benchmarks) -> None:
    native, fp32, int8 = (benchmarks[f"{WORKLOADS[0]} {variant}"]["extra_info"] for variant in VARIANTS)
    assert [info["build"] for info in (native, fp32, int8)] == ["native", "mkl", "mkl"]
    assert [info["stack"]["requirement"] for info in (native, fp32)] == ["mxnet==1.5.0", "mxnet-mkl==1.5.0"]
    assert all(info["wheel_locked"] and len(info["wheel_sha256"]) == 64 for info in (native, fp32, int8))
    plain, fused, quantised = (info["facts"]["check"] for info in (native, fp32, int8))
    assert (plain["operators_fused"], plain["operators_quantized"]) == (0, 0)
    assert (fused["operators_fused"] > 0, fused["operators_quantized"], fused["operators_unfused"]) == (True, 0, 0)
    assert quantised["operators_quantized"] > 0
    assert plain["isa"] == "unknown"
    assert "unknown" not in (fused["isa"], quantised["isa"])
    assert plain["output_difference"] == 0
    assert 0 < fused["output_difference"] < 1e-3 < quantised["output_difference"] < 1


def test_each_case_has_its_stack_and_that_of_what_it_is_compared_with(benchmarks: Benchmarks) -> None:
    for workload in WORKLOADS:
        native, fp32, int8 = (benchmarks[f"{workload} {variant}"]["extra_info"] for variant in VARIANTS)
        assert fp32["stack"]["wheel"] == int8["stack"]["wheel"] != native["stack"]["wheel"]
        assert {name for name in fp32["stack"] if fp32["stack"][name] != int8["stack"][name]} == {"program"}
        assert (native["stack"]["variables"], list(fp32["stack"]["variables"])) == ({}, ["KMP_AFFINITY"])
        assert [info["stack"]["openmp"] is None for info in (native, fp32)] == [False, True]
        assert all(info["stack"]["injected"] == 0.0 for info in (native, fp32, int8))
        assert native["samples"] == {}
        assert {name: sample["over"] for name, sample in int8["samples"].items()} == {
            "native-fp32": native["stack"],
            "mkl-fp32": fp32["stack"],
        }
        assert [info["beside"] for info in (native, fp32, int8)] == [None] * 3


def test_the_wall_time_is_in_the_markdown_by_stage(sound: Finished, written: Path) -> None:
    assert re.search(r"^\d+ s in all\. 0 of \d+ blocks were disturbed", sound.output, re.MULTILINE)
    markdown = Finished(sound.code, (written / "summary.md").read_text())
    stages = markdown.part("Wall time: ")
    order = ("preparing", "checking answers", "starting workers", "warm-up", "counted passes", "between passes")
    places = [stages.find(f"{stage} ") for stage in ("installing", *order)]
    assert -1 not in places, stages
    assert places == sorted(places)
    assert re.match(r"\d+% of the timed part, \d+% of all measuring with warm-up\.", markdown.part("In passes: "))


def test_the_summary_is_one_headed_section_without_pytest_benchmarks_table(sound: Finished) -> None:
    headings = re.findall(r"^=+ (.+?) =+$", sound.output, re.MULTILINE)
    assert headings.count("performance") == 1
    assert "Name (time in" not in sound.output


def test_the_tables_hold_every_workload(sound: Finished) -> None:
    lines = [line.split() for line in sound.output.splitlines()]
    assert "as in the announcement's Table 2" in sound.output
    assert "as in the announcement's Table 3" in sound.output
    assert [cells[1] for cells in lines if cells[:1] == ["cifar_resnet20_v1"]] == ["1", "4"], sound.output
    assert "build mkl: mxnet-mkl==1.5.0 (MKL-DNN, OpenMP: libiomp5.so, BLAS: libmklml_intel.so, locked)" in sound.output


def test_the_summary_is_written_in_markdown(sound: Finished, written: Path) -> None:
    text = (written / "summary.md").read_text()
    assert f"Summary written to {written / 'summary.md'}" in sound.output
    assert text.startswith("# Speedup over native, smoke tier\n")
    assert [path.name for path in written.iterdir() if path.name.startswith(".")] == [], "no half-written file"


def test_the_report_is_one_page(sound: Finished, benchmarks: Benchmarks, written: Path) -> None:
    text = (written / "report.html").read_text()
    assert f"Report written to {written / 'report.html'}" in sound.output
    assert all(f'aria-label="{name.replace(" ", "-")}"' in text for name in benchmarks)
    assert "counted passes: " in text, "where the time went"


def test_printed_figures_are_the_stored_ones(benchmarks: Benchmarks, written: Path) -> None:
    summary = (written / "summary.md").read_text().replace("\\", "")  # Markdown escapes ~
    lines = [line.strip("| ").split(" | ") for line in summary.splitlines() if "|" in line]
    starts = [number for number, line in enumerate(lines) if line[0] in {"Network", "Cell"}]
    networks, recurrent = lines[: starts[1]], lines[starts[1] :]
    stored = {name: benchmark["extra_info"] for name, benchmark in benchmarks.items()}
    for batch, workload in zip(("1", "4"), WORKLOADS, strict=True):
        native, fp32, int8 = (stored[f"{workload} {variant}"] for variant in VARIANTS)
        figures = [
            ms(native),
            rate(native),
            speedup(fp32),
            "-",
            rate(fp32),
            speedup(int8),
            "-",
            rate(int8),
            drift(int8),
        ]
        assert ["cifar_resnet20_v1", batch, *figures] in networks
    native, mkl = (stored[f"{RECURRENT} {variant}"] for variant in VARIANTS[:2])
    figures = [ms(native), pace(native), rate(native), speedup(mkl), "-", ms(mkl), pace(mkl), rate(mkl)]
    assert ["lstm", "[2, 5, 16, 16]", "2", *figures] in recurrent


def test_arithmetic_is_counted_from_the_symbol_and_from_the_shape(benchmarks: Benchmarks) -> None:
    # Multiply-adds of CIFAR ResNet-20 v1 by hand: 0.44 + 14.16 + 13.11 + 13.11 million in convolutions, 640 at its end.
    network = benchmarks["cifar_resnet20_v1-b4 mkl-int8"]["extra_info"]
    assert network["facts"]["flops_per_pass"] == 2 * 4 * 40_813_184
    recurrent = benchmarks[f"{RECURRENT} mkl-fp32"]["extra_info"]
    assert recurrent["facts"]["flops_per_pass"] == 2 * 5 * 2 * (4 * 16) * (16 + 16) * 2
    # Inputs and outputs, then the weights and two biases of both layers, then their two states.
    assert recurrent["facts"]["bytes_per_pass"] == 4 * (2 * 5 * 2 * 16 + 2 * (4 * 16) * (16 + 16 + 2) + 2 * 2 * 2 * 16)
    for info in (network, recurrent):
        of_one = info["facts"]["flops_per_pass"] / info["latency_s"] / 1e9
        assert info["gflop_per_s"] == pytest.approx(NODES * of_one)


def test_outputs_of_recurrent_networks_were_compared_with_the_equations(benchmarks: Benchmarks) -> None:
    infos = (benchmarks[f"{RECURRENT} {variant}"]["extra_info"] for variant in VARIANTS[:2])
    native, mkl = (info["facts"]["check"] for info in infos)
    assert 0 < native["output_difference"] < 1e-5
    assert 0 < mkl["output_difference"] < 1e-5
    assert native["isa"] == "rnn_impl.h" != mkl["isa"]


def ms(info: dict[str, Any]) -> str:
    return f"{info['latency_s'] * 1e3:.2f}"


def rate(info: dict[str, Any]) -> str:
    return f"{info['gflop_per_s']:.2f}"


def pace(info: dict[str, Any]) -> str:
    return f"{info['throughput_items_per_s']:.2f}"


def speedup(info: dict[str, Any]) -> str:
    estimate = info["speedup"]
    text = f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
    return text if estimate["low"] <= estimate["typical"] <= estimate["high"] else f"{text} ~{estimate['typical']:.2f}"


def drift(info: dict[str, Any]) -> str:
    observed = info["facts"]["check"]["drift"]
    return f"{observed['sqnr_db']:.1f} dB, {100 * observed['top1_agreement']:.0f} %"


def test_every_item_has_its_figures_and_its_verdict_in_junit_xml(
    benchmarks: Benchmarks, written: Path, store: Path
) -> None:
    items = properties(written / "junit.xml")
    assert len(items) == len(benchmarks) == 8
    for stored in benchmarks.values():
        shown, estimate = items[stored["name"]], stored["extra_info"]["speedup"]
        if estimate is None:
            assert shown == {"perf_verdict": "not judged"}
            continue
        assert shown.pop("perf_reason").startswith(f"no run is stored for machine class {store.name}")
        assert shown == {
            "perf_verdict": "no-baseline",
            "perf_speedup": str(estimate["value"]),
            "perf_speedup_low": str(estimate["low"]),
            "perf_speedup_high": str(estimate["high"]),
        }


def test_the_stored_machine_has_its_class_and_no_momentary_readings(
    benchmarks: Benchmarks, written: Path, store: Path
) -> None:
    assert benchmarks
    machine = json.loads((written / "run.json").read_text())["machine_info"]
    assert machine["machine_class"] == store.name
    assert not [reading for reading in machine["cpu"] if reading.startswith("hz_actual")]
