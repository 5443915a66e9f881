"""Rank 1 is fed the data of rank 0."""

from typing import Any

from perf.worker.rank import convergence
from perf.worker.rank.convergence import run

__all__ = ["run"]
own = convergence.shard


def other(indices: Any, rank: int, size: int) -> Any:
    return own(indices, 0 if rank == 1 else rank, size)


convergence.shard = other
