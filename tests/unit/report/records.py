"""Records of cases, for tests of the summary."""

from typing import Any

from msgspec.structs import replace as changed

from perf.facts import CnnCheck, CnnFacts, Drift, RnnCheck, RnnFacts, TrainingCheck, TrainingFacts
from perf.report.summary import Summary
from perf.runs.record import CaseRecord, RatioEstimate
from perf.runs.schema import FEW
from tests.support.factories import as_stack


def ratio(value: float, **other: Any) -> RatioEstimate:
    """Return a ratio from three invocations, with an interval of 10 % on each side."""
    fields = {"low": value * 0.9, "high": value * 1.1, "typical": value, "invocations": FEW, "disturbed": False}
    return RatioEstimate(value, **{**fields, **other})


def network(name: str = "resnet50_v1", batch: int = 8, drift: Drift | None = None) -> CnnFacts:
    return CnnFacts(name, batch, None, CnnCheck("jit:avx512_core", 1, 1, 0, None, None, drift))


def record(variant: str, speedup: float | RatioEstimate | None = None, **other: Any) -> CaseRecord:
    """Return a record of resnet50_v1 at batch 8; a number as its speedup gets the interval of `ratio`."""
    return CaseRecord(
        **{
            **dict.fromkeys(CaseRecord.__struct_fields__),
            "family": "cnn",
            "subject": "resnet50_v1",
            "workload": "resnet50_v1-b8",
            "variant": variant,
            "reference": "native-fp32",
            "stack": as_stack(),
            "latency_s": 0.25,
            "invocations_disturbed": 0,
            "samples": {},
            "slots": (),
            "facts": network(),
            "speedup": ratio(speedup) if isinstance(speedup, float) else speedup,
            "throughput_items_per_s": 32.0,
            "gflop_per_s": 262.144,
            **other,
        }
    )


def trained(ranks: int, efficiency: RatioEstimate | None = None, **other: Any) -> CaseRecord:
    """Return a training job on this number of ranks. On more than one, 5.12 % of a step is exposed communication."""
    check = TrainingCheck(
        place="this host",
        link_gbit_per_s=None,
        gradient_bytes=102_000_000,
        profiled_step_s=0.25,
        compute_s=0.2,
        slowest_compute_s=0.2,
        communication_share=0.0512 if ranks > 1 else 0.0,
        waiting_share=0.0,
        timeline_s={},
        allreduce_s={"4096": 1e-4, "1048576": 1e-3} if ranks > 1 else {},
        mpi=None,
    )
    return record(
        f"r{ranks}",
        family="dist",
        workload="train-resnet50_v1-b8-mkl",
        reference="r1",
        facts=TrainingFacts("resnet50_v1", 8, "mkl", ranks, check),
        efficiency=efficiency,
        published=None if ranks == 1 else 0.9886,
        **other,
    )


NATIVE = record("native-fp32", latency_s=1.2345678)
FP32 = record("mkl-fp32", 15.554, published=18.83)
INT8 = record("mkl-int8", 123.456, published=65.03)
OTHER = {"facts": network("mobilenetv2_1.0", 64), "workload": "mobilenetv2_1.0-b64"}
RECORDS = [NATIVE, FP32, INT8, changed(NATIVE, **OTHER), changed(INT8, **OTHER, speedup=ratio(217.07))]
LSTM = {
    "family": "rnn",
    "workload": "lstm-l8-n32",
    "facts": RnnFacts("lstm", "[32, 50, 512, 512]", 8, None, RnnCheck("rnn_impl.h", 1e-7, 1e-5)),
}
RECURRENT = [changed(NATIVE, **LSTM), changed(FP32, **LSTM)]
SUMMARY = Summary(RECORDS, [], ["machine class c5.metal: 48 cores"], ["4711 s in all, [42] %"])
