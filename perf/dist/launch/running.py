"""Running a training job: started, asked, listened to, and ended when a rank no longer does its part.

MPI waits for ever for a rank that is stopped or cut off, so the launcher listens to every rank's heartbeat. On the
hosts themselves, where no launcher can reach it, a stalled rank ends itself (perf.worker.rank.heartbeat).
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
from perf.measure.workers.instance import WorkerError

POLL_S = 0.2
# How often is looked for answers while other jobs wait for their turn: a look takes a tenth of a millisecond.
TURN_POLL_S = 0.01
# What is asked of the guards of ranks (perf.worker.rank), and the kinds of what is answered.
HOLD, RELEASE, ALIVE = "hold", "release", "alive"
READY, ANSWER, HELD = "ready", "answer", "held"
# What ranks raise because another one is gone.
CONSEQUENCES = ("HorovodInternalError", "Horovod has been shut down")
Tell = Callable[[Mapping[str, Any]], None]


@dataclass
class _Rank:
    """What is known of one rank: when it was last heard, in seconds of the monotonic clock, and what it said."""

    heard_s: float
    host: str
    result: dict[str, Any] | None = None
    error: str | None = None
    stall: str | None = None
    ended: str | None = None
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it said how it ended."""
        return self.result is not None or self.error is not None or self.ended is not None


def run_job(job: Job, scratch: Path, tell: Tell = lambda _: None) -> list[dict[str, Any]]:
    """Run a job to its end; what each rank found, by rank. `tell` gets what rank 0 says under way.

    WorkerError, naming a rank, its host and its last lines, when the job does not come to its end; nothing of it is
    left then, on any host that can be reached. WorkerError also when ranks that tell of their weights do not agree.
    """
    with running(job, scratch, tell) as started:
        return started.results()


@contextmanager
def running(job: Job, scratch: Path, tell: Tell = lambda _: None) -> Iterator["RunningJob"]:
    """Start a job. It is ended with the context, and nothing of it is left then, on any host that can be reached."""
    with TemporaryDirectory(dir=scratch, prefix="job-") as name:
        folder = Path(name)
        with _started(job, folder) as process:
            yield RunningJob(job, folder, process, tell)


