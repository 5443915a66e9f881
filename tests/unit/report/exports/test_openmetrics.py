"""OpenMetrics text: Prometheus's own parser reads every figure and label back as it was."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec.structs import replace as changed
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perf.report.exports.leaves import leaves_of
from perf.report.exports.openmetrics import labels_of, metric_name, openmetrics_of
from perf.runs.session.run import MeasuredRun
from perf.runs.verdict import GRAVITY
from tests.unit.report.exports.exported import FIGURES, HOSTILE, TEXTS, run_of, stored_run
from tests.unit.report.records import FP32


def samples_of(run: MeasuredRun) -> dict[str, list[Any]]:
    """The samples that the parser reads, by name."""
    samples: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(openmetrics_of(run).decode()):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    return samples


def test_every_figure_of_a_stored_run_is_read_back() -> None:
    run = stored_run()
    samples = samples_of(run)
    figures = 0
    for record in run.records:
        plain = msgspec.to_builtins(record)
        for leaf in leaves_of(record.family):
            value = leaf.value_in(plain)
            if leaf.is_figure and value is not None:
                (sample,) = (s for s in samples[metric_name(leaf.path)[0]] if s.labels["case"] == record.name)
                assert sample.value == value
                figures += 1
    assert figures > 20 * len(run.records)


@given(TEXTS, FIGURES)
def test_labels_and_figures_are_exact(name: str, figure: float) -> None:
    samples = samples_of(run_of(changed(FP32, workload=name, latency_s=figure), left_out={name: name}))
    (latency,) = samples["mxperf_latency_seconds"]
    assert (latency.labels["workload"], latency.value) == (name, figure)
    (left_out,) = samples["mxperf_not_run"]
    assert left_out.labels == {"item": name, "reason": name}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_label_stays_on_its_line(name: str) -> None:
    assert "\n" not in labels_of({"case": name})


@pytest.mark.parametrize(
    ("field", "name", "unit"),
    [
        ("latency_s", "mxperf_latency_seconds", "seconds"),
        ("peak_memory_bytes", "mxperf_peak_memory_bytes", "bytes"),
        ("speedup.low", "mxperf_speedup_low_ratio", "ratio"),
        ("facts.check.drift.sqnr_db", "mxperf_facts_check_drift_sqnr_decibels", "decibels"),
        ("throughput_items_per_s", "mxperf_throughput_items_per_s", ""),
        ("verdict.latency_ratio", "mxperf_verdict_latency_ratio", "ratio"),
        ("invocations", "mxperf_invocations", ""),
    ],
)
def test_a_unit_ends_the_name(field: str, name: str, unit: str) -> None:
    assert metric_name(field.split(".")) == (name, unit)


def test_two_fields_never_share_a_metric() -> None:
    paths = {leaf.path for family in ("cnn", "rnn", "dist") for leaf in leaves_of(family) if leaf.is_figure}
    assert len({metric_name(path)[0] for path in paths}) == len(paths)


def test_the_verdict_is_one_of_all_kinds_and_absent_where_nothing_was_judged() -> None:
    judged = [record for record in stored_run().records if record.verdict]
    samples = samples_of(stored_run()).get("mxperf_verdict", [])
    assert len(samples) == len(judged) * len(GRAVITY)
    assert sum(sample.value for sample in samples) == len(judged)
    assert "mxperf_verdict" not in samples_of(run_of(FP32))


def test_what_was_not_measured_is_counted() -> None:
    samples = samples_of(run_of(FP32, left_out={"a": "b"}, complete=False))
    assert samples["mxperf_run_complete"][0].value == 0
    assert [sample.value for sample in samples["mxperf_not_run"]] == [1]
    assert openmetrics_of(run_of()).endswith(b"\n# EOF\n")
