"""Stored runs, and what else is kept of measurements: all are judged, shown or resumed after they are read."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import typer

from benchmarks.fuzz.reader import CorruptedError, Reader, Seed
from perf.cli.judge import judge
from perf.cli.reports.export import EXPORTS
from perf.cli.reports.report import report
from perf.history.nights import HISTORY, night_of
from perf.history.schema import read_night
from perf.measure.journal import NAME as JOURNAL
from perf.measure.journal import Journal
from perf.measure.plan import WorkloadKey
from perf.plugin.storage import last_verdicts
from perf.runs.baseline import BASELINES
from perf.runs.night.merge import read_shards
from perf.runs.night.shards import measured_times
from perf.runs.refreshing.drift import ANCHOR, find_anchor
from perf.runs.refreshing.sessions import read_session
from perf.runs.schema import read_run
from perf.runs.session.run import read_measured

# No log ratio and no time is larger.
MOST_LOG, MOST_S = 30.0, 1e6
CASES = 3
CONDITIONS = {"machine class": "made-2c-1n-avx2", "effort": {"slot_s": 0.2}}


def _stored(number: int) -> bytes:
    """Return a stored run of the repository with its first cases."""
    path = sorted(BASELINES.glob("*/0*_*.json"))[number]
    document = json.loads(path.read_bytes())
    document["benchmarks"] = document["benchmarks"][:CASES]
    return json.dumps(document).encode()


def _check(path: Path) -> None:
    """Raise CorruptedError for figures of a run that was read and cannot have been measured."""
    for benchmark in read_run(path).benchmarks:
        case, times = benchmark.extra_info, benchmark.stats
        ratios = [value for sample in case.samples.values() for value in (*sample.typical, *sample.sessions)]
        ratios += case.side_by_side.values if case.side_by_side else []
        latencies = [value for sample in case.samples.values() for pair in sample.floors for value in pair]
        if not times.min <= times.median <= times.max or not all(0 < value < MOST_S for value in latencies):
            raise CorruptedError(f"accepted the times of {case.name}: {times}, {latencies}")
        if not all(abs(value) < MOST_LOG for value in ratios):
            raise CorruptedError(f"accepted the ratios of {case.name}: {ratios}")


def _judge(folder: Path, path: Path) -> None:
    _check(path)
    with suppress(typer.Exit):
        judge(folder / "0002_b.json", folder / "0001_a.json")


def _export(_: Path, path: Path) -> None:
    run = read_measured(path)
    for export in EXPORTS.values():
        export(run)


def _journal(folder: Path, _: Path) -> None:
    """Resume a journal, and compute what becomes of its invocations."""
    journal = Journal(folder, CONDITIONS)
    journal.close()
    for lines in journal._measured.values():  # noqa: SLF001 - whatever its keys and stacks became
        for line in lines:
            result = journal.result(line.key, line.confirming, line.stacks)
            for variant in line.stacks:
                ratios = [value for values in result.log_ratios("native-fp32", variant) for value in values]
                floors = [value for pair in result.floors("native-fp32", variant) for value in pair]
                if not all(abs(value) < MOST_LOG for value in ratios) or not all(
                    0 < value < MOST_S for value in floors
                ):
                    raise CorruptedError(f"accepted what {line.key} measured: {ratios}, {floors}")


def _journal_seed() -> bytes:
    """Return a journal with two invocations, as a session writes it."""
    stack = json.loads(_stored(-1))["benchmarks"][0]["extra_info"]["stack"]
    slot = {"instances_ns": [[1000, 1100, 1050]], "lost_share": 0.01, "turns_ns": [1050.0, 1070.0]}
    invocation = {
        "blocks": [{"slots": {"native-fp32": slot, "mkl-fp32": slot}, "disturbed": False}],
        "warm_ups": {"mkl-fp32": {"passes": 3, "duration_ns": 5000, "steady": True}},
        "peak_memory_bytes": {"mkl-fp32": 2**31},
        "elapsed_s": 1.5,
        "disturbed": False,
    }
    key = msgspec.to_builtins(WorkloadKey("cnn", "resnet50_v1", "resnet50_v1-b1"))
    stacks = {"native-fp32": stack, "mkl-fp32": stack}
    measured = {"key": key, "confirming": None, "stacks": stacks, "invocation": invocation, "failures": {}}
    lines: list[Mapping[str, Any]] = [
        {"header": {"version": 2, "began": "2026-11-23", "conditions": CONDITIONS}},
        {"measured": measured},
        {"measured": measured},
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _times(_: Path, path: Path) -> None:
    times = measured_times(path, "quick")
    if not all(seconds >= 0 for seconds in times.measured_s.values()):
        raise CorruptedError(f"accepted times: {times}")


def _night(_: Path, path: Path) -> object:
    return read_night(path)


def _nights() -> Iterator[Seed]:
    """Yield a history file as it is kept, made from a stored run."""
    stored = next(iter(sorted(HISTORY.glob("*/*.jsonl"))), None)
    if stored is None:
        night = night_of(max(BASELINES.glob("*/0*_*.json")))
        yield Seed(night.name, night.content, "lines")
    else:
        yield Seed(stored.name, stored.read_bytes(), "lines")


def readers() -> list[Reader]:
    """Return the readers of measurements and of what people wrote about them."""
    before, after = Seed("0001_a.json", _stored(-2), "json"), Seed("0002_b.json", _stored(-1), "json")
    return [
        Reader(
            name="stored run, judged",
            modules=("perf.runs.schema",),
            seeds=(after, before),
            read=_judge,
            weight=0.5,
        ),
        Reader(
            name="stored run, as a page",
            modules=("perf.report.page.source",),
            seeds=(after, before),
            read=lambda folder, _: report(folder / "0002_b.json", folder / "0001_a.json", folder / "page.html"),
            weight=0.05,
        ),
        Reader(
            name="stored run, exported",
            modules=("perf.runs.session.run",),
            seeds=(after,),
            read=_export,
            weight=0.4,
        ),
        Reader(
            name="session of a refresh",
            modules=("perf.runs.refreshing.sessions", "perf.cli.refresh"),
            seeds=(after,),
            read=lambda _, path: read_session(path),
        ),
        Reader(
            name="shard of a night",
            modules=("perf.runs.night.merge",),
            seeds=(Seed("shard.json", _shard(), "json"),),
            read=lambda _, path: read_shards([path]),
        ),
        Reader(name="times of a run", modules=("perf.runs.night.shards",), seeds=(after,), read=_times),
        Reader(
            name="verdicts in the cache",
            modules=("perf.plugin.storage",),
            seeds=(Seed("20261123T000000Z-1/run.json", _stored(-1), "json"),),
            read=lambda folder, _: last_verdicts(folder, "intel-xeon-6.207-2c-1n-amx"),
        ),
        Reader(
            name="run for the history",
            modules=("perf.history.nights",),
            seeds=(after,),
            read=lambda _, path: night_of(path),
        ),
        Reader(name="history file", modules=("perf.history.schema",), seeds=tuple(_nights()), read=_night, exact=True),
        Reader(
            name="anchor",
            modules=("perf.runs.refreshing.drift",),
            seeds=(Seed(ANCHOR, b"0001_a.json\n", "text"),),
            read=lambda folder, _: find_anchor(folder, [folder / "0001_a.json"]),
            weight=0.2,
        ),
        Reader(
            name="journal",
            modules=("perf.measure.journal",),
            seeds=(Seed(JOURNAL, _journal_seed(), "lines"),),
            read=_journal,
            weight=1.5,
        ),
    ]


def _shard() -> bytes:
    document = json.loads(_stored(-1))
    items = {benchmark["fullname"]: 1 for benchmark in document["benchmarks"]}
    document["perf"]["shard"] = {"number": 1, "of": 2, "items": {**items, "perf/cnn/t.py::t[x]": 2},
                                 "balanced_by": "an estimate", "night": None}  # fmt: skip
    return json.dumps(document).encode()
