"""Horovod's compiled wheel: where its library looks for its parts, and that it is made once."""

from perf.builds import Build, provision
from perf.builds.compiled import compiled_label
from perf.cache import cache_folder

NAME = "horovod"


def test_the_library_looks_for_its_parts_beside_itself(mkl_dist: Build) -> None:
    library = next(mkl_dist.folder.glob("lib/python3.11/site-packages/horovod/mxnet/mpi_lib*.so"))
    content = library.read_bytes()
    assert b"$ORIGIN/../../../..:$ORIGIN/../../mxnet" in content


def test_it_is_compiled_once(mkl_dist: Build) -> None:
    said: list[str] = []
    again = provision("mkl-dist", override=None, cache=cache_folder(None), say=said.append)
    assert again == mkl_dist
    assert again.compiled == compiled_label(NAME)
    assert not said
