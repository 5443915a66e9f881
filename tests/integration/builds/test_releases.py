"""Other releases of MXNet, for real: installed with their pins overridden, proven by what their library shows."""

from pathlib import Path

import pytest

from perf.builds import provision
from perf.errors import PerfError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("role", "requirement", "libraries"),
    [
        ("mkl", "mxnet-mkl==1.4.1", {"OpenMP": "libiomp5.so", "BLAS": "libmklml_intel.so"}),
        ("native", "mxnet==1.4.1", {"OpenMP": "libgomp", "BLAS": "OpenBLAS in libmxnet.so"}),
        ("mkl", "mxnet-mkl==1.6.0", {"OpenMP": "libgomp", "BLAS": "OpenBLAS in libmxnet.so"}),
        ("native", "mxnet-native==1.8.0", {"OpenMP": "libgomp", "BLAS": "libopenblas.so.0"}),
        ("zoo", "mxnet-mkl==1.3.1", {"OpenMP": "libiomp5.so", "BLAS": "libmklml_intel.so"}),
    ],
)
def test_a_release_fills_its_role(
    empty_cache: Path, said: list[str], role: str, requirement: str, libraries: dict[str, str]
) -> None:
    build = provision(role, override=requirement, cache=empty_cache, say=said.append)
    assert build.facts.mkldnn == (role != "native")
    assert build.facts.numpy == "1.23.5"
    assert {kind: build.libraries[kind].startswith(name) for kind, name in libraries.items()} == {
        "OpenMP": True,
        "BLAS": True,
    }
    assert any("numpy<1.15" in pin for pin in build.overridden) == (build.facts.mxnet < "1.5")
    assert any("KMP_AFFINITY has no effect" in note for note in build.notes) == (build.facts.mxnet == "1.6.0")


@pytest.mark.parametrize(
    ("role", "requirement", "step"),
    [
        ("mkl", "mxnet-native==1.8.0.post0", "mkl=mxnet==1.8.0.post0"),
        ("mkl", "mxnet==1.4.1", "mkl=mxnet-mkl==1.4.1"),
        ("mkl", "mxnet==1.6.0", "mkl=mxnet-mkl==1.6.0"),
        ("native", "mxnet==1.9.1", "native=mxnet-native==1.8.0.post0"),
    ],
)
def test_a_release_of_the_other_kind_is_refused_by_proof(
    empty_cache: Path, said: list[str], role: str, requirement: str, step: str
) -> None:
    with pytest.raises(PerfError, match="MKL-DNN compiled in") as caught:
        provision(role, override=requirement, cache=empty_cache, say=said.append)
    assert caught.value.next_step == f"name another wheel, such as --perf-build {step}"
