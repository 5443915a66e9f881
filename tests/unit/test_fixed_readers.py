"""Defects of readers that benchmarks/fuzz showed: each was a crash, a hang, or a result that cannot be right."""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perf.builds.compiled import is_intact, record_digest
from perf.cnn.checks.symbol import read_layers
from perf.cnn.imagenet.records import MAGIC, count_images
from perf.cnn.symbols.params_file import read_params
from perf.dist.launch.hosts import read_hosts
from perf.dist.launch.rank_output import RankOutput
from perf.errors import PerfError, WorkerError
from perf.files import decoded_output
from perf.ladder.traces import Trace
from perf.limits.probe import replies_in
from perf.limits.request import ThreadReply
from perf.machine.numactl import find_numactl
from perf.machine.topology import Node, Topology, parse_cpulist
from perf.measure.journal import NAME, Journal
from perf.measure.workers.arrays import read_arrays, read_outputs
from perf.runs.baseline import BASELINES
from perf.runs.night.issue import OpenIssue
from perf.runs.night.shards import Times, measured_times
from perf.runs.refreshing.sessions import read_session
from perf.runs.schema import read_run
from perf.runs.session.run import read_measured
from perf.runs.tolerances import read_tolerances
from perf.worker.disturbance import stolen_in
from perf.worker.rank.horovod_trace import activities_ns
from tests.support.factories import benchmark, document, sample
from tests.unit.dist.test_rank_output import OPEN
from tests.unit.measure.test_journal import CONDITIONS, filled
from tests.unit.runs.test_tolerances import GOOD

DEEP = "[" * 100_000
ONE_NODE = Topology((Node(0, (0,), ((0,),)),))


def record(part: int, content: bytes, length: int | None = None) -> bytes:
    """A record of a RecordIO file: part 0 is a whole image, 1 a first part, 2 a middle one, 3 the last."""
    word = part << 29 | (len(content) if length is None else length)
    return MAGIC.to_bytes(4, "little") + word.to_bytes(4, "little") + content


def test_a_cpu_list_does_not_fill_the_memory() -> None:
    with pytest.raises(ValueError, match="is not a CPU list"):
        parse_cpulist("0-99999999999")
    assert len(parse_cpulist("0-8191")) == 8192


@pytest.mark.parametrize("printed", [b"\n7f00 bind:0\n", b"wrapper\n7f00 bind:0\n", b"\xff\n"])
def test_a_numactl_that_prints_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: bytes) -> None:
    (tmp_path / "printed").write_bytes(printed)
    program = tmp_path / "numactl"
    program.write_text(f"#!/bin/sh\nexec /bin/cat {tmp_path}/printed\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    numactl = find_numactl(ONE_NODE)
    assert numactl.path is None
    assert "does not do what it was asked" in numactl.problem


def test_a_partial_line_of_the_machines_probe_ends_its_replies() -> None:
    reply = '{"kernel": "fma", "threads": []}\n'
    assert len(replies_in(reply + reply)) == 2
    for damaged in (
        '{"kernel": "f',
        '{"kernel": "fma", "threads": ' + DEEP,
        "x" * 5000,
        '{"kernel": 1, "threads": []}',
    ):
        assert len(replies_in(reply + damaged)) == 1


def test_a_chunk_that_took_no_time_is_no_reply() -> None:
    chunk = {"work": 1, "stamps_ns": [[5, 5]], "clocks_ghz": []}
    assert replies_in(json.dumps({"kernel": "fma", "threads": [chunk]})) == []
    with pytest.raises(ValueError, match="impossible"):
        ThreadReply(1, [(5.0, 4.0)], [])


def test_a_hostile_issue_is_about_nothing() -> None:
    body = '<!-- mxperf-regression {"machine_class": "a", "roles": [], "cases": [], "x": ' + DEEP + "} -->"
    assert OpenIssue(1, body).subject is None


@pytest.mark.parametrize("output", [DEEP, '{"number": ' + "1" * 10_000 + "}", '{"body": 1}'])
def test_what_a_program_printed_is_named(output: str) -> None:
    with pytest.raises(PerfError, match="gh: the answer cannot be decoded"):
        decoded_output(output, OpenIssue, "the answer", subject="gh", next_step="update gh")


def test_a_compiled_wheel_with_damaged_data_is_not_intact(tmp_path: Path) -> None:
    path = tmp_path / "horovod.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.py", "x = 1\n" * 200)
    record_digest(path)
    assert is_intact(path)
    content = bytearray(path.read_bytes())
    content[34] ^= 0xFF  # the first byte of the compressed data, after the header of 30 bytes and the name
    path.write_bytes(content)
    assert not is_intact(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (record(0, b"abcd") + record(0, b"")[:4], "ends in the middle"),
        (record(0, b"abcd") + record(0, b"")[:6], "ends in the middle"),
        (record(1, b"abcd"), "ends in the middle"),
        (record(1, b"abcd") + record(0, b"abcd"), "is not a record file"),
        (record(3, b"abcd"), "is not a record file"),
        (record(2, b"abcd") + record(3, b"abcd"), "is not a record file"),
        (record(5, b"abcd"), "is not a record file"),
        (record(0, b"abcd", length=2**28), "ends in the middle"),
    ],
)
def test_images_without_an_end_or_a_beginning_are_not_counted(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "val.rec"
    path.write_bytes(content)
    with pytest.raises(PerfError, match=problem):
        count_images(path)


def test_images_in_parts_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "val.rec"
    parts = [record(part, b"abcd") for part in (1, 2, 2, 3)]
    path.write_bytes(record(0, b"abcd") + b"".join(parts) + record(0, b""))
    assert count_images(path) == 3


def test_a_missing_record_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="cannot be read"):
        count_images(tmp_path / "val.rec")


