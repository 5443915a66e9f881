"""Stacks of a small network, changed on purpose and explained beside the unchanged one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from perf.builds import Build, provision
from perf.explain.subject import Subject, as_baseline, case_named, subject_of
from perf.measure.family import Resources
from perf.measure.plan import Program
from perf.profile.arms import Arm
from perf.profile.outcomes import explain_arms
from perf.runs.explanation import Explanation, LayerTime
from tests.support.wheels import repacked

NETWORK = "cifar_resnet20_v1"
FP32, INT8 = f"{NETWORK}-b4-mkl-fp32", f"{NETWORK}-b4-mkl-int8"
WHEEL = "mxnet_mkl-1.5.0-py2.py3-none-manylinux1_x86_64.whl"


def explain(resources: Resources, subject: Subject, *arms: Arm) -> Explanation:
    return explain_arms(subject.case.id, arms, subject.workload, resources, lambda _text, _done: None)


def compared(resources: Resources, subject: Subject, candidate: Arm, baseline: Arm | None = None) -> Explanation:
    return explain(resources, subject, candidate, as_baseline(baseline or subject.arm))


def subject(name: str, resources: Resources) -> Subject:
    return subject_of(case_named(name), resources)


def with_program(arm: Arm, program: Program) -> Arm:
    return replace(arm, variant=replace(arm.variant, program=program))


def with_wheel(arm: Arm, folder: Path, appended: Mapping[str, str]) -> Arm:
    """The arm with a wheel of the same MXNet that has more code at the end of some of its files."""
    (packages,) = arm.variant.build.folder.glob("lib/python*/site-packages")
    wheel = repacked(packages, folder / WHEEL, appended)
    build: Build = provision("mkl", override=str(wheel), cache=folder / "cache", say=print)
    return replace(arm, variant=replace(arm.variant, build=build))


def changed_most(explanation: Explanation) -> str:
    """The layer whose time changed by more than twice as much as that of any other; it must come first, too."""
    first, *rest = explanation.layers
    changes = [abs(layer.change.ms) for layer in rest if layer.change]
    assert first.change
    assert abs(first.change.ms) > 2 * max(changes), [(layer.name, layer.change) for layer in explanation.layers]
    return first.name


def facts(layer: LayerTime) -> str:
    return "; ".join(layer.facts)
