"""What a stored run says about where it comes from: its sessions, and its drift since the anchor."""

from typing import Annotated

import msgspec
from msgspec import Meta

from perf.judge.statistics import median
from perf.wording import counted

# The sentence about the drift since the anchor names at most this number of cases.
SHOWN_LOSSES = 3


class SourceSession(msgspec.Struct, frozen=True):
    """A session that a refreshed baseline was built from."""

    file: Annotated[str, Meta(description="name of its file")]
    datetime: Annotated[str, Meta(description="when it ended (ISO 8601)")]
    sha256: Annotated[str, Meta(description="sha256 of the file's content")]
    cases: Annotated[tuple[str, ...], Meta(description="names of the cases that were taken from it")]

    @property
    def text(self) -> str:
        """It as text, such as "session-1.json (2026-11-26T17:18, sha256 0123456789ab)"."""
        return f"{self.file} ({self.datetime[:16]}, sha256 {self.sha256[:12]})"


class CaseDrift(msgspec.Struct, frozen=True):
    """How far a case moved from the anchor; null where a part of it was never measured."""

    since: Annotated[
        str, Meta(description="stored run that the sum starts with: the anchor, or the first that contains the case")
    ]
    change: Annotated[
        float | None, Meta(description="product of all ratios now, divided by the ratio then; below 1 is slower")
    ]
    low: Annotated[float | None, Meta(description="lower end of the 95 % interval")]
    high: Annotated[float | None, Meta(description="upper end of the 95 % interval")]
    unaccepted: Annotated[
        float | None, Meta(description="the part since a change of the case was last accepted, which is bounded")
    ]


class AnchorDrift(msgspec.Struct, frozen=True):
    """The drift of a run since the anchor of its machine class."""

    anchor: Annotated[str, Meta(description="file name of the anchor")]
    sha256: Annotated[str, Meta(description="sha256 of the anchor's content")]
    cases: Annotated[dict[str, CaseDrift], Meta(description="drift of each case that has a ratio")]

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
