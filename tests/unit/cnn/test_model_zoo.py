"""The names of GluonCV's networks: what can be measured, and how a wrong name is refused."""

import pytest

from perf.cnn.model_zoo import check_networks, model_zoo
from perf.cnn.networks import catalogue
from perf.errors import PerfError


def test_all_networks_of_the_tiers_can_be_measured() -> None:
    for tier in catalogue().tiers.values():
        check_networks(tier.networks)


def test_each_name_stands_once_and_in_order() -> None:
    zoo = model_zoo()
    assert zoo.classification == sorted(set(zoo.classification))
    assert zoo.other == sorted(set(zoo.other))
    assert not set(zoo.classification) & set(zoo.other)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51_v1", "resnet51_v1: GluonCV has no such network\nnext: choose resnet50_v1 or "),
        ("nothing", "nothing: GluonCV has no such network\nnext: choose one of the list in perf/cnn/glu"),
        ("ssd_300_vgg16_atrous_voc", "ssd_300_vgg16_atrous_voc: this is not a classification network"),
        ("yolo3_darknet53_voc", "yolo3_darknet53_voc: this is not a classification network, and only those can be"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_ones(name: str, message: str) -> None:
    with pytest.raises(PerfError, match=message):
        check_networks(["resnet18_v1", name])


def test_another_zoo_checks_names_itself() -> None:
    check_networks(["nothing"], another_zoo=True)
