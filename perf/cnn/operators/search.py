"""Random cases of one kind, run until a variant computes one wrong; that case is then reduced."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
from hypothesis.errors import Flaky

from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.check import run_case
from perf.cnn.operators.kinds import AnyCase
from perf.cnn.operators.strategies import CASES
from perf.cnn.operators.workers import OperatorWorkers
from perf.files import read_toml
from perf.property_testing import for_random

DATA = Path(__file__).with_name("operators.toml")


class OperatorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `operators.toml`.

    `cases`: by tier, or "slice", the number of random cases of each kind. `slice_defects`: the defects whose examples
    the slice runs. `examples`: cases that always run.
    """

    cases: dict[str, dict[str, int]]
    slice_defects: list[str]
    examples: list[AnyCase]


@cache
def operators_file() -> OperatorsFile:
    """Return the content of `operators.toml`, read once."""
    return read_toml(DATA, OperatorsFile)


class WrongCaseError(Exception):
    """A variant computed a case wrong. The text holds the problems, the case, and its entry for operators.toml."""

    def __init__(self, case: OperatorCase, problems: Sequence[str]) -> None:
        self.case = case
        step = "next: to run this case first from now on, add it to perf/cnn/operators/operators.toml:"
        super().__init__("\n".join([*problems, repr(case), step, toml_entry(case)]))


@dataclass
class SearchResult:
    """What a search found.

    `cases`: how many ran. `ratios`: by variant, the largest error as a multiple of the allowed error. `problem`: the
    smallest wrong case, if any.
    """

    cases: int = 0
    ratios: dict[str, float] = field(default_factory=dict)
    problem: str | None = None


def search(
    kind: str,
    count: int,
    workers: OperatorWorkers,
    variants_of: Callable[[OperatorCase], Sequence[str]],
    *,
    random_seed: int,
    examples: Sequence[OperatorCase] = (),
) -> SearchResult:
    """Run the examples, then `count` random cases of a kind, each in the variants that `variants_of` returns.

    The same seed draws the same cases.
    """
    result = SearchResult()

    def check(case: OperatorCase) -> None:
        outcomes = run_case(case, workers, variants_of(case))
        problems = [outcome.problem for outcome in outcomes if outcome.problem]
        if problems:
            raise WrongCaseError(case, problems)
        result.cases += 1
        for outcome in outcomes:
            result.ratios[outcome.variant] = max(result.ratios.get(outcome.variant, 0.0), outcome.ratio)

    try:
        for_random(CASES[kind], check, first=f"{random_seed} {kind}", count=count, examples=examples)
    except WrongCaseError as error:
        result.problem = str(error)
    except Flaky as error:
        result.problem = f"a case was wrong, but not when it was run again: {error}"
    return result


def toml_entry(case: OperatorCase) -> str:
    """Return a case as an entry of operators.toml."""
    fields = msgspec.to_builtins(case)
    return "\n".join(["[[examples]]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())])
