"""Changes of a stack that a user asks for with `--with` and `--against`: builds, threads, variables, the link."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from perf.builds import check_overrides, may_be_replayed, parse_overrides
from perf.builds.data import load
from perf.cnn.networks import REFERENCE, catalogue
from perf.dist.family import TrainingCase
from perf.errors import PerfError
from perf.machine import Placement, find_numactl, place_instances, read_topology
from perf.measure.family import Case
from perf.profile.arms import Arm

# Rates for which tc's bucket of jobs.toml is neither empty nor useless.
SLOWEST_GBIT_PER_S, FASTEST_GBIT_PER_S = 0.01, 1000.0
WITH, AGAINST = "--with", "--against"
THREADS, LINK = "threads", "link"
# Follows from the number of threads in every process that runs MXNet (perf.builds.process): a change has no effect.
THREADS_VARIABLE = "OMP_NUM_THREADS"
COUNT = re.compile("[1-9][0-9]{0,8}")


def parse_changes(options: Sequence[str], label: str) -> dict[str, str]:
    """Return changes such as "threads=1", by name. `label` is the option that they come from. Raises PerfError for a
    value without `=`, and for a name that comes twice.
    """
    changes: dict[str, str] = {}
    for option in options:
        name, separator, value = (part.strip() for part in option.partition("="))
        if not separator or not name or not value:
            step = "write NAME=VALUE, such as threads=1 or mkl=mxnet-mkl==1.4.1"
            raise PerfError("no change is named", subject=f"{label} {option}", next_step=step)
        if name in changes:
            step = f"choose one of {name}={changes[name]} and {name}={value}"
            raise PerfError(f"{name} is changed twice", subject=f"{label} {option}", next_step=step)
        changes[name] = value
    return changes


def changeable_roles(case: Case) -> frozenset[str]:
    """Return the roles of the builds that decide what a case runs: its own, and for a network the one that prepares it.
    That of its reference does not.
    """
    if isinstance(case, TrainingCase) or case.variant == REFERENCE:
        return case.roles
    return case.roles - {catalogue().variants[REFERENCE].build}


def check_changes(case: Case, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Raise PerfError for changes, by option, that cannot be made, or would leave the case as it is."""
    for option, own in changes.items():
        for name in own.keys() & load().roles.keys() - changeable_roles(case):
            step = f"name one of its builds: {', '.join(sorted(changeable_roles(case)))}"
            raise PerfError(f"{case.id} does not run the build {name}", subject=f"{option} {name}", next_step=step)
        link_of(case, own)
        planned, tuned = divided(own)
        check_overrides(parse_overrides([f"{name}={value}" for name, value in planned.items() if name != LINK]))
        tuning_of(tuned, of_ranks=isinstance(case, TrainingCase))
    if all(LINK in own for own in changes.values()):
        step = "change it in one of them: the other one has the link of jobs.toml"
        raise PerfError("the link is changed for both", subject=f"{WITH} and {AGAINST}", next_step=step)


def divided(own: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the changes that decide what is planned, then those of a stack."""
    planned = {name: value for name, value in own.items() if name == LINK or name in load().roles}
    return planned, {name: value for name, value in own.items() if name not in planned}


def tuning_of(changes: Mapping[str, str], *, of_ranks: bool) -> tuple[Placement | None, dict[str, str]]:
    """Return the placement with a changed number of `threads`, None without one, and changed environment variables that
    tune MXNet or its libraries. The threads of ranks (`of_ranks`) cannot be changed.

    Raises PerfError for any other name, and for threads for which there is no room.
    """
    placement, variables = None, {}
    for name, value in changes.items():
        if name in {THREADS, THREADS_VARIABLE} and of_ranks:
            step = "change its build, its link or another variable of MXNet or a library"
            raise PerfError("ranks run one thread on each of their cores", subject=f"{name}={value}", next_step=step)
        if name == THREADS:
            placement = _placement(value)
        elif name == THREADS_VARIABLE:
            step = f"write {THREADS}={value}"
            raise PerfError("has no effect: it follows from threads", subject=f"{name}={value}", next_step=step)
        elif may_be_replayed(name, value):
            variables[name] = value
        else:
            step = "name a build, threads, or a variable of MXNet, OpenMP or a library, such as MXNET_USE_MKLDNN_RNN=0"
            raise PerfError("is not a change that can be made", subject=f"{name}={value}", next_step=step)
    return placement, variables


def with_changes(arm: Arm, changes: Mapping[str, str]) -> Arm:
    """Return an arm with other threads or variables. Raises PerfError as `tuning_of` does."""
    placement, variables = tuning_of(changes, of_ranks=arm.start is not None)
    build = replace(arm.variant.build, variables={**arm.variant.build.variables, **variables})
    return replace(arm, variant=replace(arm.variant, build=build), placement=placement or arm.placement)


def link_of(case: Case, changes: Mapping[str, str]) -> float | None:
    """Return the changed rate of the link between emulated hosts, in 10^9 bits a second; None when it is not changed.

    Raises PerfError for a case without such hosts, and for a rate that is not a positive number.
    """
    if LINK not in changes:
        return None
    value, subject = changes[LINK], f"{LINK}={changes[LINK]}"
    if not isinstance(case, TrainingCase) or case.place != "emulated":
        step = "explain a training case on emulated hosts, such as train-resnet18_v1-b8-mkl-2hosts-r2"
        raise PerfError(f"{case.id} has no link between emulated hosts", subject=subject, next_step=step)
    with suppress(ValueError):
        if SLOWEST_GBIT_PER_S <= float(value) <= FASTEST_GBIT_PER_S:
            return float(value)
    step = f"write a rate in Gbit/s from {SLOWEST_GBIT_PER_S:g} to {FASTEST_GBIT_PER_S:g}, such as {LINK}=1"
    raise PerfError("is no rate of a link", subject=subject, next_step=step)


def _placement(threads: str) -> Placement:
    """Return the placement of one instance with this number of threads. Raises PerfError when there is no room."""
    if not COUNT.fullmatch(threads):
        step = f"write a number from 1 on, such as {THREADS}=1"
        raise PerfError("is no number of threads", subject=f"{THREADS}={threads}", next_step=step)
    topology = read_topology()
    (placement,) = place_instances(topology, instances=1, threads=int(threads), numactl=find_numactl(topology))
    return placement
