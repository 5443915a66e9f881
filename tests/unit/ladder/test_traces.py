"""Kernels from traces of both formats, and traces that are kept for their stack."""

from pathlib import Path

import pytest

from perf.errors import PerfError
from perf.ladder.cells import Builds, Cell, cells_of
from perf.ladder.data import Rung
from perf.ladder.traces import FOLDER, Trace, kernels_in, stack_hash, store, traced
from tests.support.fakes import PLACEMENTS, build, resources
from tests.unit.ladder.made_ladder import release, workload

OLD = """mkldnn_verbose,info,Intel(R) MKL-DNN v0.19.0 (Git Hash 0)
mkldnn_verbose,create,convolution,jit:avx512_core,forward_inference,fsrc:nChw16c,,mb1,0.5
mkldnn_verbose,exec,convolution,jit:avx512_core,forward_inference,fsrc:nChw16c,,mb1,0.5
mkldnn_verbose,exec,convolution,jit:avx512_core,forward_inference,fsrc:nChw16c,,mb1,0.5
mkldnn_verbose,exec,reorder,simple:any,undef,in:f32_oihw out:f32_Oihw16o,num:1,16x3,0.1
"""
NEW = """dnnl_verbose,info,DNNL v1.0.0 (commit 0)
dnnl_verbose,exec,cpu,convolution,jit:avx512_core,forward_inference,src_f32::blocked:aBcd16b:f0,,,mb1,0.5
[05:00:00] src/operator/x.cc:1: warning: dnnl_verbose,exec,cpu,none
dnnl_verbose,exec,cpu,matmul,gemm:jit,undef,src_f32::blocked:ab:f0,,,mb1,0.5
"""


@pytest.mark.parametrize(
    ("log", "kernels"),
    [
        (OLD, {"convolution jit:avx512_core": 2, "reorder simple:any": 1}),
        (NEW, {"convolution jit:avx512_core": 1, "matmul gemm:jit": 1}),
        ("", {}),
    ],
)
def test_kernels_are_counted_in_traces_of_both_formats(log: str, kernels: dict[str, int]) -> None:
    assert kernels_in(log) == kernels


def a_cell(content: str = "c") -> Cell:
    builds = Builds(build(), release("1.5.0", "b"), {"1.6.0": release("1.6.0", content)})
    (cell,) = cells_of([Rung("1.6.0", "mxnet-mkl==1.6.0")], [workload()], builds, PLACEMENTS)
    return cell


def keep_trace(folder: Path, cell: Cell) -> Path:
    path = folder / FOLDER / "1.6.0-softmax.json"
    store(path, Trace(stack_hash(cell.stack(PLACEMENTS)), {"softmax jit": 3}))
    return path


def run(folder: Path, cell: Cell) -> tuple[Cell, dict[str, int] | None]:
    """Trace a cell, whose build does not exist: it fails unless the trace is there."""
    (result,), traces = traced([cell], resources(folder), folder, 0.0, lambda *_: None)
    trace = traces.get(("1.6.0", "softmax"))
    return result, trace.kernels if trace else None


def test_a_trace_that_is_there_is_not_repeated(tmp_path: Path) -> None:
    cell = a_cell()
    keep_trace(tmp_path, cell)
    assert run(tmp_path, cell) == (cell, {"softmax jit": 3})


@pytest.mark.parametrize("spoil", ["truncated", "another stack", "missing"])
def test_a_trace_that_is_damaged_or_of_another_stack_is_repeated(tmp_path: Path, spoil: str) -> None:
    path = keep_trace(tmp_path, a_cell())
    if spoil == "truncated":
        path.write_bytes(path.read_bytes()[:-5])
    if spoil == "missing":
        path.unlink()
    result, kernels = run(tmp_path, a_cell("d" if spoil == "another stack" else "c"))
    assert kernels is None
    assert result.plan is None
    assert str(result.problem).startswith("it fails: the worker could not be started")


def test_a_cell_without_a_plan_is_passed_on(tmp_path: Path) -> None:
    cell = Cell(Rung("1.6.0", "x"), workload(), problem="there is no such wheel")
    assert traced([cell], resources(tmp_path), tmp_path, 0.0, lambda *_: None) == ([cell], {})


def test_a_folder_that_cannot_be_written_to_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PerfError, match="cannot be written to: Not a directory"):
        store(tmp_path / "file" / "x" / "trace.json", Trace("", {}))
