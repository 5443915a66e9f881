"""How a rank communicates with its launcher (heartbeat, messages, requests), and how it ends when it stalls."""

import faulthandler
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import RawIOBase, TextIOBase
from pathlib import Path
from typing import Any

# Between two heartbeats: several of them fit into the silence that the launcher accepts.
INTERVAL_S = 1.0
# A pause of this many of the longest steps so far is not a stall.
STALL_STEPS = 5.0
# The process that starts ranks on a host, by Intel MPI and by Open MPI. Cut off from the job's launcher, it and the
# ranks that it watches would wait for a quarter of an hour.
PROXIES = {"hydra_pmi_proxy", "orted"}
# The exit code of a stalled rank: EX_TEMPFAIL of sysexits.h.
EXIT_STALLED = 75


class Heartbeat:
    """A thread that sends a heartbeat each second, and terminates the process when it stalls.

    A process stalls when it has taken no step for `stall_s` seconds plus five of its longest steps, or `first_step_s`
    before the first step: MPI itself waits without a limit for a rank that is stopped or cut off. The time for which
    the process is stopped, or waits for a request, does not count.

    `messages`: where messages are written. `requests`: where requests are read. `starter`: the process that started
    this one's guard; it is ended, too, when this process stalls. `cpus`: those to which the process is pinned.
    """

    def __init__(
        self,
        messages: RawIOBase,
        requests: TextIOBase,
        starter: int,
        cpus: frozenset[int],
        *,
        stall_s: float,
        first_step_s: float,
    ) -> None:
        self.cpus = cpus
        self._messages = messages
        self._requests = requests
        self._starter = starter
        self._lock = threading.Lock()
        self._stall_s = stall_s
        self._allowed_s = first_step_s
        self._last_step_s = time.monotonic()
        self._idle_s = 0.0
        self._busy = True
        self._longest_step_s = 0.0
        self._steps = 0

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send the launcher a message, which is lost when the launcher is gone."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[self._messages.write(line) or 0 :]
            except OSError:
                return

    def progressed(self) -> None:
        """Count one more step. To be called after each."""
        now = time.monotonic()
        if self._steps:
            self._longest_step_s = max(self._longest_step_s, now - self._last_step_s)
        self._last_step_s, self._idle_s, self._steps = now, 0.0, self._steps + 1
        self._allowed_s = self._stall_s + STALL_STEPS * self._longest_step_s

    def requests(self) -> Iterator[dict[str, Any]]:
        """Report that this rank is ready, and yield the requests, which all ranks receive, until there are no more."""
        self.send({"ready": True})
        while True:
            self._busy = False
            line = self._requests.readline()
            self._last_step_s, self._idle_s, self._busy = time.monotonic(), 0.0, True
            if not line:
                return
            yield json.loads(line)

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Answer the last request."""
        self.send({"answer": answer})

    def _beat(self) -> None:
        before_s = time.monotonic()
        while True:
            self.send({"alive": self._steps})
            if self._busy and self._idle_s > self._allowed_s:
                self._terminate(self._idle_s)
            time.sleep(INTERVAL_S)
            now = time.monotonic()
            # A process that was stopped meanwhile slept for longer than the interval.
            self._idle_s += min(now - before_s, 2 * INTERVAL_S)
            before_s = now

    def _terminate(self, idle_s: float) -> None:
        """Report the stall, and end this process and its host's proxy."""
        faulthandler.dump_traceback(file=sys.stderr)
        self.send({"stall": f"no step for {idle_s:.0f} s, after {self._steps} step{'s' * (self._steps != 1)}"})
        time.sleep(INTERVAL_S)  # the message must reach the launcher first
        end_proxy(self._starter)
        os._exit(EXIT_STALLED)


def end_proxy(pid: int) -> None:
    """Kill a process if it is one that MPI uses to start the ranks of a host."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/comm").read_text().strip() in PROXIES:
            os.kill(pid, signal.SIGKILL)
