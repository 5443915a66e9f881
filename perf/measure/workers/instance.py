"""One worker process as the measuring process sees it: started, asked, ended. Every wait has a timeout."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import msgspec

from perf.builds import Build, process_environment
from perf.errors import WorkerError
from perf.files import DECODING, UNREADABLE
from perf.machine import Placement, oom_kills

# How many of a worker's last lines an error shows: enough for the end of a traceback.
LAST_LINES = 12

Reply = TypeVar("Reply", bound=msgspec.Struct)


class Instance:
    """A worker process on its node. As a context manager, it ends its whole process group at the end.

    Raises WorkerError when it cannot be started.
    """

    def __init__(
        self,
        build: Build,
        placement: Placement,
        log: Path,
        *,
        timeout_s: float,
        variables: Mapping[str, str] | None = None,
        folder: Path = Path("/"),
    ) -> None:
        self.placement = placement
        self._timeout_s = timeout_s
        self._log = log
        self._buffer = b""
        self._oom_kills = oom_kills()
        affinity = [] if placement.prefix else ["--affinity", ",".join(map(str, placement.cpus))]
        environment = process_environment(build, placement.threads, variables)
        try:
            with log.open("wb") as stderr:
                # A session of its own: Ctrl-C reaches the measuring process only, which then ends its workers in order;
                # and one signal to the group reaches everything that a worker may have started.
                self._process = subprocess.Popen(
                    [*placement.prefix, str(build.python), "-P", "-m", "perf.worker", *affinity],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    bufsize=0,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise WorkerError(f"the worker could not be started: {error}", "") from error

    @property
    def pid(self) -> int:
        """Return the worker's process id. It never changes: numactl replaces itself with the worker."""
        return self._process.pid

    @property
    def log_text(self) -> str:
        """Return all that the worker has written to standard error and, redirected there, to standard output."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, reply: type[Reply], do: str, **arguments: Any) -> Reply:
        """Send a request and return its reply. Raises WorkerError when none arrives in time, or it is not a reply."""
        self.send({"do": do, **arguments})
        return self.receive(reply)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line. Raises WorkerError when the worker has ended."""
        try:
            _pipe(self._process.stdin).write(msgspec.json.encode(message) + b"\n")
        except BrokenPipeError:
            raise self._gone() from None

    def receive(self, reply: type[Reply], timeout_s: float | None = None) -> Reply:
        """Wait for the next line and return it decoded. Raises WorkerError as `ask` does."""
        line = self._read_line(self._timeout_s if timeout_s is None else timeout_s)
        try:
            with DECODING:
                refusal = msgspec.json.decode(line, type=_Refusal)
                if refusal.error is None:
                    return msgspec.json.decode(line, type=reply)
        except UNREADABLE as error:
            text = line.decode(errors="replace").strip()
            raise self._failed(f"the worker sent a line that is not a reply ({error}): {text[:200]}") from None
        raise self._failed(refusal.error)

    def close(self) -> None:
        """Kill the worker's whole process group, and close its pipes. A worker has nothing to save."""
        self.kill()
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()

    def kill(self) -> None:
        """Kill the whole process group at once, stopped processes too."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self._process.wait()

    def _read_line(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        stdout = _pipe(self._process.stdout)
        # Not epoll, which forgets a pipe that another thread closes: after Ctrl-C, a reader would wait for its timeout.
        with selectors.PollSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left_s = deadline - time.monotonic()
                # The deadline also holds for a worker that floods the pipe without an end of line.
                if left_s <= 0 or not selector.select(left_s):
                    self.kill()
                    raise self._failed(f"the worker did not answer within {timeout_s:g} s and was killed")
                received = os.read(stdout.fileno(), 1 << 20)
                if not received:
                    raise self._gone()
                self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _gone(self) -> WorkerError:
        try:
            code = self._process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._failed("the worker closed its pipe without ending and was killed")
        if code < 0:
            cause = ": memory ran out (dmesg)" if code == -signal.SIGKILL and oom_kills() != self._oom_kills else ""
            return self._failed(f"the worker was ended by {signal.Signals(-code).name}{cause}")
        return self._failed(f"the worker exited with code {code}")

    def _failed(self, what: str) -> WorkerError:
        lines = [line for line in self.log_text.splitlines() if line.strip()]
        return WorkerError(what, "\n".join(lines[-LAST_LINES:]))


class _Refusal(msgspec.Struct):
    """Any reply, of which only an error is decoded."""

    error: str | None = None


def _pipe(stream: Any) -> BinaryIO:
    """Return a pipe of Popen, whose types cannot say that it is there."""
    pipe: BinaryIO = stream
    return pipe
