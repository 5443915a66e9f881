"""What a session prints: its header, and the summary with verdicts, charts and where the time went."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from perf.checks import CheckResult
from perf.errors import PerfError
from perf.limits.text import blas_lines, excess_lines, limit_lines
from perf.machine import findings, read_state
from perf.measure.ledger import Ledger
from perf.plugin.options import OPTIONS
from perf.plugin.refusals import shows_benchmark_table
from perf.plugin.session import ENDED, PASSED, SESSION, PerfSession
from perf.plugin.setup import SETUP
from perf.plugin.storage import (
    STORAGE,
    STORED,
    Storage,
    StorageOutcome,
    baseline_path,
    document_of,
    judge_command,
)
from perf.published import published_scaling
from perf.report.brief import Brief, print_brief
from perf.report.charts import write_training_charts
from perf.report.console import PlainConsole, in_workflow, on_one_line, plain_text, widened
from perf.report.github.annotations import annotation_lines
from perf.report.github.markdown import RunLabel, result_lines, write_markdown
from perf.report.overview import Overview, SelectedCase, overview_of
from perf.report.page.build import Judged, page_of
from perf.report.page.source import Compared, Readable, read_reported, reported
from perf.report.page.write import write_page
from perf.report.summary import Summary, print_summary
from perf.report.training import TRAINING_FAMILY
from perf.report.verdicts import print_verdicts
from perf.runs.acceptance import encoded
from perf.runs.groups import RunVerdicts
from perf.runs.judges import NoBaseline
from perf.runs.record import CaseRecord
from perf.runs.schema import case_of_item
from perf.wording import counted, uv

# The results of checks of answers, in the order of the items.
CHECKS = pytest.StashKey[list[CheckResult]]()
# What another plugin could not write when the session ended, and why.
UNWRITTEN = pytest.StashKey[str]()
# These counters grow by the session's own work; disturbances by other programs are counted slot by slot.
OWN_DOING = frozenset({"cpu_pressure"})


def header_lines(config: pytest.Config) -> list[str]:
    """Return what the session measures or checks, on what and where, a line each."""
    return config.stash[SESSION].header() if SESSION in config.stash else config.stash[SETUP].header()


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark, whose table it may leave out
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if SETUP not in config.stash:
        return
    session, checks = config.stash.get(SESSION, None), config.stash[CHECKS]
    everything = config.option.verbose > 0
    if session and not everything and not shows_benchmark_table(config):
        config._benchmarksession.quiet = True  # type: ignore[attr-defined]  # noqa: SLF001 - its option hides warnings
    charts = _charts(session) if session else []
    late = _late_doubts(session) if session else []
    closing = [*charts, *late, *_closing(session, config.stash.get(STORED, StorageOutcome([])))] if session else []
    summary = Summary(
        records=session.records if session else [],
        answers=checks,
        header=header_lines(config),
        footer=[*_details(session), *closing] if session else [],
        published_scaling=published_scaling(),
    )
    terminalreporter.ensure_newline()
    terminalreporter.section("performance")
    console = session_console(config)
    selected = [*(case.id for case in session.selected), *session.context.elsewhere] if session else []
    if everything:
        print_summary(summary, console)
        if session and session.judge.compares:
            print_verdicts(session.verdicts, session.judge, selected, console)
    else:
        setup = config.stash[SETUP]
        brief = Brief(
            machine=setup.in_three_lines(),
            warnings=[*setup.doubts, *(session.warnings if session else [])],
            records=summary.records,
            answers=checks,
            judge=session.judge if session else NoBaseline(),
            judged=session.verdicts if session else RunVerdicts({}),
            selected=selected,
            closing=closing,
            everything=judge_command(config.stash[STORAGE], session.judge, session.journal.folder) if session else "",
        )
        print_brief(brief, console)
    overview = _overview(config, session) if session else None
    path = config.stash[OPTIONS].summary
    if path is not None:
        compared = overview if session and session.judge.compares else None
        _write_summary(terminalreporter, path, summary, compared)
    if page := config.stash[OPTIONS].report:
        _write_report(terminalreporter, page, overview)
    if unwritten := config.stash.get(UNWRITTEN, None):
        terminalreporter.line(f"Another plugin could not write what it keeps of this session: {unwritten}", red=True)
    if overview and in_workflow():
        reports = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
        for line in annotation_lines(overview, {report.nodeid: failure_reason(report) for report in reports}):
            terminalreporter.line(line)


def _write_summary(
    terminalreporter: pytest.TerminalReporter, path: Path, summary: Summary, overview: Overview | None
) -> None:
    """Write the summary as Markdown, with what the run says on top if it was compared, and say where it is."""
    config = terminalreporter.config
    tier = config.stash[OPTIONS].tier
    label = RunLabel(config.stash[SETUP].machine.machine_class, tier)
    result = result_lines(overview, label) if overview else []
    try:
        write_markdown(summary, path, f"Speedup over native, {tier} tier", result)
    except PerfError as error:
        terminalreporter.line(plain_text(str(error)), red=True)
    else:
        terminalreporter.line(on_one_line(f"Summary written to {path}"))


def _write_report(terminalreporter: pytest.TerminalReporter, path: Path, overview: Overview | None) -> None:
    """Write the run as a page, and say where it is."""
    config = terminalreporter.config
    if overview is None:
        missing = f"No case was measured, so there is no report: {path} was not written."
        terminalreporter.line(on_one_line(missing), yellow=True)
        return
    session = config.stash[SESSION]
    judged = Judged(
        verdicts=session.verdicts,
        records={name: verdict.record for name, verdict in session.verdicts.verdicts.items()},
        judge=session.judge,
        overview=overview,
        tolerances=session.tolerances,
        command=lambda item: reproduction(config, item),
    )
    try:
        now = Readable(reported(encoded(document_of(config))))
        then = _baseline(config.stash[STORAGE], session)
        write_page(page_of(Compared.of(now, f"session {session.journal.folder.name}", then), judged), path)
    except PerfError as error:
        terminalreporter.line(plain_text(str(error)), red=True)
    else:
        terminalreporter.line(on_one_line(f"Report written to {path}"))


def _baseline(storage: Storage, session: PerfSession) -> Readable | None:
    """Return the session's baseline with its answers; None without a stored run."""
    if session.judge.baseline is None:
        return None
    return read_reported(baseline_path(storage, session.judge), session.judge.baseline)


