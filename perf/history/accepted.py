"""Accepted levels: from when on the level of a case is the one to keep, who says so and why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from perf.errors import PerfError
from perf.files import read_toml

# What an entry looks like.
STEP = 'write each as: [[accepted]] cases = "vgg16-*", since = 2026-11-26, by = "name", why = "reason"'


class AcceptedLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the file: the level of the `cases` that match a pattern is accepted from the first run on or after
    the day `since` (UTC). `by` is who accepted it, and `why` the reason.
    """

    cases: str
    since: date
    by: str
    why: str

    @property
    def start(self) -> datetime:
        """When the day begins."""
        return datetime.combine(self.since, time(), UTC)


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accepted: list[AcceptedLevel] = []


@dataclass(frozen=True)
class AcceptedLevels:
    """The `entries` of a history's file."""

    entries: tuple[AcceptedLevel, ...] = ()

    def of(self, case: str) -> AcceptedLevel | None:
        """Return the latest entry that matches a case, if there is one."""
        matching = [entry for entry in self.entries if fnmatchcase(case, entry.cases)]
        return max(matching, key=lambda entry: entry.since, default=None)

    def unmatched(self, cases: Collection[str]) -> list[str]:
        """Return the patterns that match none of these cases."""
        return [entry.cases for entry in self.entries if not any(fnmatchcase(case, entry.cases) for case in cases)]


def read_accepted(path: Path) -> AcceptedLevels:
    """Return the accepted levels in a file; none if it does not exist. Raises PerfError, naming the file, when an entry
    is not valid, or does not say who accepted what and why.
    """
    if not path.exists():
        return AcceptedLevels()
    content = read_toml(path, _Content, next_step=STEP)
    for number, entry in enumerate(content.accepted, 1):
        for field in ("cases", "by", "why"):
            text = getattr(entry, field)
            if not text.strip() or not text.isprintable():
                raise PerfError(f"entry {number} has no {field} in one line", subject=str(path), next_step=STEP)
    return AcceptedLevels(tuple(content.accepted))
