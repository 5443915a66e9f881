"""What failures of uv mean, and which pins an environment does not follow."""

from pathlib import Path

import pytest

from perf.builds.install import failure, overridden_pins
from perf.builds.process import Finished
from perf.builds.spec import spec_for

# What uv 0.13 writes.
UNSATISFIABLE = "we can conclude that your requirements are unsatisfiable."
NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: Because"
NO_VERSION = f"{NO_SOLUTION} there is no version of mxnet-mkl==1.5.7 and you require mxnet-mkl==1.5.7, {UNSATISFIABLE}"
NO_PACKAGE = f"{NO_SOLUTION} mxnet-tvm was not found in the package registry and you require mxnet-tvm, {UNSATISFIABLE}"
NO_WHEEL = (
    f"{NO_SOLUTION} mxnet-mkl==1.6.0 has no wheels with a matching platform tag (e.g., `manylinux_2_28_aarch64`) and "
    f"you require mxnet-mkl==1.6.0, {UNSATISFIABLE}\n\nhint: Wheels are available for `mxnet-mkl` (v1.6.0) on the "
    "following platform: `manylinux1_x86_64`"
)
CONTRADICTION = f"{NO_SOLUTION} mxnet==1.6.0 depends on strange<1 and you require mxnet==1.6.0, {UNSATISFIABLE} hint: x"
NO_NETWORK = "error: Request failed after 3 retries\n  cause: Failed to fetch: https://index/\n  cause: dns error"
OFFLINE = f"{NO_SOLUTION} mxnet was not found in the cache\n\nhint: unavailable because the network was disabled."


@pytest.mark.parametrize(
    ("stderr", "what", "step"),
    [
        (NO_VERSION, "the package index has no mxnet-mkl==1.5.7", "use --perf-build mkl=mxnet-mkl==1.5.1.post0, or"),
        (NO_PACKAGE, "the package index has no package mxnet-tvm", "use --perf-build mkl=mxnet-mkl==1.5.1.post0, or"),
        (NO_WHEEL, "mxnet-mkl==1.6.0 has no wheel for this platform and Python 3.11", "use Linux on x86-64"),
        (
            CONTRADICTION,
            "its requirements contradict those of this build: Because mxnet==1.6.0 depends on strange<1 and you "
            "require mxnet==1.6.0",
            "name a wheel",
        ),
        (NO_NETWORK, "the package index cannot be reached", "check the network"),
        (OFFLINE, "the package index cannot be reached", "check the network"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(stderr: str, what: str, step: str) -> None:
    error = failure(spec_for("mkl", "mxnet-mkl==1.5.7"), "pip", Finished(1, "", stderr))
    assert error.what == what
    assert error.subject == "build mkl (mxnet-mkl==1.5.7)"
    assert error.next_step is not None
    assert error.next_step.startswith(step)


def test_any_other_failure_shows_uvs_last_lines() -> None:
    error = failure(spec_for("mkl", None), "sync", Finished(2, "", "error: No space left on device (os error 28)\n"))
    assert error.what == "uv sync failed: exit code 2\n  error: No space left on device (os error 28)"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with MXNet 1.4.1, as far as its pins matter."""
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    needs = ["numpy (<1.15.0,>=1.8.2)", "graphviz (<0.9.0,>=0.8.1)", "requests >=2.20", "absent >=1"]
    for name, version in {"mxnet_mkl": "1.4.1", "numpy": "1.23.5", "graphviz": "0.8.4", "requests": "2.19"}.items():
        own = packages / f"{name}-{version}.dist-info"
        own.mkdir(parents=True)
        lines = [f"Requires-Dist: {need}\n" for need in needs if name == "mxnet_mkl"]
        (own / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(lines)}")
    return tmp_path


def test_pins_that_are_not_met_are_named_with_what_is_installed(environment: Path) -> None:
    assert overridden_pins(environment, "mxnet-mkl") == ("numpy<1.15.0,>=1.8.2 (1.23.5)", "requests>=2.20 (2.19)")
    assert overridden_pins(environment, "numpy") == ()