@pytest.mark.parametrize(
    "line",
    ["n[" + "0-99999," * 5000 + "7]", "a," * 50_000 + "b[", "," * 100_000, "[" * 100_000],
    ids=lambda line: line[:3],
)
def test_a_long_line_of_hosts_is_refused(tmp_path: Path, line: str) -> None:
    """It took minutes, or all of the memory."""
    path = tmp_path / "hosts"
    path.write_text(line + "\n")
    with pytest.raises(PerfError, match="has a line that names no host") as raised:
        read_hosts(path, 1)
    assert len(raised.value.what) < 200


def test_lines_of_hosts_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perf.dist.launch.hosts.MOST_HOSTS", 100)
    path = tmp_path / "hosts"
    path.write_text("a[0-59]\nb[0-59]\n")
    with pytest.raises(PerfError, match="names more than 100 hosts"):
        read_hosts(path, 1)


@pytest.mark.parametrize("deviation", ["1e200", "1e-200", "inf"])
def test_a_deviation_whose_square_is_no_number_is_refused(tmp_path: Path, deviation: str) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text(re.sub("(?m)^invocations = .*", f"invocations = {deviation}", GOOD))
    with pytest.raises(PerfError, match="assumed deviation"):
        read_tolerances(path)


def test_parameters_from_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.params")
    with pytest.raises(PerfError, match="not a regular file"):
        read_params(tmp_path / "net.params")


@pytest.mark.parametrize("figure", [10**400, -1, 1e300])
def test_times_of_a_run_that_no_session_took_do_not_count(tmp_path: Path, figure: float) -> None:
    facts = {"family": "cnn", "subject": "a", "workload": "b", "instances": figure, "invocations": 1, "latency_s": 0.1}
    case = {"extra_info": {**facts, "warm_up_passes": [1]}, "stats": {"total": 1.0}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"perf": {"tier": "quick"}, "benchmarks": [case]}).replace("1e+300", "3" * 300))
    assert measured_times(path, "quick") == Times({})


def stored(path: Path, entry: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document(entry)))
    return path


def test_impossible_figures_of_a_stored_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "0001_a.json"
    for field, value in (("typical", [1e9, 1.6, 1.6]), ("sessions", [-1e9])):
        entry = benchmark(samples={"native-fp32": {**sample([1.6, 1.6, 1.6]), field: value}})
        with pytest.raises(PerfError, match="an impossible ratio"):
            read_run(stored(path, entry))
    with pytest.raises(PerfError, match="impossible times"):
        read_run(stored(path, {**benchmark(), "stats": {"min": 0.03, "median": 0.021, "max": 0.02}}))


