"""Report pages of stored runs, and copies of such runs that were changed on purpose."""

import copy
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from perf.cli import main
from perf.runs.baseline import BASELINES

CLASS = "intel-xeon-6.207-2c-1n-amx"
LATER, EARLIER = (BASELINES / CLASS / name for name in ("0006_quick-6.json", "0005_quick-5.json"))
SLOWED = "resnet50_v1-b4-mkl-int8"
# A name that would run as a script wherever it is not escaped.
HOSTILE = "<script>document.title='harmed'</script><!--\"'&"


def stored(path: Path = LATER) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def case_in(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the record of a case in a run's content."""
    records = (entry["extra_info"] for entry in content["benchmarks"])
    return next(record for record in records if f"{record['workload']}-{record['variant']}" == name)


def regressed(content: dict[str, Any], name: str = SLOWED, by: float = 0.08) -> dict[str, Any]:
    """Return a copy of a run in which one case has another wheel, and is slower side by side."""
    changed = copy.deepcopy(content)
    record = case_in(changed, name)
    arm = copy.deepcopy(record["stack"])
    record["stack"] |= {"wheel": "f" * 64, "requirement": "./slow.whl"}
    noise = (0.004, -0.003, 0.001, -0.002, 0.002, -0.001)
    record["beside"] = {"values": [math.log1p(-by) + x for x in noise], "stack": arm, "problem": None}
    if "facts" in record:
        record["facts"]["check"] |= {"isa": "ref:any", "operators_fused": 1}
    return changed


def with_slots(content: dict[str, Any], blocks: int = 30) -> dict[str, Any]:
    """Return a copy of a run with this number of blocks in each of its invocations; the second block is disturbed."""
    changed = copy.deepcopy(content)
    for entry in changed["benchmarks"]:
        record = entry["extra_info"]
        own = [record["latency_s"] * (1 + 0.03 * math.sin(7 * number)) for number in range(blocks)]
        logs = {name: sample["typical"] for name, sample in record["samples"].items()}
        logs |= {f"{record['variant']}@baseline": record["beside"]["values"]} if record["beside"] else {}
        slots = [
            {
                "confirmation": False,
                "disturbed": False,
                "elapsed_s": 30.0,
                "disturbed_blocks": [2],
                "latencies_s": {record["variant"]: own}
                | {name: [s * math.exp(each[n]) for s in own] for name, each in logs.items() if n < len(each)},
            }
            for n in range(max(map(len, logs.values()), default=5))
        ]
        record |= {"slots": slots, "confirmations": 0, "stopped": "precise"}
    return changed


def drifted(content: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a run that states a drift of each case since an anchor."""
    changed = copy.deepcopy(content)
    records = [entry["extra_info"] for entry in changed["benchmarks"] if entry["extra_info"]["samples"]]
    one = {"since": EARLIER.name, "change": 0.97, "low": 0.95, "high": 0.99, "unaccepted": None}
    cases = {f"{record['workload']}-{record['variant']}": one for record in records}
    changed["perf"]["drift"] = {"anchor": EARLIER.name, "sha256": "0" * 64, "cases": cases}
    return changed


def renamed(content: dict[str, Any], name: str, to: str) -> dict[str, Any]:
    """Return a copy of a run in which one case belongs to a network of another name."""
    changed = copy.deepcopy(content)
    record = case_in(changed, name)
    record |= {"subject": to, "workload": f"{to}-b4"}
    record["facts"]["network"] = to
    return changed


def many(content: dict[str, Any], count: int) -> dict[str, Any]:
    """Return a copy of a run with this number of cases."""
    entries = []
    for number in range(count):
        entry = copy.deepcopy(content["benchmarks"][number % len(content["benchmarks"])])
        record = entry["extra_info"]
        record["workload"] += (
            f"-copy{number // len(content['benchmarks'])}" if number >= len(content["benchmarks"]) else ""
        )
        entries.append(entry)
    return {**content, "benchmarks": entries}


def write_report(
    monkeypatch: pytest.MonkeyPatch, page: Path, content: dict[str, Any], baseline: Path | None = EARLIER
) -> Path:
    """Let the subcommand report write the page of a run's content."""
    run = page.with_name("run.json")
    run.write_text(json.dumps(content))
    arguments = [str(run), *([str(baseline)] if baseline else []), "-o", str(page)]
    monkeypatch.setattr(sys, "argv", ["mxperf", "report", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    return page
