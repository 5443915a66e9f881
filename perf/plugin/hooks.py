"""The hooks: what the suite does at each stage of a pytest session."""

import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from perf.checks import CheckResult
from perf.errors import PerfError, UnavailableError
from perf.machine import read_machine
from perf.measure.family import Case
from perf.measure.workers.instance import WorkerError
from perf.plugin.declared import add_options
from perf.plugin.options import Options, read_options
from perf.plugin.session import PASSED, PerfSession, start_session
from perf.plugin.setup import Setup, set_up
from perf.plugin.storage import KeptRun, Storage, document_of, keep_run, take_over
from perf.published import published_scaling
from perf.report.charts import write_training_charts
from perf.report.console import widened
from perf.report.progress import ProgressLine
from perf.report.summary import Summary, print_summary, write_markdown
from perf.report.training import TRAINING_FAMILY
from perf.report.verdicts import print_verdicts

OPTIONS = pytest.StashKey[Options]()
STORAGE = pytest.StashKey[Storage]()
SETUP = pytest.StashKey[Setup]()
SESSION = pytest.StashKey[PerfSession]()
KEPT = pytest.StashKey[KeptRun]()
# How each measured item ended, by its id: `PASSED`, why it failed, or None while it has not.
ENDED = pytest.StashKey[dict[str, str | None]]()
# What checks of answers found, in the order of the items.
ANSWERS = pytest.StashKey[list[CheckResult]]()
# The fixture that every measured item uses; it tells them from other tests.
FIXTURE = "record"
# The marker of checks of answers; its arguments are the roles of the builds that they need.
ACCURACY = "accuracy"
# The folder, in pytest's ids, that holds nothing but measured items.
FAMILIES = "perf"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its own options
def pytest_configure(config: pytest.Config) -> None:
    try:
        config.stash[OPTIONS] = read_options(config)
        config.stash[ANSWERS] = []
        config.stash[STORAGE] = take_over(config)
    except PerfError as error:
        raise pytest.UsageError(str(error)) from error


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


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests() -> Generator[None, object, object]:
    """Report a damaged table of cases by its name, without a traceback."""
    try:
        return (yield)
    except PerfError as error:
        raise pytest.Collector.CollectError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse what would measure nonsense, once it is clear that something is to be measured."""
    if not _measured(items):
        return
    if config.option.benchmark_cprofile:
        raise pytest.UsageError("--benchmark-cprofile would profile the replay of stored samples, not MXNet")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Refuse xdist where the controller learns what its workers would run: an error in a worker only crashes it."""
    if any(Path(nodeid).parts[0] == FAMILIES for nodeid in ids):
        node.config.pluginmanager.getplugin("dsession").triggershutdown()  # or xdist waits ten seconds for its workers
        raise pytest.UsageError(
            "the performance suite cannot run under xdist: tests at the same time would take each other's cores; "
            "leave out -n"
        )


def _measured(items: Sequence[pytest.Item]) -> list[Case]:
    return [case for item in items if (case := _case(item)) is not None]


