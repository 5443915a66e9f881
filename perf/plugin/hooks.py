"""The hooks that set a session up, let it measure, note how each item ended, and store the run."""

import signal
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.errors import PerfError, UnavailableError, WorkerError
from perf.files import disk_problem
from perf.machine import alone_on_machine, read_machine
from perf.machine.scratch import scratch_folder
from perf.machine.termination import Ending, end_in_order
from perf.plugin.collection import (
    ACCURACY,
    CASES,
    SHARD,
    case_of_item,
    marked_tolerances,
    may_collect_suite,
    measured_cases,
    roles_of_checks,
    why_not_measured,
)
from perf.plugin.context import deselected_of
from perf.plugin.declaration import add_options
from perf.plugin.options import OPTIONS, Options, read_options
from perf.plugin.refusals import check_combinations, check_folders
from perf.plugin.session import ENDED, PASSED, SESSION, start_session
from perf.plugin.setup import SETUP, set_up
from perf.plugin.storage import STORAGE, STORED, StorageOutcome, document_of, store_run, take_over
from perf.plugin.terminal import CHECKS, UNWRITTEN, failure_reason, header_lines, session_console, uncaptured
from perf.profile.outcomes import EXPLAINED, explain_outcomes
from perf.report.console import plain_text
from perf.report.progress import ProgressLine

# What signals that ask the session to end are answered by.
ENDING = pytest.StashKey[Ending]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser, Options)


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its own options
def pytest_configure(config: pytest.Config) -> None:
    config.stash[CHECKS] = []
    options = Options()
    try:
        options = read_options(config)
        check_combinations(options)
    except (PerfError, pytest.UsageError) as error:
        # A mistake in the configuration file must not stop other tests.
        if may_collect_suite(config):
            raise pytest.UsageError(str(error)) from error
    if may_collect_suite(config):
        check_folders(config)
    config.stash[OPTIONS] = options
    config.stash[STORAGE] = take_over(config, options)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Generator[None, object, object]:
    """Let a usage error show names without what controls a terminal or a workflow, and let a late signal, which comes
    while the session is storing its run, end it without a traceback.
    """
    try:
        return (yield)
    except pytest.UsageError as error:
        raise pytest.UsageError(*(plain_text(str(line)) for line in error.args)) from error
    except KeyboardInterrupt as error:
        print(f"{str(error) or signal.SIGINT.name}: not all of this session may be stored and shown", file=sys.stderr)
        return pytest.ExitCode.INTERRUPTED


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Name the machine class, and leave out the momentary clock frequency: every comparison would warn of it."""
    machine_info["machine_class"] = read_machine().machine_class
    for reading in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(reading, None)


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the suite's own part. pytest-benchmark calls this for each file that it writes."""
    if SESSION in config.stash:
        ended = config.stash[ENDED]
        output_json["perf"] = config.stash[SESSION].document(ended)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Set up machine and builds, and measure all cases, before the first item: what cannot work ends the session with
    one message.
    """
    config = session.config
    options, storage = config.stash[OPTIONS], config.stash[STORAGE]
    selected = [] if why_not_measured(config) else measured_cases(session.items)
    roles = frozenset().union(*(case.roles for case in selected), roles_of_checks(session.items))
    # An xdist worker only waits for the controller to refuse the run.
    if not roles or config.option.collectonly or hasattr(config, "workerinput"):
        return
    progress = ProgressLine(session_console(config), options.progress_s)
    config.stash[ENDING] = Ending()
    config.add_cleanup(end_in_order(config.stash[ENDING]))
    scratch = temporary_folder(config)
    checks = sum(item.get_closest_marker(ACCURACY) is not None for item in session.items)
    try:
        hold_machine(config, progress)
        setup = config.stash[SETUP] = set_up(options, roles, scratch, progress, lambda: uncaptured(config))
        if selected:
            marked, shard = marked_tolerances(session.items), config.stash.get(SHARD, None)
            perf = config.stash[SESSION] = start_session(setup, storage, selected, marked, checks, shard)
            names = {*(case.id for case in selected), *perf.context.elsewhere}
            collected = config.stash[CASES]
            left = deselected_of(perf.judge.baseline, options, collected, names)
            perf.context = msgspec.structs.replace(perf.context, deselected=left)
            config.add_cleanup(perf.journal.close)
            config.stash[ENDED] = dict.fromkeys(item.nodeid for item in session.items if case_of_item(item))
    except PerfError as error:
        raise pytest.UsageError(str(error)) from error
    with uncaptured(config):
        for line in header_lines(config):
            progress.say(line)
        if checks:
            progress.say(f"random checks of answers: seed {options.seed} (--perf-seed)")
    if SESSION in config.stash:
        config.stash[SESSION].measure()
        explain_changes(config)


def explain_changes(config: pytest.Config) -> None:
    """Explain the cases that changed: nothing is timed any more, and their items have not reported yet."""
    perf = config.stash[SESSION]
    kinds = {name: verdict.kind for name, verdict in perf.all_verdicts.verdicts.items()}
    outcomes = {case.id: perf.outcome(case) for case in perf.selected if kinds.get(case.id) in EXPLAINED}
    progress, ledger = perf.setup.progress, perf.setup.ledger
    if outcomes:
        with uncaptured(config), progress.shown(), ledger.stage("explaining changes"):
            progress.restart()
            perf.explanations = explain_outcomes(
                outcomes, kinds, perf.effort, perf.setup.resources, progress.show_fraction
            )


def temporary_folder(config: pytest.Config) -> Path:
    """Make a folder for the temporary files of the session, which removes it at its end. Raises UsageError when there
    is no place for it.
    """
    made = ExitStack()
    try:
        folder = made.enter_context(scratch_folder())
    except OSError as error:
        raise pytest.UsageError(str(disk_problem(error) or error)) from error
    config.add_cleanup(made.close)
    return folder


def hold_machine(config: pytest.Config, progress: ProgressLine) -> None:
    """Hold the machine until the session ends. Raises PerfError when another session measures on it and the user does
    not want to wait.
    """
    machine = ExitStack()
    with uncaptured(config):
        wait = config.stash[OPTIONS].when_busy == "wait"
        machine.enter_context(alone_on_machine(wait=wait, say=progress.say))
    config.add_cleanup(machine.close)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """In a check of answers, report what a user can fix, such as a full disk, and what a worker died of, without a
    traceback.
    """
    try:
        return (yield)
    except (PerfError, WorkerError, OSError) as error:
        if pyfuncitem.get_closest_marker(ACCURACY) is None:
            raise
        if isinstance(error, UnavailableError):
            raise not_run(pyfuncitem.config, error) from None
        message = str(error)
        if isinstance(error, WorkerError):
            message = f"{error.what}\n{error.last_lines}"
        elif isinstance(error, OSError):
            message = str(disk_problem(error) or error)
        raise pytest.fail.Exception(plain_text(message), pytrace=False) from None


def not_run(config: pytest.Config, error: UnavailableError) -> BaseException:
    """Return what ends an item that cannot be run here: it is skipped, and fails where every case must be judged."""
    if config.stash[OPTIONS].strict:
        return pytest.fail.Exception(plain_text(f"not run: {error}"), pytrace=False)
    return pytest.skip.Exception(plain_text(f"not run: {error}"), _use_item_location=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how every measured item ended, and how long checks of answers took."""
    report = yield
    if SETUP in item.config.stash and item.get_closest_marker(ACCURACY):
        item.config.stash[SETUP].ledger.book("checking answers", report.duration)
    ended = item.config.stash.get(ENDED, {})
    if item.nodeid in ended:
        if report.failed:
            ended[item.nodeid] = failure_reason(report)
        elif report.skipped:
            ended[item.nodeid] = _skip_reason(report)
        elif report.when == "teardown":
            ended[item.nodeid] = ended[item.nodeid] or PASSED
    return report


