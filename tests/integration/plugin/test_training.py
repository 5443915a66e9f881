"""Sessions that train: what is recorded of a job, and what becomes of it where it cannot be run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from perf.dist.launch.emulated import emulated
from perf.profile.explain import STEP_OVERHEAD
from perf.runs.schema import read_run
from tests.integration.conftest import can_emulate
from tests.support.inline import Finished
from tests.support.session import run

pytestmark = pytest.mark.alone
EVERYWHERE = ("perf/dist/test_scaling.py", "--perf-tier=smoke", "--perf-ranks=2")
TRAIN = (*EVERYWHERE, "-k", "not 2hosts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Finished:
    """On this host, and on two emulated ones where there can be any."""
    return run(
        folder,
        *(EVERYWHERE if can_emulate() else TRAIN),
        f"--benchmark-json={folder / 'run.json'}",
        f"--perf-summary={folder / 'summary.md'}",
        f"--benchmark-storage=file://{folder / 'store'}",
        "--benchmark-save=trained",
    )


@pytest.fixture(scope="module")
def stored(trained: Finished, folder: Path) -> list[dict[str, Any]]:
    assert trained.code == 0, trained.output
    entries: list[dict[str, Any]] = json.loads((folder / "run.json").read_text())["benchmarks"]
    return entries


@pytest.fixture(scope="module")
def cases(stored: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of this host, by variant."""
    return {e["extra_info"]["variant"]: e for e in stored if "2hosts" not in e["extra_info"]["workload"]}


def test_efficiency_is_of_steps_on_one_rank_and_on_two(cases: dict[str, dict[str, Any]]) -> None:
    one, two = (cases[name]["extra_info"] for name in ("r1", "r2"))
    assert one["reference"] == two["reference"] == "r1"
    assert one["efficiency"] is None
    assert one["speedup"] is two["speedup"] is None
    assert len(two["samples"]["r1"]["floors"]) == two["invocations"] == 1
    assert two["samples"]["r1"]["over"] == one["stack"]
    assert (two["efficiency"]["invocations"], two["efficiency"]["disturbed"]) == (1, False)
    assert two["published"] == pytest.approx(0.9886)


def test_steps_of_every_rank_are_samples(cases: dict[str, dict[str, Any]]) -> None:
    one, two = cases["r1"], cases["r2"]
    assert one["stats"]["rounds"] == one["extra_info"]["passes"] >= 2
    assert two["extra_info"]["passes"] >= 2 * 2


def test_each_rank_has_its_own_cores(cases: dict[str, dict[str, Any]]) -> None:
    two = cases["r2"]["extra_info"]
    assert len(two["stack"]["placement"]) == two["instances"] == two["facts"]["ranks"] == 2
    assert len(set(two["stack"]["placement"])) == 2
    # Without numactl there are no prefixes: each rank then pins itself to its own CPUs.
    assert len(set(two["launch_prefixes"])) == (2 if any(two["launch_prefixes"]) else 1)
    assert two["facts"]["check"]["mpi"] == "Intel MPI 2021.18.1"


def test_a_stack_holds_the_job_its_ranks_and_horovod(cases: dict[str, dict[str, Any]]) -> None:
    one, two = (cases[name]["extra_info"]["stack"] for name in ("r1", "r2"))
    assert [len(stack["placement"]) for stack in (one, two)] == [1, 2]
    assert {name for name in one if one[name] != two[name]} == {"placement"}, "the same job on more ranks"
    assert (two["job"]["network"], two["job"]["batch"]) == ("mobilenet0.25", 1)
    assert two["horovod"].startswith("horovod ")
    assert two["mpi"] == "Intel MPI 2021.18.1"
    assert two["variables"].items() >= {"HOROVOD_TIMELINE": "DYNAMIC", "I_MPI_PIN": "off"}.items()


def test_the_parts_of_a_step_are_recorded(cases: dict[str, dict[str, Any]]) -> None:
    two = cases["r2"]["extra_info"]["facts"]["check"]
    assert {"STEP", "ALLREDUCE", "MPI_ALLREDUCE", "NEGOTIATE_ALLREDUCE"} <= two["timeline_s"].keys()
    assert two["timeline_s"]["MPI_ALLREDUCE"] <= two["timeline_s"]["ALLREDUCE"] <= two["timeline_s"]["STEP"]
    assert two["gradient_bytes"] == 1_880_288
    assert all(seconds > 0 for seconds in two["allreduce_s"].values())
    assert two["allreduce_s"]["67108864"] > two["allreduce_s"]["4096"]