def _case(item: pytest.Item) -> Case | None:
    """The case of an item that is measured; None of any other, as of one that has a parameter of the fixture's name."""
    if not isinstance(item, pytest.Function) or FIXTURE not in item.fixturenames or not hasattr(item, "callspec"):
        return None
    parameters = item.callspec.params
    return None if FIXTURE in parameters else cast("Case | None", parameters.get("case"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Set up machine and builds, and measure all cases, before the first item: what cannot work ends the session with
    one message.
    """
    config = session.config
    selected = [] if why_not_measured(config) else _measured(session.items)
    roles = frozenset().union(*(case.roles for case in selected), _roles_of_answers(session.items))
    # An xdist worker only waits for the controller to refuse the run.
    if not roles or config.option.collectonly or hasattr(config, "workerinput"):
        return
    if selected and config.stash[OPTIONS].strict and config.stash[STORAGE].compare is None:
        raise pytest.UsageError("--perf-strict would judge nothing: add --benchmark-compare")
    progress = ProgressLine(_console(config))
    scratch = Path(tempfile.mkdtemp(prefix="mxnet-perf-"))
    config.add_cleanup(lambda: shutil.rmtree(scratch, ignore_errors=True))
    try:
        config.stash[SETUP] = set_up(config.stash[OPTIONS], roles, scratch, progress, lambda: _uncaptured(config))
        if selected:
            config.stash[SESSION] = start_session(config.stash[SETUP], config.stash[STORAGE], selected)
            config.add_cleanup(config.stash[SESSION].journal.close)
            config.stash[ENDED] = dict.fromkeys(item.nodeid for item in session.items if _case(item))
    except PerfError as error:
        raise pytest.UsageError(str(error)) from error
    with _uncaptured(config):
        for line in _header(config):
            progress.say(line)
        if any(item.get_closest_marker(ACCURACY) for item in session.items):
            progress.say(f"random checks of answers: seed {config.stash[OPTIONS].seed} (--perf-seed)")
    if SESSION in config.stash:
        config.stash[SESSION].measure()


def _roles_of_answers(items: Sequence[pytest.Item]) -> frozenset[str]:
    """The roles of the builds that checks of answers need: the arguments of their marker."""
    return frozenset(role for item in items for mark in item.iter_markers(ACCURACY) for role in mark.args)


def _header(config: pytest.Config) -> list[str]:
    return config.stash[SESSION].header() if SESSION in config.stash else config.stash[SETUP].header()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """In a check of answers, tell what a user can mend, and what a worker died of, without a traceback."""
    try:
        return (yield)
    except (PerfError, WorkerError) as error:
        if pyfuncitem.get_closest_marker(ACCURACY) is None:
            raise
        if isinstance(error, UnavailableError):
            raise not_run(pyfuncitem.config, error) from None
        words = f"{error.what}\n{error.last_words}" if isinstance(error, WorkerError) else str(error)
        raise pytest.fail.Exception(words, pytrace=False) from None


def not_run(config: pytest.Config, error: UnavailableError) -> BaseException:
    """What ends an item that cannot be run here: it is skipped, and fails where every case must be judged."""
    if config.stash[OPTIONS].strict:
        return pytest.fail.Exception(f"not run: {error}", pytrace=False)
    return pytest.skip.Exception(f"not run: {error}", _use_item_location=True)


def why_not_measured(config: pytest.Config) -> str | None:
    """Why pytest-benchmark's options keep cases from being measured, if they do."""
    option = config.option
    if option.benchmark_skip and not option.benchmark_only:
        return "not measured: --benchmark-skip"
    if option.benchmark_disable and not option.benchmark_enable:
        return "not measured: --benchmark-disable"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how every measured item ended, and how long checks of answers took."""
    report = yield
    if SETUP in item.config.stash and item.get_closest_marker(ACCURACY):
        item.config.stash[SETUP].ledger.book("checking answers", report.duration)
    ended = item.config.stash.get(ENDED, {})
    if item.nodeid in ended:
        if report.failed:
            ended[item.nodeid] = _reason(report)
        elif report.skipped:
            ended[item.nodeid] = _why_skipped(report)
        elif report.when == "teardown":
            ended[item.nodeid] = ended[item.nodeid] or PASSED
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the run, whatever became of it; a baseline that could not be used or stored is a usage error."""
    config = session.config
    if SESSION not in config.stash:
        return
    perf = config.stash[SESSION]
    kept = KeptRun([])
    if perf.records:
        kept = keep_run(document_of(config), config.stash[STORAGE], perf.journal.folder, perf.tolerances)
    config.stash[KEPT] = kept
    if None not in config.stash[ENDED].values() and not kept.failed:
        perf.journal.finish()
    unusable = perf.judge.problem is not None
    regular = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    if (unusable and regular) or (kept.failed and session.exitstatus == pytest.ExitCode.OK):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if SETUP not in config.stash:
        return
    session = config.stash.get(SESSION, None)
    answers = config.stash[ANSWERS]
    summary = Summary(
        records=session.records if session else [],
        answers=answers,
        header=_header(config),
        footer=_footer(config),
        published_scaling=published_scaling(),
    )
    terminalreporter.ensure_newline()
    print_summary(summary, _console(config))
    if session and session.judge.compares:
        selected = [case.id for case in session.selected]
        print_verdicts(session.verdicts, session.judge, selected, _console(config))
    path = config.stash[OPTIONS].summary
    if path is not None:
        try:
            write_markdown(summary, path, f"Speedup over native, {config.stash[OPTIONS].tier} tier")
        except PerfError as error:
            terminalreporter.line(str(error), red=True)
        else:
            terminalreporter.line(f"Summary written to {path}")


def _footer(config: pytest.Config) -> list[str]:
    if SESSION not in config.stash:
        return []
    session = config.stash[SESSION]
    lines = [*_charts(session), *config.stash[SESSION].footer(), *config.stash.get(KEPT, KeptRun([])).lines]
    unfinished = sum(how is None for how in config.stash[ENDED].values())
    if unfinished:
        lines.append(
            f"{unfinished} case{'s were' if unfinished > 1 else ' was'} not finished; rerun the same command with "
            "--perf-resume."
        )
    return lines


def _charts(session: PerfSession) -> list[str]:
    """Draw training jobs, when there were any; where that is."""
    if not any(record.family == TRAINING_FAMILY for record in session.records):
        return []
    path = session.journal.folder / "training.html"
    try:
        write_training_charts(path, session.records, published_scaling())
    except OSError as error:
        return [f"The charts of training could not be written: {path}: {error.strerror}"]
    return [f"Charts of training: {path}"]


def _reason(report: pytest.TestReport) -> str:
    """The first line of what a failed item said."""
    return (report.longreprtext.strip().splitlines() or [f"failed in {report.when}"])[0]


def _why_skipped(report: pytest.TestReport) -> str:
    return report.longrepr[2].partition("\n")[0] if isinstance(report.longrepr, tuple) else "skipped"


def _console(config: pytest.Config) -> Console:
    """A console on what pytest itself writes to, whatever is captured; wide where no terminal sets a width."""
    return widened(Console(file=config.get_terminal_writer()._file))  # noqa: SLF001 - pytest has no public way


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is printed meanwhile reach the user, on lines of its own."""
    capture = config.pluginmanager.getplugin("capturemanager")
    terminal = config.pluginmanager.getplugin("terminalreporter")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if terminal:
            terminal.ensure_newline()
        yield
