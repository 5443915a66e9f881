"""Warnings as errors, and how hypothesis searches."""

import warnings
from collections.abc import Generator

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


# Not in pyproject.toml: a library's warning, or pytest's own, would be an exception in a user's session of perf/ too.
@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return (yield)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.filterwarnings("error"), append=False)  # a test's own filters go before it
