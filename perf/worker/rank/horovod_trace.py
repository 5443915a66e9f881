"""Horovod's timeline: for how long each activity ran. The file is in Chrome's trace format, one `pid` a tensor."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def activities_ns(path: Path) -> dict[str, int]:
    """Return, by activity, the wall time in ns for which it ran on at least one tensor.

    Activities are NEGOTIATE_ALLREDUCE and ALLREDUCE, and within the latter MEMCPY_IN_FUSION_BUFFER, MPI_ALLREDUCE and
    MEMCPY_OUT_FUSION_BUFFER. Raises ValueError when the file is not a timeline.
    """
    try:
        # Horovod may leave the list open, and a comma at its end.
        text = path.read_text().strip().rstrip(",")
        return _activities(json.loads(text if text.endswith("]") else text + "]"))
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a timeline of Horovod: {error}") from error


def _activities(events: Iterable[Any]) -> dict[str, int]:
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    running: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for event in events:
        if event.get("ph") == "B":
            running[event["pid"]].append((event["name"], event["ts"]))
        elif event.get("ph") == "E" and running[event["pid"]]:
            name, start = running[event["pid"]].pop()
            spans[name].append((start, event["ts"]))
    # Timestamps are in microseconds.
    return {name: 1000 * covered(intervals) for name, intervals in sorted(spans.items())}


def covered(intervals: Iterable[tuple[int, int]]) -> int:
    """Return the length of the union of intervals (start, end)."""
    total, reached = 0, None
    for start, end in sorted(intervals):
        begin: Any = start if reached is None else max(start, reached)
        if end > begin:
            total += end - begin
        reached = end if reached is None else max(reached, end)
    return total
