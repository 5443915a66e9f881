"""Whatever the machine, its CPU has AVX512-VNNI."""

from collections.abc import Iterator

import pytest

from tests.support.fakes import cpu_with


@pytest.fixture(autouse=True, scope="module")
def vnni() -> Iterator[None]:
    with cpu_with("avx512_vnni"):
        yield
