"""Which entry of `releases.toml` a version gets, and which wheel stands for a requirement."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.builds.releases import instead, ladder, load_releases, numbers_of, published, release_of
from perf.builds.trust import is_release
from perf.errors import PerfError
from perf.files import ROOT

OPTION = "--perf-build mkl="


@pytest.mark.parametrize(
    ("version", "release", "known"),
    [
        ("1.5.0", "1.5.0", True),
        ("1.5.1.post0", "1.5.1", True),
        ("1.8.0.post0", "1.8.0", True),
        ("1.4.0", "1.4.1", False),
        ("1.9.0", "1.9.1", False),
        ("1.5.7", "1.5.1", False),
        ("1.2.0", "1.3.1", False),
        ("2.0.0b1", "1.9.1", False),
    ],
)
def test_a_version_gets_its_own_entry_or_the_nearest(version: str, release: str, known: bool) -> None:
    entry, is_known = release_of(version)
    assert (entry.version, is_known) == (release, known)


@given(st.tuples(*[st.integers(0, 30)] * 3))
def test_every_version_gets_an_entry_and_its_own_if_it_has_one(numbers: tuple[int, int, int]) -> None:
    entry, known = release_of(".".join(map(str, numbers)))
    assert known == (entry.key == numbers)


@pytest.mark.parametrize(
    ("requirement", "wheel"),
    [
        ("mxnet==1.7.0", "mxnet==1.7.0.post2"),
        ("mxnet-native==1.8.0", "mxnet-native==1.8.0.post0"),
        ("mxnet==1.8.0", "mxnet==1.8.0"),
        ("mxnet-mkl==1.5.1", "mxnet-mkl==1.5.1"),
        ("mxnet==1.9.0", "mxnet==1.9.0"),
        ("mxnet==2.0.0b1", "mxnet==2.0.0b1"),
        ("mxnet-mkl>=1.7.0", "mxnet-mkl>=1.7.0"),
        ("mxnet-mkl", "mxnet-mkl"),
    ],
)
def test_a_release_is_called_as_it_was_published(requirement: str, wheel: str) -> None:
    assert published(requirement, mkldnn=True, option=OPTION) == wheel


@pytest.mark.parametrize(
    ("requirement", "mkldnn", "reason", "step"),
    [
        ("mxnet-mkl==1.7.0", True, "from 1.7.0 on, MKL-DNN is in mxnet", "mxnet==1.7.0.post2"),
        ("mxnet_MKL==2.0.0", True, "from 1.7.0 on, MKL-DNN is in mxnet", "mxnet==1.9.1"),
        ("mxnet-native==1.9.1", False, "1.8.0.post0 is the last wheel", "mxnet-native==1.8.0.post0"),
        ("mxnet-native==1.5.0", False, "up to 1.6.0, mxnet is the build without MKL-DNN", "mxnet==1.5.0"),
    ],
)
def test_a_wheel_that_never_was_is_one_sentence_and_what_to_use(
    requirement: str, mkldnn: bool, reason: str, step: str
) -> None:
    with pytest.raises(PerfError, match=f"there is no .*: {re.escape(reason)}") as caught:
        published(requirement, mkldnn=mkldnn, option=OPTION)
    assert caught.value.subject == OPTION + requirement
    assert caught.value.next_step == f"use {OPTION}{step}"


def test_the_wheel_to_use_instead_has_the_kind_and_is_not_newer() -> None:
    for release in ladder():
        for mkldnn in (True, False):
            wheel = instead(release.version, mkldnn=mkldnn)
            assert wheel in {wheel for other in ladder() for wheel in other.wheels(mkldnn=mkldnn)}
            assert numbers_of(wheel.partition("==")[2]) <= release.key


def test_every_wheel_is_one_of_its_release_that_a_stored_run_may_bring_back() -> None:
    for release in ladder():
        wheels = [*release.plain, *release.mkldnn]
        assert len(set(wheels)) == len(wheels)
        for wheel in wheels:
            assert is_release(wheel)
            assert numbers_of(wheel.partition("==")[2]) == release.key
            assert published(wheel, mkldnn=True, option=OPTION) == wheel


def test_the_releases_stand_in_their_order() -> None:
    assert list(load_releases().releases) == ladder()


def test_a_release_has_a_quantiser_or_says_why_not() -> None:
    assert all((release.quantiser is None) == ("int8" in release.missing) for release in ladder())


def test_the_documentation_names_every_attribute_that_is_dropped_while_loading() -> None:
    text = (ROOT / "docs" / "other-wheels.md").read_text()
    for release in ladder():
        for values in release.unknown.values():
            assert all(f"`{name}`" in text and f"`{value}`" in text for name, value in values.items())
