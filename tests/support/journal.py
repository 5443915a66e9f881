"""What a session's journal says of its cases, and what the suite must make of it."""

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from statistics import mean, median
from typing import Any

import pytest

# Durations in ns of a case: slot by slot, instance by instance, pass by pass.
Slots = list[list[list[int]]]


def slots_of(lines: Iterable[str]) -> dict[str, Slots]:
    """Return the slots in a journal by case: its workload and variant."""
    slots: dict[str, Slots] = defaultdict(list)
    for line in lines:
        if measured := json.loads(line).get("measured"):
            for block in measured["invocation"]["blocks"]:
                for variant, slot in block["slots"].items():
                    slots[f"{measured['key']['workload']} {variant}"].append(slot["instances_ns"])
    return slots


def check_sum_and_mean(stored: dict[str, Any], slots: Slots) -> None:
    """Compute a case's throughput, the sum over instances, and its latency, their mean, from its passes once more, and
    compare it with what pytest-benchmark stored.
    """
    info = stored["extra_info"]
    instances = [[ns / 1e9 for passes in of_instance for ns in passes] for of_instance in zip(*slots, strict=True)]
    assert len(instances) == info["instances"]
    throughput = sum(info["items_per_pass"] / mean(passes) for passes in instances)
    assert info["throughput_items_per_s"] == pytest.approx(throughput, rel=1e-6)
    latencies = [mean(median(passes) for passes in slot) / 1e9 for slot in slots]
    assert info["latency_s"] == pytest.approx(median(latencies), rel=1e-4)
    assert sorted(stored["stats"]["data"]) == pytest.approx(sorted(chain(*instances)))
