"""Plan a night: its shards, what it measures, and what its verdicts will be about."""

import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.builds import check_overrides, parse_overrides
from perf.errors import PerfError
from perf.files import write_whole

# pytest reads one argument from each line of this file, as `@FILE`: no shell looks into them.
ARGUMENTS = "arguments.txt"
SUMMARY = "night.md"
WHEELS = "wheels"
LOCKED = (
    "No candidate wheel was named: the locked wheels are measured. This night guards the machine, the lock and the "
    "suite only. It says nothing about another build of MXNet."
)


@dataclass(frozen=True)
class Night:
    """What to measure: the `tier`, in how many `shards`, with the `builds` that replace locked ones, by role."""

    tier: str
    shards: int
    builds: Mapping[str, str]

    @property
    def shard_names(self) -> list[str]:
        """The values of --perf-shard."""
        return [f"{number}/{self.shards}" for number in range(1, self.shards + 1)]

    @property
    def arguments(self) -> list[str]:
        """The arguments of pytest that all shards share."""
        return [f"--perf-tier={self.tier}", *(f"--perf-build={role}={wheel}" for role, wheel in self.builds.items())]

    @property
    def text(self) -> str:
        """What its verdicts are about."""
        if not self.builds:
            return LOCKED
        named = "\n".join(f"    {role}: {wheel}" for role, wheel in self.builds.items())
        return (
            "Candidate wheels, by role; all other roles have the locked wheels. This night is not kept in the history, "
            f"which is that of the locked wheels.\n\n{named}"
        )


def planned(tier: str, shards: int, builds: Sequence[str], wheels: Path | None, roles: Sequence[str]) -> Night:
    """Return a night with these `builds`, each ROLE=WHEEL, and with the one wheel in the folder `wheels` in `roles`.

    Raises PerfError for a build that no session would take, for a folder without a wheel or with several, for a file
    that is not a whole wheel, and for roles of no wheel.
    """
    named = [*builds]
    if roles and wheels is None:
        step = "name the artifact that holds it, or leave out the roles"
        raise PerfError("there is no wheel for these roles", subject=" ".join(roles), next_step=step)
    if wheels is not None:
        wheel, step = _only_wheel(wheels), "name the roles of the wheel, such as mkl"
        if not roles:
            raise PerfError("no role is named for the wheel", subject=str(wheel), next_step=step)
        named += [f"{role}={wheel}" for role in roles]
    overrides = parse_overrides(named)
    check_overrides(overrides)
    for role, requirement in overrides.items():
        check_archive(role, requirement)
    return Night(tier, shards, overrides)


def write_night(night: Night, folder: Path) -> None:
    """Write a night into a folder, with the wheel files that it names, so that every shard finds them there.

    Raises PerfError when the folder cannot be written to, and for a path of several lines.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = Night(night.tier, night.shards, _kept(night.builds, folder / WHEELS))
        for argument in kept.arguments:
            if len(argument.splitlines()) > 1:
                what = "holds a line break, and pytest reads an argument from each line"
                raise PerfError(what, subject=repr(argument), next_step="rename the wheel or the folder")
        write_whole(folder / ARGUMENTS, "".join(f"{line}\n" for line in kept.arguments).encode())
        write_whole(folder / SUMMARY, f"# Night\n\n{kept.text}\n".encode())
    except OSError as error:
        step = "name another folder, or free some space"
        raise PerfError(f"cannot be written: {error.strerror}", subject=str(folder), next_step=step) from error


def _only_wheel(folder: Path) -> Path:
    wheels = sorted(folder.rglob("*.whl"))
    if len(wheels) != 1:
        count = f"{len(wheels)} wheels" if wheels else "no wheel"
        step = "name an artifact with one wheel in it"
        raise PerfError(f"holds {count}", subject=str(folder), next_step=step)
    return wheels[0]


def check_archive(role: str, wheel: str) -> None:
    """Raise PerfError for a file that no installer can open: a night would find that out on every shard."""
    if "://" not in wheel and wheel.endswith(".whl") and not zipfile.is_zipfile(Path(wheel).expanduser()):
        step = "build or download it again"
        raise PerfError("the file is empty, cut or no wheel", subject=f"{role}={wheel}", next_step=step)


def _kept(builds: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The wheels as the shards name them, by role: requirements and addresses themselves, and copies of files. Each
    file has a folder of its own, since the wheels of two builds of one release have one name.
    """
    files = {role: Path(wheel).expanduser().resolve() for role, wheel in builds.items() if wheel.endswith(".whl")}
    copies: dict[Path, str] = {}
    for number, file in enumerate(dict.fromkeys(files.values()), start=1):
        place = folder / str(number)
        place.mkdir(parents=True, exist_ok=True)
        copies[file] = str(shutil.copy(file, place))
    return {role: copies[files[role]] if role in files else wheel for role, wheel in builds.items()}
