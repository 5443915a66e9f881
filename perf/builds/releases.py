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


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release of MXNet.

    version: its version, without ".post0".
    trace: how the line of a primitive that ran begins in MKL-DNN's trace.
    verbose: the variable that switches the trace on.
    dumps: how the files of generated machine code begin.
    quantiser: which arguments `quantize_model` takes; None without INT8.
    missing: why the release cannot run something, by feature.
    """

    version: str
    trace: str
    verbose: str
    dumps: str
    quantiser: Literal["calib_layer", "quantize_mode"] | None = None
    missing: dict[Feature, str] = {}

    @property
    def key(self) -> tuple[int, ...]:
        """Return the version as numbers, which sort."""
        return numbers_of(self.version)


class ReleasesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `releases.toml`: `overrides` replace requirements of old releases; `releases` are in their order."""

    overrides: tuple[str, ...]
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


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version: (1, 5, 1) for "1.5.1.post0"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
