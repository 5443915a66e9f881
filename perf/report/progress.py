"""Progress of a session: what is measured now, how much is done, and the remaining time. A live line on a terminal,
plain lines elsewhere.
"""

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

    def __init__(self, console: Console) -> None:
        self._console = console
        self._done = 0.0
        self._started: float | None = None
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

    def restart(self) -> None:
        """Restart the estimate of the remaining time, for work that follows."""
        self._done = 0.0
        self._started = None

    def show(self, text: str, done: float) -> None:
        """Show what is measured now, and which fraction of the work is `done` (0 to 1)."""
        self._done = done
        if self._started is None:
            self._started = time.monotonic()
        text = f"{text}; {remaining_time(time.monotonic() - self._started, done)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
            self._bar.refresh()
        else:
            self.say(f"[{done:4.0%}] {text}")


def remaining_time(elapsed_s: float, done: float) -> str:
    """Return an estimate of the remaining time, such as "8 min left", from the seconds so far and the fraction of the
    work that is `done`.
    """
    if done <= 0:
        return "remaining time unknown"
    left_s = elapsed_s * (1 - done) / done
    if left_s < SHOWN_IN_SECONDS_S:
        return f"{left_s:.0f} s left"
    return f"{left_s / 60:.0f} min left"
