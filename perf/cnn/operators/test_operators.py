"""Single operators in every variant: random cases against derived bounds, and the examples of known defects."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from perf.checks import CheckResult
from perf.cnn.operators.arithmetic import why_unknown_arithmetic
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.check import run_case
from perf.cnn.operators.int8 import RELEASES
from perf.cnn.operators.kinds import AnyCase
from perf.cnn.operators.regions import CHECK, REGIONS, is_covered, signs_of
from perf.cnn.operators.search import operators_file, search
from perf.cnn.operators.workers import VARIANTS, OperatorWorkers
from perf.defects import defects_of
from perf.measure.family import Resources
from perf.plugin.options import OPTIONS
from perf.wording import counted


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    whole = options.whole_accuracy
    if "kind" in metafunc.fixturenames:
        counts = operators_file().cases[options.tier if whole else "slice"]
        metafunc.parametrize(("kind", "count"), counts.items(), ids=list(counts))
    else:
        metafunc.parametrize("name", defects_of(CHECK) if whole else operators_file().slice_defects)


@pytest.fixture(scope="module")
def int8_unchecked(resources: Resources) -> str | None:
    """Return why mkl-int8 cannot be checked; None if it can."""
    if reason := why_unknown_arithmetic():
        return reason
    facts = resources.build("mkl").facts
    return None if facts.mxnet in RELEASES else f"no bounds are known for {facts.wheel}"


@pytest.fixture(scope="module")
def variants(int8_unchecked: str | None) -> list[str]:
    """Return the variants that can be checked."""
    return [name for name, variant in VARIANTS.items() if not (variant.quantised and int8_unchecked)]


@pytest.fixture(scope="module")
def workers(resources: Resources) -> Iterator[OperatorWorkers]:
    with OperatorWorkers(resources) as live:
        yield live


@pytest.mark.accuracy("native", "mkl")
def test_operator(
    kind: str,
    count: int,
    workers: OperatorWorkers,
    variants: list[str],
    int8_unchecked: str | None,
    resources: Resources,
    request: pytest.FixtureRequest,
    answered: Callable[[CheckResult], None],
) -> None:
    facts = {name: resources.build(VARIANTS[name].role).facts for name in variants}

    def variants_of(case: OperatorCase) -> list[str]:
        return [name for name in variants if not is_covered(case, name, facts[name])]

    examples = [case for case in operators_file().examples if msgspec.to_builtins(case)["kind"] == kind]
    seed = request.config.stash[OPTIONS].seed
    result = search(kind, count, workers, variants_of, random_seed=seed, examples=examples)
    ratios = ", ".join(f"{variant} {ratio:.2g}" for variant, ratio in result.ratios.items())
    left_out = f"; mkl-int8 left out: {int8_unchecked}" if int8_unchecked else ""
    observed = f"{counted(result.cases, 'case')}, largest error: {ratios}{left_out}"
    answered(CheckResult(CHECK, kind, observed, "1 of the bound", result.problem))


@pytest.mark.accuracy("native", "mkl")
def test_known_defect(
    name: str,
    variants: list[str],
    int8_unchecked: str | None,
    resources: Resources,
    answered: Callable[[CheckResult], None],
) -> None:
    defect = defects_of(CHECK)[name]
    case: OperatorCase = msgspec.convert(defect.example, AnyCase)
    affected = [variant for variant in VARIANTS if REGIONS[name](case, variant, signs_of(case))]
    if not set(affected) <= set(variants):
        pytest.skip(f"mkl-int8 cannot be checked: {int8_unchecked}")
    observed, contradictions = [], []
    # In new workers: some defects read foreign memory, whose content is then the same every time.
    with OperatorWorkers(resources) as fresh:
        for role in ("native", "mkl"):
            facts = resources.build(role).facts
            own = [variant for variant in variants if VARIANTS[variant].role == role]
            sound = [variant for variant in own if not is_covered(case, variant, facts)]
            chosen = [variant for variant in own if variant in affected] if defect.is_in(facts) else sound
            problems = [outcome.problem for outcome in run_case(case, fresh, chosen) if outcome.problem]
            observed.append(f"{facts.wheel} {'fails' if problems else 'passes'}")
            contradictions.append(defect.contradiction(name, facts, problems))
    allowed = "; ".join(f"{wheel} {', '.join(versions)} fails" for wheel, versions in defect.affects.items())
    problem = "\n".join(filter(None, contradictions)) or None
    answered(CheckResult("known defects", name, ", ".join(observed), allowed, problem))