def _overview(config: pytest.Config, session: PerfSession) -> Overview:
    """Return what the session's run says as a whole."""
    ended = config.stash[ENDED]
    items = {case_of_item(item): item for item in ended}
    selected = [SelectedCase(case.id, case.family.name, items[case.id]) for case in session.selected]
    not_run = {case_of_item(item): why or "not finished" for item, why in ended.items() if why != PASSED}
    return overview_of(
        session.verdicts,
        session.judge,
        session.tolerances,
        selected,
        not_run,
        lambda item: reproduction(config, item),
        session.context_at_end(ended),
    )


def reproduction(config: pytest.Config, nodeid: str) -> str:
    """Return the command that runs one item alone, with the options of this pytest run that change what is measured or
    judged.
    """
    file = config.option.inifilename
    arguments = ["-c", file] if file else []
    arguments += [*config.stash[OPTIONS].arguments(), *config.stash[STORAGE].arguments]
    return shlex.join([uv(), "run", "pytest", nodeid, *arguments])


def _details(session: PerfSession) -> list[str]:
    """The lines below the tables that only the full summary has."""
    rates = session.rates
    return [
        *_wall_time(session.setup.ledger),
        *_pace(session.records),
        *(limit_lines(rates.limits) if rates.limits else []),
        *blas_lines(rates.limits, rates.peaks_gflop_per_s, rates.blas, session.effort.peak_size or 0),
    ]


