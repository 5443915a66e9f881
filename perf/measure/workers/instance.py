"""One worker process, as the measuring process sees it: started, asked, ended. Never waits without a limit."""

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
from perf.machine import Placement

LAST_WORDS = 12
# What decoding raises for lines that no worker means to write.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Reply = TypeVar("Reply", bound=msgspec.Struct)


class WorkerError(Exception):
    """A worker died, hung, or said something that is no answer; `last_words` are the last lines it wrote."""

    def __init__(self, what: str, last_words: str) -> None:
        super().__init__(what)
        self.what = what
        self.last_words = last_words


class Instance:
    """A worker on its node. Use as a context manager: on leaving, its whole process group is gone. WorkerError when it
    cannot be started.
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
        affinity = [] if placement.prefix else ["--affinity", ",".join(map(str, placement.cpus))]
        environment = process_environment(build, placement.threads, variables)
        try:
            with log.open("wb") as words:
                # A session of its own: Ctrl-C reaches the measuring process alone, which then ends its workers in
                # order, and one signal to the group reaches everything a worker may have started.
                self._process = subprocess.Popen(
                    [*placement.prefix, str(build.python), "-P", "-m", "perf.worker", *affinity],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=words,
                    bufsize=0,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise WorkerError(f"the worker could not be started: {error}", "") from error

    @property
    def pid(self) -> int:
        """The worker's process id; numactl replaces itself by the worker, so it is the same before and after."""
        return self._process.pid

    @property
    def log_text(self) -> str:
        """All the worker has written to its standard error and, redirected there, to its standard output."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, reply: type[Reply], do: str, **arguments: Any) -> Reply:
        """Send a request and wait for its answer. WorkerError when none comes in time or it is not one."""
        self.send({"do": do, **arguments})
        return self.receive(reply)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line. WorkerError when the worker is gone."""
        try:
            _pipe(self._process.stdin).write(msgspec.json.encode(message) + b"\n")
        except BrokenPipeError:
            raise self._gone() from None

    def receive(self, reply: type[Reply], timeout_s: float | None = None) -> Reply:
        """Wait for the next line and decode it. WorkerError as for `ask`."""
        line = self._read_line(self._timeout_s if timeout_s is None else timeout_s)
        try:
            refusal = msgspec.json.decode(line, type=_Refusal)
            if refusal.error is None:
                return msgspec.json.decode(line, type=reply)
        except UNREADABLE as error:
            words = line.decode(errors="replace").strip()
            raise self._failed(
                f"the worker answered with something that is no reply ({error}): {words[:200]}"
            ) from None
        raise self._failed(refusal.error)

    def close(self) -> None:
        """End the worker and its whole process group by SIGKILL: it has nothing to save, and must not linger."""
        self.kill()
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()

    def kill(self) -> None:
        """End the whole process group at once; works on stopped processes as well."""
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
                # Time runs out for a worker that floods the pipe with no end of line, too.
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
            return self._failed("the worker closed its pipe, did not end and was killed")
        if code < 0:
            return self._failed(f"the worker was ended by {signal.Signals(-code).name}")
        return self._failed(f"the worker exited with code {code}")

    def _failed(self, what: str) -> WorkerError:
        lines = [line for line in self.log_text.splitlines() if line.strip()]
        return WorkerError(what, "\n".join(lines[-LAST_WORDS:]))


class _Refusal(msgspec.Struct):
    error: str | None = None


def _pipe(stream: Any) -> BinaryIO:
    """The pipes are there by construction; Popen's types cannot say so."""
    pipe: BinaryIO = stream
    return pipe
