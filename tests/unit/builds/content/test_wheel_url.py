"""Wheels at an address: refused without a hash, downloaded from a server, and compared before anything runs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.builds import check_overrides, parse_overrides, wheel_url
from perf.builds.spec import spec_for
from perf.builds.wheel_url import WheelUrl, downloaded, read_wheel_url
from perf.errors import PerfError
from tests.conftest import SmallDisk
from tests.support.services.server import serving

NAME = "mxnet_mkl-1.5.1-py2.py3-none-manylinux1_x86_64.whl"
CONTENT = b"a wheel"
HEX = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has the wheel."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    with serving(folder) as address:
        yield address


REFUSED = {
    f"https://example.org/{NAME}": "a wheel at an address needs its sha256",
    f"https://example.org/{NAME}#sha256=": "a wheel at an address needs its sha256",
    f"https://example.org/{NAME}#sha256={HEX[:-1]}": "a wheel at an address needs its sha256",
    f"https://example.org/{NAME}#md5={HEX}": "a wheel at an address needs its sha256",
    f"https://example.org/{NAME}#sha256={HEX}&x=1": "a wheel at an address needs its sha256",
    "git+https://example.org/mxnet.git": "a wheel at an address needs its sha256",
    f"mxnet-mkl @ https://example.org/{NAME}": "a wheel at an address needs its sha256",
    f"mxnet-mkl @ https://example.org/{NAME}#sha256={HEX}": "this is not the address of a wheel",
    f"file:///tmp/{NAME}#sha256={HEX}": "this is not the address of a wheel",
    f"ftp://example.org/{NAME}#sha256={HEX}": "this is not the address of a wheel",
    f"https:///{NAME}#sha256={HEX}": "this is not the address of a wheel",
    f"https://[::1/{NAME}#sha256={HEX}": "this is not the address of a wheel",
    f"https://example.org/mxnet.tar.gz#sha256={HEX}": "this is not the address of a wheel",
    f"https://example.org/a.whl#sha256={HEX}": "this is not the address of a wheel",
    f"https://example.org/..%2F{NAME}#sha256={HEX}": "this is not the address of a wheel",
    f"https://me:secret@example.org/{NAME}#sha256={HEX}": "the address holds a password or a query",
    f"https://example.org/x?token=1/{NAME}#sha256={HEX}": "the address holds a password or a query",
}


@pytest.mark.parametrize("requirement", REFUSED)
def test_what_cannot_be_trusted_is_refused_while_collecting(requirement: str) -> None:
    overrides = parse_overrides([f"mkl={requirement}"])
    with pytest.raises(PerfError, match=REFUSED[requirement]) as caught:
        check_overrides(overrides)
    assert caught.value.next_step
    assert str(caught.value).startswith(f"--perf-build mkl={requirement}: ")


def test_the_same_file_is_the_same_build_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    on_disk = spec_for("mkl", str(tmp_path / NAME))
    specs = [spec_for("mkl", f"https://{host}/{NAME}#sha256={HEX.upper()}") for host in ("a.org", "b.org/c")]
    assert {spec.key for spec in specs} == {on_disk.key}
    assert {spec.wheel_sha256 for spec in specs} == {HEX}
    assert not any(spec.locked for spec in specs)
    assert spec_for("mkl", f"https://a.org/{NAME}#sha256={'0' * 64}").key != on_disk.key


@pytest.mark.parametrize("way", ["", "/moved"])
def test_a_wheel_with_the_right_hash_is_there_for_a_while(tmp_path: Path, server: str, way: str) -> None:
    wheel = read_wheel_url(f"{server}{way}/{NAME}#sha256={HEX}", "test")
    said: list[str] = []
    with downloaded(wheel, tmp_path / "wheel", said.append) as wheels:
        assert [Path(path).name for path in wheels] == [NAME]
        assert Path(wheels[0]).read_bytes() == CONTENT
    assert not (tmp_path / "wheel").exists()
    assert said == [f"{NAME}: downloading"]


FAILING = {
    f"/{NAME}": ("0" * 64, rf"another sha256, {HEX}; nothing in it was run"),
    f"/none/{NAME}": (HEX, "cannot be downloaded: File not found"),
    f"/short/{NAME}": (HEX, "another sha256"),
    f"/away/{NAME}": (HEX, "cannot be downloaded: .*is not allowed"),
}


@pytest.mark.parametrize("path", FAILING)
def test_a_wheel_that_is_not_the_named_one_is_an_error_and_leaves_nothing(
    tmp_path: Path, server: str, path: str
) -> None:
    sha256, message = FAILING[path]
    with (
        pytest.raises(PerfError, match=message) as caught,
        downloaded(WheelUrl(server + path, NAME, sha256), tmp_path / "wheel", print),
    ):
        pytest.fail("it was handed over")
    assert str(caught.value).startswith(server + path)
    assert not (tmp_path / "wheel").exists()


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    wheel = WheelUrl(f"http://127.0.0.1:9/{NAME}", NAME, HEX)
    with pytest.raises(PerfError, match="cannot be downloaded: "), downloaded(wheel, tmp_path / "wheel", print):
        pytest.fail("it was handed over")


def test_a_wheel_that_is_too_large_is_not_downloaded_to_its_end(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel_url, "MOST_BYTES", 3)
    wheel = WheelUrl(f"{server}/{NAME}", NAME, HEX)
    with pytest.raises(PerfError, match="is larger than"), downloaded(wheel, tmp_path / "wheel", print):
        pytest.fail("it was handed over")


def test_a_full_disk_is_not_taken_for_a_failed_download(tmp_path: Path, server: str, small_disk: SmallDisk) -> None:
    folder, _ = small_disk
    (tmp_path / "served" / NAME).write_bytes(b"x" * 30_000_000)
    wheel = WheelUrl(f"{server}/{NAME}", NAME, HEX)
    with pytest.raises(OSError, match="No space left"), downloaded(wheel, folder / "wheel", print):
        pytest.fail("it was handed over")
    assert list(folder.iterdir()) == []


def test_nothing_is_downloaded_where_no_address_is_named(tmp_path: Path) -> None:
    with downloaded(None, tmp_path / "wheel", print) as wheels:
        assert wheels == ()
    assert not (tmp_path / "wheel").exists()
