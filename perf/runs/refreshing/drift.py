"""How far each case moved since the anchor: the sum of the changes of all stored runs, and whether that is a loss.

A loss within the tolerance raises no alarm, but losses add up when each refresh stores one. Their sum is judged here.
It is computed from the stored runs themselves; what a run stores of it is for readers.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from perf.errors import PerfError
from perf.files import read_bytes, read_text
from perf.judge.change import Change, change_between_sessions, change_side_by_side, sum_of_changes
from perf.judge.judgement import judge_sum
from perf.runs.refreshing.records import AnchorDrift, CaseDrift
from perf.runs.schema import StoredCase, StoredRun
from perf.runs.tolerances import Tolerances
from perf.runs.variances import Priors, SessionVariances, priors_of, session_variances
from perf.stack import DECISIVE, build_changes

# The file that names the anchor, in the folder of a class; without it the first stored run is the anchor.
ANCHOR = "anchor"


@dataclass(frozen=True)
class Creep:
    """What a run moved since the anchor: the `drift` that is stored, and the `losses` that are significant, each as
    text by case name.
    """

    drift: AnchorDrift
    losses: Mapping[str, str]


def find_anchor(folder: Path, paths: Sequence[Path]) -> Path | None:
    """Return the anchor among the stored runs of a class, oldest first: the one that the file `anchor` in the folder
    names, or the first. None without stored runs. Raises PerfError when the file names no stored run.
    """
    chosen = folder / ANCHOR
    if not chosen.exists():
        return paths[0] if paths else None
    name = read_text(chosen).strip()
    for path in paths:
        if path.name == name:
            return path
    step = (
        f"write the file name of a stored run into it, or remove it to return to {paths[0].name if paths else 'none'}"
    )
    raise PerfError(f"names no stored run of this class: {name[:80]!r}", subject=str(chosen), next_step=step)


def creep_of(run: StoredRun, folder: Path, runs: Mapping[Path, StoredRun], tolerances: Tolerances) -> Creep | None:
    """Return what a run moved since the anchor of the stored `runs` in a folder, oldest first; None without an anchor.

    Raises PerfError when the anchor cannot be used, or when it is not the one that the latest run was judged by.
    """
    path = find_anchor(folder, list(runs))
    if path is None:
        return None
    sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
    _check_unchanged(folder, path, sha256, runs)
    history = {file.name: stored for file, stored in list(runs.items())[list(runs).index(path) :]}
    latest = list(runs.values())[-1]
    families = list(dict.fromkeys(case.family for case in run.cases.values()))
    sessions = session_variances(list(runs.values()), families, tolerances, latest)
    priors = priors_of(run.cases.values(), tolerances)
    judged = {name: case for name, case in run.cases.items() if case.samples and _containing(name, history)}
    drifts, losses = {}, {}
    for name, case in judged.items():
        containing = _containing(name, history)
        errors = _Errors(priors[case.family], sessions)
        cases = [stored.cases[name] for stored in containing.values()] + [case]
        total, unaccepted = errors.sum(cases), errors.sum(cases[_accepted_at(name, list(containing.values())) :])
        drifts[name] = _case_drift(next(iter(containing)), total, unaccepted)
        if unaccepted is not None:
            tolerance = tolerances.of(case.family, name, run.perf.tolerances.get(name))
            judgement = judge_sum(unaccepted, tolerance, len(judged))
            if judgement.kind == "regressed":
                losses[name] = f"{unaccepted.ratio - 1:+.1%} since the anchor {path.name}, {judgement.reason}"
    return Creep(AnchorDrift(path.name, sha256, drifts), losses)


@dataclass(frozen=True)
class _Errors:
    """What is known of the errors of a family's changes: `priors` and the variances between `sessions`."""

    priors: Priors
    sessions: SessionVariances

    def sum(self, cases: Sequence[StoredCase]) -> Change | None:
        """Return the sum of the changes from the first to the last of a case's measurements; None when one of them
        cannot be compared with the one before. Between measurements of the same stack only the first and the last
        count, so the variance between sessions does not add up.
        """
        changes, first = [], cases[0]
        for before, after in pairwise(cases):
            if _measured_side_by_side(before, after):
                changes += self._stretch(first, before)
                values = after.side_by_side.values if after.side_by_side else []
                changes.append(change_side_by_side(values, self.priors.side_by_side))
                first = after
            elif not _comparable(before, after):
                return None
        changes += self._stretch(first, cases[-1])
        return sum_of_changes(changes)

    def _stretch(self, first: StoredCase, last: StoredCase) -> list[Change]:
        """Return the change of the speedup over the reference in a stretch of stored runs; none for a single run."""
        if first is last:
            return []
        then, now = first.samples[first.reference].observed, last.samples[last.reference].observed
        if then is None or now is None:
            return [Change(0.0, ())]
        between = self.sessions.of(last.family, last.name, last.reference)
        return [change_between_sessions(now, then, self.priors.within, between)]


def _measured_side_by_side(before: StoredCase, after: StoredCase) -> bool:
    """Return whether a case was measured side by side with all that decides the speed of the stored run's stack."""
    arm = after.side_by_side
    if arm is None or arm.problem or not arm.values:
        return False
    lacking = build_changes(before.stack, arm.stack)
    return not any(field.partition(" ")[0] in DECISIVE for field in lacking)


def _comparable(before: StoredCase, after: StoredCase) -> bool:
    """Return whether the speedups of a case refer to the same stack."""
    then, now = before.samples.get(before.reference), after.samples.get(after.reference)
    if then is None or now is None or not then.floors or not now.floors or before.reference != after.reference:
        return False
    return not build_changes(then.over, now.over)


def _containing(name: str, history: Mapping[str, StoredRun]) -> dict[str, StoredRun]:
    """Return the stored runs that measured a case, since the anchor, by file name."""
    return {file: stored for file, stored in history.items() if name in stored.cases and stored.cases[name].samples}


def _accepted_at(name: str, containing: Sequence[StoredRun]) -> int:
    """Return the place of the newest stored run that accepted a change of the case; 0 when none did."""
    accepting = [n for n, run in enumerate(containing) if run.perf.accepted and name in run.perf.accepted.verdicts]
    return accepting[-1] if accepting else 0


def _case_drift(since: str, total: Change | None, unaccepted: Change | None) -> CaseDrift:
    own = None if unaccepted is None else unaccepted.ratio
    if total is None:
        return CaseDrift(since, None, None, None, own)
    low, high = total.interval() if total.known else (None, None)
    return CaseDrift(since, total.ratio, low, high if high is not None and math.isfinite(high) else None, own)


def _check_unchanged(folder: Path, path: Path, sha256: str, runs: Mapping[Path, StoredRun]) -> None:
    """Raise PerfError when the latest run was judged by another anchor, and no file says that it was replaced."""
    name, latest = list(runs.items())[-1]
    judged_by = latest.perf.drift
    if judged_by is None or (judged_by.anchor, judged_by.sha256) == (path.name, sha256):
        return
    if (folder / ANCHOR).exists() and judged_by.anchor != path.name:
        return
    what = "it was edited" if judged_by.anchor == path.name else f"the anchor of {name.name} is {judged_by.anchor}"
    step = f"restore the anchor with git, or name another one in {folder / ANCHOR}, in a change of its own"
    raise PerfError(f"cannot be the anchor: {what}", subject=str(path), next_step=step)
