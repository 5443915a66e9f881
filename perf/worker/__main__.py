"""The worker: one instance of one variant, driven over a pipe by the measuring process.

Started as `python -m perf.worker [--affinity CPULIST]` with a build's own Python. Requests arrive on standard input,
one JSON object a line, and are answered in order, one line each, on the descriptor that was standard output at the
start. Standard output itself is redirected to standard error, because MXNet and MKL-DNN may print there at any time.
"""

import argparse
import json
import os
import sys
import traceback
from typing import Any, TextIO

from perf.worker.process_lifetime import die_with_parent
from perf.worker.proof import cpus_of, proof_of_pinning


def main() -> None:
    """Pin this process if asked to, then answer requests until the pipe closes."""
    parser = argparse.ArgumentParser(prog="python -m perf.worker")
    parser.add_argument("--affinity", default="", help="CPUs to run on when no launch prefix pinned this process")
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    die_with_parent()
    if options.affinity:
        os.sched_setaffinity(0, {int(cpu) for cpu in options.affinity.split(",")})
    launch_cpus, cpus = cpus_of("self"), os.sched_getaffinity(0)
    # MXNet is imported only here: Intel's OpenMP narrows this thread's mask, and the proof needs the original one.
    from perf.worker.graph import Graph  # noqa: PLC0415

    serve(Graph(cpus), launch_cpus, sys.stdin, replies)


def serve(graph: Any, launch_cpus: str, requests: TextIO, replies: TextIO) -> None:
    """Answer requests until the pipe closes. An exception becomes an error reply, which fails the caller's case."""
    _send(replies, {"pid": os.getpid()})
    for line in iter(requests.readline, ""):
        request = json.loads(line)
        do = request.pop("do")
        try:
            if do == "prove":
                answer = proof_of_pinning(launch_cpus)
            elif do == "run":
                answer = graph.run(requests=requests, announce=lambda: _send(replies, {"enough": True}), **request)
            else:
                answer = getattr(graph, do)(**request)
        except Exception as error:  # noqa: BLE001 - whatever MXNet raises belongs to the case, not to this loop
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        _send(replies, answer)


def _send(replies: TextIO, answer: dict[str, Any]) -> None:
    replies.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
