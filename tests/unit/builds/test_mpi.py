"""Which MPI is in a folder."""

from pathlib import Path

import pytest

from perf.builds.mpi import read_mpi
from perf.errors import PerfError

INTEL = "Intel(R) MPI Library for Linux* OS, Version 2021.18.1 Build 20260626 (id: b44796a)"
OPEN = "mpirun (Open MPI) 4.1.4"


def program(folder: Path, name: str, says: str) -> None:
    """A shell script in the place of an MPI's program."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "says", "words"),
    [("mpiexec.hydra", INTEL, "Intel MPI 2021.18.1"), ("mpirun", OPEN, "Open MPI 4.1.4")],
)
def test_either_is_told_by_what_it_says(tmp_path: Path, name: str, says: str, words: str) -> None:
    program(tmp_path, name, says)
    program(tmp_path, "mpicxx", "")
    mpi = read_mpi(tmp_path, bundled=False)
    assert mpi.label == words
    assert mpi.launcher == tmp_path / "bin" / name


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        ({}, "there is no mpiexec.hydra or mpirun in"),
        ({"mpirun": OPEN}, "there is no .*mpicxx"),
        ({"mpirun": "MPICH 3.1", "mpicxx": ""}, "is of neither: MPICH 3.1"),
        ({"mpiexec.hydra": "HYDRA build details", "mpicxx": ""}, "is of neither: HYDRA build details"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, programs: dict[str, str], told: str) -> None:
    for name, says in programs.items():
        program(tmp_path, name, says)
    with pytest.raises(PerfError, match=told) as caught:
        read_mpi(tmp_path, bundled=False)
    assert caught.value.subject == f"--perf-mpi={tmp_path}"
    assert "--perf-mpi" in str(caught.value.next_step)


def test_only_intels_libraries_must_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    program(tmp_path, "mpiexec.hydra", INTEL)
    program(tmp_path, "mpicxx", "")
    variables = read_mpi(tmp_path, bundled=True).variables
    assert variables == {"I_MPI_ROOT": str(tmp_path), "LD_LIBRARY_PATH": f"{tmp_path}/lib:/mine"}
