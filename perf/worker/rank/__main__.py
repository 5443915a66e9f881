"""One rank of a training job: `python -m perf.worker.rank JOB`, started by an MPI launcher, with a build's own Python.

JOB is one JSON object. What the rank has to say goes to standard output, one JSON object a line, first of all that it
is alive; standard output itself is redirected to standard error, because MXNet and MPI print there when they please.

The rank is a child of the process that was started, its guard. That one tells how the rank ended: MPI kills all other
ranks then, and does not say which one was the first. It hands on what the launcher asks for, one JSON object a line on
standard input. "hold", "release" and "alive" are for the guard itself: it stops the rank, says when the kernel has
stopped it, lets it run again, and knows that the launcher is still there.
"""

import importlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from contextlib import suppress
from io import RawIOBase
from typing import Any, NoReturn

from perf.worker.process_lifetime import die_with_parent
from perf.worker.proof import cpus_of, peak_memory_bytes, proof_of_pinning
from perf.worker.rank.heartbeat import Heartbeat, end_launcher

SIGNALS = {"hold": signal.SIGSTOP, "release": signal.SIGCONT}


def main() -> None:
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    launcher = os.getppid()
    requests, handed_on = os.pipe()
    job = json.loads(sys.argv[1])
    rank = os.fork()
    if rank:
        os.close(requests)
        threading.Thread(target=_hand_on, args=(rank, handed_on, launcher, job["deaf_s"]), daemon=True).start()
        _watch(rank, messages)
    die_with_parent()
    os.close(handed_on)
    if job["affinity"]:
        # Where no launch prefix pinned this process.
        os.sched_setaffinity(0, job["affinity"])
    # Read before MXNet is imported: Intel's OpenMP narrows this thread's mask.
    launch_cpus, cpus = cpus_of("self"), frozenset(os.sched_getaffinity(0))
    heartbeat = Heartbeat(messages, os.fdopen(requests), launcher, cpus, stall_s=job["stall_s"], first_s=job["first_s"])
    os.dup2(2, 1)
    heartbeat.start()
    try:
        found = _train(job, heartbeat)
        result = {**found, "proof": proof_of_pinning(launch_cpus), "memory_bytes": peak_memory_bytes()}
    except Exception as error:  # noqa: BLE001 - whatever is raised belongs to the job; MPI ends the other ranks
        traceback.print_exc()
        heartbeat.say({"error": f"{type(error).__name__}: {error}"})
        os._exit(1)  # Horovod's own way out would wait for ranks that wait for this one
    heartbeat.say({"result": result})
    # In step, so that none is missing while others still talk to it.
    importlib.import_module("horovod.mxnet").shutdown()


def _hand_on(rank: int, requests: int, launcher: int, deaf_s: float) -> None:
    """Do what is asked of the guard, and hand on to the rank what is asked of it, until nothing more is. When nothing
    at all comes for `deaf_s` seconds, the launcher is cut off: end the rank, and what would wait for it.
    """
    heard = b""
    with os.fdopen(requests, "wb", buffering=0) as stream, suppress(ProcessLookupError, BrokenPipeError):
        while True:
            if not select.select([0], [], [], deaf_s)[0]:
                os.kill(rank, signal.SIGKILL)
                end_launcher(launcher)
                return
            read = os.read(0, 65536)
            if not read:
                break
            *lines, heard = (heard + read).split(b"\n")
            for line in lines:
                do = json.loads(line)["do"]
                if do in SIGNALS:
                    os.kill(rank, SIGNALS[do])
                elif do != "alive":
                    stream.write(line + b"\n")
        os.kill(rank, signal.SIGCONT)


def _watch(rank: int, messages: RawIOBase) -> NoReturn:
    """Tell each time that the rank is stopped, at last how it ended, and end in the same way."""
    _, status = os.waitpid(rank, os.WUNTRACED)
    while os.WIFSTOPPED(status):
        messages.write(b'{"held": true}\n')
        _, status = os.waitpid(rank, os.WUNTRACED)
    code = os.waitstatus_to_exitcode(status)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
    messages.write(json.dumps({"ended": how}).encode() + b"\n")
    os._exit(code if code >= 0 else 128 - code)


def _train(job: dict[str, Any], heartbeat: Heartbeat) -> dict[str, Any]:
    # Only now: importing MXNet takes seconds, in which the rank must be seen to be alive.
    horovod = importlib.import_module("horovod.mxnet")
    horovod.init()
    heartbeat.say({"rank": horovod.rank(), "size": horovod.size(), "host": os.uname().nodename})
    run = importlib.import_module(job["program"]).run
    answer: dict[str, Any] = run(heartbeat=heartbeat, **job["task"])
    return answer


if __name__ == "__main__":
    main()
