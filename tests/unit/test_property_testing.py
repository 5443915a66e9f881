"""Random checks repeat, whatever is imported, and end in the simplest failure."""

import subprocess
import sys

import pytest
from hypothesis import strategies as st

from perf.property_testing import INTEGER_LIMIT, for_random

SMALL = st.integers(0, INTEGER_LIMIT - 1)
CHOOSE = """
from hypothesis import strategies as st
from perf.property_testing import INTEGER_LIMIT, for_random
seen = []
for_random(st.integers(0, INTEGER_LIMIT - 1), lambda value: seen.append(value), first="1", count=200)
print(seen)
"""


def chosen(first: str) -> list[int]:
    seen: list[int] = []

    def check(value: int) -> None:
        seen.append(value)

    for_random(SMALL, check, first=first, count=200)
    return seen


def test_the_same_seed_chooses_the_same_values() -> None:
    assert chosen("1") == chosen("1")
    assert chosen("1") != chosen("2")


def test_other_imported_modules_do_not_change_the_choice() -> None:
    command = [sys.executable, "-c", "import perf.plugin.hooks, perf.cnn.family\n" + CHOOSE]
    elsewhere = subprocess.run(command, check=True, capture_output=True, text=True)
    assert elsewhere.stdout.strip() == str(chosen("1"))


def test_a_failure_is_reduced_to_the_simplest_one() -> None:
    def check(value: int) -> None:
        if value > 10:
            raise ValueError(value)

    with pytest.raises(ValueError, match="11") as raised:
        for_random(SMALL, check, first="1", count=200)
    assert raised.value.args == (11,)


def test_examples_are_checked_first() -> None:
    seen: list[int] = []

    def check(value: int) -> None:
        seen.append(value)

    for_random(SMALL, check, first="1", count=1, examples=[7])
    assert seen[0] == 7
