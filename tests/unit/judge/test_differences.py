"""The paired t-test, compared with scipy's."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from perf.judge.differences import PairedDifferences

values = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=20)


@given(values)
def test_p_value_and_interval_are_those_of_scipy(differences: list[float]) -> None:
    paired = PairedDifferences(differences)
    assume(paired.error > 1e-9)
    known = ttest_1samp(differences, 0)
    assert paired.p_value == pytest.approx(known.pvalue, rel=1e-6, abs=1e-12)
    low, high = known.confidence_interval(0.95)
    assert paired.interval() == pytest.approx((low, high), rel=1e-6, abs=1e-9)


def test_differences_without_variance() -> None:
    assert PairedDifferences([0.0, 0.0, 0.0]).p_value == 1
    assert PairedDifferences([0.5, 0.5, 0.5]).p_value == 0
