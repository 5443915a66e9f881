"""Recognising the MPI in a folder."""

from pathlib import Path

import pytest

from perf.builds.mpi import read_mpi
from perf.errors import PerfError

INTEL = "Intel(R) MPI Library for Linux* OS, Version 2021.18.1 Build 20260626 (id: b44796a)"
OPEN = "mpirun (Open MPI) 4.1.4"


def write_program(folder: Path, name: str, output: str) -> None:
    """Write a shell script in the place of an MPI's program."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "output", "label"),
    [("mpiexec.hydra", INTEL, "Intel MPI 2021.18.1"), ("mpirun", OPEN, "Open MPI 4.1.4")],
)
def test_intel_and_open_mpi_are_recognised_by_their_version(tmp_path: Path, name: str, output: str, label: str) -> None:
    write_program(tmp_path, name, output)
    write_program(tmp_path, "mpicxx", "")
    mpi = read_mpi(tmp_path, bundled=False)
    assert mpi.label == label
    assert mpi.launcher == tmp_path / "bin" / name


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        ({}, "there is no mpiexec.hydra or mpirun in"),
        ({"mpirun": OPEN}, "there is no .*mpicxx"),
        ({"mpirun": "MPICH 3.1", "mpicxx": ""}, "is from neither of the two: MPICH 3.1"),
        ({"mpiexec.hydra": "HYDRA build details", "mpicxx": ""}, "is from neither of the two: HYDRA build details"),
    ],
)
def test_any_other_folder_is_refused(tmp_path: Path, programs: dict[str, str], message: str) -> None:
    for name, output in programs.items():
        write_program(tmp_path, name, output)
    with pytest.raises(PerfError, match=message) as caught:
        read_mpi(tmp_path, bundled=False)
    assert caught.value.subject == f"--perf-mpi={tmp_path}"
    assert "--perf-mpi" in str(caught.value.next_step)


def test_intel_mpi_needs_variables_for_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    write_program(tmp_path, "mpiexec.hydra", INTEL)
    write_program(tmp_path, "mpicxx", "")
    variables = read_mpi(tmp_path, bundled=True).variables
    assert variables == {"I_MPI_ROOT": str(tmp_path), "LD_LIBRARY_PATH": f"{tmp_path}/lib:/mine"}
