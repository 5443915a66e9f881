"""Declarations of defects, the regions that they cover, and the cases that always run."""

import msgspec
import pytest

from perf.builds import BuildFacts
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.kinds import AnyCase, Convolution
from perf.cnn.operators.regions import CHECK, REGIONS, is_covered, signs_of
from perf.cnn.operators.search import operators_file, toml_entry
from perf.cnn.operators.strategies import CASES
from perf.cnn.operators.workers import VARIANTS
from perf.defects import Defect, defects_of
from perf.plugin.options import TIERS
from tests.support.fakes import cpu_with

DECLARED = defects_of(CHECK)
ANY = Defect(CHECK, "", "", {"mxnet-mkl": ["1.5.0"]}, {})


def installed(distribution: str, version: str) -> BuildFacts:
    return BuildFacts(version, distribution != "mxnet", "", "", "", 0, distribution, "", None)


def example_of(name: str) -> OperatorCase:
    case: OperatorCase = msgspec.convert(DECLARED[name].example, AnyCase)
    return case


def test_every_defect_has_a_region_and_every_region_a_defect() -> None:
    assert set(DECLARED) == set(REGIONS)


@pytest.mark.parametrize("name", REGIONS)
def test_the_example_of_a_defect_is_in_its_region(name: str) -> None:
    assert any(REGIONS[name](example_of(name), variant, signs_of(example_of(name))) for variant in VARIANTS)


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_is_left_out_for_the_affected_wheels_only(name: str) -> None:
    case = example_of(name)
    variant = next(variant for variant in VARIANTS if REGIONS[name](case, variant, signs_of(case)))
    with cpu_with("avx2" if DECLARED[name].without_isa else "avx512_vnni"):
        for wheel, versions in DECLARED[name].affects.items():
            assert all(is_covered(case, variant, installed(wheel, version)) for version in versions)
        assert not is_covered(case, variant, installed("mxnet-mkl", "1.9.1"))
        assert not is_covered(case, "native-fp32", installed("mxnet", "1.5.0"))


@pytest.mark.parametrize(
    ("fields", "isa", "has_it"),
    [
        ({}, "sse4", True),
        ({"with_isa": "avx512"}, "avx512_vnni", True),
        ({"with_isa": "avx512"}, "avx2", False),
        ({"without_isa": "avx512"}, "avx512_vnni", False),
        ({"without_isa": "avx512"}, "avx2", True),
    ],
)
def test_a_defect_of_some_kernels_is_in_a_wheel_on_cpus_that_run_them(
    fields: dict[str, str], isa: str, has_it: bool
) -> None:
    defect, wheel = msgspec.structs.replace(ANY, **fields), installed("mxnet-mkl", "1.5.0")
    with cpu_with(isa):
        assert defect.is_in(wheel) == has_it
        assert (defect.why_not_on_cpu(wheel) is None) == has_it
        assert defect.contradiction("some", wheel, ["wrong"] if has_it else []) is None


@pytest.mark.parametrize(
    ("channels", "affected"), [(1, False), (8, False), (9, True), (32, False), (33, True), (64, False), (1000, True)]
)
def test_averages_are_wrong_where_the_last_block_of_channels_is_not_full(channels: int, affected: bool) -> None:
    case = msgspec.structs.replace(example_of("int8-average-tail"), channels=channels)
    assert REGIONS["int8-average-tail"](case, "mkl-int8", signs_of(case)) == affected


def test_a_declared_defect_that_does_not_show_is_a_contradiction() -> None:
    assert ANY.contradiction("some", installed("mxnet-mkl", "1.5.0"), []) == (
        "the defect some is declared for mxnet-mkl 1.5.0, but its example passes: remove it from perf/defects.toml"
    )


def test_a_defect_that_shows_on_another_wheel_is_a_contradiction() -> None:
    assert ANY.contradiction("some", installed("mxnet-mkl", "1.6.0"), ["wrong", "too"]) == (
        "the defect some is not declared for mxnet-mkl 1.6.0, but its example fails: wrong"
    )


def test_a_correct_declaration_is_no_contradiction() -> None:
    assert ANY.contradiction("some", installed("mxnet-mkl", "1.5.0"), ["wrong"]) is None
    assert ANY.contradiction("some", installed("mxnet", "1.5.0"), []) is None


def test_every_tier_has_a_number_of_cases_for_each_kind() -> None:
    data = operators_file()
    assert set(data.cases) == {*TIERS, "slice"}
    assert all(set(counts) <= set(CASES) for counts in data.cases.values())
    assert all(set(data.cases[tier]) == set(CASES) for tier in TIERS)
    assert set(data.slice_defects) <= set(REGIONS)


def test_examples_are_of_known_kinds_and_differ() -> None:
    examples = operators_file().examples
    assert {msgspec.to_builtins(case)["kind"] for case in examples} <= set(CASES)
    assert len({repr(case) for case in examples}) == len(examples)


def test_a_case_is_printed_as_an_entry_of_the_file() -> None:
    case = Convolution(batch=1, channels=2, size=(3, 4), filters=5, kernel=(1, 1), relu=True)
    entry = toml_entry(case)
    assert entry.startswith('[[examples]]\nkind = "convolution"\n')
    assert "relu = true" in entry
    assert "groups" not in entry
