"""What a release of MXNet needs to be measured: `releases.toml`, and which of its entries a version gets."""

import re
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from perf.files import read_toml

DATA = Path(__file__).with_name("releases.toml")
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
    first_convolution: whether the first convolution is quantised.
    """

    before: str
    after: str
    arguments: dict[str, bool | str]
    chooses_layers: bool
    alone: dict[str, bool | str] = {}
    excluded: tuple[str, ...] = ()
    first_convolution: bool = True


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release of MXNet.

    version: its version, without ".post0".
    trace: how the line of a primitive that ran begins in MKL-DNN's trace.
    verbose: the variable that switches the trace on.
    dumps: how the files of generated machine code begin.
    quantiser: its entry of `quantisers`; None without INT8.
    recurrent: the modes of the RNN operator that MKL-DNN's primitive runs.
    missing: why the release cannot run something, by feature.
    variables: environment variables that all processes of its builds need.
    answers: the release whose stored answers hold for it too; None for its own.
    """

    version: str
    trace: str
    verbose: str
    dumps: str
    recurrent: tuple[str, ...]
    quantiser: str | None = None
    missing: dict[Feature, str] = {}
    variables: dict[str, str] = {}
    answers: str | None = None

    @property
    def fuses(self) -> bool:
        """Return whether it can fuse operators."""
        return "fusion" not in self.missing

    @property
    def key(self) -> tuple[int, ...]:
        """Return the version as numbers, which sort."""
        return numbers_of(self.version)


class ReleasesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `releases.toml`: `overrides` replace requirements of old releases; `quantisers` are ways to quantise, by
    name; `releases` are in their order.
    """

    overrides: tuple[str, ...]
    quantisers: dict[str, Quantiser]
    releases: tuple[Release, ...]


@cache
def load_releases() -> ReleasesFile:
    """Return the content of `releases.toml`, read once. Raises PerfError when it is missing or damaged."""
    return read_toml(DATA, ReleasesFile)


def release_of(version: str) -> tuple[Release, bool]:
    """Return the release with a version such as "1.5.1.post0" and True; for a version that `releases.toml` does not
    have, the nearest older entry (the oldest if there is none) and False.
    """
    releases = sorted(load_releases().releases, key=lambda release: release.key)
    wanted = numbers_of(version)
    older = [release for release in releases if release.key <= wanted]
    nearest = older[-1] if older else releases[0]
    return nearest, nearest.key == wanted


def quantiser_of(version: str) -> Quantiser | None:
    """Return how the release with a version quantises; None if it cannot."""
    name = release_of(version)[0].quantiser
    return None if name is None else load_releases().quantisers[name]


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version: (1, 5, 1) for "1.5.1.post0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
