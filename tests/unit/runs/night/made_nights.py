"""Nights made from a stored run: its cases divided among shards, as sessions with --perf-shard would store them."""

import json
import math
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from perf.files import ROOT
from perf.runs.night.shards import divided

STORED = ROOT / "baselines" / "intel-xeon-6.207-2c-1n-amx"
BASELINE = STORED / "0005_quick-5.json"
TONIGHT = STORED / "0006_quick-6.json"


def tonight() -> dict[str, Any]:
    """A stored run of a real session, as if it had been compared with the one before it."""
    document: dict[str, Any] = json.loads(TONIGHT.read_text())
    arguments = ["--perf-tier=quick", f"--benchmark-compare={BASELINE.name.removesuffix('.json')}"]
    document["perf"] |= {"compared_with": f"{BASELINE.name}, 2026-11-26T22:41:00", "arguments": arguments}
    return document


def split(document: dict[str, Any], shards: int = 2) -> list[dict[str, Any]]:
    """The shards of a run, in their order."""
    subjects: dict[str, float] = {}
    for benchmark in document["benchmarks"]:
        subject = f"{benchmark['extra_info']['family']} {benchmark['extra_info']['subject']}"
        subjects[subject] = subjects.get(subject, 0.0) + 1.0
    placed = divided(subjects, shards)
    items = {
        benchmark["fullname"]: placed[f"{benchmark['extra_info']['family']} {benchmark['extra_info']['subject']}"]
        for benchmark in document["benchmarks"]
    }
    return [shard_of(document, number, shards, items) for number in range(1, shards + 1)]


def shard_of(document: dict[str, Any], number: int, of: int, items: dict[str, int]) -> dict[str, Any]:
    part = deepcopy(document)
    part["benchmarks"] = [each for each in part["benchmarks"] if items[each["fullname"]] == number]
    part["perf"]["shard"] = {"number": number, "of": of, "items": items, "balanced_by": "cases", "night": "night 7"}
    return part


def written(folder: Path, documents: Sequence[dict[str, Any]]) -> list[Path]:
    paths = [folder / f"shard-{number}.json" for number in range(1, len(documents) + 1)]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(json.dumps(document))
    return paths


def slowed(document: dict[str, Any], case: str, by: float) -> dict[str, Any]:
    """The run, with a new wheel in every mkl variant, measured side by side with the baseline's: equal, but slower by
    the fraction `by` in one case.
    """
    changed = deepcopy(document)
    for benchmark in changed["benchmarks"]:
        info = benchmark["extra_info"]
        if not info["variant"].startswith("mkl"):
            continue
        then = deepcopy(info["stack"])
        info["stack"] |= {"wheel": "d" * 64, "requirement": "mxnet-mkl==1.5.1"}
        for name, sample in info["samples"].items():
            if name.startswith("mkl"):
                sample["over"] |= {"wheel": "d" * 64, "requirement": "mxnet-mkl==1.5.1"}
        loss = math.log1p(-by) if f"{info['workload']}-{info['variant']}" == case else 0.0
        noise = (0.002, -0.002, 0.001, -0.001, 0.0015, -0.0015)
        info["beside"] = {"values": [loss + value for value in noise], "stack": then, "problem": None}
        info["wheel_locked"] = False
    return changed
