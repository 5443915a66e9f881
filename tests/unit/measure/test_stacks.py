"""What a variant runs as a stack, and the code that measures it."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from perf.files import ROOT
from perf.measure.plan import Plan, Program
from perf.measure.stacks import MEASURING, _bare, measuring_code
from perf.stack import differing
from tests.support.fakes import PLACEMENTS
from tests.unit.measure.conftest import (
    BINDING,
    inference,
    stack,
    stored_program,
    training,
)


def test_a_stack_has_everything_that_determines_what_runs(program: Program, plan: Plan[Any]) -> None:
    actual = stack(plan)
    assert (actual.requirement, actual.wheel) == ("mxnet-mkl==1.5.0", "a" * 64)
    assert (actual.python, actual.numpy, actual.openmp, actual.blas_kernels) == ("3.11.7", "1.23.5", None, None)
    assert actual.program == f"net-0123/fp32 {program.content[:12]} no subgraph"
    assert (actual.variables, actual.threads) == (BINDING, 1)
    assert actual.placement == (PLACEMENTS[0].describe(),)
    assert (actual.horovod, actual.mpi, actual.job, actual.injected) == (None, None, {}, 0.0)
    assert actual.measuring == measuring_code()


def test_the_same_files_are_the_same_program_in_any_cache(tmp_path: Path) -> None:
    one, two = (stored_program(tmp_path / where / "net-0123") for where in ("a", "b"))
    assert one.label == two.label
    other = stored_program(tmp_path / "c" / "net-0123", symbol="[]")
    assert other.label != one.label
    assert replace(one, subgraph="MKLDNN").label != one.label


def test_the_same_files_made_in_another_way_are_the_same_program(tmp_path: Path) -> None:
    one, two = (stack(inference(stored_program(tmp_path / name))) for name in ("net-0123", "net-4567"))
    assert one.program != two.program
    assert not differing(one, two)
    other = stack(inference(stored_program(tmp_path / "net-89ab", symbol="[]")))
    assert differing(one, other) == {"program"}


def test_a_training_job_is_in_its_stack() -> None:
    actual = stack(training({"batch": 4, "optimizer": {"momentum": 0.9}}, {"HOROVOD_CYCLE_TIME": "10"}))
    assert actual.variables == {**BINDING, "HOROVOD_CYCLE_TIME": "10"}
    assert actual.job == {"batch": 4, "optimizer": {"momentum": 0.9}}
    assert (actual.mpi, actual.placement) == ("Intel MPI 2021.18.1", ("rank 0", "rank 1"))


def test_shell_variables_are_in_the_stacks_of_the_processes_that_inherit_them(
    plan: Plan[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LD_LIBRARY_PATH", "FI_PROVIDER", "HOROVOD_LOG_LEVEL", "KMP_BLOCKTIME", "MXNET_ENGINE_TYPE", "EDITOR"):
        monkeypatch.setenv(name, "user")
    of_ranks = stack(training({}, {})).environment
    assert {name for name, value in of_ranks.items() if value == "user"} == {
        "LD_LIBRARY_PATH",
        "FI_PROVIDER",
        "HOROVOD_LOG_LEVEL",
    }
    assert {name for name, value in stack(plan).environment.items() if value == "user"} == {"LD_LIBRARY_PATH"}


def bare(source: str) -> str:
    return ast.dump(_bare(ast.parse(source)))


CODE = '''
"""What it is for."""
class A:
    """What an A is."""

    def f(self, x):
        """What f does."""
        return x + 1  # because
'''


def test_comments_docstrings_and_layout_do_not_change_the_measuring_code() -> None:
    rewritten = CODE.replace("because", "for another reason").replace("What", "Which").replace("x + 1", "(x  +  1)")
    without = re.sub(r'\s*""".*"""', "", CODE)
    assert rewritten != CODE != without
    assert bare(rewritten) == bare(CODE) == bare(without)


@pytest.mark.parametrize(("old", "new"), [("+ 1", "+ 2"), ("def f", "def g"), ("class A", "class A(B)")])
def test_any_other_change_changes_the_measuring_code(old: str, new: str) -> None:
    assert bare(CODE.replace(old, new)) != bare(CODE)


def test_a_string_that_is_not_a_docstring_is_code() -> None:
    assert bare("x = 'one'") != bare("x = 'two'")
    assert bare("f()\n'one'") != bare("f()\n'two'")


def test_the_measuring_code_is_that_of_workers_and_turns() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", measuring_code())
    measured_by = {
        "perf/measure/engine.py",
        "perf/measure/workers/replies.py",
        "perf/measure/workers/turns.py",
        "perf/measure/workers/worker_group.py",
    }
    assert {"perf/worker", "perf/dist/rank_group.py", "perf/dist/launch/running.py", *measured_by} == set(MEASURING)
    assert all((ROOT / name).exists() for name in MEASURING)


def test_the_requirement_alone_is_no_difference(plan: Plan[Any]) -> None:
    now = stack(plan)
    assert differing(now, changed(now, requirement="./the-same-files.whl")) == set()
