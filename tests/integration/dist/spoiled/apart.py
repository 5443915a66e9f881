"""Ranks start from weights of their own."""

from typing import Any

from perf.worker.rank import convergence
from perf.worker.rank.convergence import run

__all__ = ["run"]


def nothing(net: Any) -> None:
    del net


convergence.broadcast = nothing  # type: ignore[attr-defined]
