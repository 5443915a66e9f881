"""Explaining a case: its stacks from this checkout or from stored runs, profiled while nothing is timed."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache as cached
from pathlib import Path

from perf.builds import Build, cached_build, parse_overrides, provision
from perf.builds.data import load
from perf.cnn.family import CnnCase
from perf.cnn.networks import catalogue as networks
from perf.errors import PerfError
from perf.explain.layer_limits import fractions_of
from perf.explain.published import published_speedup, rows_of
from perf.explain.subject import (
    Subject,
    as_baseline,
    case_named,
    check_changes,
    parse_changes,
    subject_of,
    with_changes,
    with_stack,
)
from perf.explain.substitutions import Row
from perf.limits.probe import probe
from perf.machine import alone_on_machine, find_numactl, place_instances, read_machine, read_topology
from perf.measure.engine import Show
from perf.measure.family import Case, Resources
from perf.measure.tiers import effort_of
from perf.profile.outcomes import explain_arms
from perf.profile.session import Arm
from perf.rnn.shapes import catalogue as cells
from perf.runs.explanation import Explanation
from perf.runs.schema import StoredCase, read_run

# How long a worker may take to answer, as in a pytest session.
TIMEOUT_S = 600.0
CHECKOUT = "this checkout"
# The options of GluonCV's trained weights and of thresholds, which a run records if it was measured with them.
PRETRAINED, ENTROPY = "--perf-pretrained", "--perf-calibration=entropy"


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


def explained(
    name: str,
    runs: Sequence[Path],
    changes: Sequence[str],
    cache: Path,
    say: Callable[[str], None],
    show: Callable[[str, float], None],
) -> Explained:
    """Explain a case. With two `runs`, the case of the first is the candidate and that of the second the baseline; with
    one, this checkout is the candidate; with `changes`, NAME=VALUE each, the candidate is this checkout with these.

    say, show: print a line, and show what is being done with the fraction that is done.

    Raises PerfError for a name, a run or a change that cannot be used, and when a worker fails.
    """
    if len(runs) > 2:  # noqa: PLR2004 - a candidate and its baseline
        step = "name a candidate and its baseline, or only the baseline"
        raise PerfError(f"{len(runs)} runs were named", subject="explain", next_step=step)
    stored = [_case_in(path, name) for path in runs]
    wanted = parse_changes(changes)
    if runs and wanted:
        step = "leave out the runs, or --with"
        raise PerfError("a candidate comes from a run or from changes", subject="--with", next_step=step)
    overrides = {role: value for role, value in wanted.items() if role in load().roles}
    parse_overrides([f"{role}={value}" for role, value in overrides.items()])
    arguments = [argument for path in runs for argument in read_run(path).perf.arguments]
    entropy = ENTROPY in arguments
    case = case_named(name, pretrained=PRETRAINED in arguments, calibration="entropy" if entropy else "naive")
    _check_roles(case, overrides)
    tuned = {name: value for name, value in wanted.items() if name not in overrides}
    check_changes(tuned)
    with alone_on_machine(wait=True, say=say), _resources(cache, say, {}) as resources:
        subject = subject_of(case, resources)
        arms, sources, doubts = [subject.arm], [CHECKOUT], list[str]()
        if wanted:
            with _resources(cache, say, overrides) as changed:
                candidate = subject_of(case, changed) if overrides else subject
            arms = [with_changes(candidate.arm, tuned), as_baseline(subject.arm)]
            sources = [f"{CHECKOUT} with {', '.join(changes)}", CHECKOUT]
        elif stored:
            restored = [
                _restored(subject, one, path, resources, doubts) for one, path in zip(stored, runs, strict=True)
            ]
            arms = [*([subject.arm] if len(runs) == 1 else restored[:1]), as_baseline(restored[-1])]
            sources = [CHECKOUT if len(runs) == 1 else str(runs[0]), str(runs[-1])]
        explanation = explain_arms(name, arms, subject.workload, resources, show)
        fractions: dict[str, float] = {}
        if not arms[1:]:
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
    with alone_on_machine(wait=True, say=say), _resources(cache, say, {}) as resources:
        return case, rows_of(case, read_topology(), resources, effort_of("quick"), show, say)


def _case_in(path: Path, name: str) -> StoredCase:
    """Return a case of the run in a file. Raises PerfError when the file cannot be used or lacks it."""
    run = read_run(path)
    if name not in run.cases:
        step = "name one of its cases: " + ", ".join(sorted(run.cases)[:5])
        raise PerfError(f"does not contain the case {name}", subject=str(path), next_step=step)
    machine_class = read_machine().machine_class
    if run.perf.machine_class != machine_class:
        message = f"was measured on machine class {run.perf.machine_class}, not {machine_class}"
        raise PerfError(message, subject=str(path), next_step="explain it on a machine of that class")
    return run.cases[name]


def _check_roles(case: Case, overrides: Mapping[str, str]) -> None:
    """Raise PerfError for a build that the case does not run: it would be compared with itself."""
    cnn = isinstance(case, CnnCase)
    role = (networks() if cnn else cells()).variants[case.variant].build
    for other in overrides.keys() - {role, *(("zoo",) if cnn else ())}:
        message = f"{case.id} runs the build {role}, which this does not change"
        raise PerfError(message, subject=f"--with {other}", next_step=f"name a wheel for {role}, or another case")


def _restored(subject: Subject, stored: StoredCase, path: Path, resources: Resources, doubts: list[str]) -> Arm:
    """Return the arm of a stored case, and add to the doubts how it differs from what was stored."""
    arm, missing = with_stack(subject, stored.stack, resources)
    doubts += [f"{path.name} could not be restored entirely: {difference}" for difference in missing]
    return arm


@contextmanager
def _resources(cache: Path, say: Callable[[str], None], overrides: Mapping[str, str]) -> Iterator[Resources]:
    """Yield what a family needs to plan a case: placements, and builds, made when they are first asked for."""
    topology = read_topology()
    placements = place_instances(topology, numactl=find_numactl(topology))

    @cached
    def build(role: str) -> Build:
        override = overrides.get(role)
        reused = cached_build(role, override=override, cache=cache, say=say)
        return reused or provision(role, override=override, cache=cache, say=say)

    with tempfile.TemporaryDirectory(prefix="mxnet-perf-") as scratch:
        yield Resources(
            build=build,
            placements=placements,
            cores=read_machine(topology=topology).physical_cores,
            cache=cache,
            scratch=Path(scratch),
            timeout_s=TIMEOUT_S,
            say=say,
        )
