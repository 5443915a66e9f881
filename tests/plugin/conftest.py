"""Sessions that several tests look at, each run once."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from perf.machine import read_machine

from .session import SMOKE, Finished, Session, run


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs of this machine class are kept; empty at first."""
    return tmp_path_factory.mktemp("baselines") / read_machine().machine_class


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `sound` writes its files."""
    return tmp_path_factory.mktemp("written")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory, store: Path, written: Path) -> Finished:
    """All that the smoke tier measures, compared with a baseline that is not there and then saved as one."""
    return run(
        tmp_path_factory.mktemp("sound"),
        *SMOKE,
        "perf/rnn/test_inference.py",
        "--perf-invocations=3",
        f"--benchmark-json={written / 'run.json'}",
        f"--perf-summary={written / 'summary.md'}",
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


@pytest.fixture(scope="session")
def slowed(tmp_path_factory: pytest.TempPathFactory, sound: Finished, store: Path) -> tuple[Finished, Path]:
    """One batch size, mkl-fp32 slowed down to a fifth on purpose, compared with `sound` and not to be stored; and a
    network that does not exist. With the run that it leaves in its cache.
    """
    assert sound.code == 0, sound.output
    temporary = tmp_path_factory.mktemp("slowed")
    finished = run(
        temporary,
        *SMOKE,
        "--perf-model=resnet5_v1",
        "--perf-model=cifar_resnet20_v1",
        "--perf-batch=1",
        "--perf-invocations=3",
        "--perf-inject=mkl-fp32=400",
        "-knot int8",
        f"--benchmark-storage=file://{store}",
        "--benchmark-compare=0001",
    )
    (kept,) = temporary.glob("cache/runs/*/run.json")
    return finished, kept


@pytest.fixture(scope="session")
def wounded(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A worker is killed in the first workload, another is stopped in the second."""
    temporary = tmp_path_factory.mktemp("wounded")
    with Session(temporary, *SMOKE, "--perf-timeout=12") as session:
        session.wait_for("cifar_resnet20_v1-b1, invocation 1")
        session.worker("mkl-fp32", speaking=True).kill()
        session.wait_for("cifar_resnet20_v1-b4, invocation 1")
        session.worker("mkl-int8").send_signal(signal.SIGSTOP)
        finished = session.finish()
        assert not session.workers()
    return finished
