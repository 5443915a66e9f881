"""Probing a build, and checking whether it fits its role."""

import msgspec
import pytest

from perf.builds.facts import blas_kernels, check, not_imported
from perf.builds.process import Finished
from perf.builds.spec import spec_for
from perf.errors import PerfError
from perf.worker.probe import MXNET_LOADED, NUMPY_LOADED
from tests.support.fakes import facts

PLAIN = facts()
NUMPYS = "Core: SkylakeX\n"


@pytest.mark.parametrize(
    ("stderr", "kernels"),
    [
        ("", None),
        (f"{NUMPYS}{NUMPY_LOADED}\n", None),
        (f"{NUMPYS}{NUMPY_LOADED}\nCore: Prescott\n", "Prescott"),
        (f"{NUMPY_LOADED}\nCore: Haswell\na warning\n{MXNET_LOADED}\n", "Haswell"),
        (f"{NUMPY_LOADED}\n{MXNET_LOADED}\nCore: Haswell\n", None),
        (f"{NUMPY_LOADED}\nCore: Prescott\n{MXNET_LOADED}\nCore: Haswell\n", "Prescott"),
        (f"{NUMPYS}a traceback before numpy was loaded\n", None),
    ],
)
def test_the_kernels_are_those_of_mxnets_own_openblas(stderr: str, kernels: str | None) -> None:
    assert blas_kernels(stderr) == kernels


MISSING = "Traceback (most recent call last):\n  File a\nOSError: {}: cannot open shared object file: No such file\n"


@pytest.mark.parametrize(
    ("stderr", "reason", "step"),
    [
        (
            MISSING.format("libgomp.so.1"),
            "OSError: libgomp.so.1: cannot open",
            "libgomp.so.1 (apt-get install libgomp1)",
        ),
        (MISSING.format("libz.so.1"), "OSError: libz.so.1: cannot open", "install the system library libz.so.1, then"),
        (
            MISSING.format("libcudart.so.10.0"),
            "OSError: libcudart",
            "such as --perf-build mkl=mxnet-mkl==1.5",
        ),
        ("Traceback\nModuleNotFoundError: No module named 'mxnet'\n", "ModuleNotFoundError: No module", "name another"),
    ],
)
def test_an_import_that_fails_is_one_sentence_with_what_to_do(stderr: str, reason: str, step: str) -> None:
    error = not_imported(Finished(1, "", stderr), spec_for("mkl", "mxnet-cu100mkl==1.5.0"), "name another")
    assert error.what.startswith(f"MXNet cannot be imported: {reason}")
    assert "\n" not in error.what
    assert step in str(error.next_step)


def test_differences_name_what_changed() -> None:
    assert PLAIN.differences(PLAIN) == ""
    assert PLAIN.differences(msgspec.structs.replace(PLAIN, library_bytes=2)) == "library_bytes was 1, is 2"


def test_wheel_without_mkldnn_is_refused_for_mkl() -> None:
    message = (
        r"build mkl \(mxnet==1.5.0\): mxnet 1.5.0 does not have MKL-DNN compiled in, but this build must have it\n"
        r"next: name another wheel, such as --perf-build mkl=mxnet-mkl==1.5.0$"
    )
    with pytest.raises(PerfError, match=message):
        check(PLAIN, spec_for("mkl", "mxnet==1.5.0"))


def test_wheel_with_mkldnn_is_refused_for_native() -> None:
    with_mkldnn = msgspec.structs.replace(PLAIN, mkldnn=True, mxnet="1.7.0")
    with pytest.raises(PerfError, match=r"has MKL-DNN compiled in, but this build must not have it.*\n.*mxnet-native"):
        check(with_mkldnn, spec_for("native", "mxnet==1.7.0"))


def test_an_unexpected_version_is_an_error_only_when_locked() -> None:
    newer = msgspec.structs.replace(PLAIN, mxnet="1.5.1")
    check(newer, spec_for("native", "mxnet==1.5.1"))
    with pytest.raises(PerfError, match=r"the lock installs mxnet 1.5.1, but .* expects 1.5.0"):
        check(newer, spec_for("native", None))
