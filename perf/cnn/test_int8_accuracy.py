"""Right answers of the networks: INT8 against FP32, what is fused and quantised, and with which instructions."""

from collections.abc import Callable
from functools import cache

import pytest

from perf.checks import CheckResult
from perf.cnn.accuracy import NetworkInspection, check_drift, check_layers_kept, check_vnni, inspect_network
from perf.cnn.artifacts.prepare import CalibrationMode
from perf.cnn.family import CnnFamily
from perf.cnn.model_zoo import check_networks
from perf.cnn.networks import catalogue
from perf.plugin.options import OPTIONS
from perf.plugin.setup import Setup

Answered = Callable[[CheckResult], None]
Looked = Callable[[str, CalibrationMode], NetworkInspection]
BUILDS = ("native", "mkl", "zoo")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    check_networks(options.models, another_zoo="zoo" in options.overrides)
    selected = catalogue().answers["whole" if options.whole_accuracy and options.tier == "quick" else options.tier]
    networks = {"naive": options.models or selected.naive, "entropy": options.models or selected.entropy}
    if "calibration" in metafunc.fixturenames:
        pairs = [(network, mode) for network in networks["naive"] for mode in networks if network in networks[mode]]
        metafunc.parametrize(("network", "calibration"), pairs, ids=["-".join(pair) for pair in pairs])
    else:
        metafunc.parametrize("network", networks["naive"])


@pytest.fixture(scope="session")
def looked(setup: Setup) -> Looked:
    """A network's variants, run once for all checks of it."""
    options = setup.options

    @cache
    def look(network: str, calibration: CalibrationMode) -> NetworkInspection:
        return inspect_network(CnnFamily(options.pretrained, calibration), network, setup.resources)

    return look


@pytest.mark.accuracy(*BUILDS)
def test_int8_drift(
    network: str, calibration: CalibrationMode, looked: Looked, setup: Setup, answered: Answered
) -> None:
    answered(check_drift(looked(network, calibration), setup.resources, store=setup.options.store_answers))


@pytest.mark.accuracy(*BUILDS)
def test_fusion(network: str, looked: Looked, setup: Setup, answered: Answered) -> None:
    answered(check_layers_kept(looked(network, "naive"), store=setup.options.store_answers))


@pytest.mark.accuracy(*BUILDS)
def test_vnni(network: str, looked: Looked, setup: Setup, answered: Answered) -> None:
    answered(check_vnni(looked(network, "naive"), setup.resources, has_vnni=setup.machine.has_isa("avx512_vnni")))
