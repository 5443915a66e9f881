"""Make stored runs as a session writes them, and gates that judge them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from perf.judge.judgement import Tolerance
from perf.judge.variance_prior import VariancePrior
from perf.runs.gate import Gate, comparisons_of
from perf.runs.schema import SCHEMA, StoredCase, StoredRun
from perf.runs.tolerances import AssumedDeviations, Tolerances
from perf.runs.variances import RatioKey, SessionVariances, priors_of
from perf.runs.verdict import Verdict
from perf.stack import Stack

MACHINE_CLASS = "made-2c-1n-avx2"
# One for each invocation; the fastest one counts.
LOG_SPEEDUPS = [1.60, 1.59, 1.61]
SPEEDUP = math.exp(1.61)
CASE = "resnet50_v1-b1-mkl-fp32"
WHEELS = {"native": ("mxnet==1.5.0", "a" * 64), "mkl": ("mxnet-mkl==1.5.0", "b" * 64)}
TOLERANCES = Tolerances(
    default=Tolerance(0.01, 0.05),
    published=Tolerance(0.25, 0.5),
    assumed={"default": AssumedDeviations(invocations=0.01, side_by_side=0.005, sessions=0.01, degrees=10)},
)
# A new value for every field that makes a stack another one.
CHANGED: dict[str, Any] = {
    "wheel": "d" * 64,
    "python": "3.11.9",
    "numpy": "1.22.4",
    "openmp": "eeee",
    "blas_kernels": "Zen",
    "horovod": "0.19.5",
    "mpi": "Open MPI",
    "program": "resnet50_v1-4567/fp32",
    "variables": {"OMP_NUM_THREADS": "1"},
    "environment": {"MALLOC_ARENA_MAX": "1"},
    "threads": 1,
    "placement": ("0-1 on node 1",),
    "job": {"epochs": 2},
    "injected": 0.05,
    "libraries": {"OpenMP": "libgomp.so.1"},
}


def stack(variant: str = "mkl-fp32", **fields: Any) -> dict[str, Any]:
    """Return the stack of a variant, with some `fields` replaced."""
    requirement, wheel = WHEELS[variant.partition("-")[0]]
    return {
        "requirement": requirement,
        "wheel": wheel,
        "python": "3.11.7",
        "numpy": "1.23.5",
        "openmp": "ffff",
        "blas_kernels": "SkylakeX",
        "horovod": None,
        "mpi": None,
        "program": f"resnet50_v1-0123/{variant.partition('-')[2]}",
        "variables": {"OMP_NUM_THREADS": "2"},
        "environment": {},
        "threads": 2,
        "placement": ("0-1 on node 0",),
        "job": {},
        "measuring": "0123456789ab",
        "injected": 0.0,
        "libraries": {"OpenMP": "libiomp5.so"},
        **fields,
    }


def as_stack(variant: str = "mkl-fp32", **fields: Any) -> Stack:
    return msgspec.convert(stack(variant, **fields), Stack)


def sample(values: Sequence[float], over: str = "native-fp32", **fields: Any) -> dict[str, Any]:
    """Return invocations with these log speedups over a variant that takes 0.1 s, whose stack has these `fields`."""
    floors = [[0.1, 0.1 * math.exp(-value)] for value in values]
    return {"floors": floors, "typical": list(values), "over": stack(over, **fields)}


def measured_side_by_side(
    *values: float, problem: str | None = None, variant: str = "mkl-fp32", **fields: Any
) -> dict[str, Any]:
    """What was measured side by side with a baseline arm, which ran the variant's stack but for `fields`."""
    return {"values": list(values), "stack": stack(variant, **fields), "problem": problem}


def benchmark(workload: str = "resnet50_v1-b1", variant: str = "mkl-fp32", **figures: Any) -> dict[str, Any]:
    """Return an entry of `benchmarks`; `figures` replace fields of its `extra_info`."""
    return {
        "fullname": f"perf/cnn/test_inference.py::test_inference[{workload}-{variant}]",
        "stats": {"min": 0.02, "median": 0.021, "max": 0.03},
        "extra_info": {
            "family": "cnn",
            "subject": workload.partition("-b")[0],
            "workload": workload,
            "variant": variant,
            "reference": "native-fp32",
            "stack": stack(variant),
            "latency_s": 0.021,
            "invocations_disturbed": 0,
            "published": 9.32,
            "samples": {"native-fp32": sample(LOG_SPEEDUPS)},
            "beside": None,
            **figures,
        },
    }


def native(workload: str = "resnet50_v1-b1", **figures: Any) -> dict[str, Any]:
    """Return the entry of the reference."""
    figures = {"samples": {}, "latency_s": 0.1, "published": None, **figures}
    return benchmark(workload, "native-fp32", **figures)


def int8(workload: str = "resnet50_v1-b1", over_native: float = 2.8, over_fp32: float = 1.2) -> dict[str, Any]:
    """Return an entry of mkl-int8 with these log speedups over native-fp32 and mkl-fp32."""
    samples = {
        "native-fp32": sample([over_native + x for x in (0, 0.01, -0.01)]),
        "mkl-fp32": sample([over_fp32 + x for x in (0, 0.01, -0.01)], "mkl-fp32"),
    }
    return benchmark(workload, "mkl-int8", samples=samples, latency_s=0.006)


def document(*benchmarks: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Return a stored run, by default of three networks in three variants. `context` replaces fields of `perf`."""
    workloads = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
    every = [entry for name in workloads for entry in (native(name), benchmark(name), int8(name))]
    return {
        "machine_info": {"node": "made"},
        "commit_info": {"id": "0" * 40},
        "benchmarks": list(benchmarks) or every,
        "datetime": "2026-11-23T15:00:00+00:00",
        "version": "5.3.1",
        "perf": {
            "schema": SCHEMA,
            "machine_class": MACHINE_CLASS,
            "host_id": "0123456789abcdef",
            "settings": {"kernel": "6.1.0", "governor": "performance"},
            "left_out": {},
            "injected": {},
            "complete": True,
            **context,
        },
    }


def as_run(content: dict[str, Any]) -> StoredRun:
    return msgspec.convert(content, StoredRun)


def as_case(entry: dict[str, Any]) -> StoredCase:
    return msgspec.convert(entry["extra_info"], StoredCase)


def sessions_with(
    sd: float = 0.01, speedups: Mapping[RatioKey, Sequence[float]] | None = None, runs: int = 0
) -> SessionVariances:
    """Return variances between sessions with this standard deviation."""
    return SessionVariances({"cnn": VariancePrior(sd**2, 10)}, speedups or {}, runs)


def gate(then: dict[str, Any] | None = None, sessions: SessionVariances | None = None, **context: Any) -> Gate:
    """Return a gate with a stored run as its baseline, for a run whose context has these fields."""
    baseline = as_run(then or document())
    return Gate(
        name="0001_a.json",
        baseline=baseline,
        context=as_run(document(**context)).perf,
        tolerances=TOLERANCES,
        comparisons=comparisons_of(baseline.cases, baseline),
        sessions=sessions or sessions_with(),
    )


def judged(entry: dict[str, Any], at: Gate | None = None) -> Verdict:
    """Return the verdict on an entry as the only case of its run."""
    at, case = at or gate(), as_case(entry)
    verdict = at.verdict(case, priors_of([case], at.tolerances))
    assert verdict is not None
    return verdict
