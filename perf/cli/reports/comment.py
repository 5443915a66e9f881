"""The subcommand comment: what a stored run says, as a comment on a pull request."""

from pathlib import Path
from typing import Annotated

import typer

from perf.cli.github import Comment, PullRequest, pull_request_of_workflow
from perf.cli.judge import judge_files
from perf.errors import PerfError
from perf.files import read_text
from perf.report.console import emit
from perf.report.github.comment import MARK, CommentState, comment_of, read_state
from perf.report.github.markdown import RunLabel
from perf.report.overview import overview_of_run
from perf.runs.baseline import TOLERANCES
from perf.runs.tolerances import read_tolerances


def comment(
    run: Annotated[Path, typer.Argument(help="The run: a JSON file that a session wrote.")],
    baseline: Annotated[
        Path | None,
        typer.Argument(help="The stored run to judge it against.", show_default="the latest of its machine class"),
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="A file with the comment on the run before; an empty one stands for none.")
    ] = None,
    post: Annotated[
        bool,
        typer.Option(
            "--post",
            help="Write the comment to the pull request of this GitHub workflow with `gh api`, and edit the one that "
            "is there, instead of printing it.",
        ),
    ] = False,
) -> None:
    """Print what a run says as Markdown, for a comment on a pull request: one word, the worst three findings, the rest
    folded, in at most 60 lines. Print nothing when the result is no news: ok, or not compared, and no earlier comment
    says otherwise.

    Exit code 0: printed, posted, or no news; 4: a file cannot be used, or GitHub refused.
    """
    now, judge, judged = judge_files(run, baseline)
    overview = overview_of_run(now, judge, judged, read_tolerances(TOLERANCES))
    label = RunLabel(now.perf.machine_class, now.perf.tier, now.datetime)
    if post and previous:
        raise PerfError("--previous and --post exclude each other", next_step="--post reads the comment itself")
    request = pull_request_of_workflow() if post else None
    stored = _own_comment(request, label.machine_class) if request else None
    state = read_state(stored.body) if stored else _state_in(previous)
    text = comment_of(overview, label, state)
    if not text:
        typer.echo(f"No news, no comment: {overview.result} ({overview.counts_text}).", err=True)
    elif request:
        request.write(text, stored.id if stored else None)
        typer.echo(f"{'Edited' if stored else 'Added'} the comment on pull request {request.number}.", err=True)
    else:
        emit(text)


def _own_comment(request: PullRequest, machine_class: str) -> Comment | None:
    """Return the comment of an earlier run of the machine class. Only a workflow's account counts: anybody may write
    the hidden line into a comment.
    """
    for one in request.comments():
        state = read_state(one.body)
        if one.type == "Bot" and state is not None and state.machine_class == machine_class:
            return one
    return None


def _state_in(path: Path | None) -> CommentState | None:
    """Return what the comment in a file says. Raises PerfError when there is something else in it."""
    text = read_text(path, next_step="name a file with a comment that `mxperf comment` printed") if path else ""
    state = read_state(text)
    if text.strip() and state is None:
        raise PerfError(
            f"is no comment that this version of mxperf printed: it does not start with {MARK.strip()!r}",
            subject=str(path),
            next_step="leave out --previous, or name a file with such a comment",
        )
    return state
