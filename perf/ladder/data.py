"""The content of `ladder.toml`, and what of it a command measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from perf.builds import check_overrides, parse_overrides
from perf.builds.releases import ladder
from perf.builds.spec import OPTION
from perf.errors import PerfError
from perf.files import read_toml
from perf.measure.tiers import Effort

DATA = Path(__file__).with_name("ladder.toml")
# The command, as messages name it.
COMMAND = "mxperf releases"
Direction = Literal["slower", "faster", "same"]


@dataclass(frozen=True)
class Rung:
    """A release of the ladder: its number `release`, and the `requirement` of its build with MKL-DNN."""

    release: str
    requirement: str


class OperatorNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operator of MXNet's symbol API by its name `op`, with its `attributes` and `inputs`."""

    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, str | int | float | bool] = {}


class OperatorData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operators that are measured alone.

    nodes: the operators in their order, named by their `op`; the last one is the output.
    shapes: the shapes of the inputs, by name.
    scales: what the values of an input are multiplied by, by name.
    """

    nodes: tuple[OperatorNode, ...]
    shapes: dict[str, tuple[int, ...]]
    scales: dict[str, float] = {}


class LadderTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is measured, and how hard.

    minutes: the time for measuring, unless the command names another.
    networks: the networks, measured in FP32 and INT8 at the size `batch`.
    batch: images of a pass of these networks.
    recurrent: the tier whose recurrent networks are measured (perf/rnn/shapes.toml).
    training: the networks of which a training step is measured, at the size `training_batch`.
    training_batch: images of a training step.
    operators: patterns of the operators that are measured alone.
    effort: how hard to measure; its two budgets follow from `minutes`.
    """

    minutes: float
    networks: tuple[str, ...]
    batch: int
    recurrent: str
    training: tuple[str, ...]
    training_batch: int
    operators: tuple[str, ...]
    effort: Effort


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a public report said of the step from one release to a later one.

    before: the earlier release.
    after: the later release.
    direction: whether the later one is slower, faster or the same.
    workloads: patterns of the ladder's workloads that it is about.
    statement: what it said.
    source: its address.
    """

    before: str
    after: str
    direction: Direction
    workloads: tuple[str, ...]
    statement: str
    source: str


class LadderData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `ladder.toml`.

    anchor: the requirement of the build that every release is compared with, side by side.
    control: the requirement of the plain build that runs in all blocks.
    tiers: what is measured, by the name of the tier.
    operators: the operators that are measured alone, by name.
    reports: what public reports said.
    """

    anchor: str
    control: str
    tiers: dict[str, LadderTier]
    operators: dict[str, OperatorData]
    reports: tuple[Report, ...]


@cache
def ladder_data() -> LadderData:
    """Return the content of `ladder.toml`, read once. Raises PerfError when it is missing or damaged."""
    return read_toml(DATA, LadderData)


def all_rungs() -> tuple[Rung, ...]:
    """Return every release that has a build with MKL-DNN, the oldest first, with the preferred wheel."""
    return tuple(Rung(release.version, release.mkldnn[0]) for release in ladder() if release.mkldnn)


def tier_named(name: str) -> LadderTier:
    """Return a tier of the ladder. Raises PerfError for a name that it does not have."""
    tiers = ladder_data().tiers
    if name not in tiers:
        step = f"choose one of {', '.join(tiers)}"
        raise PerfError("the ladder has no such tier", subject=f"--tier {name}", next_step=step)
    return tiers[name]


def selected_rungs(first: str | None, last: str | None, candidates: Sequence[str] = ()) -> tuple[Rung, ...]:
    """Return the releases from `first` to `last`, all by default, and after them the `candidates`: requirements or
    wheel files, which are named by their file.

    Raises PerfError for a release that is not on the ladder, for an empty selection, for two rungs of one name, and for
    a candidate that is neither a requirement nor a wheel that can be read.
    """
    rungs = all_rungs()
    names = [rung.release for rung in rungs]
    start = _place(names, first, "--from") if first is not None else 0
    end = _place(names, last, "--to") if last is not None else len(names) - 1
    if start > end:
        step = f"choose --from and --to in this order: {', '.join(names)}"
        raise PerfError(f"no release lies from {first} to {last}", subject=COMMAND, next_step=step)
    chosen = [*rungs[start : end + 1], *(Rung(_name_of(wheel), wheel) for wheel in candidates)]
    for wheel in candidates:
        try:
            check_overrides(parse_overrides([f"mkl={wheel}"]))
        except PerfError as error:
            step = (error.next_step or "").replace(f"{OPTION} mkl=", "--with ")
            raise PerfError(error.what, subject=f"--with {wheel}", next_step=step) from error
    for rung in chosen:
        if sum(other.release == rung.release for other in chosen) > 1:
            step = "name every wheel once, by a file name or requirement of its own"
            raise PerfError("is named twice", subject=f"--with {rung.requirement}", next_step=step)
    return tuple(chosen)


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the workloads that match one of the patterns, all without patterns.

    Raises PerfError for a pattern that none matches.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            close = get_close_matches(pattern, names, n=3)
            step = f"name one of {', '.join(close or names)}"
            raise PerfError("no workload matches this pattern", subject=f"--only {pattern}", next_step=step)
    return [name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def _place(names: Sequence[str], release: str, option: str) -> int:
    if release not in names:
        step = f"choose one of {', '.join(names)}; --with WHEEL adds any other"
        raise PerfError("the ladder has no such release", subject=f"{option} {release}", next_step=step)
    return names.index(release)


def _name_of(wheel: str) -> str:
    """The name of a candidate: that of its file, without its address and hash, or its requirement."""
    return wheel.partition("#")[0].rpartition("/")[2]
