"""Accounting of a session's wall time, by stage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Ledger:
    """Wall time by stage.

    seconds: seconds by stage, in the order in which the stages were first entered.
    parts: seconds by name, which are part of the stages' seconds.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.parts: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Book the wall time of the block to a stage, even when the block raises."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.book(name, time.monotonic() - started)

    def book(self, name: str, duration_s: float) -> None:
        """Book time that was measured elsewhere to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + duration_s

    def move(self, source: str, target: str, duration_s: float) -> None:
        """Book time to `target` instead of `source`, a stage that has been entered and not left."""
        self.book(target, duration_s)
        self.book(source, -duration_s)

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Also book the wall time of the block to the part `name`; stages inside the block book it as usual."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.parts[name] = self.parts.get(name, 0.0) + time.monotonic() - started
