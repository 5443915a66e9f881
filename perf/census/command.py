"""What `mxperf census` does: examine one network after the other, and write the tables."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from perf.builds import Build, provision
from perf.cache import cache_folder
from perf.census.examine import examine
from perf.census.report import Census, census_of, markdown_of
from perf.census.settings import divided, modules_by_network
from perf.census.state import CensusFile, Header, unwritable
from perf.cnn.artifacts.store import sha256
from perf.cnn.symbols.networks import UserNetwork, check_user_networks
from perf.errors import PerfError
from perf.files import ROOT, write_whole
from perf.machine import TURN_S, alone_on_machine, find_numactl, place_instances, read_machine, read_topology
from perf.machine.scratch import scratch_folder
from perf.measure.family import Resources
from perf.plugin.values import SYMBOL

ROLES = ("native", "mkl", "zoo")
# Where networks are prepared, inside the census's folder: each takes up to half a GB, and is removed once examined.
WORK = "work"
TIMEOUT_S = 300.0
# The rooms whose code and data decide what a result says. Stored answers are not asked.
ROOMS = ("census", "cnn", "worker")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """Which networks to examine: `name`, and the user's files if they are `brought`."""

    name: str
    brought: UserNetwork | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What identifies its result."""
        return self.name, self.brought.content if self.brought else ""


def brought_networks(written: Sequence[str]) -> list[UserNetwork]:
    """Return the networks of the values of --symbol. Raises PerfError for one that cannot be examined."""
    networks = []
    for text in written:
        try:
            networks.append(UserNetwork(*SYMBOL.parse(text)))
        except ValueError as error:
            raise PerfError(str(error), subject=f"--symbol={text}", next_step="correct the option") from error
    check_user_networks(networks, label=lambda network: f"--symbol={network.name}=...")
    return networks


def provided(say: Say) -> dict[str, Build]:
    """Return the builds by role, made when they are missing. Raises PerfError when one cannot be made."""
    return {role: provision(role, override=None, cache=cache_folder(None), say=say) for role in ROLES}


def header_of(builds: dict[str, Build]) -> Header:
    """Return what all results of a census have in common. Raises PerfError when GluonCV names no networks."""
    examined, left_out = divided(modules_by_network(builds["zoo"]))
    conditions = {
        **{f"build {role}": f"{build.requirement} ({build.content_sha256[:12]})" for role, build in builds.items()},
        "zoo environment": builds["zoo"].folder.name,
    }
    return Header(conditions=conditions, networks=examined, left_out=left_out)


def code_hash() -> str:
    """Return a hash of the code and data that examine networks: 12 hex digits."""
    files = (path for room in ROOMS for path in sorted((ROOT / "perf" / room).rglob("*")))
    return sha256(*(path for path in files if path.suffix in {".py", ".toml"}))[:12]


def wanted_networks(header: Header, brought: Sequence[UserNetwork], only: Sequence[str]) -> list[Wanted]:
    """Return the networks whose names match one of the patterns `only`, or all. Raises PerfError when none does."""

    def is_selected(name: str) -> bool:
        return not only or any(fnmatchcase(name, pattern.lower()) for pattern in only)

    networks = [*(Wanted(network.name, network) for network in brought), *map(Wanted, header.networks)]
    selected = [one for one in networks if is_selected(one.name)]
    if not selected:
        reasons = [f"{name} is left out: {reason}" for name, reason in header.left_out.items() if is_selected(name)]
        step = "name one of GluonCV's classification networks (perf/cnn/gluoncv.toml), or a pattern of names"
        what = reasons[0] if reasons else "no network has such a name"
        raise PerfError(what, subject=f"--only {' '.join(only)}", next_step=step)
    return selected


def examine_all(
    folder: Path, file: CensusFile, wanted: Sequence[Wanted], builds: dict[str, Build], seconds: float | None, say: Say
) -> Iterator[str]:
    """Examine networks, and yield a line about each; after `seconds`, begin no other one. Each has the machine to
    itself; a session that waits for it gets it between two of them.

    Raises PerfError when the disk is full.
    """
    here = {"machine_class": read_machine().machine_class, "code": code_hash()}
    started = time.monotonic()
    work = folder / WORK
    shutil.rmtree(work, ignore_errors=True)  # of a census that was killed
    topology = read_topology()
    placements = place_instances(topology, instances=None, threads=None, numactl=find_numactl(topology))
    for number, one in enumerate(wanted, 1):
        if seconds is not None and time.monotonic() - started >= seconds:
            return
        try:
            work.mkdir()
        except OSError as error:
            raise unwritable(work, error) from error
        with scratch_folder() as scratch, alone_on_machine(wait=True, say=say):
            resources = Resources(
                build=builds.__getitem__,
                placements=placements,
                cores=read_machine().physical_cores,
                cache=work,
                scratch=scratch,
                timeout_s=TIMEOUT_S,
                say=say,
            )
            examined = examine(one.name, resources, one.brought)
        result = msgspec.structs.replace(examined, **here)
        file.add(result)
        shutil.rmtree(work, ignore_errors=True)
        yield f"[{number}/{len(wanted)}] {one.name}: {result.text} ({result.seconds:.0f} s)"
        if number < len(wanted):
            time.sleep(TURN_S)


def write_tables(folder: Path, file: CensusFile, header: Header) -> Census:
    """Write census.md and census.json, and return what they hold. Raises PerfError when they cannot be written."""
    census = census_of(header, list(file.results.values()))
    contents = {
        "census.md": ("\n".join(markdown_of(census)) + "\n").encode(),
        "census.json": msgspec.json.format(msgspec.json.encode(census), indent=1) + b"\n",
    }
    for name, content in contents.items():
        try:
            write_whole(folder / name, content)
        except OSError as error:
            raise unwritable(folder / name, error) from error
    return census
