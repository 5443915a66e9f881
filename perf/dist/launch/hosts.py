"""The hosts of training jobs: how many ranks each has room for, and the files that name them."""

from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.files import read_text

OPTION = "--perf-hosts"


@dataclass(frozen=True)
class Host:
    """A host that training jobs may run on, and how many ranks it has room for."""

    name: str
    ranks: int


def rank_counts(most: int) -> list[int]:
    """1, 2, 4 ... up to `most`, which is among them."""
    counts = [1]
    while counts[-1] * 2 <= most:
        counts.append(counts[-1] * 2)
    return counts if counts[-1] == most else [*counts, most]


def read_hosts(path: Path, ranks: int) -> tuple[Host, ...]:
    """The hosts in a file such as MPI launchers read: a line each, `name`, `name:2` or `name slots=2`; `ranks` on those
    without a number. PerfError for any other line, for none at all, and for a host named twice.
    """
    step = "write a host a line: node1, node1:2 or node1 slots=2"
    lines = [line.partition("#")[0].strip() for line in read_text(path, next_step=step).splitlines()]
    hosts = [_host(line, ranks, f"{OPTION}={path}", step) for line in lines if line]
    if not hosts or len({host.name for host in hosts}) < len(hosts):
        what = "names a host twice" if hosts else "names no host"
        raise PerfError(what, subject=f"{OPTION}={path}", next_step=step)
    return tuple(hosts)


def _host(line: str, ranks: int, subject: str, step: str) -> Host:
    name, _, count = line.replace(" slots=", ":").partition(":")
    count = count.strip() or str(ranks)
    if not name.strip() or " " in name.strip() or not count.isdecimal() or int(count) < 1:
        raise PerfError(f"not understood: {line}", subject=subject, next_step=step)
    return Host(name.strip(), int(count))
