"""Running a training job: launching it, sending it requests, watching it, and ending it when a rank fails.

MPI waits without a limit for a rank that is stopped or cut off, so the launcher watches the heartbeat of every rank. On
a host that the launcher can no longer reach, a stalled rank terminates itself (perf.worker.rank.heartbeat).
"""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from perf.builds import process_environment
from perf.dist.launch.job import ERR, OUT, Job, command
from perf.dist.launch.rank_output import LAUNCHER, RankOutput
from perf.errors import WorkerError

# How often to check whether a job has ended; it takes several seconds.
POLL_S = 0.2
# How often to check for answers that are due. Shorter, because the other jobs wait meanwhile.
ANSWER_POLL_S = 0.01
# Every check takes time from the ranks: 0.6 ms of each 10 ms on a slow CPU, which was 6 % of a step on two ranks. So
# there are few checks until this fraction of the time that the last answer to the same request took.
NOT_DUE_FRACTION = 0.8
# The requests that guards of ranks (perf.worker.rank) handle, and the kinds of answers.
HOLD, RELEASE, ALIVE = "hold", "release", "alive"
READY, ANSWER, HELD = "ready", "answer", "held"
# What a rank's error contains when it failed because another rank ended.
CONSEQUENCES = ("HorovodInternalError", "Horovod has been shut down")
OnMessage = Callable[[Mapping[str, Any]], None]


@dataclass
class _Rank:
    """What is known of one rank.

    `last_message_s`: when its last message came, in seconds of the monotonic clock. `host`: where it runs. `started`:
    whether MPI and Horovod have started on it. `result`: what its program returned. `error`: what its program raised.
    `stall`: why it terminated itself. `ended`: how its process ended. `answers`: those not yet fetched, by kind.
    """

    last_message_s: float
    host: str
    started: bool = False
    result: dict[str, Any] | None = None
    error: str | None = None
    stall: str | None = None
    ended: str | None = None
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Return whether it has reported how it ended."""
        return self.result is not None or self.error is not None or self.ended is not None


def run_job(job: Job, scratch: Path, on_message: OnMessage = lambda _: None) -> list[dict[str, Any]]:
    """Run a job and return what its program returned on each rank. `on_message` gets each message of rank 0.

    Raises WorkerError, with a rank, its host and its last lines, when the job fails; every process of it that can be
    reached has then ended. Raises WorkerError, too, when ranks report different weights.
    """
    with running(job, scratch, on_message) as started:
        return started.results()


@contextmanager
def running(job: Job, scratch: Path, on_message: OnMessage = lambda _: None) -> Iterator["RunningJob"]:
    """Launch a job, and end it with the context, on every host that can be reached."""
    with TemporaryDirectory(dir=scratch, prefix="job-") as name:
        folder = Path(name)
        with _launched(job, folder) as process:
            yield RunningJob(job, folder, process, on_message)


@contextmanager
def _launched(job: Job, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = process_environment(job.build, job.rank_placements[0].placement.threads, job.environment)
    with (folder / f"{LAUNCHER}.{OUT}").open("wb") as out, (folder / f"{LAUNCHER}.{ERR}").open("wb") as err:
        process = subprocess.Popen(
            command(job, folder, environment),
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd="/",
            env=environment,
            start_new_session=True,  # Ctrl-C reaches pytest alone, which then ends the job in order
        )
    try:
        yield process
    finally:
        _end(process, job.timeouts.exit_s)


def _end(process: subprocess.Popen[bytes], exit_s: float) -> None:
    """End a job: ask the launcher, which alone reaches other hosts; after `exit_s`, kill what is left here."""
    _close_stdin(process)
    if process.poll() is not None:
        return
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(exit_s)
    process.kill()
    process.wait()
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(family, timeout=exit_s)


def _close_stdin(process: subprocess.Popen[bytes]) -> None:
    """Close a job's standard input, which says that there are no more requests."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


