"""Rank 1 is fed the data of rank 0."""

from typing import Any

from perf.worker.rank import learning
from perf.worker.rank.learning import run

__all__ = ["run"]
own = learning.shard


def other(indices: Any, rank: int, size: int) -> Any:
    return own(indices, 0 if rank == 1 else rank, size)


learning.shard = other
