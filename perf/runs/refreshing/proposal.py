"""Judge the stored runs that a branch adds, by the runs of the branch that it is based on, read from git alone.

A pull request that stores a run must change nothing else. Its run may hide no loss that it does not name, and the runs
before it must stay as they are.
"""

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath

from perf.errors import PerfError
from perf.files import MAX_BYTES
from perf.git import git
from perf.runs.acceptance import Waiver, accept
from perf.runs.baseline import usable_baseline
from perf.runs.refreshing.drift import ANCHOR
from perf.runs.refreshing.records import AnchorDrift, CaseDrift
from perf.runs.schema import StoredRun
from perf.runs.store import find_run_files, next_number
from perf.runs.tolerances import Tolerances, read_tolerances
from perf.wording import counted

# Where stored runs and their tolerances are, in the repository.
BASELINES = "baselines"
TOLERANCES = f"{BASELINES}/tolerances.toml"
# A stored run: its class, and its number.
STORED_RUN = re.compile(rf"{BASELINES}/(?P<folder>[^/]+)/(?:[^/]+/)?(?P<number>\d{{4,9}})_[^/\n]*\.json")
REGULAR = "100644"
# Figures that differ by less, as a fraction, are equal: machines round differently.
ROUNDING = 1e-5
# How many names a message holds.
SHOWN = 5


@dataclass(frozen=True)
class ChangedFile:
    """A file that a branch changes: its `path` in the repository, the `status` by git's letter (A for added, D for
    removed, else edited), and its file `mode` now.
    """

    path: str
    status: str
    mode: str


@dataclass(frozen=True)
class Proposal:
    """What a branch proposes: one line for each stored run that was judged again (`judged`), and the `problems` for
    which it must not be merged.
    """

    judged: tuple[str, ...]
    problems: tuple[str, ...]


def judge_proposal(repository: Path, base: str, head: str) -> Proposal:
    """Judge what the commit `head` adds to the stored runs of the commit `base`. Raises PerfError when git cannot read
    a commit, or when the tolerances of `base` cannot be used.
    """
    base, head = (_commit(repository, name) for name in (base, head))
    changed = _changed(repository, base, head)
    runs = [file for file in changed if STORED_RUN.fullmatch(file.path)]
    if not runs:
        return Proposal((), ())
    problems = [*_touched(changed), *_edited(runs)]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        _export(repository, base, scratch)
        tolerances = read_tolerances(scratch / TOLERANCES)
        judged = []
        for file in sorted((f for f in runs if f.status == "A"), key=_number):
            try:
                judged.append(_judged_again(repository, head, file, scratch, tolerances))
            except PerfError as error:
                problems.append(f"{file.path}: {error.what}")
    return Proposal(tuple(judged), tuple(problems))


def _judged_again(repository: Path, head: str, file: ChangedFile, scratch: Path, tolerances: Tolerances) -> str:
    """Judge one added run and put it among the stored runs in `scratch`; return the outcome as a line. Raises PerfError
    when it must not be stored.
    """
    match = STORED_RUN.fullmatch(file.path)
    machine_class = match["folder"] if match else ""
    if file.mode != REGULAR:
        raise PerfError(f"is not a regular file (mode {file.mode})")
    folder = scratch / BASELINES / machine_class
    if _number(file) < next_number(folder):
        raise PerfError(f"its number is taken: the next one is {next_number(folder):04}; refresh again")
    proposed = scratch / PurePosixPath(file.path).name
    proposed.write_bytes(_content(repository, head, file.path))
    run = usable_baseline(proposed, machine_class)
    stored = run.perf.accepted
    waiver = Waiver(tuple(map(escape, stored.dropped)), stored.reason) if stored else Waiver()
    files = find_run_files(folder, machine_class)
    accepted, drift = accept(run, files, folder, waiver, tolerances)
    unnamed = sorted(set(accepted.verdicts if accepted else ()) - set(stored.verdicts if stored else ()))
    if unnamed:
        raise PerfError(f"it hides what it does not name: {_listed(unnamed)}")
    if not _same_drift(run.perf.drift, drift):
        raise PerfError("it states another drift since the anchor than the stored runs show: refresh again")
    folder.mkdir(parents=True, exist_ok=True)
    proposed.rename(folder / proposed.name)
    return f"{file.path}: {_outcome(run, files.latest)}"


