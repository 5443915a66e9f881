"""What is measured now, what is left, and how long it will take: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from perf.report.console import say


class ProgressLine:
    """Tells the progress of a session. It draws only when told something, between slots: a thread that refreshed a
    spinner meanwhile would run on the cores that are measured.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._done = 0.0
        self._started: float | None = None
        self._bar: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live line while something is measured; on a terminal only."""
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
        """Tell something that happens once, on a line of its own."""
        say(self._console, text)

    def restart(self) -> None:
        """Begin to count anew: what is told from now on has its own share and time to go."""
        self._done = 0.0
        self._started = None

    def tell(self, text: str, share: float) -> None:
        """Tell what is measured now, `share` (0 to 1) of it all being done."""
        self._done = share
        if self._started is None:
            self._started = time.monotonic()
        text = f"{text}; {remaining_time(time.monotonic() - self._started, share)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=share, description=text)
            self._bar.refresh()
        else:
            self.say(f"[{share:4.0%}] {text}")


def remaining_time(elapsed_s: float, share: float) -> str:
    """A person's answer to "how long still?" from the time so far (s) and the share of the work that is done."""
    if share <= 0:
        return "time to go unknown yet"
    left_s = elapsed_s * (1 - share) / share
    if left_s < 90:  # noqa: PLR2004 - beyond it, seconds say nothing
        return f"{left_s:.0f} s to go"
    return f"{left_s / 60:.0f} min to go"
