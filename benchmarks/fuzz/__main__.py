"""Fuzz everything that reads a file or a pipe: no crash, no hang, and no result that cannot be right.

`uv run python -m benchmarks.fuzz [--inputs N] [--seed SEED] [TARGET...]` changes the real contents of each reader
whose name contains TARGET, all without one. The changes know the form of the content, and hypothesis draws and shrinks
them. The same seed draws the same changes. The exit code is 1 when a reader failed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.fuzz.mutations import INPUTS, Changes, mutated, seed_number
from benchmarks.fuzz.reader import Bench, Reader, limit_memory
from benchmarks.fuzz.readers import all_readers
from perf.property_testing import for_random

INPUTS_OF_ALL, SEED = 100_000, "20261127"
# Of address space, 4 GB: a reader that wants more is no better than one that hangs.
MOST_BYTES = 4 << 30
# Characters of a failing content.
SHOWN = 400


@dataclass
class Failure:
    """The last input that failed: the simplest, once hypothesis has shrunk it."""

    path: str = ""
    content: bytes = b""
    changes: Changes = field(default_factory=list)


def counts(readers: Sequence[Reader], inputs: int) -> list[int]:
    """Return how many inputs each reader gets, by weight: at least one."""
    total = sum(reader.weight for reader in readers)
    return [max(1, round(inputs * reader.weight / total)) for reader in readers]


def fuzz(bench: Bench, count: int, seed: str, failure: Failure | None = None) -> None:
    """Let a reader read this many changed contents. Raises what it raised for the simplest content that fails, which is
    then in `failure`.
    """

    def check(drawn: tuple[int, Changes]) -> None:
        number = seed_number(drawn[0], bench.reader.seeds)
        seed_of = bench.reader.seeds[number]
        content = mutated(seed_of.content, seed_of.form, drawn[1])
        try:
            bench.attempt(number, content)
        except BaseException:
            if failure is not None:
                failure.path, failure.content, failure.changes = seed_of.path, content, drawn[1]
            raise

    for_random(INPUTS, check, first=f"{seed} {bench.reader.name}", count=count)


def run(readers: Sequence[Reader], inputs: int, seed: str, say: Callable[[str], None]) -> tuple[Table, int]:
    """Fuzz readers. Return the table of what became of the inputs, and how many readers failed."""
    table = Table("reader", "inputs", "accepted", "refused", "longest", "result")
    failed = total = 0
    for reader, count in zip(readers, counts(readers, inputs), strict=True):
        failure = Failure()
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            bench = Bench(reader, Path(folder))
            result = "ok"
            try:
                fuzz(bench, count, seed, failure)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                failed += 1
                result = type(error).__name__
                say(f"{reader.name}: {failure.path}: {result}: {error!s:.{SHOWN}}\n  {failure.content[:SHOWN]!r}")
                say(f"  changes {failure.changes}")
        tally = bench.tally
        total += tally.inputs
        numbers = (tally.inputs, tally.accepted, tally.refused)
        say(f"{reader.name}: {tally.inputs:,} inputs, {result}")  # a long run shows how far it is
        table.add_row(reader.name, *(f"{number:,}" for number in numbers), f"{tally.longest_s * 1e3:.0f} ms", result)
    table.add_section()
    table.add_row("all", f"{total:,}", "", "", "", f"{failed} failed" if failed else "ok")
    return table, failed


def main() -> None:
    """Fuzz, and print the table."""
    parser = argparse.ArgumentParser(description="Fuzz everything that reads a file or a pipe.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="parts of readers' names")
    parser.add_argument("--inputs", type=int, default=INPUTS_OF_ALL, help="how many inputs, of all readers together")
    parser.add_argument("--seed", default=SEED, help="the same seed draws the same inputs")
    options = parser.parse_args()
    limit_memory(MOST_BYTES)
    console = Console(width=140)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-seeds-") as scratch:
        every = all_readers(Path(scratch))
        chosen = [r for r in every if not options.targets or any(target in r.name for target in options.targets)]
        if not chosen:
            parser.error(f"no reader has such a name; there are {', '.join(reader.name for reader in every)}")
        table, failed = run(chosen, options.inputs, options.seed, lambda text: console.print(text, markup=False))
    console.print(table)
    console.print(f"seed {options.seed}, {time.monotonic() - started_s:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