def _closing(session: PerfSession, stored: StorageOutcome) -> list[str]:
    """How long it took, what was disturbed, what is unfinished, and where the run is."""
    blocks = {record.workload: (record.blocks, record.blocks_disturbed) for record in session.records}
    whole, disturbed = (sum(counts) for counts in zip(*blocks.values(), strict=True)) if blocks else (0, 0)
    lines = [
        f"{session.setup.wall_s:.0f} s in all. {disturbed} of {counted(whole, 'block')} were disturbed by "
        f"{'the CPU quota of this control group, ' if _throttled(session) else ''}other programs or the hypervisor and "
        "do not count."
    ]
    lines += excess_lines({record.name: record.bound for record in session.records})
    if session.journal.problem:
        lines.append(f"The journal could not be written, so --perf-resume will lack cases: {session.journal.problem}")
    lines += stored.lines
    if session.unfinished:
        were = "was" if session.unfinished == 1 else "were"
        lines.append(
            f"{counted(session.unfinished, 'case')} {were} not finished; rerun the same command with --perf-resume."
        )
    return lines


def _charts(session: PerfSession) -> list[str]:
    """Draw the training jobs, if there were any, and say where the charts are."""
    if not any(record.family == TRAINING_FAMILY for record in session.records):
        return []
    path = session.journal.folder / "training.html"
    try:
        write_training_charts(path, session.records, published_scaling())
    except OSError as error:
        return [f"The charts of training could not be written: {path}: {error.strerror}"]
    return [f"Charts of training: {path}"]


def _wall_time(ledger: Ledger) -> list[str]:
    """The session's wall time by stage, and how much of measuring and of the timed part are passes."""
    seconds = ledger.seconds
    stages = [f"{name} {spent_s:.0f} s" for name, spent_s in seconds.items()]
    stages += [f"(of these, {name} {spent_s:.0f} s)" for name, spent_s in ledger.parts.items()]
    lines = [f"Wall time: {', '.join(stages)}."]
    counted_s = seconds.get("counted passes", 0.0)
    timed_s = counted_s + seconds.get("between passes", 0.0)
    warm_up_s = seconds.get("warm-up", 0.0)
    measuring_s = timed_s + warm_up_s + seconds.get("starting workers", 0.0)
    if timed_s:
        lines.append(
            f"In passes: {counted_s / timed_s:.0%} of the timed part, "
            f"{(counted_s + warm_up_s) / measuring_s:.0%} of all measuring with warm-up."
        )
    return lines


def _pace(records: Sequence[CaseRecord]) -> list[str]:
    """How many slots came close to the fastest of their case."""
    if not records:
        return []
    near = [record.slots_near_fastest for record in records]
    return [
        f"{sum(near) / len(near):.0%} of slots took at most 1.1 times the fastest of their case; if this is low, "
        f"neighbours that no counter shows slowed the rest ({uv()} run mxperf doctor)."
    ]


def _throttled(session: PerfSession) -> bool:
    """Whether the kernel stopped the session for its control group's quota: it counts that time as waiting for a CPU,
    as it does when other programs take it.
    """
    now = findings(session.setup.state, read_state())
    return any(finding.check == "throttling" and finding.verdict == "doubtful" for finding in now)


def _late_doubts(session: PerfSession) -> list[str]:
    """What became doubtful while the session ran."""
    before = session.setup.state
    early = OWN_DOING | {finding.check for finding in findings(before) if finding.verdict == "doubtful"}
    late = [finding for finding in findings(before, read_state()) if finding.verdict == "doubtful"]
    return [f"doubtful while it ran: {f.check} {f.reading}: {f.advice}" for f in late if f.check not in early]


def session_console(config: pytest.Config) -> Console:
    """Return a console on pytest's own output, even while it captures."""
    return widened(PlainConsole(file=config.get_terminal_writer()._file))  # noqa: SLF001 - pytest has no public way


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let output inside the block reach the user, on lines of its own."""
    capture = config.pluginmanager.getplugin("capturemanager")
    terminal = config.pluginmanager.getplugin("terminalreporter")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if terminal:
            terminal.ensure_newline()
        yield


def failure_reason(report: pytest.TestReport) -> str:
    """Return the first line of a failed item's report."""
    return (report.longreprtext.strip().splitlines() or [f"failed in {report.when}"])[0]
