"""Which networks a census examines, and what its command refuses before anything is made."""

from pathlib import Path

import pytest

from perf.census.command import Wanted, brought_networks, wanted_networks, write_tables
from perf.census.state import CensusFile
from perf.errors import PerfError
from perf.files import read_json
from tests.unit.census.made_census import HEADER, result
from tests.unit.cnn.symbols.made_networks import written


def names(*only: str) -> list[str]:
    return [one.name for one in wanted_networks(HEADER, [], only)]


def test_patterns_select_networks_in_their_order() -> None:
    assert names() == HEADER.networks
    assert names("VGG*", "alexnet") == ["alexnet", "vgg11"]


def test_nothing_to_examine_is_refused_with_the_reason() -> None:
    with pytest.raises(PerfError, match="--only nosuch: no network has such a name\nnext: name one of GluonCV's"):
        names("nosuch")
    with pytest.raises(PerfError, match="--only ssd_300: ssd_300 is left out: detection"):
        names("ssd_300")


def test_a_network_of_the_users_own_comes_first_and_is_known_by_its_content(tmp_path: Path) -> None:
    (brought,) = brought_networks([written(tmp_path)])
    first, *_ = wanted_networks(HEADER, [brought], [])
    assert first == Wanted("mynet", brought)
    assert first.key == ("mynet", brought.content) != ("mynet", "")


def test_a_value_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PerfError, match="--symbol=mynet: write NAME=SYMBOL"):
        brought_networks(["mynet"])
    with pytest.raises(PerfError, match="GluonCV has a network of this name"):
        brought_networks([written(tmp_path).replace("mynet", "vgg11")])


def test_tables_hold_what_the_file_holds(tmp_path: Path) -> None:
    file = CensusFile(tmp_path, HEADER)
    file.add(result("vgg11", "not quantised", reason="it threw"))
    census = write_tables(tmp_path, file, HEADER)
    assert census.missing == ["alexnet", "resnet18_v1"]
    assert read_json(tmp_path / "census.json", type(census)) == census
    assert "<code>vgg11</code>: it threw" in (tmp_path / "census.md").read_text()
