"""Accuracy on the record file of --perf-imagenet-rec: top-1 and top-5 in FP32 and INT8 beside the published ones."""

from collections.abc import Callable

import pytest

from perf.checks import CheckResult
from perf.cnn.artifacts.prepare import fp32_and_int8
from perf.cnn.imagenet.evaluate import answers_of, calibrated
from perf.cnn.imagenet.protocol import answer_of
from perf.cnn.model_zoo import check_networks
from perf.cnn.networks import catalogue
from perf.plugin.options import OPTIONS
from perf.plugin.setup import Setup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    check_networks(options.models, another_zoo="zoo" in options.overrides)
    metafunc.parametrize("network", options.models or catalogue().tiers[options.tier].networks)


@pytest.mark.accuracy("mkl", "zoo")
def test_imagenet(network: str, setup: Setup, answered: Callable[[CheckResult], None]) -> None:
    options, resources, progress = setup.options, setup.resources, setup.progress
    records = options.imagenet_rec
    assert records is not None
    with setup.uncaptured(), progress.shown():
        artifacts = calibrated(
            network,
            records,
            resources,
            pretrained=options.pretrained,
            weights=options.weights,
            calibration=options.calibration,
        )
        found = []
        for variant in fp32_and_int8(artifacts, resources):
            progress.restart()
            found.append(answers_of(variant, network, records, resources, progress.tell))
    answered(answer_of(network, *found))
