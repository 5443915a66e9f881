"""What a release of MXNet needs to be measured (`releases.toml`), and which wheels it has."""

import re
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from perf.builds.data import distribution
from perf.errors import PerfError
from perf.files import read_toml

DATA = Path(__file__).with_name("releases.toml")
# How messages name the file.
SHOWN = "perf/builds/releases.toml"
# NAME==VERSION, and nothing else.
EXACT = re.compile(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)")
# What a release may lack.
Feature = Literal["fusion", "int8", "rnn"]


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release of MXNet.

    version: its version, without ".post0".
    trace: how the line of a primitive that ran begins in MKL-DNN's trace.
    verbose: the variable that switches the trace on.
    dumps: how the files of generated machine code begin.
    quantiser: which arguments `quantize_model` takes; None without INT8.
    missing: why the release cannot run something, by feature.
    plain: the wheels without MKL-DNN, the preferred one first; none where there are none.
    mkldnn: the wheels with MKL-DNN, in the same order.
    """

    version: str
    plain: tuple[str, ...]
    mkldnn: tuple[str, ...]
    trace: str
    verbose: str
    dumps: str
    quantiser: Literal["calib_layer", "quantize_mode"] | None = None
    missing: dict[Feature, str] = {}

    @property
    def key(self) -> tuple[int, ...]:
        """Return the version as numbers, which sort."""
        return numbers_of(self.version)

    def wheels(self, *, mkldnn: bool) -> tuple[str, ...]:
        """Return its wheels with MKL-DNN, or those without."""
        return self.mkldnn if mkldnn else self.plain


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The releases that a distribution of MXNet has.

    last: the last one.
    after: why there is none after that.
    first: the first one; None for the first of all.
    before: why there is none before that.
    """

    last: str
    after: str
    first: str | None = None
    before: str = ""

    def why_not(self, version: str) -> str | None:
        """Return why there is no wheel of that version; None if there may be one."""
        wanted = numbers_of(version)
        if self.first is not None and wanted < numbers_of(self.first):
            return self.before
        return self.after if wanted > numbers_of(self.last) else None


class ReleasesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `releases.toml`.

    overrides: what replaces requirements of old releases.
    distributions: which releases a distribution has, by name; those that are left out have all.
    releases: the releases, in their order.
    """

    overrides: tuple[str, ...]
    distributions: dict[str, Range]
    releases: tuple[Release, ...]


@cache
def load_releases() -> ReleasesFile:
    """Return the content of `releases.toml`, read once. Raises PerfError when it is missing or damaged."""
    return read_toml(DATA, ReleasesFile)


def ladder() -> list[Release]:
    """Return all releases, the oldest first."""
    return sorted(load_releases().releases, key=lambda release: release.key)


def release_of(version: str) -> tuple[Release, bool]:
    """Return the release with a version such as "1.5.1.post0" and True; for a version that `releases.toml` does not
    have, the nearest entry (of the same minor release if there is one, and not newer if possible) and False.
    """
    wanted = numbers_of(version)
    related = [release for release in ladder() if release.key[:2] == wanted[:2]] or ladder()
    older = [release for release in related if release.key <= wanted]
    nearest = older[-1] if older else related[0]
    return nearest, nearest.key == wanted


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version: (1, 5, 1) for "1.5.1.post0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def published(requirement: str, *, mkldnn: bool, option: str) -> str:
    """Return a requirement NAME==VERSION with the suffix under which a release was published: mxnet==1.7.0 is
    mxnet==1.7.0.post2. Any other requirement is returned as it is.

    Raises PerfError for a distribution that has no wheel of that release; the message recommends another wheel, with
    MKL-DNN if `mkldnn`. `option`: the option that names a wheel, such as "--perf-build mkl=".
    """
    match = EXACT.fullmatch(requirement)
    if match is None:
        return requirement
    name, version = distribution(match[1]), match[2]
    range_ = load_releases().distributions.get(name)
    reason = range_ and range_.why_not(version)
    if reason:
        step = f"use {option}{instead(version, mkldnn=mkldnn)}"
        raise PerfError(f"there is no {name}=={version}: {reason}", subject=option + requirement, next_step=step)
    release, _ = release_of(version)
    wheels = (*release.plain, *release.mkldnn)
    suffixed = [wheel for wheel in wheels if wheel.startswith(f"{name}=={version}.post")]
    return suffixed[0] if suffixed and f"{name}=={version}" not in wheels else requirement


def instead(version: str, *, mkldnn: bool) -> str:
    """Return the wheel of a kind to use in place of one of that version: of its release, else of the nearest older
    release that has one.
    """
    own, _ = release_of(version)
    usable = [release for release in ladder() if release.wheels(mkldnn=mkldnn) and release.key <= own.key]
    return usable[-1].wheels(mkldnn=mkldnn)[0]
