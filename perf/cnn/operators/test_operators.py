"""Single operators in every variant: random cases within derived bounds, and the examples of known defects."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from perf.checks import CheckResult
from perf.cnn.operators.base import OperatorCase
from perf.cnn.operators.check import examine
from perf.cnn.operators.data import load
from perf.cnn.operators.int8 import ISA, RELEASES
from perf.cnn.operators.kinds import AnyCase
from perf.cnn.operators.regions import CHECK, REGIONS, covered, signs_of
from perf.cnn.operators.search import search
from perf.cnn.operators.workers import VARIANTS, OperatorWorkers
from perf.defects import defects_of
from perf.machine import read_machine
from perf.measure.family import Resources
from perf.plugin.options import OPTIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = metafunc.config.stash[OPTIONS]
    whole = options.whole_accuracy
    if "kind" in metafunc.fixturenames:
        counts = load().cases[options.tier if whole else "slice"]
        metafunc.parametrize(("kind", "count"), counts.items(), ids=list(counts))
    else:
        metafunc.parametrize("name", defects_of(CHECK) if whole else load().slice_defects)


@pytest.fixture(scope="module")
def int8_unchecked(resources: Resources) -> str | None:
    """Why mkl-int8 cannot be checked; None when it can."""
    if not read_machine().has_isa(ISA):
        return "this CPU lacks AVX512-VNNI"
    facts = resources.build("mkl").facts
    return None if facts.mxnet in RELEASES else f"no bounds are known for {facts.wheel}"


@pytest.fixture(scope="module")
def variants(int8_unchecked: str | None) -> list[str]:
    """Those that can be checked."""
    return [name for name, way in VARIANTS.items() if not (way.quantised and int8_unchecked)]


@pytest.fixture(scope="module")
def live(resources: Resources) -> Iterator[OperatorWorkers]:
    with OperatorWorkers(resources) as workers:
        yield workers


@pytest.mark.accuracy("native", "mkl")
def test_operator(
    kind: str,
    count: int,
    live: OperatorWorkers,
    variants: list[str],
    int8_unchecked: str | None,
    resources: Resources,
    request: pytest.FixtureRequest,
    answered: Callable[[CheckResult], None],
) -> None:
    facts = {name: resources.build(VARIANTS[name].role).facts for name in variants}

    def variants_of(case: OperatorCase) -> list[str]:
        return [name for name in variants if not covered(case, name, facts[name])]

    kept = [case for case in load().examples if msgspec.to_builtins(case)["kind"] == kind]
    seed = request.config.stash[OPTIONS].seed
    searched = search(kind, count, live, variants_of, random_seed=seed, examples=kept)
    ratios = ", ".join(f"{variant} {ratio:.2g}" for variant, ratio in searched.ratios.items())
    left_out = f"; mkl-int8 left out: {int8_unchecked}" if int8_unchecked else ""
    found = f"{searched.cases} cases, largest error: {ratios}{left_out}"
    answered(CheckResult(CHECK, kind, found, "1 of the bound", searched.problem))


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
    found, wrong = [], []
    # In workers of its own: some defects read memory that is not theirs, and what lies there is then always the same.
    with OperatorWorkers(resources) as fresh:
        for role in ("native", "mkl"):
            facts = resources.build(role).facts
            own = [variant for variant in variants if VARIANTS[variant].role == role]
            there = affected if defect.is_in(facts) else [name for name in own if not covered(case, name, facts)]
            asked = [variant for variant in own if variant in there]
            problems = [finding.problem for finding in examine(case, fresh, asked) if finding.problem]
            found.append(f"{facts.wheel} {'fails' if problems else 'passes'}")
            wrong.append(defect.contradiction(name, facts, problems))
    allowed = "; ".join(f"{wheel} {', '.join(versions)} fails" for wheel, versions in defect.affects.items())
    problem = "\n".join(filter(None, wrong)) or None
    answered(CheckResult("known defects", name, ", ".join(found), allowed, problem))