class RunningJob:
    """A launched job. Requests go to the standard input of every rank.

    Methods that wait for ranks raise WorkerError, as `run_job` does, when the job fails meanwhile.
    """

    def __init__(self, job: Job, folder: Path, process: subprocess.Popen[bytes], on_message: OnMessage) -> None:
        now = time.monotonic()
        self._job = job
        self._on_message = on_message
        self._process = process
        self._output = RankOutput(folder, job.mpi, len(job.rank_placements))
        self._ranks = [_Rank(now, rank_placement.host or "this host") for rank_placement in job.rank_placements]
        self._taken_s: dict[str, float] = {}
        self._sending = threading.Lock()
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def results(self) -> list[dict[str, Any]]:
        """Wait for the job to end, and return the result of each rank. No request may follow."""
        with self._sending:
            _close_stdin(self._process)
        self._restart_silence()
        deadline_s = time.monotonic() + self._job.deadline_s
        while self._process.poll() is None:
            self._read_messages()
            self._check(deadline_s)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_S)
        self._read_messages()
        results = [rank.result for rank in self._ranks if rank.result is not None]
        if self._process.returncode or len(results) < len(self._ranks):
            raise self._failure()
        if len({result.get("weights_sha256") for result in results}) > 1:
            raise WorkerError("the weights of the ranks differ after training", "")
        return results

    def log_text(self, rank: int) -> str:
        """Return what a rank has written to its standard error, whole lines only; all of it once the job has ended."""
        return "".join(f"{line}\n" for line in self._output.errors[rank])

    def ask(self, do: str, **arguments: object) -> list[Any]:
        """Send all ranks a request, and return their answers."""
        began_s, request = time.monotonic(), {"do": do, **arguments}
        self._send(request)
        answers = self.answers(ANSWER, self._taken_s.get(str(request), 0.0))
        self._taken_s[str(request)] = time.monotonic() - began_s
        return answers

    def answers(self, kind: str, expected_s: float = 0.0) -> list[Any]:
        """Wait until every rank has sent an answer of this kind, and return them. It is expected to take `expected_s`:
        until shortly before, ranks are hardly disturbed by checks.
        """
        now = time.monotonic()
        deadline_s, due_s = now + self._job.deadline_s, now + NOT_DUE_FRACTION * expected_s
        while True:
            over = self._process.poll() is not None
            self._read_messages()
            if all(kind in rank.answers for rank in self._ranks):
                return [rank.answers.pop(kind) for rank in self._ranks]
            if over:
                raise self._failure()
            self._check(deadline_s)
            time.sleep(min(max(due_s - time.monotonic(), ANSWER_POLL_S), POLL_S))

    def hold(self) -> None:
        """Stop all ranks, on every host, and wait until each rank's guard has reported it as stopped."""
        for rank in self._ranks:
            rank.answers.pop(HELD, None)
        self._send({"do": HOLD})
        self.answers(HELD)

    def release(self) -> None:
        """Let all ranks run again."""
        self._restart_silence()
        self._send({"do": RELEASE})

    def _restart_silence(self) -> None:
        """Count the silence of ranks from now: a stopped rank cannot send anything."""
        now = time.monotonic()
        for rank in self._ranks:
            rank.last_message_s = now

    def _send(self, request: Mapping[str, object]) -> None:
        if self._process.stdin is None:
            raise TypeError("the job was launched without a pipe for requests")
        # When the job has ended, waiting for the answer raises the reason.
        with self._sending, suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _keep_alive(self) -> None:
        """Tell the guards regularly that the launcher is there. A guard that is cut off terminates its rank, also while
        that one is stopped or waits for a request.
        """
        while self._process.poll() is None and self._process.stdin and not self._process.stdin.closed:
            self._send({"do": ALIVE})
            time.sleep(self._job.timeouts.launcher_silence_s / 10)

    def _read_messages(self) -> None:
        now = time.monotonic()
        for number, message in self._output.new_messages():
            rank = self._ranks[number]
            rank.last_message_s = now
            rank.started = rank.started or "rank" in message
            rank.host = message.get("host", rank.host)
            rank.result = message.get("result", rank.result)
            rank.error = rank.error or message.get("error")
            rank.stall = rank.stall or message.get("stall")
            rank.ended = message.get("ended", rank.ended)
            rank.answers.update({kind: message[kind] for kind in (READY, ANSWER, HELD) if kind in message})
            if number == 0:
                self._on_message(message)

    def _check(self, deadline_s: float) -> None:
        """Raise WorkerError when a rank has been silent for too long, when one ended without a result and MPI did not
        end the job (as when it exits with code 0), or when the job has passed its deadline.
        """
        now = time.monotonic()
        for number, rank in enumerate(self._ranks):
            silence_s = now - rank.last_message_s
            if not rank.over and not rank.started and silence_s > self._job.timeouts.start_s:
                what = f"had not started, and sent nothing for {silence_s:.0f} s; a longer --perf-timeout waits longer"
                raise self._error(number, what)
            if not rank.over and rank.started and silence_s > self._job.timeouts.silence_s:
                raise self._error(number, f"sent nothing for {silence_s:.0f} s: it is stopped or cut off")
            if rank.ended and rank.result is None and silence_s > self._job.timeouts.exit_s:
                raise self._failure()
        if now > deadline_s:
            slowest = min(range(len(self._ranks)), key=lambda number: self._ranks[number].over)
            raise self._error(slowest, f"had not finished after {self._job.deadline_s:.0f} s")

    def _failure(self) -> WorkerError:
        """Return why the job ended early: the error of the rank that is most likely to have failed first."""
        number = min(
            range(len(self._ranks)), key=lambda n: (_blame_order(self._ranks[n]), not self._output.has_errors(n))
        )
        rank = self._ranks[number]
        if rank.error:
            return self._error(number, f"raised {rank.error}")
        if rank.stall:
            return self._error(number, f"stalled: {rank.stall}")
        return self._error(number, f"{rank.ended or 'ended'} before it had a result")

    def _error(self, number: int, what: str) -> WorkerError:
        size = len(self._ranks)
        where = f"rank {number} of {size} on {self._ranks[number].host}"
        return WorkerError(f"{where} {what}", self._output.last_lines(number))


def _blame_order(rank: _Rank) -> int:
    """Return 0 for a rank that most likely failed first, and more the likelier it failed as a consequence."""
    if rank.result is not None:
        return 5
    if rank.error is None:
        return 2 if rank.stall else 1 if rank.ended else 3
    return 4 if any(text in rank.error for text in CONSEQUENCES) else 0
