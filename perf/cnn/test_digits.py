"""Accuracy on real data: INT8 compared with FP32 on handwritten digits, with a network that the suite trains."""

from collections.abc import Callable

import pytest

from perf.checks import CheckResult
from perf.cnn.artifacts.prepare import CalibrationMode
from perf.cnn.artifacts.releases import fp32_and_int8
from perf.cnn.digits.check import check_top1, classify, prepare_digits
from perf.measure.family import Resources
from perf.plugin.options import OPTIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    whole = metafunc.config.stash[OPTIONS].whole_accuracy
    metafunc.parametrize("calibration", ("naive", "entropy") if whole else ("naive",))


@pytest.mark.accuracy("mkl", "zoo")
def test_digits(calibration: CalibrationMode, resources: Resources, answered: Callable[[CheckResult], None]) -> None:
    fp32, int8 = fp32_and_int8(prepare_digits(calibration, resources), resources)
    answered(check_top1(calibration, classify(fp32, resources), classify(int8, resources)))
