"""One rank of a training job: `python -m perf.worker.rank JOB`, run by an MPI launcher in a build's own Python.

JOB is one JSON object: `program`, the module whose `run` is called with `arguments`; `cpus`, to which the rank pins
itself, empty when its launch prefix does; and three timeouts, documented in perf/dist/jobs.toml. The rank writes its
messages to standard output, one JSON object a line. Before MXNet is imported, standard output is redirected to standard
error, because MXNet and MPI print there as well.

The rank is a child of the process that was started, its guard. The guard reports how the rank ended: MPI then kills all
other ranks, and does not say which one ended first. It also passes the launcher's requests on to the rank, one JSON
object a line on standard input. It handles "hold", "release" and "alive" itself: it stops the rank, reports when the
kernel has stopped it, lets it run again, and notices when the launcher is gone.
"""

import fcntl
import importlib
import json
import os
import select
import signal
import sys
import termios
import threading
import time
import traceback
from array import array
from contextlib import suppress
from io import RawIOBase
from typing import Any, NoReturn

from perf.worker.process_lifetime import die_with_parent
from perf.worker.proof import cpus_of, peak_memory_bytes, proof_of_pinning
from perf.worker.rank.heartbeat import Heartbeat, end_proxy

# What the guard sends to the rank, by request.
SIGNALS = {"hold": signal.SIGSTOP, "release": signal.SIGCONT}
# The launcher reads within milliseconds; a busy machine may delay it.
READ_S = 2.0
READ_POLL_S = 0.002


def main() -> None:
    """Run as a guard, and in a child process as its rank."""
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    starter = os.getppid()
    requests, passed_on = os.pipe()
    job = json.loads(sys.argv[1])
    rank = os.fork()
    if rank:
        os.close(requests)
        arguments = (rank, passed_on, starter, job["launcher_silence_s"])
        threading.Thread(target=_handle_requests, args=arguments, daemon=True).start()
        _report_end(rank, messages)
    die_with_parent()
    os.close(passed_on)
    if job["cpus"]:
        os.sched_setaffinity(0, job["cpus"])
    # Read before MXNet is imported: Intel's OpenMP narrows this thread's mask.
    launch_cpus, cpus = cpus_of("self"), frozenset(os.sched_getaffinity(0))
    stall_s, first_step_s = job["stall_s"], job["first_step_s"]
    heartbeat = Heartbeat(messages, os.fdopen(requests), starter, cpus, stall_s=stall_s, first_step_s=first_step_s)
    os.dup2(2, 1)
    heartbeat.start()
    try:
        result = _run(job, heartbeat)
        report = {**result, "proof": proof_of_pinning(launch_cpus), "memory_bytes": peak_memory_bytes()}
    except Exception as error:  # noqa: BLE001 - whatever is raised is reported; MPI then ends the other ranks
        traceback.print_exc()
        heartbeat.send({"error": f"{type(error).__name__}: {error}"})
        os._exit(1)  # Horovod's own exit handler would wait for ranks that wait for this one
    heartbeat.send({"result": report})
    # All ranks shut down together, so that none is missing while another still sends to it.
    importlib.import_module("horovod.mxnet").shutdown()


def _handle_requests(rank: int, passed_on: int, starter: int, launcher_silence_s: float) -> None:
    """Handle the requests that are for the guard, and pass the other ones on to the rank, until standard input ends.

    Without any request for `launcher_silence_s` seconds the launcher is cut off: kill the rank, and the MPI's proxy
    that would wait for it.
    """
    unread = b""
    with os.fdopen(passed_on, "wb", buffering=0) as stream, suppress(ProcessLookupError, BrokenPipeError):
        while True:
            if not select.select([0], [], [], launcher_silence_s)[0]:
                os.kill(rank, signal.SIGKILL)
                end_proxy(starter)
                return
            read = os.read(0, 65536)
            if not read:
                break
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                do = json.loads(line)["do"]
                if do in SIGNALS:
                    os.kill(rank, SIGNALS[do])
                elif do != "alive":
                    stream.write(line + b"\n")
        os.kill(rank, signal.SIGCONT)


def _report_end(rank: int, messages: RawIOBase) -> NoReturn:
    """Report each time that the rank is stopped, and how it ended; then exit in the same way."""
    _, status = os.waitpid(rank, os.WUNTRACED)
    while os.WIFSTOPPED(status):
        messages.write(b'{"held": true}\n')
        _, status = os.waitpid(rank, os.WUNTRACED)
    code = os.waitstatus_to_exitcode(status)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
    messages.write(json.dumps({"ended": how}).encode() + b"\n")
    _wait_until_read(messages)
    os._exit(code if code >= 0 else 128 - code)


def _wait_until_read(messages: RawIOBase) -> None:
    """Wait until the launcher has read all messages, for at most `READ_S`: when a process ends badly, it may drop what
    that one wrote last, and with it which rank ended first.
    """
    unread = array("i", [0])
    deadline_s = time.monotonic() + READ_S
    with suppress(OSError):  # of a terminal, for instance, nothing is known
        while fcntl.ioctl(messages.fileno(), termios.FIONREAD, unread) == 0 and unread[0]:
            if time.monotonic() > deadline_s:
                return
            time.sleep(READ_POLL_S)


def _run(job: dict[str, Any], heartbeat: Heartbeat) -> dict[str, Any]:
    """Start Horovod and return what the rank program returns."""
    # Imported here: importing MXNet takes seconds, during which the rank must already send its heartbeat.
    horovod = importlib.import_module("horovod.mxnet")
    horovod.init()
    heartbeat.send({"rank": horovod.rank(), "size": horovod.size(), "host": os.uname().nodename})
    run = importlib.import_module(job["program"]).run
    result: dict[str, Any] = run(heartbeat=heartbeat, **job["arguments"])
    return result


if __name__ == "__main__":
    main()
