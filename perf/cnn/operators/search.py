"""Random cases of one kind, until one disagrees; that one is then made as small as it can be."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from hypothesis.errors import Flaky

from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.check import examine
from perf.cnn.operators.strategies import CASES
from perf.cnn.operators.workers import OperatorWorkers
from perf.property_testing import for_random


class DisagreementError(Exception):
    """A case that a variant does not compute as it must."""

    def __init__(self, case: OperatorCase, problems: Sequence[str]) -> None:
        self.case = case
        super().__init__(
            "\n".join([*problems, repr(case), "to keep it, in perf/cnn/operators/operators.toml:", kept(case)])
        )


@dataclass
class Searched:
    """How many cases ran, the largest error of each variant as a share of what is allowed, and the smallest case that
    disagrees, if any.
    """

    cases: int = 0
    ratios: dict[str, float] = field(default_factory=dict)
    problem: str | None = None


def search(
    kind: str,
    count: int,
    live: OperatorWorkers,
    variants_of: Callable[[OperatorCase], Sequence[str]],
    *,
    random_seed: int,
    examples: Sequence[OperatorCase] = (),
) -> Searched:
    """Run the examples and then `count` random cases of a kind, each in the variants that are asked of it. The same
    seed draws the same cases.
    """
    searched = Searched()

    def agrees(case: OperatorCase) -> None:
        findings = examine(case, live, variants_of(case))
        problems = [finding.problem for finding in findings if finding.problem]
        if problems:
            raise DisagreementError(case, problems)
        searched.cases += 1
        for finding in findings:
            searched.ratios[finding.variant] = max(searched.ratios.get(finding.variant, 0.0), finding.ratio)

    try:
        for_random(CASES[kind], agrees, first=f"{random_seed} {kind}", count=count, examples=examples)
    except DisagreementError as error:
        searched.problem = str(error)
    except Flaky as error:
        searched.problem = f"a case failed, and not when it was run again: {error}"
    return searched


def kept(case: OperatorCase) -> str:
    """The case as an entry of operators.toml."""
    fields = msgspec.to_builtins(case)
    return "\n".join(["[[examples]]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())])
