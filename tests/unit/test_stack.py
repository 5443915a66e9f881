"""Stacks differ in what determines a measurement, and in nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.stack import REPORTED_ONLY, Stack, build_changes, differences, differing, identity
from tests.support.factories import CHANGED, as_stack

TEXTS = st.sampled_from(["", "a", "b -> c"])
TABLES = st.dictionaries(st.sampled_from(["A", "B"]), TEXTS)
STACKS = st.builds(
    Stack,
    requirement=TEXTS,
    wheel=TEXTS,
    python=TEXTS,
    numpy=TEXTS,
    openmp=st.none() | TEXTS,
    blas_kernels=st.none() | TEXTS,
    horovod=st.none() | TEXTS,
    mpi=st.none() | TEXTS,
    program=TEXTS,
    variables=TABLES,
    environment=TABLES,
    threads=st.integers(1, 2),
    placement=st.lists(TEXTS, max_size=2).map(tuple),
    job=TABLES,
    measuring=TEXTS,
    injected=st.sampled_from([0.0, 0.05]),
    libraries=TABLES,
)


@given(STACKS, TEXTS)
def test_a_different_requirement_alone_makes_no_difference(one: Stack, requirement: str) -> None:
    other = Stack(**{**fields_of(one), "requirement": requirement})
    assert differences(one, other) == []
    assert differing(one, other) == set()


@given(STACKS, STACKS)
def test_differing_fields_are_named_with_their_keys(one: Stack, other: Stack) -> None:
    a, b = fields_of(one), fields_of(other)
    unequal = {name for name in a if a[name] != b[name]} - {"requirement"}
    if not (one.libraries and other.libraries):  # older runs do not say
        unequal -= {"libraries"}
    names = differing(one, other)
    assert {name.partition(" ")[0] for name in names} == unequal
    assert names == {
        f"{name} {key}" if isinstance(a[name], dict) else name
        for name in unequal
        for key in ({*a[name], *b[name]} if isinstance(a[name], dict) else [""])
        if not key or a[name].get(key, 0) != b[name].get(key, 0)
    }


@given(STACKS, STACKS)
def test_stacks_have_the_same_identity_if_nothing_of_the_build_changed(one: Stack, other: Stack) -> None:
    names = {name for name in differing(one, other) if name.partition(" ")[0] not in REPORTED_ONLY}
    assert build_changes(one, other) == names
    assert (identity(one) == identity(other)) == (not names)


NUMACTL = "instance 0: node 0, CPUs 0-1, 2 threads, numactl"
AFFINITY = (
    "instance 0: node 0, CPUs 0-1, 2 threads, affinity; memory is not bound because there is one usable node and "
    "numactl is not installed"
)


def test_what_pinned_an_instance_makes_no_difference() -> None:
    one, other = (as_stack(placement=(text,)) for text in (NUMACTL, AFFINITY))
    assert differing(one, other) == set()
    assert identity(one) == identity(other)
    elsewhere = as_stack(placement=(NUMACTL.replace("0-1", "0-2"),))
    assert differing(elsewhere, other) == {"placement"}
    assert identity(elsewhere) != identity(other)


@given(STACKS, STACKS)
def test_differences_are_symmetrical(one: Stack, other: Stack) -> None:
    assert differing(one, other) == differing(other, one)
    forth, back = differences(one, other), differences(other, one)
    assert [line.partition(":")[0] for line in forth] == [line.partition(":")[0] for line in back]


@given(STACKS, STACKS)
def test_every_differing_field_is_described(one: Stack, other: Stack) -> None:
    assert {line.partition(":")[0] for line in differences(one, other)} == differing(one, other)


def test_every_field_but_two_has_a_changed_value_in_these_tests() -> None:
    assert {*CHANGED, "requirement", "measuring"} == set(Stack.__struct_fields__)


@pytest.mark.parametrize(
    ("then", "now", "line"),
    [
        (
            {},
            {"wheel": "d" * 64, "requirement": "./new.whl"},
            "wheel: mxnet-mkl==1.5.0 (bbbbbbbbbbbb) -> ./new.whl (dddddddddddd)",
        ),
        ({}, {"threads": 1}, "threads: 2 -> 1"),
        ({}, {"openmp": None}, "openmp: ffff -> None"),
        ({}, {"variables": {}}, "variables OMP_NUM_THREADS: 2 -> not set"),
        ({}, {"environment": {"LD_PRELOAD": "x.so"}}, "environment LD_PRELOAD: not set -> x.so"),
        ({"job": {"epochs": 1}}, {"job": {"epochs": 2}}, "job epochs: 1 -> 2"),
        ({"job": {}}, {"job": {"epochs": None}}, "job epochs: not set -> None"),
        ({}, {"placement": ("0 on node 0", "1 on node 0")}, "placement: 0-1 on node 0 -> 0 on node 0; 1 on node 0"),
        ({}, {"injected": 0.05}, "injected: 0.0 -> 0.05"),
    ],
)
def test_a_difference_shows_both_values(then: dict[str, Any], now: dict[str, Any], line: str) -> None:
    assert differences(as_stack(**then), as_stack(**now)) == [line]


def fields_of(one: Stack) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Stack.__struct_fields__}
