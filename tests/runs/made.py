"""Stored runs as a session would write them, made by hand."""

from typing import Any

import msgspec

from perf.runs.document import Run

MACHINE_CLASS = "made-2c-1n-avx2"
FIRST = [1.60, 1.59, 1.61]


def benchmark(workload: str = "resnet50_v1-b1", variant: str = "mkl-fp32", **figures: Any) -> dict[str, Any]:
    """One entry of `benchmarks`; `figures` replace those of its `extra_info`."""
    return {
        "fullname": f"perf/cnn/test_inference.py::test_inference[{workload}-{variant}]",
        "stats": {"min": 0.02, "median": 0.021, "max": 0.03},
        "extra_info": {
            "family": "cnn",
            "subject": workload.partition("-b")[0],
            "workload": workload,
            "variant": variant,
            "reference": "native-fp32",
            "program": "resnet50_v1-0123/fp32",
            "latency_s": 0.021,
            "invocations_disturbed": 0,
            "published_speedup": 9.32,
            "samples": {"native-fp32": {"first": list(FIRST), "again": []}},
            **figures,
        },
    }


def native(workload: str = "resnet50_v1-b1") -> dict[str, Any]:
    """The entry of the reference, by which others are judged."""
    return benchmark(workload, "native-fp32", samples={}, latency_s=0.1, published_speedup=None)


def int8(workload: str = "resnet50_v1-b1", over_native: float = 2.8, over_fp32: float = 1.2) -> dict[str, Any]:
    """An entry of mkl-int8, judged over both others, with these log speedups."""
    samples = {
        "native-fp32": {"first": [over_native + x for x in (0, 0.01, -0.01)], "again": []},
        "mkl-fp32": {"first": [over_fp32 + x for x in (0, 0.01, -0.01)], "again": []},
    }
    return benchmark(workload, "mkl-int8", samples=samples, latency_s=0.006)


def document(*benchmarks: dict[str, Any], **context: Any) -> dict[str, Any]:
    """A stored run; without benchmarks, of three networks in three variants. `context` replaces parts of `perf`."""
    workloads = ("resnet18_v1-b1", "resnet50_v1-b1", "squeezenet1.0-b1")
    every = [entry for name in workloads for entry in (native(name), benchmark(name), int8(name))]
    return {
        "machine_info": {"node": "made"},
        "commit_info": {"id": "0" * 40},
        "benchmarks": list(benchmarks) or every,
        "datetime": "2026-11-23T15:00:00+00:00",
        "version": "5.3.1",
        "perf": {
            "schema": 1,
            "machine_class": MACHINE_CLASS,
            "host_id": "0123456789abcdef",
            "comparable": {"control": "mxnet==1.5.0 (aaaaaaaaaaaa)", "instances": 1, "threads": 2},
            "settings": {"kernel": "6.1.0", "governor": "performance"},
            "wheels": {
                "native": {"requirement": "mxnet==1.5.0", "record_sha256": "a" * 64},
                "mkl": {"requirement": "mxnet-mkl==1.5.0", "record_sha256": "b" * 64},
            },
            "left_out": {},
            "injected": {},
            "complete": True,
            **context,
        },
    }


def as_run(content: dict[str, Any]) -> Run:
    """The run in a document."""
    return msgspec.convert(content, Run)
