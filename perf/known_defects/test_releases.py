"""Every known defect on every release: which fail its example, and which pass.

What the file of answers holds is not asked again, so that an interrupted session is resumed by the same command.
"""

from collections.abc import Callable

import pytest

from perf.builds import Build, provision
from perf.builds.releases import Release, ladder
from perf.checks import CheckResult
from perf.defects import all_defects
from perf.known_defects.answers import ANSWERS, add_answer, contradictions, read_answers
from perf.known_defects.ask import ask
from perf.measure.family import Resources

# The role that a wheel is put in, by its kind.
KINDS = {"mkl": True, "native": False}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wheels = [(role, release) for release in ladder() for role in KINDS if release.wheels(mkldnn=KINDS[role])]
    ids = [release.wheels(mkldnn=KINDS[role])[0] for role, release in wheels]
    metafunc.parametrize(("role", "release"), wheels, ids=ids, scope="module")
    metafunc.parametrize("name", all_defects())


@pytest.fixture(scope="module")
def build(role: str, release: Release, resources: Resources) -> Build:
    wheel = release.wheels(mkldnn=KINDS[role])[0]
    return provision(role, override=wheel, cache=resources.cache, say=resources.say)


@pytest.mark.accuracy(*KINDS)
def test_release(
    name: str,
    role: str,
    release: Release,
    resources: Resources,
    request: pytest.FixtureRequest,
    answered: Callable[[CheckResult], None],
) -> None:
    distribution = release.wheels(mkldnn=KINDS[role])[0].partition("==")[0]
    wheel, defect = f"{distribution} {release.version}", all_defects()[name]
    known = read_answers().get(name, {})
    if wheel not in known:  # else an earlier session asked it
        add_answer(ANSWERS, name, wheel, ask(name, defect, request.getfixturevalue("build"), resources))
    answer = read_answers()[name][wheel]
    problem = "; ".join(contradictions({name: defect}, {name: {wheel: answer}})) or None
    declared = "" if answer.result == "cannot be asked" else "as declared"
    answered(CheckResult("known defects", f"{name} on {wheel}", answer.result, declared, problem))
