"""Ranks start from weights of their own."""

from typing import Any

from perf.worker.rank import learning
from perf.worker.rank.learning import run

__all__ = ["run"]


def nothing(net: Any) -> None:
    del net


learning.broadcast = nothing  # type: ignore[attr-defined]
