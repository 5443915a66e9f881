"""A census's file survives whatever kills the census, and belongs to one census only."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.census.state import NAME, CensusFile, Line, opened, read_lines
from perf.errors import PerfError
from tests.conftest import SmallDisk
from tests.unit.census.made_census import HEADER, result


def test_results_are_there_when_it_resumes(tmp_path: Path) -> None:
    CensusFile(tmp_path, HEADER).add(result("alexnet", sqnr_db=20.5))
    file = CensusFile(tmp_path, HEADER)
    file.add(result("mynet", content="0a 1x8x8"))
    assert CensusFile(tmp_path, HEADER).results == {
        ("alexnet", ""): result("alexnet", sqnr_db=20.5),
        ("mynet", "0a 1x8x8"): result("mynet", content="0a 1x8x8"),
    }


def test_a_network_that_was_examined_again_has_the_new_result(tmp_path: Path) -> None:
    file = CensusFile(tmp_path, HEADER)
    file.add(result("alexnet", machine_class="old"))
    file.add(result("alexnet", machine_class="new"))
    assert CensusFile(tmp_path, HEADER).results == {("alexnet", ""): result("alexnet", machine_class="new")}


WHOLE = b"".join(
    msgspec.json.encode(line) + b"\n"
    for line in (Line(header=HEADER), *(Line(result=result(name)) for name in ("alexnet", "resnet18_v1")))
)


@settings(max_examples=15)  # each writes to the disk twice
@given(st.integers(0, len(WHOLE)))
def test_a_killed_census_loses_the_unfinished_line_only(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    folder = tmp_path_factory.mktemp("census")
    (folder / NAME).write_bytes(WHOLE[:length])
    whole = WHOLE[:length].count(b"\n") - 1
    file = CensusFile(folder, HEADER)
    assert [name for name, _ in file.results] == ["alexnet", "resnet18_v1"][: max(0, whole)]
    file.add(result("vgg11"))
    lines, size = read_lines(folder / NAME)
    assert (len(lines), size) == (max(0, whole) + 2, (folder / NAME).stat().st_size)


def test_another_census_is_refused(tmp_path: Path) -> None:
    CensusFile(tmp_path, HEADER)
    other = msgspec.structs.replace(HEADER, conditions={"build mkl": "mxnet-mkl==1.6.0 (ff)"})
    with pytest.raises(
        PerfError,
        match=r"other conditions: build mkl: mxnet-mkl==1.5.0 \(.*\) there, .*1.6.0 .* here\nnext: name another",
    ):
        CensusFile(tmp_path, other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"header":{"version":7}}\n', "has version 7, but this version of the suite reads version 2"),
        (b'{"result":null}\n', "is damaged"),
        (b"no JSON\n", "is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(PerfError, match=message) as caught:
        CensusFile(tmp_path, HEADER)
    assert str(tmp_path / NAME) in str(caught.value)


def test_one_census_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(PerfError, match="another census is using this folder"), opened(tmp_path):
        pass


def test_a_full_disk_is_an_error_and_keeps_what_was_known(small_disk: SmallDisk) -> None:
    folder, _ = small_disk
    file = CensusFile(folder, HEADER)
    file.add(result("alexnet"))
    (folder / "filler").write_bytes(b"0" * (20 * 2**20 - 2 * 4096))
    with pytest.raises(PerfError, match="cannot be written to: No space left on device"):
        file.add(result("vgg11", reason="x" * 10**5))
    (folder / "filler").unlink()
    assert list(CensusFile(folder, HEADER).results) == [("alexnet", "")]
