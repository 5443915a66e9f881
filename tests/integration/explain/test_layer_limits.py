"""Which part of the machine's limit the layers of real cases reach. No test asserts a rate."""

import pytest

from perf.explain.layer_limits import fractions_of
from perf.explain.subject import case_named, subject_of
from perf.limits.probe import probe
from perf.measure.family import Resources
from perf.measure.tiers import effort_of
from perf.profile.outcomes import explain_arms

pytestmark = pytest.mark.alone

# Above 1: the profiler counts in microseconds.
MOST = 1.1


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("cifar_resnet20_v1-b4-mkl-fp32", 20),
        pytest.param("cifar_resnet20_v1-b4-native-fp32", 20, marks=pytest.mark.slow),
        pytest.param("cifar_resnet20_v1-b4-mkl-int8", 20, marks=pytest.mark.slow),
        ("lstm-64-64-l1-n4-t20-mkl-fp32", 1),
    ],
)
def test_each_layer_that_multiplies_reaches_a_part_of_the_limit(name: str, counted: int, resources: Resources) -> None:
    subject = subject_of(case_named(name), resources)
    quiet = lambda _text, _done: None  # noqa: E731 - shows nothing
    explanation = explain_arms(name, [subject.arm], subject.workload, resources, quiet, effort_of("smoke"))
    limits = probe(subject.placements[:1])
    fractions = fractions_of(subject, explanation.layers, limits, resources)
    if not limits.fp32 or not limits.int8 or not limits.memory:
        pytest.skip(f"the machine is too busy: {limits.problems}")
    assert len(fractions) >= counted
    assert all(0 < fraction < MOST for fraction in fractions.values()), fractions
