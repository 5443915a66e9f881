"""Builds, placements and resources made by hand, for tests that start no MXNet."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perf.builds import Build, BuildFacts, Mpi
from perf.machine import Placement, read_machine, this_cpu_has
from perf.measure.family import Resources

PLACEMENTS = (Placement(0, 0, (0,), 1, "affinity", ()),)


def facts(**changes: Any) -> BuildFacts:
    """What a plain build says of itself; `changes` replace fields."""
    fields: dict[str, Any] = {
        "mxnet": "1.5.0",
        "mkldnn": False,
        "numpy": "1.23.5",
        "python": "3.11.7",
        "library": "lib/libmxnet.so",
        "library_bytes": 1,
        "distribution": "mxnet",
        "content_sha256": "a" * 64,
        "openmp": None,
    }
    return BuildFacts(**{**fields, **changes})


def build(
    role: str = "native",
    *,
    folder: Path = Path("/nowhere"),
    variables: Mapping[str, str] | None = None,
    requirement: str = "mxnet==1.5.0",
    mpi: Mpi | None = None,
    blas_kernels: str | None = None,
    **changes: Any,
) -> Build:
    """A build with those facts, changed by `changes`."""
    return Build(
        role=role,
        folder=folder,
        variables=variables or {},
        requirement=requirement,
        locked=False,
        facts=facts(**changes),
        wheel_sha256=None,
        blas_kernels=blas_kernels,
        mpi=mpi,
    )


def resources(folder: Path, builds: Callable[[str], Build] = build, **changes: Any) -> Resources:
    """What a session lends a family, with cache and scratch in `folder`; `changes` replace fields."""
    fields: dict[str, Any] = {
        "build": builds,
        "placements": PLACEMENTS,
        "cores": 2,
        "cache": folder,
        "scratch": folder,
        "timeout_s": 1,
        "say": print,
    }
    return Resources(**{**fields, **changes})


@contextmanager
def cpu_with(isa: str) -> Iterator[None]:
    """Let the best instruction set of this machine's CPU be one of isa.toml."""
    machine = replace(read_machine(), isa=isa)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perf.machine.identity.read_machine", lambda: machine)
        this_cpu_has.cache_clear()
        yield
    this_cpu_has.cache_clear()
