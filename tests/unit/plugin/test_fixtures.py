"""Answers that nothing shows to be right or wrong: they pass, and fail under --perf-strict. The command of one item."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from perf.measure.family import Checked
from perf.plugin.fixtures import _fail_as_judged
from perf.plugin.options import OPTIONS, Options
from perf.plugin.storage import STORAGE
from perf.plugin.terminal import reproduction
from perf.runs.judges import NoBaseline
from perf.runs.verdict import Verdict


def fail_as_judged(unjudged: str | None, *, strict: bool) -> None:
    outcome: Any = SimpleNamespace(case=SimpleNamespace(id="net-b1-mkl-int8"), check=Checked(None, None, unjudged))
    options = SimpleNamespace(strict=strict, advisory=False, shard=None)
    session: Any = SimpleNamespace(setup=SimpleNamespace(options=options), judge=None)
    _fail_as_judged(outcome, None, session, "net", "uv run pytest net")


def test_answers_that_were_not_judged_fail_where_everything_must_be() -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        fail_as_judged("no floor is known", strict=True)
    assert caught.value.msg == (
        "net-b1-mkl-int8: its answers were not judged: no floor is known\nalone: uv run pytest net"
    )


@pytest.mark.parametrize(("unjudged", "strict"), [("no floor is known", False), (None, True)])
def test_otherwise_they_pass(unjudged: str | None, strict: bool) -> None:
    fail_as_judged(unjudged, strict=strict)


@pytest.mark.parametrize(("file", "arguments"), [(None, ""), ("other.toml", " -c other.toml")])
def test_the_command_of_one_item_names_the_configuration_file(file: str | None, arguments: str) -> None:
    stash = {OPTIONS: Options(), STORAGE: SimpleNamespace(arguments=[])}
    config: Any = SimpleNamespace(option=SimpleNamespace(inifilename=file), stash=stash)
    assert reproduction(config, "perf/test_a.py::test_b").endswith(f"run pytest perf/test_a.py::test_b{arguments}")


@pytest.mark.parametrize(("shard", "fails"), [(None, True), ((1, 2), False)])
def test_the_verdict_of_a_shard_fails_nothing(shard: tuple[int, int] | None, *, fails: bool) -> None:
    case: Any = SimpleNamespace(id="net-b1-mkl-int8")
    outcome: Any = SimpleNamespace(case=case, check=Checked(None, None, None))
    options = Options(strict=True, shard=shard)
    setup = SimpleNamespace(options=options)
    session: Any = SimpleNamespace(setup=setup, judge=NoBaseline(), contested=set(), explanations={})
    verdict = Verdict("net-b1-mkl-int8", "regressed", "slower")
    with pytest.raises(pytest.fail.Exception, match="regressed") if fails else nullcontext():
        _fail_as_judged(outcome, verdict, session, "net", "uv run pytest net")
    assert session.contested == ({"net"} if fails else set())
