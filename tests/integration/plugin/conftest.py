"""Sessions that several tests look at, each run once."""

import json
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import psutil
import pytest

from perf.machine import read_machine
from perf.report.properties import PREFIX
from tests.support.inline import Finished
from tests.support.session import SMOKE, Session, run

NETWORK = "cifar_resnet20_v1"
# Variables of a shell that no worker inherits: MXNet's would make `native` fail.
IGNORED = {"MXNET_SUBGRAPH_BACKEND": "MKLDNN", "KMP_BLOCKTIME": "0"}
# It is Intel OpenMP's default: whether it is set or not, mkl runs the same.
OTHER_VARIABLE = {"KMP_BLOCKTIME": "200"}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs of this machine class are kept; empty at first."""
    return tmp_path_factory.mktemp("baselines") / read_machine().machine_class


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `sound` writes its files."""
    return tmp_path_factory.mktemp("written")


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `sound`, which holds its cache."""
    return tmp_path_factory.mktemp("sound")


@pytest.fixture(scope="session")
def sound(sound_folder: Path, store: Path, written: Path) -> Finished:
    """All that the smoke tier measures, compared with a baseline that is not there and then saved as one."""
    return run(
        sound_folder,
        *SMOKE,
        "perf/rnn/test_inference.py",
        "--perf-invocations=3",
        f"--benchmark-json={written / 'run.json'}",
        f"--perf-summary={written / 'summary.md'}",
        f"--junit-xml={written / 'junit.xml'}",
        f"--perf-report={written / 'report.html'}",
        f"--benchmark-storage=file://{store}",
        "--benchmark-compare",
        "--benchmark-save=first",
    )


@pytest.fixture(scope="session")
def benchmarks(sound: Finished, written: Path) -> dict[str, dict[str, Any]]:
    """What `sound` stored of each case, by workload and variant."""
    assert sound.code == 0, sound.output
    stored = json.loads((written / "run.json").read_text())["benchmarks"]
    return {f"{b['extra_info']['workload']} {b['extra_info']['variant']}": b for b in stored}


def stored(sound: Finished, store: Path) -> dict[str, Any]:
    """The run that `sound` stored."""
    assert sound.code == 0, sound.output
    content: dict[str, Any] = json.loads((store / "0001_first.json").read_text())
    return content


def store_in(folder: Path, content: dict[str, Any]) -> Path:
    """Store a run in a folder of the same machine class below another one, as its first."""
    shelf = folder / str(content["perf"]["machine_class"])
    shelf.mkdir()
    (shelf / "0001_first.json").write_text(json.dumps(content))
    return shelf


def widen(sample: dict[str, Any]) -> None:
    """Let the invocations of a stored speedup, which stays what it is, vary by so much that no session of the smoke
    tier can drift from it.
    """
    reference, variant = map(min, zip(*sample["floors"], strict=True))
    factor = math.exp(12.0)
    sample["floors"] = [
        (reference, factor * variant),
        (factor * reference, variant),
        (factor * reference, factor * variant),
    ]


@pytest.fixture(scope="session")
def unchanged(tmp_path_factory: pytest.TempPathFactory, sound: Finished, store: Path) -> tuple[Finished, Path]:
    """What `sound` ran with one image, compared with it, in a shell with variables that must not matter. With the run
    that it leaves in its cache.

    The floors of the stored run are widened: the smoke tier's are too noisy to tell a drift from none.
    """
    content = stored(sound, store)
    for benchmark in content["benchmarks"]:
        for sample in benchmark["extra_info"]["samples"].values():
            widen(sample)
    temporary = tmp_path_factory.mktemp("unchanged")
    shelf = store_in(temporary, content)
    with pytest.MonkeyPatch.context() as shell:
        for name, value in IGNORED.items():
            shell.setenv(name, value)
        finished = run(
            temporary,
            *SMOKE,
            "perf/rnn/test_inference.py",
            "--perf-batch=1",
            f"--benchmark-storage=file://{shelf}",
            "--benchmark-compare",
        )
    (kept,) = temporary.glob("cache/runs/*/run.json")
    return finished, kept


@pytest.fixture(scope="session")
def doctored(tmp_path_factory: pytest.TempPathFactory, sound: Finished, store: Path) -> Path:
    """Where the stored run of `sound` is, changed: mkl-fp32 of the network at batch size 1 ran with another variable,
    and its mkl-int8 with a wheel that is now at hand as a file only.
    """
    content = stored(sound, store)
    folder = tmp_path_factory.mktemp("doctored")
    evil = folder / "evil-1.0-py3-none-any.whl"
    evil.write_bytes(b"evil")
    cases = {benchmark["extra_info"]["variant"]: benchmark["extra_info"] for benchmark in content["benchmarks"]
             if benchmark["extra_info"]["workload"] == f"{NETWORK}-b1"}  # fmt: skip
    cases["mkl-fp32"]["stack"]["variables"].update(OTHER_VARIABLE)
    cases["mkl-int8"]["stack"].update(requirement=str(evil), wheel="0" * 64)
    for sample in cases["mkl-int8"]["samples"].values():
        widen(sample)
    return store_in(folder, content)


def properties(junit_xml: Path) -> dict[str, dict[str, str]]:
    """The suite's own properties of each item in JUnit XML, by the item's name."""
    return {
        item.attrib["name"]: {
            entry.attrib["name"]: entry.attrib["value"]
            for entry in item.iter("property")
            if entry.attrib["name"].startswith(PREFIX)
        }
        for item in ET.parse(junit_xml).iter("testcase")  # noqa: S314 - a file of our own
    }


@dataclass(frozen=True)
class Slowed:
    """A session that was slowed down on purpose, the run that it left in its cache, its JUnit XML, its `summary` as
    Markdown, and the environment variables of two workers: of a case and of its baseline arm.
    """

    finished: Finished
    kept: Path
    junit_xml: Path
    summary: Path
    variables: dict[str, str]
    variables_of_baseline_arm: dict[str, str]


@pytest.fixture(scope="session")
def slowed(tmp_path_factory: pytest.TempPathFactory, doctored: Path) -> Slowed:
    """One batch size, mkl-fp32 slowed down to a fifth on purpose, compared with `doctored` and not to be stored; and a
    network that cannot be prepared. It runs as in a workflow of GitHub Actions.
    """
    temporary = tmp_path_factory.mktemp("slowed")
    with Session(
        temporary,
        *SMOKE,
        "perf/rnn/test_inference.py",
        "--perf-model=mobilenet1.0_int8",
        f"--perf-model={NETWORK.upper()}",  # any spelling is the same network
        "--perf-batch=1",
        "--perf-invocations=3",
        "--perf-inject=mkl-fp32=400",
        f"--perf-summary={temporary / 'slowed.md'}",
        f"--benchmark-storage=file://{doctored}",
        "--benchmark-compare=0001",
        f"--junit-xml={temporary / 'junit.xml'}",
        before=("env", "GITHUB_ACTIONS=true"),
    ) as session:
        session.wait_for(f"{NETWORK}-b1, invocation 1")
        variables = [session.worker(name).environ() for name in ("mkl-fp32", "mkl-fp32@baseline")]
        finished = session.finish()
        assert not session.workers()
    (kept,) = temporary.glob("cache/runs/*/run.json")
    return Slowed(finished, kept, temporary / "junit.xml", temporary / "slowed.md", *variables)


@pytest.fixture(scope="session")
def wounded(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A worker is killed in the first workload, another hangs in the second."""
    temporary = tmp_path_factory.mktemp("wounded")
    with Session(temporary, *SMOKE, "--perf-timeout=6") as session:
        session.wait_for("cifar_resnet20_v1-b1, invocation 1")
        session.worker("mkl-fp32", speaking=True).kill()
        session.wait_for("cifar_resnet20_v1-b4, invocation 1")
        hanging = threading.Thread(target=stop_again_and_again, args=[session.worker("mkl-int8")], daemon=True)
        hanging.start()
        finished = session.finish()
        assert not session.workers()
        hanging.join()
    return finished


def stop_again_and_again(worker: psutil.Process) -> None:
    """Stop a worker in its turn. The session itself stops workers and continues them: one stop would not last."""
    with suppress(psutil.NoSuchProcess):
        while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            worker.suspend()
            time.sleep(0.002)
