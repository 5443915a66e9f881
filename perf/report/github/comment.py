"""The comment on a pull request: what a run says, and a hidden line by which the next run edits it in place.

A finding that fails is unconfirmed until the comment of another run of the same machine class, the one before, says the
same of the case. So noise that raised an alarm once is never called confirmed.
"""

import hashlib
import json
from typing import Annotated

import msgspec
from msgspec import Meta

from perf.files import UNREADABLE
from perf.report.github.markdown import RunLabel, result_lines
from perf.report.overview import RESULT_MEANINGS, Finding, Overview

# The version of the hidden line. A line of another version is no longer understood: the comment is written again.
VERSION = 1
# What every comment starts with.
MARK = "<!-- mxnet-perf "
# Results that are no news, unless the comment says something else.
QUIET = frozenset({"ok", "not compared"})
# Findings that the hidden line holds, the gravest first: more would not leave room for the rest.
MOST_REMEMBERED = 200
# Digits of a finding's digest: two of some hundreds are the same with a probability below one in a million million.
DIGITS = 16

# JSON's escapes of what could end an HTML comment or mention somebody.
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&@"}


class CommentState(msgspec.Struct, frozen=True):
    """What a comment says, as its hidden line keeps it. `failing` and `confirmed` hold digests of a case and its
    verdict.
    """

    version: Annotated[int, Meta(description="version of the hidden line")]
    machine_class: Annotated[str, Meta(description="machine class of the run")]
    ended: Annotated[str, Meta(description="when the run ended")]
    result: Annotated[str, Meta(description="the run's result in one word")]
    failing: Annotated[tuple[str, ...], Meta(description="the cases that regressed or drifted")]
    confirmed: Annotated[tuple[str, ...], Meta(description="those of them of which the run before said the same")]


def comment_of(overview: Overview, label: RunLabel, previous: CommentState | None) -> str:
    """Return the comment on a run, in at most 60 lines; "" when the result is no news. `previous` is what the comment
    says now; None without one.
    """
    if overview.result in QUIET and (previous is None or previous.result in QUIET):
        return ""
    state = state_of(overview, label, previous)
    unconfirmed = [f.case for f in overview.findings if f.failing and _digest(f) not in state.confirmed]
    earlier = previous.result if previous and previous.result != state.result else ""
    return "\n".join([_hidden(state), "", *result_lines(overview, label, unconfirmed, earlier)]).rstrip() + "\n"


def state_of(overview: Overview, label: RunLabel, previous: CommentState | None) -> CommentState:
    """Return what the comment on a run says. A repeated comment on the same run confirms nothing."""
    failing = tuple(_digest(finding) for finding in overview.findings if finding.failing)[:MOST_REMEMBERED]
    before: tuple[str, ...] = ()
    if previous is not None and previous.machine_class == label.machine_class:
        before = previous.confirmed if previous.ended == label.ended else previous.failing
    return CommentState(
        version=VERSION,
        machine_class=label.machine_class,
        ended=label.ended,
        result=overview.result,
        failing=failing,
        confirmed=tuple(digest for digest in failing if digest in before),
    )


def read_state(comment: str) -> CommentState | None:
    """Return what a comment says; None if it is none of this version."""
    line = comment.lstrip().partition("\n")[0].strip()
    if not line.startswith(MARK) or not line.endswith(" -->"):
        return None
    try:
        state = msgspec.json.decode(line.removeprefix(MARK).removesuffix(" -->"), type=CommentState)
    except UNREADABLE:
        return None
    return state if state.version == VERSION and state.result in RESULT_MEANINGS else None


def _hidden(state: CommentState) -> str:
    """Return the hidden line: JSON in an HTML comment."""
    text = json.dumps(msgspec.to_builtins(state), separators=(",", ":"))
    return f"{MARK}{text.translate(_ESCAPES)} -->"


def _digest(finding: Finding) -> str:
    return hashlib.sha256(f"{finding.case}\n{finding.kind}".encode()).hexdigest()[:DIGITS]
