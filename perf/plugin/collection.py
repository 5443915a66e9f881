"""Collecting: which items are measured, and what is refused before anything is started, with --collect-only too."""

from collections.abc import Generator, Sequence
from typing import Any, cast

import msgspec
import pytest

from perf.builds import check_overrides
from perf.cache import cache_folder
from perf.errors import PerfError
from perf.machine import read_machine
from perf.measure.family import Case
from perf.measure.tiers import effort_of
from perf.plugin.options import OPTIONS, Options
from perf.plugin.refusals import SUITE, argument_paths, check_benchmark_options, check_injected
from perf.plugin.storage import RUNS, STORAGE, last_verdicts, latest_stored
from perf.runs.baseline import TOLERANCES
from perf.runs.night.shards import CHECK_S, divided, measured_times, subject_seconds
from perf.runs.schema import Shard
from perf.runs.tolerances import ToleranceEntry, check_marked, read_tolerances
from perf.wording import counted, uv

# Every case that was collected, whether it is selected or not: slowdowns may name their variants.
CASES = pytest.StashKey[list[Case]]()
# How many cases --perf-rerun selects, as a line.
RERUN = pytest.StashKey[str]()
# Why modules could not be collected.
PROBLEMS = pytest.StashKey[list[PerfError]]()
# The shard that is measured; set only with --perf-shard.
SHARD = pytest.StashKey[Shard]()
# The fixture that every measured item uses; other tests do not.
FIXTURE = "record"
# The marker of checks of answers; its arguments are the roles of the builds that they need.
ACCURACY = "accuracy"
# The marker that sets the tolerance of a case.
MARKER = "perf"
# The folder, in pytest's ids, that holds nothing but measured items and checks of answers.
FAMILIES = "perf"


def parametrize_cases(metafunc: pytest.Metafunc, cases: Sequence[Case]) -> None:
    """Make an item of each case."""
    metafunc.config.stash[CASES].extend(cases)
    metafunc.parametrize("case", cases, ids=[case.id for case in cases])


def measured_cases(items: Sequence[pytest.Item]) -> list[Case]:
    """Return the cases of the items that are measured, in their order."""
    return [case for item in items if (case := case_of_item(item)) is not None]


def case_of_item(item: pytest.Item) -> Case | None:
    """Return the case of an item that is measured, None for any other item."""
    if not isinstance(item, pytest.Function) or FIXTURE not in item.fixturenames or not hasattr(item, "callspec"):
        return None
    case: Any = item.callspec.params.get("case")
    # Not pytest's placeholder for an empty list, such as that of networks that no training job can use.
    return cast("Case", case) if case in item.config.stash[CASES] else None


def marked_tolerances(items: Sequence[pytest.Item]) -> dict[str, ToleranceEntry]:
    """Return the tolerances that items are marked with (`MARKER`), by case; of several marks of an item, the closest
    that sets a value counts.

    Raises PerfError, naming the item, for a mark that sets no tolerance, or of an item that measures nothing.
    """
    marked: dict[str, ToleranceEntry] = {}
    for item in items:
        marks = list(item.iter_markers(MARKER))
        if not marks or not is_of_suite(item.nodeid):
            continue
        case = case_of_item(item)
        if case is None:
            step = "mark items of cases only, such as perf/cnn/test_inference.py::test_inference[...]"
            raise PerfError(
                "its marker perf has no effect, since it does not measure a case", subject=item.nodeid, next_step=step
            )
        try:
            parts = [msgspec.convert(_tolerance_of(mark), ToleranceEntry) for mark in marks]
        except (msgspec.ValidationError, TypeError) as error:
            step = "write perf(tolerance=0.03), perf(resolution=0.08), or both"
            raise PerfError(f"its marker perf: {error}", subject=item.nodeid, next_step=step) from error
        entry = ToleranceEntry(
            next((part.change for part in parts if part.change is not None), None),
            next((part.resolution for part in parts if part.resolution is not None), None),
        )
        tolerances = read_tolerances(TOLERANCES)
        check_marked(entry, tolerances.of(case.family.name, case.id, entry), item.nodeid)
        marked[case.id] = entry
    return marked


def _tolerance_of(mark: pytest.Mark) -> dict[str, Any]:
    """What a mark sets, by the names of `ToleranceEntry`. Raises TypeError for what it cannot set."""
    values = dict(mark.kwargs)
    known = values.keys() <= {"tolerance", "resolution"}
    if mark.args or not values or not known or any(value is None for value in values.values()):
        raise TypeError(
            f"{mark.name}({', '.join([*map(repr, mark.args), *(f'{k}={v!r}' for k, v in values.items())])})"
        )
    if "tolerance" in values:
        values["change"] = values.pop("tolerance")
    return values


def is_of_suite(nodeid: str) -> bool:
    """Return whether an item, by its id, is measured or checks answers."""
    return nodeid.startswith(f"{FAMILIES}/")


def may_collect_suite(config: pytest.Config) -> bool:
    """Return whether the session's arguments lead to items of the suite, as far as they tell before collecting."""
    paths = argument_paths(config)
    return config.option.pyargs or any(SUITE.is_relative_to(path) or path.is_relative_to(SUITE) for path in paths)


def roles_of_checks(items: Sequence[pytest.Item]) -> frozenset[str]:
    """Return the roles of the builds that checks of answers need."""
    return frozenset(role for item in items for mark in item.iter_markers(ACCURACY) for role in mark.args)