def _same_drift(stated: AnchorDrift | None, computed: AnchorDrift | None) -> bool:
    """Return whether a run states the drift that its predecessors show, whatever machine computed it."""
    if stated is None or computed is None:
        return stated is computed
    if (stated.anchor, stated.sha256, stated.cases.keys()) != (computed.anchor, computed.sha256, computed.cases.keys()):
        return False
    return all(_same_figures(case, computed.cases[name]) for name, case in stated.cases.items())


def _same_figures(one: CaseDrift, another: CaseDrift) -> bool:
    pairs = [(getattr(one, name), getattr(another, name)) for name in ("change", "low", "high", "unaccepted")]
    same = (a is b if a is None or b is None else math.isclose(a, b, rel_tol=ROUNDING) for a, b in pairs)
    return one.since == another.since and all(same)


def _outcome(run: StoredRun, latest: Path | None) -> str:
    by = f"judged again by {latest.name}" if latest else "the first run of its class"
    accepted = run.perf.accepted
    text = f"{by}: nothing lost" if latest else by
    if accepted:
        names = [*accepted.verdicts, *accepted.dropped]
        text = f"{by}: accepted for the reason '{accepted.reason}': {_listed(names)}"
    marked = [f"{name} ({entry.text})" for name, entry in run.perf.tolerances.items()]
    text += f". Tolerance by the marker perf: {_listed(marked)}" if marked else ""
    return f"{text}. {run.perf.drift.text}" if run.perf.drift else f"{text}."


def _touched(changed: Sequence[ChangedFile]) -> Iterator[str]:
    """Yield what must not change together with a stored run."""
    outside = [file.path for file in changed if not file.path.startswith(f"{BASELINES}/")]
    if outside:
        count = counted(len(outside), "file")
        yield f"a stored run changes together with {count} outside {BASELINES}: {_listed(outside)}"
    rules = [f.path for f in changed if f.path not in outside and not STORED_RUN.fullmatch(f.path)]
    if rules:
        yield f"a stored run changes together with what it is judged by: {_listed(rules)}"


def _edited(runs: Sequence[ChangedFile]) -> Iterator[str]:
    for file in runs:
        if file.status != "A":
            yield f"{file.path}: a stored run was {'removed' if file.status == 'D' else 'edited'}"


def _number(file: ChangedFile) -> int:
    match = STORED_RUN.fullmatch(file.path)
    return int(match["number"]) if match else 0


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _export(repository: Path, commit: str, folder: Path) -> None:
    """Write the runs and the tolerances of a commit into a folder."""
    names = git(repository, "ls-tree", "-r", "-z", "--name-only", commit, "--", f"{BASELINES}/").decode()
    for name in names.split("\0"):
        if STORED_RUN.fullmatch(name) or name == TOLERANCES or PurePosixPath(name).name == ANCHOR:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_content(repository, commit, name))


def _changed(repository: Path, base: str, head: str) -> list[ChangedFile]:
    """Return the files that `head` changed since it left `base`."""
    fork = git(repository, "merge-base", base, head, step="fetch the whole history (fetch-depth: 0)").decode().strip()
    raw = git(repository, "diff", "--raw", "-z", "--no-renames", "--no-abbrev", fork, head).decode(
        errors="surrogateescape"
    )
    fields = raw.split("\0")[:-1]
    return [
        ChangedFile(path, status=about.split()[4][0], mode=about.split()[1])
        for about, path in zip(fields[::2], fields[1::2], strict=True)
    ]


def _content(repository: Path, commit: str, path: str) -> bytes:
    """Return a file's content in a commit. Raises PerfError when it is too large."""
    size = int(git(repository, "cat-file", "-s", f"{commit}:{path}"))
    if size > MAX_BYTES:
        raise PerfError(f"is too large: {size / 1e6:.0f} MB, and the limit is {MAX_BYTES / 1e6:.0f} MB", subject=path)
    return git(repository, "cat-file", "blob", f"{commit}:{path}")


def _commit(repository: Path, name: str) -> str:
    """Return the id of a commit, so that no later command takes its name for an option."""
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    step = "name a commit or a branch that this repository has; git fetch gets those of a remote"
    return git(repository, *arguments, step=step, subject=name).decode().strip()
