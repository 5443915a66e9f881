"""The names of GluonCV's networks, from `gluoncv.toml`: known without a build, so that wrong ones are refused early."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_toml

DATA = Path(__file__).with_name("gluoncv.toml")


class ModelZoo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `gluoncv.toml`.

    classification: networks that turn an image into scores of classes.
    other: networks for anything else.
    """

    classification: list[str]
    other: list[str]


@cache
def model_zoo() -> ModelZoo:
    """Return the names, read once."""
    return read_toml(DATA, ModelZoo)


def check_networks(networks: Sequence[str], *, another_zoo: bool = False, label: Callable[[str], str] = str) -> None:
    """Raise PerfError for a network that is not a classification network of GluonCV.

    `label` returns how a message names a network. With `another_zoo` GluonCV's version is the user's choice, and the
    zoo build itself checks the names.
    """
    if another_zoo:
        return
    known = model_zoo().classification
    for network in networks:
        if network in known:
            continue
        near = get_close_matches(network, known, n=3)
        step = f"choose {' or '.join(near) or 'one of the list in perf/cnn/gluoncv.toml'}"
        what = (
            "this is not a classification network, and only those can be measured"
            if network in model_zoo().other
            else "GluonCV has no such network"
        )
        raise PerfError(what, subject=label(network), next_step=step)
