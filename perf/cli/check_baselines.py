"""The subcommand check-baselines: whether a branch may be merged, by the stored runs that it adds."""

from pathlib import Path
from typing import Annotated

import typer

from perf.files import ROOT
from perf.report.console import PlainConsole, say, widened
from perf.runs.refreshing.proposal import judge_proposal
from perf.wording import counted

# The exit code of a branch that must not be merged.
REFUSED = 1


def check_baselines(
    base: Annotated[str, typer.Argument(help="The branch or commit to merge into, such as origin/main.")],
    head: Annotated[str, typer.Argument(help="The branch or commit with the new stored runs.")] = "HEAD",
    repository: Annotated[Path, typer.Option(help="The git checkout.", show_default="this one")] = ROOT,
) -> None:
    """Judge the stored runs that a branch adds once more, by the runs and the tolerances of the branch it is based on.

    It is refused when a stored run was edited or removed, when anything outside baselines changes together with one,
    when a run's number is taken, or when it hides a loss: a case that it does not name among the accepted ones with a
    reason.

    Exit code 0: nothing is wrong, or no stored run changed; 1: it must not be merged; 4: git cannot read a commit.
    """
    proposal = judge_proposal(repository, base, head)
    console = widened(PlainConsole())
    for line in proposal.judged:
        say(console, line)
    for problem in proposal.problems:
        say(console, f"refused: {problem}")
    if proposal.problems:
        say(console, f"{counted(len(proposal.problems), 'problem')}: it must not be merged.")
        raise typer.Exit(REFUSED)
    if not proposal.judged:
        say(console, "No stored run changed: there is nothing to judge.")
