"""The data of the networks, the cases made from them, and the announcement's Table 2."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from perf.cnn.checks.golden import golden_answers
from perf.cnn.family import CnnCase, CnnFamily
from perf.cnn.networks import IMAGES, INPUT, REFERENCE, catalogue, images_of
from perf.measure.plan import Plan, Program, Variant, Workload
from perf.measure.tiers import effort_of
from perf.plugin.options import TIERS
from perf.published import FOLDER
from tests.support.fakes import build

TABLE_2 = {
    "inceptionv3",
    "mobilenet1.0",
    "mobilenetv2_1.0",
    "resnet101_v1",
    "resnet152_v2",
    "resnet18_v1",
    "resnet50_v1",
    "squeezenet1.0",
}
FAMILY = CnnFamily(pretrained=False, calibration="naive")


def test_the_nightly_tier_is_all_of_table_2() -> None:
    nightly = catalogue().tiers["nightly"]
    assert set(nightly.networks) == TABLE_2
    # The remaining time of every tier's networks is estimated from these.
    assert set(catalogue().multiply_adds) == {name for tier in catalogue().tiers.values() for name in tier.networks}
    assert nightly.batches == [1, 2, 4, 8, 16, 32, 64]
    assert len(FAMILY.cases("nightly")) == 8 * 7 * 3


@pytest.mark.parametrize("tier", TIERS)
def test_each_tier_has_different_cases_and_an_effort(tier: str) -> None:
    cases = FAMILY.cases(tier)
    assert effort_of(tier).min_invocations >= 1
    assert Counter(case.id for case in cases).most_common(1)[0][1] == 1
    assert Counter(case.variant for case in cases).keys() == catalogue().variants.keys()


def test_there_are_no_other_tiers() -> None:
    assert set(catalogue().tiers) == set(TIERS)


def test_stored_answers_exist_for_every_network_that_a_tier_checks() -> None:
    for checked in catalogue().answers.values():
        assert set(checked.entropy) <= set(checked.naive)
        for network in checked.naive:
            assert golden_answers(network).layers.keys() == {"mkl-fp32", "mkl-int8"}, network
            assert "naive" in golden_answers(network).drift, network
    assert set(catalogue().answers["whole"].naive) == set(catalogue().answers["nightly"].entropy) == TABLE_2


def test_networks_and_batches_replace_the_tiers_own() -> None:
    assert [case.id for case in FAMILY.cases("nightly", ["vgg11"], [3])] == [
        "vgg11-b3-native-fp32",
        "vgg11-b3-mkl-fp32",
        "vgg11-b3-mkl-int8",
    ]
    assert {case.batch for case in FAMILY.cases("quick", ["vgg11"], ())} == {1, 4}
    assert {case.network for case in FAMILY.cases("smoke", (), [2])} == {"cifar_resnet20_v1"}


@pytest.mark.parametrize(
    ("variant", "roles"),
    [
        ("native-fp32", {"native", "zoo"}),
        ("mkl-fp32", {"native", "mkl", "zoo"}),
        ("mkl-int8", {"native", "mkl", "zoo"}),
    ],
)
def test_a_case_needs_its_own_build_the_references_and_the_zoo(variant: str, roles: set[str]) -> None:
    assert CnnCase("resnet50_v1", 8, variant, FAMILY).roles == roles


def test_larger_batches_and_networks_have_larger_weights() -> None:
    small, batch, network = (
        CnnCase(*case, REFERENCE, FAMILY).weight for case in [("a", 1), ("a", 8), ("resnet152_v2", 1)]
    )
    assert 0 < small < batch
    assert small < network


@pytest.mark.parametrize(
    ("network", "size"),
    [
        ("resnet50_v1", 224),
        ("inceptionv3", 299),
        ("cifar_resnet20_v1", 32),
        ("cifar_wideresnet16_10", 32),
        ("nasnet_5_1538", 331),
        ("nasnet_4_1056", None),
        ("vgg11", None),
        ("xception", 299),
    ],
)
def test_image_size(network: str, size: int | None) -> None:
    assert catalogue().image_size(network) == size


def test_flatten_is_never_quantised() -> None:
    assert all("Flatten" in catalogue().exclusions_of(network) for network in [*TABLE_2, "vgg11"])
    assert "Pooling" in catalogue().exclusions_of("mobilenet1.0")


def test_every_published_row_belongs_to_a_nightly_case() -> None:
    with (FOLDER / "table2-cnn.csv").open() as stream:
        rows = list(csv.reader(stream))[1:]
    assert len(rows) == 8 * 7 * 2
    nightly = set(FAMILY.cases("nightly"))
    for network, batch, precision, speedup in rows:
        case = CnnCase(network, int(batch), f"mkl-{precision}", FAMILY)
        assert case in nightly
        assert FAMILY.published(case) == float(speedup)


@pytest.mark.parametrize(
    ("batch", "variant", "speedup"),
    [(1, "mkl-fp32", 9.32), (1, "mkl-int8", 26.50), (64, "mkl-fp32", 20.67), (64, "mkl-int8", 82.01)],
)
def test_the_speedups_that_the_announcement_claims(batch: int, variant: str, speedup: float) -> None:
    assert FAMILY.published(CnnCase("resnet50_v1", batch, variant, FAMILY)) == speedup


@pytest.mark.parametrize(
    "case", [CnnCase("resnet50_v1", 1, REFERENCE, FAMILY), CnnCase("vgg11", 1, "mkl-int8", FAMILY)]
)
def test_a_case_that_was_not_published_has_no_figure(case: CnnCase) -> None:
    assert FAMILY.published(case) is None


def test_the_images_are_the_same_every_time_and_differ_from_one_another() -> None:
    plan = Plan(
        "net",
        (Variant(REFERENCE, build(), Program(Path(), Path(), None, "")),),
        (Workload("net-b2", {INPUT: (2, 3, 32, 32)}, items=2, weight=1.0),),
        REFERENCE,
        family="cnn",
    )
    images = images_of(plan)
    assert images.shape == (IMAGES, 3, 32, 32)
    assert (images == images_of(plan)).all()
    assert len({image.tobytes() for image in images}) == IMAGES
