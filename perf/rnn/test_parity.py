"""The answers of the fused recurrent operator: both builds compared with its equations in plain numpy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from perf.checks import CheckResult
from perf.defects import defects_of
from perf.measure.family import Resources
from perf.plugin.options import OPTIONS, Options
from perf.rnn.example import CHECK
from perf.rnn.family import RnnCase, RnnFamily
from perf.rnn.parity import Runners, check_case, check_defect, check_random
from perf.rnn.reference import GATES
from perf.rnn.runner import ExampleRunner
from perf.rnn.shapes import REFERENCE, AnswerChecks, catalogue

Answered = Callable[[CheckResult], None]
BUILDS = ("native", "mkl")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    if "case" in metafunc.fixturenames:
        cases = RnnFamily().cases(_checks(options).cases, options.cells, options.shapes, options.layers)
        # A case checks all variants of its workload, so there is one for each workload.
        selected = [case for case in cases if case.variant != REFERENCE]
        metafunc.parametrize("case", selected, ids=[case.workload for case in selected])
    if "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", GATES)
    if "defect" in metafunc.fixturenames:
        metafunc.parametrize("defect", defects_of(CHECK))


def _checks(options: Options) -> AnswerChecks:
    return catalogue().answers["whole" if options.whole_accuracy and options.tier == "quick" else options.tier]


@pytest.fixture(scope="module")
def runners(resources: Resources) -> Iterator[Runners]:
    """Yield a runner for each build, by its role."""
    with ExitStack() as exits:
        yield {role: exits.enter_context(ExampleRunner(resources.build(role), resources)) for role in BUILDS}


@pytest.mark.accuracy(*BUILDS)
def test_equations(case: RnnCase, resources: Resources, answered: Answered) -> None:
    answered(check_case(case, resources))


@pytest.mark.accuracy(*BUILDS)
def test_random_networks(mode: str, runners: Runners, answered: Answered, request: pytest.FixtureRequest) -> None:
    options = request.config.stash[OPTIONS]
    answered(check_random(mode, runners, seed=options.seed, count=_checks(options).random))


@pytest.mark.accuracy(*BUILDS)
def test_known_defects(defect: str, runners: Runners, answered: Answered) -> None:
    answered(check_defect(defect, defects_of(CHECK)[defect], runners))
