"""Accuracy on real data: INT8 against FP32 on handwritten digits, by a network that the suite trains itself."""

from collections.abc import Callable

import pytest

from perf.checks import CheckResult
from perf.cnn.artifacts.prepare import CalibrationMode, fp32_and_int8
from perf.cnn.digits.check import answer_of, quantised, right_in
from perf.measure.family import Resources
from perf.plugin.options import OPTIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    whole = metafunc.config.stash[OPTIONS].whole_accuracy
    metafunc.parametrize("calibration", ("naive", "entropy") if whole else ("naive",))


@pytest.mark.accuracy("mkl", "zoo")
def test_digits(calibration: CalibrationMode, resources: Resources, answered: Callable[[CheckResult], None]) -> None:
    fp32, int8 = fp32_and_int8(quantised(calibration, resources), resources)
    answered(answer_of(calibration, right_in(fp32, resources), right_in(int8, resources)))
