"""What other programs write: workers, ranks, the probes, gh, numactl; and the files that people hand in for them."""

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.fuzz.reader import CorruptedError, Reader, Seed
from perf.builds import Mpi
from perf.builds.facts import BuildFacts
from perf.cli.github import Comment
from perf.dist.launch.hosts import MOST_HOSTS, read_hosts
from perf.dist.launch.rank_output import RankOutput
from perf.errors import PerfError, WorkerError
from perf.files import decoded_output
from perf.ladder.traces import kernels_in
from perf.limits.cpu import Cpu
from perf.limits.kernels import kernels
from perf.limits.probe import limit_of, replies_in
from perf.machine import Placement
from perf.machine.numactl import find_numactl
from perf.machine.proof import check_pinning
from perf.machine.topology import Node, Topology
from perf.measure.workers.arrays import read_arrays, read_outputs
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Counted, Done, Freed, Loaded, Passes, Proof, Ready, WarmedUp
from perf.measure.workers.worker_group import overlapping
from perf.report.github.comment import read_state
from perf.runs.night.issue import OpenIssue
from perf.worker.rank.horovod_trace import activities_ns
from tests.support.fakes import build, facts

REPLIES: Sequence[tuple[Any, dict[str, Any]]] = (
    (Ready, {"pid": 1234}),
    (Loaded, {"operators": [{"name": "conv0", "op": "Convolution", "quantized": False, "inside": []}]}),
    (Counted, {"layers": [{"name": "c", "multiply_adds": 9, "weights": 3, "inputs": 4, "outputs": 2}],
               "weight_values": 3, "io_values": 6}),
    (Done, {}),
    (WarmedUp, {"durations_ns": [1000, 1100], "steady": True}),
    (Proof, {"online_cpus": "0-1", "launch_cpus": "0-1",
             "thread_cpus": {"1": "0-1", "2": "1"}, "policies": {"default": 9},
             "anonymous_kb": {"0": 4096}}),
    (Passes, {"passes_ns": [[1000, 2000], [2010, 3000]], "held_up_ns": 5, "stolen_ns": None}),
    (Freed, {"peak_memory_bytes": 1048576}),
)  # fmt: skip
OPEN, INTEL = Mpi("open", "4.1.4", Path("/usr"), bundled=False), Mpi("intel", "2021.18.1", Path("/o"), bundled=False)
TRACE = (
    b"mkldnn_verbose,exec,convolution,jit:avx2,forward_inference,fsrc:nchw,alg,mb1,0.1\ndnnl_verbose,exec,cpu,x,y,z\n"
)
TIMELINE = b'[{"name": "A", "ph": "B", "pid": 1, "ts": 10},\n{"ph": "E", "pid": 1, "ts": 30},\n'
NUMA = b"7f00 bind:0 anon=40\n7f01 bind:0 file=/lib/x.so\n"
HOSTS = b"node1\nnode2:4\n node3 slots=2 max-slots=4 # comment\nbig[01-03,07],other1\n"
KERNEL = next(iter(kernels().values()))
KERNEL_REPLY = {
    "kernel": KERNEL.name,
    "threads": [{"work": 1000, "stamps_ns": [[0.0, 5.5], [6.0, 9.0]], "clocks_ghz": [3.1]}],
}
COMMENT = (
    b'<!-- mxnet-perf {"version":1,"machine_class":"c5.metal","ended":"2026-11-23","result":"regressed",'
    b'"failing":["ab"],"confirmed":[]} -->\n\ntext\n'
)
ISSUE = (
    '<!-- mxperf-regression {"machine_class":"c5.metal","roles":[],"cases":["a"],"history":[]} -->\ntext <!-- x -->\n'
)


def _worker(folder: Path, path: Path) -> None:
    """Let a real process write the replies to its pipe, and use each as a worker group does."""
    placement = Placement(0, 0, (0, 1), 1, "affinity", ("/bin/cat", str(path), "--"), "")
    # The rest of the command names files that cat does not find: it writes the replies and ends.
    with Instance(build(folder=folder), placement, folder / "log", timeout_s=5.0) as instance:
        for kind, _ in REPLIES:
            reply = instance.receive(kind)
            if isinstance(reply, Proof):
                check_pinning(placement, msgspec.to_builtins(reply))
            if isinstance(reply, Passes):
                counted = overlapping([reply.passes_ns])
                if not all(ns > 0 for ns in counted[0]) or (reply.lost_share or 0) < 0:
                    raise CorruptedError(f"accepted {reply}")


def _ranks(mpi: Mpi, folder: Path) -> None:
    output = RankOutput(folder, mpi, 2)
    for rank, message in output.new_messages():
        if rank not in {0, 1} or not isinstance(message, dict):
            raise CorruptedError(f"accepted a message of rank {rank}")
    for rank in (0, 1):
        output.last_lines(rank)


def _limits(_: Path, path: Path) -> None:
    replies = replies_in(path.read_text(errors="replace"))
    limit = limit_of(KERNEL, [replies], Cpu("", frozenset(), None), 1, 1)
    if limit is not None and limit.rate < 0:
        raise CorruptedError(f"accepted {limit}")


def _hosts(_: Path, path: Path) -> None:
    hosts = read_hosts(path, 2)
    if not 0 < len(hosts) <= MOST_HOSTS or not all(host.ranks > 0 for host in hosts):
        raise CorruptedError("accepted hosts without ranks")