@pytest.mark.parametrize(("old", "new"), [(b"[1,2]", b"[-1,2]"), (b"[1,2]", b"[]"), (b"[1,2]", b"[1,0]")])
def test_impossible_figures_of_a_journal_are_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    filled(tmp_path, 1)
    path = tmp_path / NAME
    content = path.read_bytes()
    changed = content.replace(old, new)
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(PerfError, match="cannot have been measured"):
        Journal(tmp_path, CONDITIONS)


def test_output_of_a_rank_that_does_not_exist_is_the_launchers(tmp_path: Path) -> None:
    line = '[1,7]<stdout>:{"alive": 0}'
    (tmp_path / "launcher.out").write_text(line + "\n")
    output = RankOutput(tmp_path, OPEN, 2)
    assert list(output.new_messages()) == []
    assert output.last_lines(0) == line


def test_a_number_without_end_is_no_message(tmp_path: Path) -> None:
    (tmp_path / "launcher.out").write_text('[1,0]<stdout>:{"alive": ' + "1" * 10_000 + "}\n")
    output = RankOutput(tmp_path, OPEN, 2)
    assert list(output.new_messages()) == []


def test_damaged_arrays_of_a_worker_are_named(tmp_path: Path) -> None:
    path = tmp_path / "outputs.npz"
    np.savez(path, allow_pickle=False, out0=np.ones(100), out1=np.zeros(3))
    assert len(read_outputs(path)) == 2
    content = path.read_bytes()
    for damaged in (content[:-40], content[:60] + b"\xff" + content[61:], b"", b"PK" + bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(WorkerError, match="it wrote arrays that cannot be read"):
            read_arrays(path)
    np.savez(path, allow_pickle=False, other=np.ones(1))
    with pytest.raises(WorkerError, match="it wrote other instead of outputs"):
        read_outputs(path)


@pytest.mark.parametrize("events", ["[1]", '[{"ph": "B"}]', "null", '{"ph": "B"}', DEEP])
def test_what_is_no_timeline_is_a_value_error(tmp_path: Path, events: str) -> None:
    path = tmp_path / "timeline.json"
    path.write_text(events)
    with pytest.raises(ValueError, match="is not a timeline"):
        activities_ns(path)


def test_damaged_counters_of_stolen_time_are_unknown() -> None:
    assert stolen_in("cpu0 1 2 3 4 5 6 7 8 9\n", {"cpu0"})
    assert stolen_in("cpu0 1 2 3 4 5 6 7 x 9\n", {"cpu0"}) is None


@pytest.mark.parametrize("change", ['"nodes": null', '"nodes": [1]', '"nodes": [{"op": "null"}]'])
def test_a_symbol_without_a_networks_nodes_is_named(tmp_path: Path, change: str) -> None:
    path = tmp_path / "int8.json"
    path.write_text(f'{{{change}, "heads": [[0, 0, 0]]}}')
    with pytest.raises(PerfError, match="is damaged"):
        read_layers(path)


def test_a_kernel_ran_at_least_once() -> None:
    with pytest.raises(PerfError, match="cannot be decoded"):
        decoded_output('{"stack": "a", "kernels": {"x": -1}}', Trace, "it", subject="s", next_step="n")


def test_bytes_that_are_no_text_in_a_record_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    content = max(BASELINES.glob("*/0*_*.json")).read_bytes()
    changed = content.replace(b'"isa": "', b'"isa": "\xff')
    assert changed != content
    path.write_bytes(changed)
    read_run(path)  # which does not read what the check observed
    with pytest.raises(PerfError, match="holds no complete records"):
        read_measured(path)


@pytest.mark.parametrize("facts", [True, 1, "x", [], {"check": True}, {"check": {"layers": 1}}])
def test_labels_of_a_session_that_are_no_object_cost_nothing(tmp_path: Path, facts: Any) -> None:
    """They are labels: what judges is read by its type."""
    path = tmp_path / "session.json"
    path.write_text(json.dumps(document(benchmark(facts=facts))))
    assert read_session(path).document["benchmarks"][0]["extra_info"]["facts"] == facts


def test_a_range_beyond_any_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "int8.json"
    ranges = {"min_calib_range": 0, "max_calib_range": 10**400}
    node = {"op": "_contrib_quantize_v2", "name": "a", "attrs": ranges, "inputs": []}
    path.write_text(json.dumps({"nodes": [node], "heads": [[0, 0, 0]]}))
    with pytest.raises(PerfError, match="is damaged: OverflowError"):
        read_layers(path)
