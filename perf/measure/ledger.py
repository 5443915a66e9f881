"""Where a session's wall time goes, by stage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Ledger:
    """Seconds of wall time by stage, in the order in which the stages were first entered; `parts` are shares of them
    that have a name of their own.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.parts: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Book the wall time of the block on a stage, whatever ends it."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.book(name, time.monotonic() - started)

    def book(self, name: str, seconds: float) -> None:
        """Book time on a stage that was measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def move(self, source: str, target: str, seconds: float) -> None:
        """Book seconds on `target` that the stage `source`, entered and not yet left, must not count."""
        self.book(target, seconds)
        self.book(source, -seconds)

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Book on `name` as well the time that stages take inside the block; it is a part of theirs."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.parts[name] = self.parts.get(name, 0.0) + time.monotonic() - started
