"""Nothing is unpickled: a pickle runs whatever it names when it is read, and other users may write to the cache."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.files import ROOT
from tests.unit.project.test_rooms import MODULES

# Of the standard library and of packages that builds hold.
UNPICKLE = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
# Of Gluon's trainer and MXNet's optimizers, which keep their states as pickles.
STATES = {"load_states", "save_states", "get_states", "set_states", "load_optimizer_states", "save_optimizer_states"}


def pickles(source: str) -> Iterator[str]:
    """What of a module reads or writes pickles."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from UNPICKLE.intersection(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from UNPICKLE.intersection({(node.module or "").partition(".")[0]})
        elif isinstance(node, ast.Attribute):
            yield from STATES.intersection({node.attr})
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield "allow_pickle"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_module_reads_or_writes_pickles(path: Path) -> None:
    assert list(pickles((ROOT / path).read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal",
        "from joblib import load",
        "trainer.load_states(file)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trusted)",
    ],
)
def test_what_reads_pickles_is_found(source: str) -> None:
    assert list(pickles(source))
