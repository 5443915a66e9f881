"""Explaining a case: its stacks from this checkout or from stored runs, profiled while nothing is timed."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache as cached
from pathlib import Path

from perf.builds import Build, cached_build, provision
from perf.cnn.family import CnnCase
from perf.cnn.model_zoo import check_networks
from perf.dist.family import TrainingCase
from perf.errors import PerfError
from perf.explain.changes import AGAINST, LINK, WITH, check_changes, divided, link_of, parse_changes, with_changes
from perf.explain.layer_limits import fractions_of
from perf.explain.published import published_speedup, rows_of
from perf.explain.subject import Subject, as_baseline, case_named, ranks_on_host, subject_of, with_stack
from perf.explain.substitutions import Row
from perf.limits.probe import probe
from perf.machine import (
    alone_on_machine,
    find_numactl,
    place_instances,
    ranks_per_host,
    read_machine,
    read_topology,
)
from perf.machine.scratch import scratch_folder
from perf.machine.termination import Ending, end_in_order
from perf.measure.engine import Show
from perf.measure.family import Case, Resources
from perf.measure.tiers import effort_of
from perf.profile.arms import Arm
from perf.profile.outcomes import explain_arms
from perf.runs.explanation import Explanation
from perf.runs.schema import StoredCase, read_run

# How long a worker may take to answer, as in a pytest session.
TIMEOUT_S = 600.0
CHECKOUT = "this checkout"
# Options that a run records if it was measured with them: GluonCV's trained weights, how the thresholds of INT8 were
# chosen, a network of the user's own, and ranks per host.
PRETRAINED, ENTROPY, OWN = "--perf-pretrained", "--perf-calibration=entropy", "--perf-symbol="
RANKS = re.compile("--perf-ranks=([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Explained:
    """An explanation, with what was compared.

    case: the name of the case.
    now: where the candidate's stack comes from.
    then: where the baseline's stack comes from; None without one.
    doubts: how the stacks differ from those that were stored, and why limits are unknown.
    explanation: the explanation.
    fractions: the part of the machine's limit that layers reach, by name; empty with a baseline.
    """

    case: str
    now: str
    then: str | None
    doubts: Sequence[str]
    explanation: Explanation
    fractions: Mapping[str, float]


@dataclass(frozen=True)
class Wanted:
    """What is to be compared.

    runs: stored runs: the candidate's and the baseline's, or the baseline's alone.
    changes: of the candidate, NAME=VALUE each, when it is this checkout.
    against: of the baseline, when that is this checkout, too.
    """

    runs: Sequence[Path] = ()
    changes: Sequence[str] = ()
    against: Sequence[str] = ()


def explained(
    name: str, wanted: Wanted, cache: Path, say: Callable[[str], None], show: Callable[[str, float], None]
) -> Explained:
    """Explain a case: of two stored runs, the first one's is the candidate and the second one's the baseline. With one
    run, this checkout is the candidate. With changes, this checkout is both, as changed; without anything, there is no
    baseline.

    say, show: print a line, and show what is being done with the fraction that is done.

    Raises PerfError for a name, a run or a change that cannot be used, and when a worker fails.
    """
    _refuse_contradictions(wanted)
    changes = {option: parse_changes(options, option) for option, options in _options(wanted)}
    stored = [_case_in(path, name) for path in wanted.runs]
    arguments = [argument for path in wanted.runs for argument in read_run(path).perf.arguments]
    case = case_named(
        name, pretrained=PRETRAINED in arguments, calibration="entropy" if ENTROPY in arguments else "naive"
    )
    if isinstance(case, CnnCase):
        _refuse_own_network(case, arguments)
        check_networks([case.network])
    check_changes(case, changes)
    ranks = ranks_per_host_of(case, arguments)
    with _alone(say), ExitStack() as opened:

        def subject_with(own: Mapping[str, str]) -> tuple[Subject, Resources]:
            """The case in this checkout, with changed builds or a changed link, and what it was planned with."""
            resources = opened.enter_context(_resources(case, cache, say, own, ranks))
            return subject_of(case, resources), resources

        subject, resources = subject_with({})
        arms, sources, doubts = [subject.arm], [CHECKOUT], list[str]()
        if any(changes.values()):
            arms = [_changed(subject_with, subject, own) for own in changes.values()]
            sources = [_source(options) for _, options in _options(wanted)]
        elif stored:
            restored = [
                _restored(subject, one, path, resources, doubts) for one, path in zip(stored, wanted.runs, strict=True)
            ]
            arms = [subject.arm, *restored][-2:]
            sources = [CHECKOUT, *map(str, wanted.runs)][-2:]
        arms[1:] = [as_baseline(arm) for arm in arms[1:]]
        explanation = explain_arms(name, arms, subject.workload, resources, show)
        fractions: dict[str, float] = {}
        if not arms[1:] and subject.plan.start is None:
            limits = probe(subject.placements[:1])
            doubts += limits.problems
            fractions = fractions_of(subject, explanation.layers, limits, resources)
    return Explained(name, sources[0], sources[1] if sources[1:] else None, doubts, explanation, fractions)


def beside_published(name: str, cache: Path, say: Callable[[str], None], show: Show) -> tuple[Case, list[Row]]:
    """Measure a case of the announcement with one thing replaced at a time. Returns the case and its rows, of which the
    first has nothing replaced.

    say: prints a line. show: shows what is being done, and how many seconds its setting still takes.

    Raises PerfError for a name that cannot be used or is not in the announcement, and when a variant fails.
    """
    case = case_named(name)
    published_speedup(case)
    with _alone(say), _resources(case, cache, say, {}, None) as resources:
        return case, rows_of(case, read_topology(), resources, effort_of("quick"), show, say)


@contextmanager
def _alone(say: Callable[[str], None]) -> Iterator[None]:
    """Hold the machine for the block. A signal that asks to end raises KeyboardInterrupt, so that files and emulated
    hosts are removed.
    """
    with ExitStack() as stack:
        stack.callback(end_in_order(Ending()))
        stack.enter_context(alone_on_machine(wait=True, say=say))
        yield


def _options(wanted: Wanted) -> list[tuple[str, Sequence[str]]]:
    """Return the changes of candidate and baseline, each with its option."""
    return [(WITH, wanted.changes), (AGAINST, wanted.against)]


def _refuse_contradictions(wanted: Wanted) -> None:
    if len(wanted.runs) > 2:  # noqa: PLR2004 - a candidate and its baseline
        step = "name a candidate and its baseline, or only the baseline"
        raise PerfError(f"{len(wanted.runs)} runs were named", subject="explain", next_step=step)
    option = next((option for option, options in _options(wanted) if options), None)
    if wanted.runs and option:
        step = f"leave out the runs, or {option}"
        raise PerfError("a stack comes from a run or from changes", subject=option, next_step=step)


def _refuse_own_network(case: CnnCase, arguments: Sequence[str]) -> None:
    """Raise PerfError for a network that the user brought to the run with these options: its files may have changed."""
    if any(argument.startswith(f"{OWN}{case.network}=") for argument in arguments):
        step = "measure it with pytest, which explains cases that changed"
        raise PerfError("a network of your own cannot be explained by its name", subject=case.id, next_step=step)


def ranks_per_host_of(case: Case, arguments: Sequence[str]) -> int | None:
    """Return the number of ranks per host of a training case that was stored with these options; None without one."""
    matches = [RANKS.fullmatch(argument) for argument in arguments] if isinstance(case, TrainingCase) else []
    return next((int(match[1]) for match in matches if match), None)


def _source(options: Sequence[str]) -> str:
    """Return this checkout with changes, as text."""
    return f"{CHECKOUT} with {', '.join(options)}" if options else CHECKOUT


def _changed(
    subject_with: Callable[[Mapping[str, str]], tuple[Subject, Resources]], subject: Subject, own: Mapping[str, str]
) -> Arm:
    """Return the arm of this checkout with changes."""
    planned, tuned = divided(own)
    changed = subject_with(planned)[0] if planned else subject
    return with_changes(changed.arm, tuned)


def _case_in(path: Path, name: str) -> StoredCase:
    """Return a case of the run in a file. Raises PerfError when the file cannot be used or lacks it."""
    run = read_run(path)
    if name not in run.cases:
        known = ", ".join(sorted(run.cases)[:5])
        step = f"name one of its cases: {known}" if known else "name another run: this one has no case"
        raise PerfError(f"does not contain the case {name}", subject=str(path), next_step=step)
    machine_class = read_machine().machine_class
    if run.perf.machine_class != machine_class:
        message = f"was measured on machine class {run.perf.machine_class}, not {machine_class}"
        raise PerfError(message, subject=str(path), next_step="explain it on a machine of that class")
    return run.cases[name]


def _restored(subject: Subject, stored: StoredCase, path: Path, resources: Resources, doubts: list[str]) -> Arm:
    """Return the arm of a stored case, and add to the doubts how it differs from what was stored."""
    arm, missing = with_stack(subject, stored.stack, resources)
    doubts += [f"{path.name} could not be restored entirely: {difference}" for difference in missing]
    return arm


@contextmanager
def _resources(
    case: Case, cache: Path, say: Callable[[str], None], changes: Mapping[str, str], ranks: int | None
) -> Iterator[Resources]:
    """Yield what a family needs to plan a case: placements, and builds, made when they are first asked for. `ranks` is
    the number of ranks per host, at least as many as the case has on this one; None for the usual number.
    """
    overrides = {name: value for name, value in changes.items() if name != LINK}
    topology = read_topology()
    numactl = find_numactl(topology)
    needed = max(ranks_per_host(topology, ranks), ranks_on_host(case))

    @cached
    def build(role: str) -> Build:
        override = overrides.get(role)
        reused = cached_build(role, override=override, cache=cache, say=say)
        return reused or provision(role, override=override, cache=cache, say=say)

    with scratch_folder() as scratch:
        yield Resources(
            build=build,
            placements=place_instances(topology, numactl=numactl),
            cores=read_machine(topology=topology).physical_cores,
            cache=cache,
            scratch=scratch,
            timeout_s=TIMEOUT_S,
            say=say,
            rank_placements=place_instances(topology, instances=ranks_per_host(topology, needed), numactl=numactl),
            link_gbit_per_s=link_of(case, changes),
        )
