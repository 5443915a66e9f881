"""The networks' answers: INT8 compared with FP32, what is fused and quantised, and with which instructions."""

from collections.abc import Callable
from functools import cache

import pytest

from perf.checks import CheckResult
from perf.cnn.accuracy import NetworkInspection, check_drift, check_fusion, check_vnni, inspect_network
from perf.cnn.artifacts.prepare import CalibrationMode
from perf.cnn.family import CnnFamily
from perf.cnn.networks import catalogue
from perf.cnn.operators.arithmetic import int8_arithmetic
from perf.cnn.symbols.networks import user_networks
from perf.plugin.options import OPTIONS
from perf.plugin.setup import Setup

Answered = Callable[[CheckResult], None]
Inspect = Callable[[str, CalibrationMode], NetworkInspection]
BUILDS = ("native", "mkl", "zoo")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    selected = catalogue().answers["whole" if options.whole_accuracy and options.tier == "quick" else options.tier]
    chosen = (*options.models, *(network.name for network in user_networks(options.symbols)))
    networks = {"naive": chosen or selected.naive, "entropy": chosen or selected.entropy}
    if "calibration" in metafunc.fixturenames:
        pairs = [(network, mode) for network in networks["naive"] for mode in networks if network in networks[mode]]
        metafunc.parametrize(("network", "calibration"), pairs, ids=["-".join(pair) for pair in pairs])
    else:
        metafunc.parametrize("network", networks["naive"])


@pytest.fixture(scope="session")
def inspection_of(setup: Setup) -> Inspect:
    """Return a function that runs a network's variants, once for all of its checks."""
    options = setup.options

    @cache
    def inspect(network: str, calibration: CalibrationMode) -> NetworkInspection:
        family = CnnFamily(options.pretrained, calibration, brought=user_networks(options.symbols))
        return inspect_network(family, network, setup.resources)

    return inspect


@pytest.mark.accuracy(*BUILDS)
def test_int8_drift(
    network: str, calibration: CalibrationMode, inspection_of: Inspect, setup: Setup, answered: Answered
) -> None:
    inspection = inspection_of(network, calibration)
    answered(check_drift(inspection, setup.resources, store=setup.options.store_answers))


@pytest.mark.accuracy(*BUILDS)
def test_fusion(network: str, inspection_of: Inspect, setup: Setup, answered: Answered) -> None:
    answered(check_fusion(inspection_of(network, "naive"), store=setup.options.store_answers))


@pytest.mark.accuracy(*BUILDS)
def test_vnni(network: str, inspection_of: Inspect, setup: Setup, answered: Answered) -> None:
    answered(check_vnni(inspection_of(network, "naive"), setup.resources, int8_arithmetic()))
