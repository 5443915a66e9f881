"""tests/unit is the fast door: none of it needs a wheel, imports MXNet or starts pytest in another process."""

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.files import ROOT

UNIT = ROOT / "tests" / "unit"
MODULES = sorted(str(path.relative_to(ROOT)) for path in UNIT.rglob("*.py"))
# Builds made from wheels, sessions in processes of their own, and MXNet itself.
CLOSED = ("tests.integration", "tests.support.session", "tests.support.mutants", "mxnet", "horovod", "gluoncv")


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def commands(tree: ast.Module) -> Iterator[str]:
    """The literal words of each list and tuple in a module, which may be a command line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            yield " ".join(str(element.value) for element in node.elts if isinstance(element, ast.Constant))


def offences(source: str) -> list[str]:
    """What a module does that takes longer than the fast door allows."""
    tree = ast.parse(source)
    behind = [name for name in imported(tree) if any(f"{name}.".startswith(f"{closed}.") for closed in CLOSED)]
    starts = [command for command in commands(tree) if re.match(r"(-m )?pytest\b", command)]
    return [*behind, *starts]


def test_unit_tests_need_no_wheel_and_start_no_pytest() -> None:
    assert {name: listed for name in MODULES if (listed := offences(Path(ROOT, name).read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.integration.conftest import can_emulate",
        "from tests.support.session import run",
        "from tests.support import session",
        "def test_it():\n    import mxnet as mx",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pytest'])",
        "import subprocess\nsubprocess.run(['pytest', 'perf'])",
    ],
)
def test_the_check_sees_what_it_is_for(source: str) -> None:
    assert offences(source)


def test_a_warning_in_the_suites_own_tests_is_an_error() -> None:
    with pytest.raises(UserWarning, match="a library's"):
        warnings.warn("a library's", stacklevel=1)