def test_the_projection_is_in_the_markdown_and_marked_as_one(trained: Finished, folder: Path) -> None:
    assert trained.code == 0
    summary = (folder / "summary.md").read_text()
    assert "## PROJECTION, not measured" in summary
    assert "announcement's Table 1 |  | 98.9 % | 93.3 % | 93.3 % | 92.7 % | 93.0 %" in summary


def test_the_charts_are_where_the_session_says(trained: Finished) -> None:
    page = Path(trained.part("Charts of training: "))
    assert page.read_text().count("plotly-graph-div") >= 4


@pytest.mark.slow
def test_ranks_that_were_slowed_down_regress(trained: Finished, folder: Path, tmp_path: Path) -> None:
    assert trained.code == 0
    judged = run(
        tmp_path,
        *TRAIN,
        "--perf-inject=r2=400",
        "--perf-invocations=4",  # of fewer, intervals are too wide to tell the overhead from noise
        f"--benchmark-storage=file://{folder / 'store'}",
        "--benchmark-compare",
    )
    assert judged.code == 1
    assert "Compared with 0001_trained" in judged.output
    assert "INJECTED: r2 does 400 % more work" in judged.output
    assert "train-mobilenet0.25-b1-mkl-r2: regressed" in judged.output
    assert "changed: injected: 0.0 -> 4.0" in judged.output
    assert "train-mobilenet0.25-b1-mkl-r1: " not in judged.output, "one rank runs what it ran"
    kept = Path(judged.part("This run: "))
    case = read_run(kept).cases["train-mobilenet0.25-b1-mkl-r2"]
    assert case.side_by_side is not None
    assert (case.side_by_side.stack.injected, case.side_by_side.problem) == (0.0, None)
    assert case.side_by_side.values
    assert f"\n  by part of a step: {STEP_OVERHEAD}: +" in judged.output
    infos = [benchmark["extra_info"] for benchmark in json.loads(kept.read_text())["benchmarks"]]
    (explanation,) = (info["explanation"] for info in infos if info["variant"] == "r2")
    first, *rest = explanation["layers"]
    assert (explanation["unit"], first["name"]) == ("step", STEP_OVERHEAD)
    assert first["change"]["ms"] > 2 * max(abs(part["change"]["ms"]) for part in rest), explanation["layers"]


@pytest.mark.usefixtures("two_hosts")
def test_emulated_hosts_are_measured_and_check_the_projection(stored: list[dict[str, Any]], folder: Path) -> None:
    infos = [entry["extra_info"] for entry in stored]
    apart = next(info for info in infos if info["variant"] == "r2" and "2hosts" in info["workload"])
    assert apart["facts"]["check"]["place"].startswith("two emulated hosts (10 Gbit/s, ")
    assert apart["facts"]["check"]["link_gbit_per_s"] == 10
    row = r"\d % / \d+\.\d % \([+-]\d+\.\d points\) on 2 ranks, two emulated hosts"
    assert re.search(row, (folder / "summary.md").read_text())


@pytest.mark.slow
@pytest.mark.usefixtures("two_hosts")
def test_training_runs_on_the_hosts_of_a_hosts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session itself runs on the first of them; ranks reach the other one by the user's own variables."""
    hosts, file = tmp_path / "hosts", tmp_path / "run.json"
    with emulated() as cluster:
        hosts.write_text(f"{cluster.hosts[0]}\n{cluster.hosts[1]} slots=1 # the other one\n")
        for name, value in cluster.variables.items():
            monkeypatch.setenv(name, value)
        options = ("--perf-ranks=1", f"--perf-hosts={hosts}", f"--benchmark-json={file}")
        finished = run(tmp_path, *EVERYWHERE, "-k", "mkl-r2 and not 2hosts", *options, before=cluster.prefix)
    assert finished.code == 0, finished.output
    assert "1 passed" in finished.output
    infos = [entry["extra_info"] for entry in json.loads(file.read_text())["benchmarks"]]
    two = next(info for info in infos if info["facts"]["ranks"] == 2)
    assert two["facts"]["check"]["place"] == "2 hosts"
    assert [rank_placement.partition(",")[0] for rank_placement in two["stack"]["placement"]] == list(cluster.hosts)
    assert two["stack"]["environment"].items() >= {"FI_PROVIDER": "tcp", "I_MPI_FABRICS": "shm:ofi"}.items()
