"""The subcommand issue: open, update or close the issue about a confirmed regression."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from perf.cli.github import gh
from perf.cli.history import history_of
from perf.cli.judge import judge_files
from perf.files import decoded_output
from perf.history.findings import HistoryFindings
from perf.report.console import PlainConsole, emit, say, widened
from perf.report.issue import body_of, closing_text, title_of
from perf.runs.night.issue import Decision, HistoryState, OpenIssue, decide

# Only who may triage the repository can set a label: the text of an issue, which anybody may write, decides nothing.
LABEL = "performance-regression"
# More open issues of the label than this are not looked at: there is one for each machine class and candidate.
MOST_ISSUES = 200


def issue(
    run: Annotated[Path, typer.Argument(help="The run: a JSON file that a session or mxperf merge wrote.")],
    baseline: Annotated[
        Path | None,
        typer.Argument(help="The stored run to judge it against.", show_default="the latest of its machine class"),
    ] = None,
    *,
    repository: Annotated[str, typer.Option(help="The repository on GitHub, as OWNER/NAME.")],
    history: Annotated[
        Path | None, typer.Option(help="A folder with the histories of machine classes, in FOLDER/CLASS.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="The page of the workflow's run, to link to.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, and the issue's text, and change nothing.")
    ] = False,
) -> None:
    """Open or update one issue for a confirmed regression or a loss in the history, and close it when both are gone.

    There is one for each machine class, and one for its candidate wheels. A regression is confirmed when the gate calls
    a case regressed, measured side by side with the baseline's stack. Noise, a machine that drifted and a night that
    could not judge a case open nothing and close nothing. A loss in the history is one that `mxperf history check`
    finds; it is gone when its level is accepted, too. It uses the program gh.

    Exit code 0: done, or nothing to do; 4: a file cannot be used, or gh failed.
    """
    now, judge, judged = judge_files(run, baseline)
    console = widened(PlainConsole())
    findings, problem = history_of(history, now.perf.machine_class)
    if problem:
        say(console, problem)
    issues = _open_issues(repository)
    decision = decide(now.perf, judged, issues, _state(findings, issues) if findings else None)
    number = f" {decision.number}" if decision.number is not None else ""
    say(console, f"{decision.action}{f' issue{number}' if decision.action != 'nothing' else ''}: {decision.why}")
    if decision.action == "nothing":
        return
    if decision.action == "close":
        text = closing_text(decision, now, address)
    else:
        text = body_of(decision, now, judge, judged, findings if decision.subject.history else None, address)
    if dry_run:
        emit(text + "\n")
        return
    _carry_out(decision, text, repository)


def _state(findings: HistoryFindings, issues: Sequence[OpenIssue]) -> HistoryState:
    """Return what a history says of the cases that are lost, or that open issues name."""
    named = {case for issue in issues if issue.subject for case in issue.subject.history}
    lost = frozenset(one.series.case for one in findings.lost)
    return HistoryState(lost, frozenset(case for case in named - lost if findings.cleared(case)))


def _open_issues(repository: str) -> list[OpenIssue]:
    listed = _gh("issue", "list", "--state=open", f"--label={LABEL}", f"--limit={MOST_ISSUES}", "--json=number,body",
                 f"--repo={repository}")  # fmt: skip
    return decoded_output(
        listed, list[OpenIssue], "the answer of gh issue list", subject=repository, next_step="update gh"
    )


def _carry_out(decision: Decision, text: str, repository: str) -> None:
    where = f"--repo={repository}"
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "issue.md"
        body.write_bytes(text.encode())
        if decision.action == "open":
            _gh("label", "create", LABEL, "--force", "--description=Opened and closed by mxperf issue", where)
            _gh("issue", "create", f"--title={title_of(decision)}", f"--label={LABEL}", f"--body-file={body}", where)
        elif decision.action == "update":
            _gh("issue", "edit", str(decision.number), f"--body-file={body}", where)
        else:
            _gh("issue", "close", str(decision.number), "--reason=completed", f"--comment={text}", where)


def _gh(*arguments: str) -> str:
    step = "check the repository's name, and that the variable GH_TOKEN may write issues"
    return gh(*arguments, subject=f"gh {' '.join(arguments[:2])}", next_step=step)
