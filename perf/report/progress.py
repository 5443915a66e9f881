"""Progress of a session: what is measured now, how much is done, and the remaining time. A live line on a terminal,
elsewhere a plain line from time to time.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from perf.report.console import say

# Longer estimates are shown in minutes: they are not accurate to a second.
SHOWN_IN_SECONDS_S = 90


class ProgressLine:
    """Shows the progress of a session. It draws only when it is called, between slots: a thread that refreshed a
    spinner would run on the cores that are measured.
    """

    def __init__(self, console: Console, every_s: float = 0.0) -> None:
        """`every_s`: the fewest seconds between two lines of progress where there is no live line."""
        self._console = console
        self._every_s = every_s
        self._done = 0.0
        self._started_s: float | None = None
        self._printed_s: float | None = None
        self._bar: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live line while the context lasts, on a terminal only."""
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.percentage:3.0f} %"), BarColumn(20), TextColumn("{task.description}"))
        with Progress(*columns, console=self._console, auto_refresh=False, transient=True) as self._bar:
            self._task = self._bar.add_task("starting", total=1.0)
            self._bar.update(self._task, completed=self._done)
            yield
        self._bar = None

    def say(self, text: str) -> None:
        """Print a line that stays."""
        say(self._console, text)

    def show(self, text: str, left_s: float) -> None:
        """Show what is being done now, and how many seconds everything still takes: 0 at the end, which is always
        shown.
        """
        now_s = time.monotonic()
        if self._started_s is None:
            self._started_s = now_s
        elapsed_s = now_s - self._started_s
        self._done = elapsed_s / (elapsed_s + left_s) if elapsed_s + left_s else 1.0
        text = f"{text}; {remaining_time(left_s)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=text)
            self._bar.refresh()
        elif not left_s or self._printed_s is None or now_s - self._printed_s >= self._every_s:
            self._printed_s = now_s
            self.say(f"[{self._done:4.0%}] {text}")

    def restart(self) -> None:
        """Begin work whose remaining time follows from how long its parts took."""
        self._started_s = time.monotonic()

    def show_fraction(self, text: str, done: float) -> None:
        """Show what is being done now, of which the fraction `done` (above 0) is done since the last restart."""
        elapsed_s = time.monotonic() - (self._started_s or math.inf)
        self.show(text, max(0.0, elapsed_s * (1 - done) / done))


def remaining_time(left_s: float) -> str:
    """Return the remaining time, such as "8 min left"."""
    if left_s < SHOWN_IN_SECONDS_S:
        return f"{left_s:.0f} s left"
    return f"{left_s / 60:.0f} min left"
