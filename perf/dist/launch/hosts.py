"""The hosts of training jobs: the files that name them, and how many ranks fit."""

from dataclasses import dataclass
from pathlib import Path

from perf.errors import PerfError
from perf.files import read_text

OPTION = "--perf-hosts"


@dataclass(frozen=True)
class Host:
    """A host that training jobs may run on: its `name`, and the number of `ranks` that fit on it."""

    name: str
    ranks: int


def rank_counts(most: int) -> list[int]:
    """Return the rank counts to measure: 1, 2, 4 and so on below `most`, and `most` itself."""
    counts = [1]
    while counts[-1] * 2 <= most:
        counts.append(counts[-1] * 2)
    return counts if counts[-1] == most else [*counts, most]


def read_hosts(path: Path, ranks: int) -> tuple[Host, ...]:
    """Return the hosts in a file as MPI launchers read it: one a line, as `name`, `name:2` or `name slots=2`.

    A host without a number has `ranks` of them. Raises PerfError when the file cannot be read, a line has another form,
    there is no host, or a host is named twice.
    """
    next_step = "write one host a line, as node1, node1:2 or node1 slots=2"
    lines = [line.partition("#")[0].strip() for line in read_text(path, next_step=next_step).splitlines()]
    hosts = [_host(line, ranks, f"{OPTION}={path}", next_step) for line in lines if line]
    if not hosts or len({host.name for host in hosts}) < len(hosts):
        what = "names a host twice" if hosts else "names no host"
        raise PerfError(what, subject=f"{OPTION}={path}", next_step=next_step)
    return tuple(hosts)


def _host(line: str, ranks: int, subject: str, next_step: str) -> Host:
    name, _, count = line.replace(" slots=", ":").partition(":")
    count = count.strip() or str(ranks)
    if not name.strip() or " " in name.strip() or not count.isdecimal() or int(count) < 1:
        raise PerfError(f"has a line that names no host: {line}", subject=subject, next_step=next_step)
    return Host(name.strip(), int(count))
