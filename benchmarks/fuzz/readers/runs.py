"""Stored runs, and what else is kept of measurements: all are judged, shown or resumed after they are read."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import typer

from benchmarks.fuzz.reader import CorruptedError, Reader, Seed
from perf.bisection.state import FILE, read_bisection, read_steps
from perf.census.state import read_lines
from perf.cli.judge import judge
from perf.cli.reports.export import EXPORTS
from perf.cli.reports.report import report
from perf.cnn.checks.golden import golden_answers
from perf.files import read_json
from perf.history.accepted import read_accepted
from perf.history.nights import HISTORY, night_of
from perf.history.schema import read_night
from perf.known_defects.answers import ANSWERS, read_answers
from perf.ladder.traces import Trace
from perf.machine.runner.record import read_record
from perf.measure.journal import NAME as JOURNAL
from perf.measure.journal import Journal
from perf.measure.plan import WorkloadKey
from perf.plugin.storage import last_verdicts
from perf.published import FOLDER, ScalingRow, published_rows
from perf.runs.baseline import BASELINES, TOLERANCES
from perf.runs.night.merge import read_shards
from perf.runs.night.shards import measured_times
from perf.runs.refreshing.drift import ANCHOR, find_anchor
from perf.runs.refreshing.sessions import read_session
from perf.runs.schema import read_run
from perf.runs.session.run import read_measured
from perf.runs.tolerances import read_tolerances

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


def _tolerances(_: Path, path: Path) -> None:
    tolerances = read_tolerances(path)
    for deviations in tolerances.assumed.values():
        for sd in (deviations.invocations, deviations.side_by_side, deviations.sessions):
            if not 0 < deviations.prior(sd).variance < math.inf:
                raise CorruptedError(f"accepted deviations: {deviations}")
    if not math.isfinite(tolerances.of("cnn", "resnet50_v1-b1-mkl-fp32").log_change):
        raise CorruptedError(f"accepted a tolerance: {tolerances}")


def _times(_: Path, path: Path) -> None:
    times = measured_times(path, "quick")
    if not all(seconds >= 0 for seconds in times.measured_s.values()):
        raise CorruptedError(f"accepted times: {times}")


def _accepted(_: Path, path: Path) -> None:
    levels = read_accepted(path)
    level = levels.of("vgg16-b1-mkl-fp32")
    if level is not None and level.start > datetime.max.replace(tzinfo=UTC):
        raise CorruptedError(f"accepted {level}")


def _night(_: Path, path: Path) -> object:
    return read_night(path)


def _trace(_: Path, path: Path) -> None:
    if any(count < 1 for count in read_json(path, Trace).kernels.values()):
        raise CorruptedError("accepted a kernel that ran less than once")


def _bisection(folder: Path, _: Path) -> None:
    bisection = read_bisection(folder)
    if bisection is not None:
        read_steps(folder, bisection)


BISECTION = {
    "version": 1, "case": "resnet50_v1-b1-mkl-fp32", "item": "perf/cnn/test_inference.py::test_inference[a]",
    "role": "mkl", "tier": "quick", "options": ["-q"], "machine_class": "made-2c-1n-avx2",
    "wheels": [{"name": name, "requirement": f"mxnet-mkl=={name}"} for name in ("1.4.0", "1.4.1", "1.5.0")],
}  # fmt: skip
STEP = {"wheel": 1, "answer": "slower", "reason": "r", "change": 0.9, "change_low": 0.8, "change_high": 0.95,
        "values": [-0.1, -0.11], "sessions": 2, "seconds": 10.5}  # fmt: skip
CENSUS = [
    {"header": {"version": 2, "conditions": {"mkl": "mxnet-mkl 1"}, "networks": ["alexnet"], "left_out": {"a": "b"}}},
    {"result": {"network": "alexnet", "status": "agrees", "reason": "", "shape": [3, 224, 224], "sqnr_db": 40.1,
                "layers": [{"name": "conv0", "sqnr_db": 30.0, "expected_db": None}], "speedups": {"mkl-fp32": 2.5}}},
]  # fmt: skip
RECORD = {"values": [{"setting": "swap", "target": "/swapfile", "value": "on, priority 5"}]}
ACCEPTED = b'[[accepted]]\ncases = "vgg16-*"\nsince = 2026-11-26\nby = "someone"\nwhy = "a slower, but right kernel"\n'


def _encoded(*lines: object) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


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
    answers = min((BASELINES / "answers").glob("*.json"))
    table = FOLDER / "table1-scaling.csv"
    return [
        Reader(
            name="stored run, judged",
            modules=("perf.runs.schema",),
            seeds=(after, before),
            read=_judge,
            weight=2.0,
        ),
        Reader(
            name="stored run, as a page",
            modules=("perf.report.page.source",),
            seeds=(after, before),
            read=lambda folder, _: report(folder / "0002_b.json", folder / "0001_a.json", folder / "page.html"),
            weight=0.15,
        ),
        Reader(name="stored run, exported", modules=("perf.runs.session.run",), seeds=(after,), read=_export),
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
            name="accepted.toml",
            modules=("perf.history.accepted",),
            seeds=(Seed("accepted.toml", ACCEPTED, "toml"),),
            read=_accepted,
        ),
        Reader(
            name="tolerances.toml",
            modules=("perf.runs.tolerances",),
            seeds=(Seed("tolerances.toml", TOLERANCES.read_bytes(), "toml"),),
            read=_tolerances,
        ),
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
        Reader(
            name="bisection",
            modules=("perf.bisection.state",),
            seeds=(Seed(FILE, _encoded(BISECTION), "json"), Seed("step-001.json", _encoded(STEP), "json")),
            read=_bisection,
        ),
        Reader(
            name="census",
            modules=("perf.census.state",),
            seeds=(Seed("census.jsonl", _encoded(*CENSUS), "lines"),),
            read=lambda _, path: [line.result and line.result.text for line in read_lines(path)[0]],
        ),
        Reader(
            name="trace of a ladder",
            modules=("perf.ladder.traces",),
            seeds=(Seed("a.json", _encoded({"stack": "ab", "kernels": {"convolution jit:avx2": 53}}), "json"),),
            read=_trace,
            weight=0.5,
        ),
        Reader(
            name="record of the runner",
            modules=("perf.machine.runner.record",),
            seeds=(Seed("runner.json", _encoded(RECORD), "json"),),
            read=lambda _, path: read_record(path),
            weight=0.5,
        ),
        Reader(
            name="answers.toml",
            modules=("perf.known_defects.answers",),
            seeds=(Seed("answers.toml", ANSWERS.read_bytes()[:4000].rpartition(b"\n[")[0] + b"\n", "toml"),),
            read=lambda _, path: read_answers(path),
            weight=0.3,
        ),
        Reader(
            name="stored answers",
            modules=("perf.cnn.checks.golden",),
            seeds=(Seed(f"baselines/answers/{answers.name}", answers.read_bytes(), "json"),),
            read=lambda _, path: golden_answers(path.stem, path.parent),
        ),
        Reader(
            name="published table",
            modules=("perf.published",),
            seeds=(Seed(table.name, table.read_bytes(), "text"),),
            read=lambda _, path: published_rows(path.stem, ScalingRow, path.parent),
        ),
    ]


def _shard() -> bytes:
    document = json.loads(_stored(-1))
    items = {benchmark["fullname"]: 1 for benchmark in document["benchmarks"]}
    document["perf"]["shard"] = {"number": 1, "of": 2, "items": {**items, "perf/cnn/t.py::t[x]": 2},
                                 "balanced_by": "an estimate", "night": None}  # fmt: skip
    return json.dumps(document).encode()
