"""Horovod's timeline: for how long what was going on. Chrome's trace format, one `pid` for each tensor."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def activities(path: Path) -> dict[str, int]:
    """Wall time in ns in which at least one tensor was in an activity, by its name: NEGOTIATE_ALLREDUCE, ALLREDUCE,
    and within that MEMCPY_IN_FUSION_BUFFER, MPI_ALLREDUCE, MEMCPY_OUT_FUSION_BUFFER.

    ValueError when the file is no timeline.
    """
    text = path.read_text().strip().rstrip(",")
    events = json.loads(text if text.endswith("]") else text + "]")
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    begun: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for event in events:
        if event.get("ph") == "B":
            begun[event["pid"]].append((event["name"], event["ts"]))
        elif event.get("ph") == "E" and begun[event["pid"]]:
            name, started = begun[event["pid"]].pop()
            spans[name].append((started, event["ts"]))
    return {name: 1000 * covered(found) for name, found in sorted(spans.items())}


def covered(spans: Iterable[tuple[int, int]]) -> int:
    """The length of the union of intervals."""
    total, reached = 0, None
    for start, end in sorted(spans):
        begin: Any = start if reached is None else max(start, reached)
        if end > begin:
            total += end - begin
        reached = end if reached is None else max(reached, end)
    return total
