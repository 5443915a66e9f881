"""The hosts of training jobs: the files that name them, and how many ranks fit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path

from perf.errors import PerfError
from perf.files import read_text

OPTION = "--perf-hosts"
NEXT_STEP = "write one host a line, in UTF-8, as node1, node1:2, node1 slots=2 or node[01-03,07]"
# Letters, digits, dots and hyphens (RFC 1123), and underscores, which some sites use. MPI launchers would take a name
# with a hyphen in front for an option.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# A line: one name or a compressed list of Slurm, the number of ranks, and what Open MPI lets follow.
LINE = re.compile(
    r"(?P<names>[^\s:]+)(?:\s*:\s*(?P<count>[0-9]{1,6}))?(?P<fields>(?:\s+(?:max[-_])?slots\s*=\s*[0-9]{1,6})*)"
)
FIELD = re.compile(r"((?:max[-_])?slots)\s*=\s*([0-9]{1,6})")
# A name of a list, with its brackets; a comma within one does not end it.
ENTRY = re.compile(r"(?:[^,\[]|\[[^\[\]]*\])+")
BRACKET = re.compile(r"\[([^\[\]]*)\]")
RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
# More hosts than any cluster has: a mistyped range must not fill the memory.
MOST_HOSTS = 100_000
# Characters of a line that a message shows.
SHOWN = 100


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

    A host without a number has `ranks` of them, and at most `max_slots`. A line may also be a list as Slurm writes it,
    such as `node[01-03,07],big1`. Raises PerfError when the file cannot be read, a line has another form, there is no
    host, or a host is named twice.
    """
    subject = f"{OPTION}={path}"
    # Some editors put a byte-order mark in front of UTF-8.
    text = read_text(path, next_step=NEXT_STEP).removeprefix("\ufeff")
    hosts: dict[str, tuple[Host, int]] = {}
    for number, whole in enumerate(text.splitlines(), start=1):
        line = whole.partition("#")[0].strip()
        for host in _hosts(line, number, ranks, subject) if line else ():
            # Names of hosts do not depend on case (RFC 4343), and a dot may end them (RFC 1034, 3.1).
            key = host.name.lower().removesuffix(".")
            if key in hosts:
                before = hosts[key][1]
                lines = f"line {number}" if before == number else f"lines {before} and {number}"
                what = f"names the host {host.name} twice, in {lines}"
                raise PerfError(what, subject=subject, next_step=f"{NEXT_STEP}, and each host once")
            hosts[key] = host, number
            if len(hosts) > MOST_HOSTS:
                raise PerfError(f"names more than {MOST_HOSTS} hosts", subject=subject, next_step=NEXT_STEP)
    if not hosts:
        raise PerfError("names no host", subject=subject, next_step=NEXT_STEP)
    return tuple(host for host, _ in hosts.values())


def _hosts(line: str, number: int, ranks: int, subject: str) -> Iterator[Host]:
    """Yield the hosts of a line. Raises PerfError when it has another form."""
    match = LINE.fullmatch(line)
    fields = [(name.replace("-", "_"), int(count)) for name, count in FIELD.findall(match["fields"])] if match else []
    counts = dict(fields) | ({"slots": int(match["count"])} if match and match["count"] else {})
    most = counts.get("max_slots", ranks)
    slots = counts.get("slots", min(ranks, most))
    names = _expanded(match["names"]) if match and len(counts) == len(fields) + bool(match["count"]) else None
    if not names or slots < 1:
        raise PerfError(
            f"has a line that names no host: line {number}: {line[:SHOWN]}", subject=subject, next_step=NEXT_STEP
        )
    if "max_slots" in counts and slots > most:
        what = f"has more slots than max_slots in line {number}: {line[:SHOWN]}"
        raise PerfError(what, subject=subject, next_step="lower slots, or raise max_slots")
    yield from (Host(name, slots) for name in names)


def _expanded(names: str) -> list[str] | None:
    """Return the names in a list of Slurm, in its order; None for other text, and for too many names.

    A bracket holds numbers and ranges, with as many leading zeros as their first number (hostlist_create(3) of Slurm).
    """
    expanded: list[str] = []
    entries = ENTRY.findall(names)
    if ",".join(entries) != names:
        return None
    for one in entries:
        fixed, brackets = BRACKET.split(one)[::2], [_numbers(inside) for inside in BRACKET.findall(one)]
        choices = [numbers for numbers in brackets if numbers]
        if len(choices) < len(brackets) or len(expanded) + prod(map(len, choices)) > MOST_HOSTS:
            return None
        expanded += [
            fixed[0] + "".join(a + b for a, b in zip(chosen, fixed[1:], strict=True)) for chosen in product(*choices)
        ]
    return expanded if all(NAME.fullmatch(name) for name in expanded) else None


def _numbers(inside: str) -> list[str] | None:
    """Return the numbers in a bracket, with their leading zeros; None when it holds anything else, or too many."""
    numbers: list[str] = []
    for part in inside.split(","):
        match = RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if match is None or not 0 <= last - first < MOST_HOSTS - len(numbers):
            return None
        numbers += [f"{number:0{len(match[1])}}" for number in range(first, last + 1)]
    return numbers