def _skip_reason(report: pytest.TestReport) -> str:
    return report.longrepr[2].partition("\n")[0] if isinstance(report.longrepr, tuple) else "skipped"


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Store the run, however the session ended; a baseline that could not be used or stored is a usage error.

    So is a file that another plugin cannot write at the end, such as a JUnit report on a full disk: raised, it would
    cost the run and the summary, too.
    """
    config = session.config
    if SETUP not in config.stash:
        return (yield)
    config.stash[ENDING].begin()
    result, problem = None, None
    try:
        result = yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is stored first
        problem = error
    if SESSION in config.stash:
        _store(session)
    if problem is not None and not isinstance(problem, OSError | Warning):
        raise problem
    if problem is not None:
        config.stash[UNWRITTEN] = f"{type(problem).__name__}: {problem}"
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
    return result


def _store(session: pytest.Session) -> None:
    config = session.config
    perf = config.stash[SESSION]
    perf.unfinished = sum(outcome is None for outcome in config.stash[ENDED].values())
    stored = StorageOutcome([])
    if perf.records:
        stored = store_run(document_of(config), config.stash[STORAGE], perf.journal.folder, perf.tolerances)
    config.stash[STORED] = stored
    if not perf.unfinished and not stored.failed:
        perf.journal.finish()
    unusable = perf.judge.problem is not None
    regular = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    if (unusable and regular) or (stored.failed and session.exitstatus == pytest.ExitCode.OK):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
