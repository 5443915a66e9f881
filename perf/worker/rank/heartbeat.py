"""What a rank tells of itself while it works, and what it does when nothing moves any more."""

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

BEAT_S = 1.0
# A pause of so many of the longest steps so far is no standstill.
STEPS = 5.0
# What starts ranks on a host other than its own, for Intel MPI and Open MPI. Cut off from the job's launcher, it would
# wait for a quarter of an hour, and the ranks that it watches with it.
LAUNCHERS = {"hydra_pmi_proxy", "orted"}
STANDSTILL = 75


class Heartbeat:
    """A thread that says each second that the process is alive, and ends it when its work stands still for `stall_s`
    seconds and five of its longest steps (`first_s` before the first one): MPI itself waits for ever for a rank that
    is stopped or cut off. While the process itself is stopped, or waits to be asked for something, no time counts.
    `stream` is where it speaks, `requests` where it is asked; `launcher` is the process that started this one's guard,
    and ends too; `cpus` are those that this process was put on.
    """

    def __init__(
        self,
        stream: RawIOBase,
        requests: TextIOBase,
        launcher: int,
        cpus: frozenset[int],
        *,
        stall_s: float,
        first_s: float,
    ) -> None:
        self.cpus = cpus
        self._stream = stream
        self._requests = requests
        self._launcher = launcher
        self._lock = threading.Lock()
        self._stall_s = stall_s
        self._allowed_s = first_s
        self._moved_s = time.monotonic()
        self._still_s = 0.0
        self._asked = True
        self._longest_s = 0.0
        self._steps = 0

    def start(self) -> None:
        threading.Thread(target=self._beat, daemon=True).start()

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the launcher; lost when it is gone."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[self._stream.write(line) or 0 :]
            except OSError:
                return

    def progressed(self) -> None:
        """One more step is done."""
        now = time.monotonic()
        if self._steps:
            self._longest_s = max(self._longest_s, now - self._moved_s)
        self._moved_s, self._still_s, self._steps = now, 0.0, self._steps + 1
        self._allowed_s = self._stall_s + STEPS * self._longest_s

    def requests(self) -> Iterator[dict[str, Any]]:
        """What is asked of this rank and all others, one after the other, until nothing more is."""
        self.say({"ready": True})
        while True:
            self._asked = False
            line = self._requests.readline()
            self._moved_s, self._still_s, self._asked = time.monotonic(), 0.0, True
            if not line:
                return
            yield json.loads(line)

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Answer the last request."""
        self.say({"answer": answer})

    def _beat(self) -> None:
        before_s = time.monotonic()
        while True:
            self.say({"alive": self._steps})
            if self._asked and self._still_s > self._allowed_s:
                self._give_up(self._still_s)
            time.sleep(BEAT_S)
            now = time.monotonic()
            # A stopped process slept longer than it wanted to.
            self._still_s += min(now - before_s, 2 * BEAT_S)
            before_s = now

    def _give_up(self, still_s: float) -> None:
        faulthandler.dump_traceback(file=sys.stderr)
        self.say({"stall": f"no step for {still_s:.0f} s, after {self._steps}"})
        time.sleep(BEAT_S)  # what was just said is still on its way
        end_launcher(self._launcher)
        os._exit(STANDSTILL)


def end_launcher(pid: int) -> None:
    """Kill what started the ranks of this host, if it is their host's own launcher."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/comm").read_text().strip() in LAUNCHERS:
            os.kill(pid, signal.SIGKILL)
