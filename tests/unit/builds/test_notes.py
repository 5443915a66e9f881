"""What a user learns of a wheel that the lock does not have."""

from dataclasses import replace

import pytest

from perf.builds import Build
from tests.support.fakes import build

PINNED = {"KMP_AFFINITY": "compact"}
GOMP = {"OpenMP": "libgomp.so.1.0.0", "BLAS": "libopenblas.so.0"}
INTEL = {"OpenMP": "libiomp5.so", "BLAS": "libmklml_intel.so"}


@pytest.mark.parametrize(
    ("made", "notes"),
    [
        (build(), []),
        (replace(build(variables=PINNED), libraries=INTEL), []),
        (replace(build(), libraries=GOMP), []),
        (build(mxnet="1.9.0"), ["mxnet 1.9.0: it is not in perf/builds/releases.toml, and treated like 1.9.1"]),
        (
            replace(build(variables=PINNED, mxnet="1.9.1"), libraries=GOMP),
            ["mxnet 1.9.1: it loads libgomp.so.1.0.0, on which KMP_AFFINITY has no effect"],
        ),
        (
            replace(build(mxnet="1.4.1"), overridden=("numpy<1.15 (1.23.5)", "requests<2 (2.20)")),
            ["mxnet 1.4.1: its pins were overridden: numpy<1.15 (1.23.5); requests<2 (2.20)"],
        ),
    ],
)
def test_what_is_unusual_about_a_build_is_a_sentence_each(made: Build, notes: list[str]) -> None:
    assert made.notes == notes


@pytest.mark.parametrize(
    ("kernels", "mkldnn", "warned"), [("Prescott", False, True), ("Haswell", False, False), ("Prescott", True, False)]
)
def test_old_kernels_matter_where_openblas_computes(kernels: str, mkldnn: bool, warned: bool) -> None:
    assert build(blas_kernels=kernels, mkldnn=mkldnn).blas_without_avx2 == warned
