"""Accuracy on the images of --perf-imagenet-rec: top-1 and top-5 in FP32 and INT8, next to the published figures."""

from collections.abc import Callable

import pytest

from perf.checks import CheckResult
from perf.cnn.artifacts.releases import fp32_and_int8
from perf.cnn.imagenet.evaluate import evaluate, prepare_imagenet
from perf.cnn.imagenet.protocol import check_accuracy
from perf.cnn.networks import catalogue
from perf.plugin.options import OPTIONS
from perf.plugin.setup import Setup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    metafunc.parametrize("network", options.models or catalogue().tiers[options.tier].networks)


@pytest.mark.accuracy("mkl", "zoo")
def test_imagenet(network: str, setup: Setup, answered: Callable[[CheckResult], None]) -> None:
    options, resources, progress = setup.options, setup.resources, setup.progress
    records = options.imagenet_rec
    assert records is not None
    with setup.uncaptured(), progress.shown():
        artifacts = prepare_imagenet(
            network,
            records,
            resources,
            pretrained=options.pretrained,
            weights=options.weights,
            calibration=options.calibration,
        )
        predictions = []
        for variant in fp32_and_int8(artifacts, resources):
            progress.restart()
            predictions.append(evaluate(variant, network, records, resources, progress.show_fraction))
    answered(check_accuracy(network, *predictions))
