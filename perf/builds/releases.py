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


class Quantiser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a release quantises a network (perf.worker.quantise).

    before: the subgraph backend that fuses the FP32 network.
    after: the subgraph backend that fuses the quantised network.
    arguments: arguments of `quantize_model` besides those of every release.
    alone: further arguments for a single operator.
    chooses_layers: whether `quantize_model` takes a function that chooses the layers to calibrate.
    excluded: operators that stay in FP32 in every network.
    unsigned_only: whether convolutions with negative data stay in FP32.
    appends_identity: whether an identity is appended to the network, because its last operator would be dequantised
        even if it stays in FP32.
    """

    before: str
    after: str
    arguments: dict[str, bool | str]
    chooses_layers: bool
    alone: dict[str, bool | str] = {}
    excluded: list[str] = []
    unsigned_only: bool = False
    appends_identity: bool = False

    @property
    def takes_negative_data(self) -> bool:
        """Whether it quantises data with signs. If not, it also does not calibrate the inputs of a network."""
        return self.arguments.get("quantized_dtype") != "uint8"


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release of MXNet.

    version: its version, without ".post0".
    trace: how the line of a primitive that ran begins in MKL-DNN's trace.
    verbose: the variable that switches the trace on.
    dumps: how the files of generated machine code begin.
    quantiser: its entry of `quantisers`; None without INT8.
    recurrent: the modes of the RNN operator that MKL-DNN's primitive runs.
    missing: why the release cannot run something, by feature.
    plain: the wheels without MKL-DNN, the preferred one first; none where there are none.
    mkldnn: the wheels with MKL-DNN, in the same order.
    gluoncv: the GluonCV for it in zoo; None for the one in uv.lock.
    unknown: attributes that later releases write into a symbol and this one refuses, by operator, each with the only
        value that it computes.
    variables: environment variables that all processes of its builds need.
    answers: the release whose stored answers hold for it too; None for its own.
    """

    version: str
    plain: tuple[str, ...]
    mkldnn: tuple[str, ...]
    trace: str
    verbose: str
    dumps: str
    recurrent: tuple[str, ...]
    quantiser: str | None = None
    missing: dict[Feature, str] = {}
    gluoncv: str | None = None
    unknown: dict[str, dict[str, str]] = {}
    variables: dict[str, str] = {}
    answers: str | None = None

    @property
    def fuses(self) -> bool:
        """Return whether it can fuse operators."""
        return "fusion" not in self.missing

    @property
    def after_150(self) -> bool:
        """Return whether it is later than 1.5: its MKL-DNN is a version 1, whose later ones use AMX and AVX-VNNI."""
        return self.key >= (1, 6)

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
    quantisers: the ways to quantise, by name.
    releases: the releases, in their order.
    """

    overrides: tuple[str, ...]
    distributions: dict[str, Range]
    quantisers: dict[str, Quantiser]
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


def quantiser_of(version: str) -> Quantiser | None:
    """Return how the release with a version quantises; None if it cannot."""
    name = release_of(version)[0].quantiser
    return None if name is None else load_releases().quantisers[name]


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


def with_gluoncv_for(requirement: str, requirements: tuple[str, ...]) -> tuple[str, ...]:
    """Return requirements with the GluonCV for the release NAME==VERSION of MXNet, if they have a GluonCV."""
    match = EXACT.fullmatch(requirement)
    gluoncv = match and release_of(match[2])[0].gluoncv
    return tuple(gluoncv if gluoncv and distribution(own) == "gluoncv" else own for own in requirements)