def _numactl(folder: Path, path: Path) -> None:
    """Let a program of this name print the file, and try it."""
    program = folder / "numactl"
    if not program.exists():
        program.write_text(f'#!/bin/sh\nexec /bin/cat "{path}"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    paths = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{paths}"
    try:
        find_numactl(Topology((Node(0, (0,), ((0,),)),)))
    finally:
        os.environ["PATH"] = paths


def _facts(_: Path, path: Path) -> None:
    text = path.read_text(errors="replace").rstrip().rpartition("\n")[2]
    decoded_output(text, BuildFacts, "the probe's output", subject="mkl", next_step="run again")


def _comments(_: Path, path: Path) -> None:
    for line in filter(None, path.read_text(errors="replace").split("\n")):
        read_state(decoded_output(line, Comment, "a comment", subject="gh", next_step="update gh").body)


def _issues(_folder: Path, path: Path) -> None:
    listed = path.read_text(errors="replace")
    for issue in decoded_output(listed, list[OpenIssue], "the answer", subject="gh", next_step="update gh"):
        if issue.subject is not None:
            issue.subject.mark  # noqa: B018 - what becomes of it


def _npz(folder: Path) -> bytes:
    path = folder / "outputs.npz"
    np.savez(path, allow_pickle=False, out0=np.arange(12.0).reshape(3, 4), out1=np.ones(3, np.int8))
    return path.read_bytes()


def _lines(*lines: object) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def readers(scratch: Path) -> list[Reader]:
    """Return the readers of pipes and of what programs print; `scratch` is a folder to make contents in."""
    comment = {"id": 1, "body": COMMENT.decode(), "type": "Bot"}
    tagged = (
        b'[1,0]<stdout>:{"alive": 0}\n[1,1]<stdout>:{"answer": [1\n[1,1]<stderr>:a word[1,0]<stdout>:hello\nmpirun\n'
    )
    return [
        Reader(
            name="replies of a worker",
            modules=("perf.measure.workers.instance", "perf.worker.__main__"),
            seeds=(Seed("replies", _lines(*(reply for _, reply in REPLIES)), "lines"),),
            read=_worker, refusals=(WorkerError,),
        ),
        Reader(
            name="arrays of a worker", modules=("perf.measure.workers.arrays",),
            seeds=(Seed("outputs.npz", _npz(scratch), "binary"),),
            read=lambda _, path: (len(read_arrays(path)), len(read_outputs(path))), refusals=(WorkerError,), weight=1.5,
        ),
        Reader(
            name="messages of ranks, Open MPI", modules=("perf.dist.launch.rank_output",),
            seeds=(Seed("launcher.out", tagged, "text"), Seed("launcher.err", b"[1,1]<stderr>:a word\n", "text")),
            read=lambda folder, _: _ranks(OPEN, folder),
        ),
        Reader(
            name="messages of ranks, Intel MPI", modules=("perf.dist.launch.rank_output",),
            seeds=(Seed("out.0", _lines({"rank": 0, "host": "a"}, {"result": {"x": 1.5}}), "lines"),),
            read=lambda folder, _: _ranks(INTEL, folder),
        ),
        Reader(
            name="Horovod's timeline", modules=("perf.worker.rank.horovod_trace",),
            seeds=(Seed("timeline.json", TIMELINE, "text"), Seed("whole.json", TIMELINE[:-2] + b"]", "json")),
            read=lambda _, path: activities_ns(path), refusals=(ValueError,),
        ),
        Reader(
            name="replies of the machine's probe", modules=("perf.limits.probe",),
            seeds=(Seed("out", _lines(KERNEL_REPLY, {"kernel": "b", "threads": [], "problem": "p"}), "lines"),),
            read=_limits,
        ),
        Reader(
            name="a build's facts", modules=("perf.builds.facts", "perf.census.settings"),
            seeds=(Seed("stdout", b"a warning\n" + _lines(msgspec.to_builtins(facts())), "lines"),), read=_facts,
        ),
        Reader(
            name="numactl", modules=("perf.machine.numactl",), seeds=(Seed("maps", NUMA, "text"),), read=_numactl,
            weight=0.3,
        ),
        Reader(
            name="traces of MKL-DNN", modules=("perf.ladder.traces",), seeds=(Seed("log", TRACE, "text"),),
            read=lambda _, path: kernels_in(path.read_text(errors="replace")), refusals=(),
        ),
        Reader(
            name="hosts", modules=("perf.dist.launch.hosts",), seeds=(Seed("hosts", HOSTS, "text"),), read=_hosts,
            weight=1.5,
        ),
        Reader(
            name="comments of gh",
            modules=("perf.cli.github", "perf.report.github.comment", "perf.cli.reports.comment"),
            seeds=(Seed("comments", _lines(comment, comment), "lines"),), read=_comments,
        ),
        Reader(
            name="text of a comment", modules=("perf.report.github.comment",), seeds=(Seed("c.md", COMMENT, "text"),),
            read=lambda _, path: read_state(path.read_text(errors="replace")), refusals=(), weight=0.5,
        ),
        Reader(
            name="issues of gh", modules=("perf.cli.nights.issue", "perf.runs.night.issue"),
            seeds=(Seed("issues", _lines([{"number": 1, "body": ISSUE}]), "json"),), read=_issues,
            refusals=(PerfError,),
        ),
    ]  # fmt: skip
