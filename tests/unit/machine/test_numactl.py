import os
import subprocess
from pathlib import Path

import pytest

from perf.machine.numactl import Numactl, find_numactl, numactl_finding
from perf.machine.placement import place_instances
from perf.machine.topology import Node, Topology, format_cpulist, read_topology

ONE_NODE = Topology((Node(0, (0,), ((0,),)),))
needs_numactl = pytest.mark.skipif(find_numactl(read_topology()).path is None, reason="numactl cannot bind here")


@pytest.fixture
def fake_numactl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "numactl"
    path.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return path


def test_a_missing_numactl_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    numactl = find_numactl(ONE_NODE)
    assert (numactl.path, numactl.problem) == (None, "numactl is not installed")
    assert "apt-get install numactl" in numactl.remedy
    assert "yum install numactl" in numactl.remedy


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (
            "echo 'set_mempolicy: Operation not permitted' >&2; echo more >&2; exit 1",
            "numactl cannot bind here (set_mempolicy: Operation not permitted)",
        ),
        ("exit 3", "numactl cannot bind here (exit code 3)"),
        ("echo 7f00 default heap; echo 7f01 bind:0 stack", "numactl had no effect (memory policy: bind:0, default)"),
        ("echo 7f00 default heap", "numactl had no effect (memory policy: default)"),
    ],
)
def test_a_numactl_that_does_not_bind_is_explained(fake_numactl: Path, script: str, problem: str) -> None:
    fake_numactl.write_text(f"#!/bin/sh\n{script}\n")
    numactl = find_numactl(ONE_NODE)
    assert (numactl.path, numactl.problem) == (None, problem)
    assert "SYS_NICE" in numactl.remedy


@pytest.mark.parametrize(
    ("script", "policies"),
    [
        ("echo 7f00 bind:1 heap", "bind:1"),
        ("echo 7f00 default heap; echo 7f01 bind:1 stack", "bind:1, default"),
        ("echo 7f00 interleave:0-1 heap", "interleave:0-1"),
        ("true", "nothing"),
    ],
)
def test_a_numactl_that_binds_elsewhere_is_not_blamed_on_the_container(
    fake_numactl: Path, script: str, policies: str
) -> None:
    fake_numactl.write_text(f"#!/bin/sh\n{script}\n")
    numactl = find_numactl(ONE_NODE)
    expected = f"{fake_numactl} does not do what it was asked (memory policy: {policies} instead of bind:0)"
    assert (numactl.path, numactl.problem) == (None, expected)
    assert "SYS_NICE" not in numactl.remedy
    assert "first on PATH" in numactl.remedy


@pytest.mark.parametrize("script", ["#!/nonexistent\n", "#!/bin/sh\nexec sleep 9\n"])
def test_a_numactl_that_does_not_run_is_explained(fake_numactl: Path, script: str) -> None:
    fake_numactl.write_text(script)
    assert "does not run" in find_numactl(ONE_NODE, timeout_s=0.1).problem


TWO_NODES = Topology((*ONE_NODE.nodes, Node(1, (1,), ((1,),))))


@pytest.mark.parametrize(
    ("topology", "verdict", "reading"),
    [(ONE_NODE, "fine", "numactl is not installed, one node"), (TWO_NODES, "doubtful", "numactl is not installed")],
)
def test_a_missing_numactl_is_doubtful_on_several_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, topology: Topology, verdict: str, reading: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = numactl_finding(topology)
    assert (finding.verdict, finding.reading) == (verdict, reading)
    assert bool(finding.advice) == (verdict == "doubtful")


def test_a_numactl_that_binds_is_fine(fake_numactl: Path) -> None:
    fake_numactl.write_text("#!/bin/sh\necho 7f00 bind:0 heap\n")
    finding = numactl_finding(TWO_NODES)
    assert (finding.verdict, finding.reading, finding.advice) == ("fine", "binds CPUs and memory", None)


def test_a_numactl_that_binds_is_used(fake_numactl: Path) -> None:
    fake_numactl.write_text("#!/bin/sh\necho 7f00 bind:0 heap\n")
    assert find_numactl(ONE_NODE) == Numactl(str(fake_numactl))


@needs_numactl
def test_the_prefix_binds_on_this_machine() -> None:
    topology = read_topology()
    for placement in place_instances(topology, threads=1, numactl=find_numactl(topology)):
        command = [*placement.prefix, "grep", "Cpus_allowed_list", "/proc/self/status"]
        status = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        assert status.split() == ["Cpus_allowed_list:", format_cpulist(placement.cpus)]


@needs_numactl
def test_the_trial_fails_outside_the_mask() -> None:
    beyond = max(os.sched_getaffinity(0)) + 1000
    assert "cannot bind here" in find_numactl(Topology((Node(0, (beyond,), ((beyond,),)),))).problem
