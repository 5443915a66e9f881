"""A host is known by a hash that does not give its machine ID away."""

import hashlib
from pathlib import Path

import pytest

from perf.machine import read_host_id

MACHINE_ID = "0123456789abcdef0123456789abcdef"


def test_a_host_is_identified_by_a_hash_of_its_machine_id(tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text(f"{MACHINE_ID}\n")
    host = read_host_id(path)
    assert host is not None
    assert len(host) == 16
    assert int(host, 16) >= 0
    assert host not in MACHINE_ID
    assert host != hashlib.sha256(MACHINE_ID.encode()).hexdigest()[:16], "it is salted"
    path.write_text(MACHINE_ID)
    assert read_host_id(path) == host
    path.write_text(MACHINE_ID[::-1])
    assert read_host_id(path) != host


@pytest.mark.parametrize("text", ["", "\n", "uninitialized\n"])
def test_a_host_without_a_machine_id_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "machine-id"
    assert read_host_id(path) is None
    path.write_text(text)
    assert read_host_id(path) is None