def why_not_measured(config: pytest.Config) -> str | None:
    """Return why pytest-benchmark's options keep cases from being measured, None when they do not."""
    option = config.option
    if option.benchmark_skip and not option.benchmark_only:
        return "not measured: --benchmark-skip"
    if option.benchmark_disable and not option.benchmark_enable:
        return "not measured: --benchmark-disable"
    return None


class Hooks:
    """What families implement for the plugin, which knows none of them."""

    def pytest_perf_check_names(self, options: Options) -> None:
        """Raise PerfError for a name in the options that does not exist. Called whichever families are collected."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


@pytest.hookimpl(tryfirst=True)  # families read the options when they are collected
def pytest_configure(config: pytest.Config) -> None:
    config.stash[CASES] = []
    config.stash[PROBLEMS] = []


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Note what cannot be collected, such as the cases of a damaged table."""
    try:
        return (yield)
    except PerfError as error:
        metafunc.config.stash[PROBLEMS].append(error)
        return None


@pytest.hookimpl(wrapper=True)  # before and after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Refuse what cannot be collected, what the options name and is not there, and options that would be ignored."""
    of_suite = any(map(is_of_suite, (item.nodeid for item in items)))
    yield
    # In a worker of xdist an error is only a crash; the controller refuses the session.
    if hasattr(config, "workerinput"):
        return
    try:
        for problem in config.stash[PROBLEMS]:
            raise problem
        if of_suite:
            config.hook.pytest_perf_check_names(options=config.stash[OPTIONS])
            check_overrides(config.stash[OPTIONS].overrides)
            _keep_reruns(config, items)
            _select_shard(config, items)
        selected = measured_cases(items)
        marked_tolerances(items)
        if selected:
            _check_measuring(config, selected)
    except PerfError as error:
        raise pytest.UsageError(str(error)) from error


def _keep_reruns(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect all but the cases that --perf-rerun asks for. Raises PerfError when no case has a verdict yet."""
    options = config.stash[OPTIONS]
    if not options.rerun:
        return
    runs = cache_folder(options.cache) / RUNS
    verdicts = last_verdicts(runs, read_machine().machine_class)
    if not verdicts:
        step = f"judge the cases first: {uv()} run pytest perf/ --benchmark-compare"
        raise PerfError("no finished session has judged a case", subject=str(runs), next_step=step)
    cases = [case_of_item(item) for item in items]
    kept = [case is not None and verdicts.get(case.id) in options.rerun for case in cases]
    config.hook.pytest_deselected(items=[item for item, keep in zip(items, kept, strict=True) if not keep])
    items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]
    config.stash[RERUN] = f"{counted(len(items), 'case')} with the last verdict {' or '.join(options.rerun)}"


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    """Say how many cases --perf-rerun selects."""
    return config.stash.get(RERUN, "")


def _select_shard(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the items of the shard, if one is chosen, and note what the whole night selected. A check of the answers of
    one network goes where that network is measured.

    Raises UsageError when there are fewer subjects and checks than shards.
    """
    options, storage = config.stash[OPTIONS], config.stash[STORAGE]
    if options.shard is None:
        return
    number, of = options.shard
    times = measured_times(latest_stored(storage, read_machine().machine_class), options.tier)
    seconds = subject_seconds(measured_cases(items), times, effort_of(options.tier, options.invocations))
    subjects = {subject: (family, subject) for family, subject in sorted(seconds, reverse=True)}
    units: dict[pytest.Item, tuple[str, str]] = {}
    for item in filter(lambda item: is_of_suite(item.nodeid), items):
        case = case_of_item(item)
        alone = (item.nodeid, "")
        units[item] = (
            (case.family.name, case.subject) if case else subjects.get(item.name.partition("[")[2][:-1], alone)
        )
    shards = divided({**dict.fromkeys(units.values(), CHECK_S), **seconds}, of)
    if of > len(shards):
        count = counted(len(shards), "subject or check is", "subjects and checks are")
        raise pytest.UsageError(f"--perf-shard={number}/{of}: only {count} selected; use at most {len(shards)} shards")
    measured = {item.nodeid: shards[units[item]] for item in units if case_of_item(item)}
    config.stash[SHARD] = Shard(number, of, measured, times.text, options.session)
    elsewhere = [item for item, unit in units.items() if shards[unit] != number]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in set(elsewhere)]


def _check_measuring(config: pytest.Config, selected: Sequence[Case]) -> None:
    """Raise UsageError or PerfError for options that would have no effect on the selected cases."""
    options = config.stash[OPTIONS]
    check_benchmark_options(config)
    families = {case.family.name for case in selected}
    variants = {case.variant for case in config.stash[CASES] if case.family.name in families}
    check_injected(options.injected, variants)
    if options.strict and config.stash[STORAGE].compare is None and not why_not_measured(config):
        raise pytest.UsageError("--perf-strict would judge nothing: add --benchmark-compare")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Refuse xdist where the controller learns what its workers would run: an error in a worker only crashes it."""
    if any(map(is_of_suite, ids)):
        node.config.pluginmanager.getplugin("dsession").triggershutdown()  # or xdist waits ten seconds for its workers
        raise pytest.UsageError(
            "the performance suite cannot run under xdist: tests at the same time would take each other's cores; "
            "leave out -n"
        )
