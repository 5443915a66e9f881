"""What a stored run says about where it comes from: its sessions, and its drift since the anchor."""

import msgspec

from perf.judge.statistics import median
from perf.wording import counted

# The sentence about the drift since the anchor names at most this number of cases.
SHOWN_LOSSES = 3


class SourceSession(msgspec.Struct, frozen=True):
    """A session that a refreshed baseline was built from: the name of its `file`, its `datetime` (ISO 8601, when it
    ended) and the `sha256` of the file's content. `cases` are the names of those that were taken from it.
    """

    file: str
    datetime: str
    sha256: str
    cases: tuple[str, ...]

    @property
    def text(self) -> str:
        """It as text, such as "session-1.json (2026-11-26T17:18, sha256 0123456789ab)"."""
        return f"{self.file} ({self.datetime[:16]}, sha256 {self.sha256[:12]})"


class CaseDrift(msgspec.Struct, frozen=True):
    """How far a case moved from the anchor: `since` names the stored run that the sum starts with (the anchor, or the
    first run that contains the case). `change` is the product of all ratios now over then (below 1 is slower), and
    `low` and `high` are its 95 % interval; None when a part of it was never measured. `unaccepted` is the part of it
    since a change of the case was last accepted, which is bounded.
    """

    since: str
    change: float | None
    low: float | None
    high: float | None
    unaccepted: float | None


class AnchorDrift(msgspec.Struct, frozen=True):
    """The drift of a run since the anchor of its machine class: the anchor's file name (`anchor`) and the `sha256` of
    its content, and the drift of each of the `cases` that has a ratio.
    """

    anchor: str
    sha256: str
    cases: dict[str, CaseDrift]

    @property
    def text(self) -> str:
        """The drift as a sentence: the median of all cases, the largest losses, and what is unknown."""
        known = {name: case.change for name, case in self.cases.items() if case.change is not None}
        unknown = len(self.cases) - len(known)
        text = f"Sum of drift since the anchor {self.anchor}: "
        text += (
            f"median {median(list(known.values())) - 1:+.1%} of {counted(len(known), 'case')}" if known else "unknown"
        )
        losses = sorted((change, name) for name, change in known.items() if change < 1)[:SHOWN_LOSSES]
        if losses:
            text += f"; largest losses: {', '.join(f'{name} {change - 1:+.1%}' for change, name in losses)}"
        return text + (f"; unknown for {counted(unknown, 'case')}" if unknown else "") + "."
