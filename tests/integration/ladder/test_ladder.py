"""The ladder's own programs in a real worker, and a tiny ladder that is killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from perf.cache import cache_folder
from perf.files import ROOT, read_json
from perf.ladder.data import ladder_data, tier_named
from perf.ladder.programs import prepared_workloads
from perf.ladder.schema import StoredLadder
from perf.ladder.traces import kernels_in
from perf.measure.family import Resources
from perf.measure.plan import Variant
from perf.measure.workers.inspection import tracing
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Done, Loaded, Ready
from perf.measure.workers.worker_group import WorkerGroup
from tests.support.inline import OWN, Finished

TRAINING = "training-cifar_resnet20_v1-b2"
PATIENCE_S = 120.0


@pytest.mark.parametrize("role", ["native", "mkl"])
def test_every_operator_runs_in_both_builds_of_the_anchors_release(resources: Resources, role: str) -> None:
    log, path = resources.scratch / f"ladder-{role}.log", resources.scratch / f"ladder-{role}.npz"
    build, placement = resources.build(role), resources.placements[0]
    with Instance(build, placement, log, timeout_s=resources.timeout_s) as worker:
        worker.receive(Ready)
        for name, operator in ladder_data().operators.items():
            nodes = [{"name": node.op, **msgspec.to_builtins(node)} for node in operator.nodes]
            worker.ask(Loaded, "compose", nodes=nodes)
            worker.ask(Done, "bind", inputs=operator.shapes, scales=operator.scales, seed=1)
            worker.ask(Done, "save_outputs", path=str(path))
            with np.load(path) as saved:
                assert np.isfinite(saved["out0"]).all(), name
                assert saved["out0"].std() > 0, name


def test_a_training_step_runs_forward_and_backward_and_updates_weights_and_statistics(resources: Resources) -> None:
    (workload,) = prepared_workloads(tier_named("smoke"), [TRAINING], resources)
    build = resources.build("mkl")
    variant = Variant("release", build, workload.program(build))
    before, after, outputs = (resources.scratch / f"training-{n}.npz" for n in ("before", "after", "outputs"))
    group = WorkerGroup(variant, resources.placements, resources.scratch, timeout_s=60, variables=tracing(build))
    with closing(group):
        group.prepare(workload.measured)
        group.save_parameters(before)
        group.save_outputs(outputs)
        group.save_parameters(after)
        log = group.log_text
    with np.load(before) as then, np.load(after) as now, np.load(outputs) as saved:
        assert set(then) == set(now)
        unchanged = {name for name in then if np.array_equal(then[name], now[name])}
        assert saved["out0"].sum(axis=1) == pytest.approx(1, abs=1e-4)  # probabilities
        # Scales of batch norms may stay as they are: some gradients vanish in FP32.
        assert not {name for name in unchanged if name.endswith(("_weight", "_running_mean", "_running_var"))}
        moved = max(float(np.abs(then[name] - now[name]).max()) for name in then if "running" not in name)
        assert 0 < moved < 1e-3
    assert "backward_weights" in log
    assert any(kernel.startswith("convolution") for kernel in kernels_in(log))


class Command:
    """`mxperf releases` on one operator in two releases, from a cache that shares the builds of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._arguments = ["--from=1.5.0", "--to=1.5.1", "--tier=smoke", "--only=softmax", "--minutes=0.1"]

    def start(self, *more: str) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        arguments = [*self._arguments, f"--folder={self.folder}", *more]
        return subprocess.Popen(
            [sys.executable, "-c", "from perf.cli.main import main; main()", "releases", *arguments],
            cwd=ROOT,
            env={**environment, "MXNET_PERF_CACHE": str(cache_folder(None))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, *more: str) -> Finished:
        with self.start(*more) as process:
            output, _ = process.communicate(timeout=PATIENCE_S)
            return Finished(process.returncode, output)

    def killed_with_an_invocation_on_the_disk(self) -> list[psutil.Process]:
        """Kill it; return what it had started."""
        with self.start() as process:
            deadline_s = time.monotonic() + PATIENCE_S
            while not self.invocations() and process.poll() is None and time.monotonic() < deadline_s:
                time.sleep(0.005)
            started = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
        return started

    def invocations(self) -> Sequence[str]:
        """The whole lines of the journal that hold an invocation."""
        journal = self.folder / "journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
        return [line for line in lines if line.startswith('{"measured":') and line.endswith("\n")]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Command, Sequence[str], Finished]:
    """A ladder that was killed and resumed, with the invocations that it had recorded before."""
    command = Command(tmp_path_factory.mktemp("ladder") / "releases")
    started = command.killed_with_an_invocation_on_the_disk()
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert not alive, f"{alive} outlived the command; {gone} did not"
    before = command.invocations()
    assert before
    assert not (command.folder / "ladder.json").exists()
    return command, before, command.finish()


@pytest.mark.alone
@pytest.mark.slow
def test_a_ladder_that_was_killed_is_resumed_and_keeps_every_whole_invocation(
    resumed: tuple[Command, Sequence[str], Finished],
) -> None:
    command, before, finished = resumed
    assert finished.code == 0, finished.output
    assert list(command.invocations()[: len(before)]) == list(before)
    ladder = read_json(command.folder / "ladder.json", StoredLadder)
    assert [(cell.release, cell.status) for cell in ladder.cells] == [("1.5.0", "measured"), ("1.5.1", "measured")]
    counts = [len(cell.control) for cell in ladder.cells]
    assert sum(counts) == len(command.invocations())
    assert min(counts) >= tier_named("smoke").effort.min_invocations
    anchor, release = ladder.cells
    assert (anchor.is_anchor, anchor.values) == (True, [])
    assert len(release.values) == len(release.control)
    assert all(cell.kernels for cell in ladder.cells)


@pytest.mark.alone
@pytest.mark.slow
def test_the_same_command_measures_nothing_twice(resumed: tuple[Command, Sequence[str], Finished]) -> None:
    command, _, _ = resumed
    before = command.invocations()
    again = command.finish()
    assert command.invocations() == before
    assert again.part("Change of speed", "written:") == resumed[2].part("Change of speed", "written:")


@pytest.mark.alone
@pytest.mark.slow
def test_a_release_that_cannot_be_installed_is_not_available_and_the_rest_is_measured(
    resumed: tuple[Command, Sequence[str], Finished], tmp_path: Path
) -> None:
    broken = tmp_path / "mxnet_mkl-9.9-py3-none-any.whl"
    broken.write_bytes(b"no wheel")
    finished = resumed[0].finish(f"--with={broken}", "--minutes=0.2")
    assert finished.code == 3, finished.output
    assert f"Not available in {broken.name}: softmax (" in finished.output
    cells = json.loads((resumed[0].folder / "ladder.json").read_bytes())["cells"]
    assert [cell["status"] for cell in cells] == ["measured", "measured", "not available"]


@pytest.mark.alone
@pytest.mark.slow
def test_a_folder_of_another_ladder_is_refused(resumed: tuple[Command, Sequence[str], Finished]) -> None:
    finished = resumed[0].finish("--tier=standard", "--minutes=5")
    assert finished.code == 4
    assert "recorded under different conditions: workloads and effort" in finished.output
    assert "next: name another folder with --folder" in finished.output
