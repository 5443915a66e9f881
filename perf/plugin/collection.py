"""Collecting: which items are measured, and what is refused before anything is started, with --collect-only too."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from perf.errors import PerfError
from perf.measure.family import Case
from perf.plugin.options import OPTIONS
from perf.plugin.refusals import check_benchmark_options, check_injected

# Every case that was collected, whether it is selected or not: slowdowns may name their variants.
CASES = pytest.StashKey[list[Case]]()
# Why modules could not be collected.
PROBLEMS = pytest.StashKey[list[PerfError]]()
# The fixture that every measured item uses; other tests do not.
FIXTURE = "record"
# The marker of checks of answers; its arguments are the roles of the builds that they need.
ACCURACY = "accuracy"
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


def roles_of_checks(items: Sequence[pytest.Item]) -> frozenset[str]:
    """Return the roles of the builds that checks of answers need."""
    return frozenset(role for item in items for mark in item.iter_markers(ACCURACY) for role in mark.args)


@pytest.hookimpl(tryfirst=True)  # families read the options when they are collected
def pytest_configure(config: pytest.Config) -> None:
    config.stash[CASES] = []
    config.stash[PROBLEMS] = []


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Note what cannot be collected: a name that does not exist, or a damaged table of cases."""
    try:
        return (yield)
    except PerfError as error:
        metafunc.config.stash[PROBLEMS].append(error)
        return None


@pytest.hookimpl(trylast=True)  # after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse what cannot be collected and, when something is to be measured, options that would be ignored."""
    # In a worker of xdist an error is only a crash; the controller refuses the session.
    if hasattr(config, "workerinput"):
        return
    try:
        for problem in config.stash[PROBLEMS]:
            raise problem
        selected = measured_cases(items)
        if selected:
            check_benchmark_options(config)
            families = {case.family.name for case in selected}
            variants = {case.variant for case in config.stash[CASES] if case.family.name in families}
            check_injected(config.stash[OPTIONS].injected, variants)
    except PerfError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Refuse xdist where the controller learns what its workers would run: an error in a worker only crashes it."""
    if any(Path(nodeid).parts[0] == FAMILIES for nodeid in ids):
        node.config.pluginmanager.getplugin("dsession").triggershutdown()  # or xdist waits ten seconds for its workers
        raise pytest.UsageError(
            "the performance suite cannot run under xdist: tests at the same time would take each other's cores; "
            "leave out -n"
        )