@contextmanager
def _started(job: Job, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
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
        _end(process, job.deadlines.grace_s)


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a job: ask the launcher to, since only it reaches other hosts, and after `grace_s` kill whatever is here."""
    _close(process)
    if process.poll() is not None:
        return
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    process.kill()
    process.wait()
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(family, timeout=grace_s)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close the standard input: nothing more is asked."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


class RunningJob:
    """A job that has been started. What its program may be asked goes to the standard input of all ranks; WorkerError,
    as for `run_job`, when it can no longer answer.
    """

    def __init__(self, job: Job, folder: Path, process: subprocess.Popen[bytes], tell: Tell) -> None:
        now = time.monotonic()
        self._job = job
        self._tell = tell
        self._process = process
        self._voices = RankOutput(folder, job.mpi, len(job.rank_placements))
        self._ranks = [_Rank(now, rank_placement.host or "this host") for rank_placement in job.rank_placements]
        self._sending = threading.Lock()
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def results(self) -> list[dict[str, Any]]:
        """Ask nothing more and wait for the end; what each rank found, by rank. WorkerError when it is no end that was
        wanted, or the weights that ranks tell of differ.
        """
        with self._sending:
            _close(self._process)
        self._hear_from_now()
        deadline_s = time.monotonic() + self._job.deadline_s
        while self._process.poll() is None:
            self._listen()
            self._check(deadline_s)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_S)
        self._listen()
        found = [rank.result for rank in self._ranks if rank.result is not None]
        if self._process.returncode or len(found) < len(self._ranks):
            raise self._ended()
        if len({rank.get("weights_sha256") for rank in found}) > 1:
            raise WorkerError("the weights of the ranks are not the same after training", "")
        return found

    def ask(self, do: str, **arguments: object) -> list[Any]:
        """Ask all ranks for the same; their answers."""
        self._send({"do": do, **arguments})
        return self.answers(ANSWER)

    def answers(self, kind: str) -> list[Any]:
        """Wait until every rank has said something of a kind."""
        deadline_s = time.monotonic() + self._job.deadline_s
        while True:
            over = self._process.poll() is not None
            self._listen()
            if all(kind in rank.answers for rank in self._ranks):
                return [rank.answers.pop(kind) for rank in self._ranks]
            if over:
                raise self._ended()
            self._check(deadline_s)
            time.sleep(TURN_POLL_S)

    def hold(self) -> None:
        """Stop all ranks, on whatever host, and wait until each one's guard has seen it stop."""
        for rank in self._ranks:
            rank.answers.pop(HELD, None)
        self._send({"do": HOLD})
        self.answers(HELD)

    def release(self) -> None:
        """Let all ranks run again."""
        self._hear_from_now()
        self._send({"do": RELEASE})

    def _hear_from_now(self) -> None:
        """Whoever was held could say nothing."""
        now = time.monotonic()
        for rank in self._ranks:
            rank.heard_s = now

    def _send(self, request: Mapping[str, object]) -> None:
        if self._process.stdin is None:
            raise TypeError("a job is asked through its standard input")
        # When it has ended, waiting for the answer says why.
        with self._sending, suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _keep_alive(self) -> None:
        """Let the guards of ranks know that the launcher is there: one that is cut off while its rank is stopped, or
        waits, must end it.
        """
        while self._process.poll() is None and self._process.stdin and not self._process.stdin.closed:
            self._send({"do": ALIVE})
            time.sleep(self._job.deadlines.deaf_s / 10)

    def _listen(self) -> None:
        now = time.monotonic()
        for number, message in self._voices.heard():
            rank = self._ranks[number]
            rank.heard_s = now
            rank.host = message.get("host", rank.host)
            rank.result = message.get("result", rank.result)
            rank.error = rank.error or message.get("error")
            rank.stall = rank.stall or message.get("stall")
            rank.ended = message.get("ended", rank.ended)
            rank.answers.update({kind: message[kind] for kind in (READY, ANSWER, HELD) if kind in message})
            if number == 0:
                self._tell(message)

    def _check(self, deadline_s: float) -> None:
        """WorkerError for a rank that said nothing for too long, and for a job that takes too long."""
        now = time.monotonic()
        silence_s = self._job.deadlines.silence_s
        for number, rank in enumerate(self._ranks):
            if not rank.over and now - rank.heard_s > silence_s:
                raise self._failed(number, f"said nothing for {now - rank.heard_s:.0f} s: it is stopped or cut off")
        if now > deadline_s:
            slowest = min(range(len(self._ranks)), key=lambda number: self._ranks[number].over)
            raise self._failed(slowest, f"had not ended after {self._job.deadline_s:.0f} s")

    def _ended(self) -> WorkerError:
        """Why a job ended before its time: the rank that did not end for another one's sake."""
        number = min(range(len(self._ranks)), key=lambda n: (_innocence(self._ranks[n]), not self._voices.spoke(n)))
        rank = self._ranks[number]
        if rank.error:
            return self._failed(number, f"raised {rank.error}")
        if rank.stall:
            return self._failed(number, f"stood still: {rank.stall}")
        return self._failed(number, f"{rank.ended or 'ended'} before it had a result")

    def _failed(self, number: int, what: str) -> WorkerError:
        size = len(self._ranks)
        where = f"rank {number} of {size} on {self._ranks[number].host}"
        return WorkerError(f"{where} {what}", self._voices.last_words(number))


def _innocence(rank: _Rank) -> int:
    """How unlikely it is that a job ended because of this rank."""
    if rank.result is not None:
        return 5
    if rank.error is None:
        return 2 if rank.stall else 1 if rank.ended else 3
    return 4 if any(words in rank.error for words in CONSEQUENCES) else 0
