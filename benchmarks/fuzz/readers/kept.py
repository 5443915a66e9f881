"""What people write about measurements, and what longer work keeps: tolerances, bisections, a census, answers."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.fuzz.reader import CorruptedError, Reader, Seed
from perf.bisection.state import FILE, read_bisection, read_steps
from perf.census.state import read_lines
from perf.cnn.checks.golden import golden_answers
from perf.files import read_json
from perf.history.accepted import read_accepted
from perf.known_defects.answers import ANSWERS, read_answers
from perf.ladder.traces import Trace
from perf.machine.runner.record import read_record
from perf.published import FOLDER, ScalingRow, published_rows
from perf.runs.baseline import BASELINES, TOLERANCES
from perf.runs.tolerances import read_tolerances


def _tolerances(_: Path, path: Path) -> None:
    tolerances = read_tolerances(path)
    for deviations in tolerances.assumed.values():
        for sd in (deviations.invocations, deviations.side_by_side, deviations.sessions):
            if not 0 < deviations.prior(sd).variance < math.inf:
                raise CorruptedError(f"accepted deviations: {deviations}")
    if not math.isfinite(tolerances.of("cnn", "resnet50_v1-b1-mkl-fp32").log_change):
        raise CorruptedError(f"accepted a tolerance: {tolerances}")


def _accepted(_: Path, path: Path) -> None:
    levels = read_accepted(path)
    level = levels.of("vgg16-b1-mkl-fp32")
    if level is not None and level.start > datetime.max.replace(tzinfo=UTC):
        raise CorruptedError(f"accepted {level}")


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


def readers() -> list[Reader]:
    """Return the readers of what people write and of what longer work keeps."""
    answers = min((BASELINES / "answers").glob("*.json"))
    table = FOLDER / "table1-scaling.csv"
    return [
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
