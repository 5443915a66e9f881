"""A bisection's folder: what is searched for, one file for each step, and the runs that the steps rest on.

Every file is written whole, and nothing that is there is measured again: a bisection that was interrupted, however
abruptly, resumes with the same command.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import msgspec

from perf.bisection.search import Answer
from perf.builds import check_overrides, parse_overrides
from perf.errors import PerfError
from perf.files import decoded, read_bytes, write_whole

# The version of the format. A change that old code cannot read gets the next number.
VERSION = 1
# The file that says what is searched for.
FILE = "bisection.json"
# What to do about a folder that belongs to something else.
ELSEWHERE = "name another folder with --folder, or remove this one to start again"


class Wheel(msgspec.Struct, frozen=True):
    """A wheel: its `name` as the user wrote it, the `requirement` as --perf-build takes it (of a file, the absolute
    path), and the `sha256` of a file; null for a requirement.
    """

    name: str
    requirement: str
    sha256: str | None = None

    @property
    def identity(self) -> str:
        """What tells it from other wheels: a file's content and not its folder, as the builds have it."""
        return self.name if self.sha256 is None else f"{Path(self.requirement).name} ({self.sha256[:12]})"


class Bisection(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for. `version` is that of the format. `case` is the case's name and `item` its pytest id. The
    `wheels` are put in the build `role`, in their order. Every session has the `tier` and the pytest `options`, on
    `machine_class`.
    """

    version: int = VERSION
    case: str
    item: str
    role: str
    tier: str
    options: list[str]
    machine_class: str
    wheels: list[Wheel]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The `answer` on one wheel, by its number `wheel` in the list, with the `reason`.

    `change` is the ratio of the latencies of the first wheel and this one, side by side: below 1 is slower.
    `change_low` and `change_high` are the ends of its 95 % interval. All three are null when it was not measured.
    `values` holds log(latency of the first wheel / latency) of each undisturbed invocation. `sessions` is the number of
    pytest sessions, and `seconds` the time that the command which stored the step spent on them.
    """

    wheel: int
    answer: Answer
    reason: str
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    values: list[float] = []
    sessions: int
    seconds: float


class _Version(msgspec.Struct):
    version: int


def wheels_of(role: str, requirements: Sequence[str]) -> list[Wheel]:
    """Return the wheels of a bisection. The path of a wheel file becomes absolute.

    Raises PerfError when the role is unknown, a wheel is neither a requirement nor a file that can be read, a wheel is
    named twice, or there are fewer than two.
    """
    wheels = [_wheel(role, requirement) for requirement in requirements]
    if len(wheels) < 2:  # noqa: PLR2004 - one is not slower than itself
        message = "there is nothing to search among fewer than two wheels"
        raise PerfError(message, subject="mxperf bisect", next_step="name them in their order, the good one first")
    for identity, count in Counter(wheel.identity for wheel in wheels).items():
        if count > 1:
            raise PerfError(f"is named {count} times", subject=identity, next_step="name every wheel once")
    return wheels


def _wheel(role: str, requirement: str) -> Wheel:
    overrides = parse_overrides([f"{role}={requirement}"])
    check_overrides(overrides)
    if not requirement.endswith(".whl") or "://" in requirement:
        return Wheel(requirement, overrides[role])
    path = Path(requirement).expanduser().resolve()
    try:
        with path.open("rb") as file:
            return Wheel(requirement, str(path), hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        message = f"the wheel cannot be read: {error.strerror}"
        raise PerfError(message, subject=str(path), next_step="check the path") from error


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Create the folder if necessary, and keep other bisections out of it. Raises PerfError when one is using it, or
    when it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        step = "wait until it ends, or stop it"
        raise PerfError("another bisection is using this folder", subject=str(folder), next_step=step) from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def begin(folder: Path, bisection: Bisection) -> None:
    """Write down what is searched for. Raises PerfError when the folder holds another bisection, naming the difference,
    or when it cannot be written to.
    """
    stored = read_bisection(folder)
    if stored is None:
        write(folder / FILE, bisection)
        return
    differing = list(_differences(stored, bisection))
    if differing:
        message = f"holds another bisection: {'; '.join(differing)}"
        raise PerfError(message, subject=str(folder), next_step=ELSEWHERE)


def read_bisection(folder: Path) -> Bisection | None:
    """Return the bisection in a folder; None without one. Raises PerfError when it is damaged or of another version."""
    path = folder / FILE
    if not path.exists():
        return None
    content = read_bytes(path, next_step=ELSEWHERE)
    version = decoded(content, _Version, path, next_step=ELSEWHERE).version
    if version != VERSION:
        message = f"has version {version}, but this version of the suite reads version {VERSION}"
        raise PerfError(message, subject=str(path), next_step=ELSEWHERE)
    return decoded(content, Bisection, path, next_step=ELSEWHERE)


def known_item(folder: Path, case: str, tier: str, options: list[str]) -> str | None:
    """Return the pytest id of a case, which is named by its id or its name, if the folder holds a bisection of it with
    this tier and these options. Raises PerfError as `read_bisection` does.
    """
    stored = read_bisection(folder)
    if stored is None or case not in {stored.case, stored.item} or (stored.tier, stored.options) != (tier, options):
        return None
    return stored.item


def read_steps(folder: Path, bisection: Bisection) -> list[Step]:
    """Return the steps so far, in their order. Raises PerfError, naming the file, when one is damaged."""
    steps: list[Step] = []
    for path in _step_files(folder):
        again = "remove it, and the step is repeated from the runs that are stored"
        step = decoded(read_bytes(path, next_step=again), Step, path, next_step=again)
        if not 0 < step.wheel < len(bisection.wheels) or any(step.wheel == earlier.wheel for earlier in steps):
            message = f"is damaged: no step of this bisection is about wheel {step.wheel}"
            raise PerfError(message, subject=str(path), next_step=again)
        steps.append(step)
    return steps


def add_step(folder: Path, step: Step) -> None:
    """Write one more step. Raises PerfError when the folder cannot be written to."""
    taken = [int(path.stem.partition("-")[2]) for path in _step_files(folder)]
    write(folder / f"step-{max(taken, default=0) + 1:03}.json", step)


def answers_of(steps: Sequence[Step]) -> Mapping[int, Answer]:
    """Return the answers by wheel."""
    return {step.wheel: step.answer for step in steps}


def write(path: Path, content: msgspec.Struct) -> None:
    """Write a structure as JSON, whole. Raises PerfError when that fails."""
    try:
        write_whole(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    except OSError as error:
        raise unwritable(path, error) from error


def _step_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-[0-9][0-9][0-9].json"))


def unwritable(path: Path, error: OSError) -> PerfError:
    """Return the error for a file or folder that cannot be written to."""
    step = "free some space there, or name another folder with --folder"
    return PerfError(f"cannot be written to: {error.strerror}", subject=str(path), next_step=step)


def _differences(stored: Bisection, bisection: Bisection) -> Iterator[str]:
    """Yield what differs, as "field: stored, now"."""
    for name in Bisection.__struct_fields__:
        then, now = _shown(getattr(stored, name)), _shown(getattr(bisection, name))
        if then != now:
            yield f"{name.replace('_', ' ')}: {then} there, {now} here"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(each.identity if isinstance(each, Wheel) else each for each in value) or "none"
    return str(value)
