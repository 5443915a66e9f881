"""builds.toml, and what is read from pyproject.toml and uv.lock."""

import re
import tomllib
from pathlib import Path

import pytest

from perf.builds.data import DATA, BuildsFile, distribution, group_requirements, load, locked_wheel, role_named
from perf.defects import DATA as DEFECTS
from perf.errors import PerfError
from perf.files import ROOT, read_toml


def test_roles_and_their_requirements() -> None:
    roles = load().roles
    assert {name: role.mkldnn for name, role in roles.items()} == {
        "native": False,
        "mkl": True,
        "zoo": True,
        "native-dist": False,
        "mkl-dist": True,
    }
    assert roles["zoo"].imports == ("gluoncv",)
    assert roles["mkl-dist"].imports == roles["native-dist"].imports == ("horovod.mxnet",)


def test_binding_is_for_mkl_only() -> None:
    assert (
        load().roles["mkl-dist"].variables
        == load().roles["mkl"].variables
        == {"KMP_AFFINITY": "granularity=fine,noduplicates,compact,1,0"}
    )
    assert load().roles["native"].variables == {}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("group =", "grupp =", "grupp"),
        ("mkldnn = true", 'mkldnn = "yes"', "bool"),
        ("[roles.mkl]", "[roles.mkl", "is damaged: Expected"),
    ],
)
def test_a_mistake_in_the_data_is_reported(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = tmp_path / "builds.toml"
    path.write_text(DATA.read_text().replace(before, after))
    with pytest.raises(PerfError, match=message):
        read_toml(path, BuildsFile)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(PerfError, match=r"no build 'gpu'\nnext: use one of native, mkl, zoo"):
        role_named("gpu")


def test_a_group_is_split_into_mxnet_and_the_rest() -> None:
    assert group_requirements("mkl") == ("mxnet-mkl==1.5.0", ("numpy==1.23.5",))
    assert "gluoncv==0.10.5.post0" in group_requirements("zoo")[1]


@pytest.mark.parametrize("group", ["gpu", "host"])
def test_a_group_without_mxnet_is_refused(group: str) -> None:
    with pytest.raises(PerfError, match="must name one MXNet wheel"):
        group_requirements(group)


def test_the_locked_wheel_is_that_of_the_platform() -> None:
    digest = locked_wheel("mxnet==1.5.0", "x86_64")
    assert digest == "1a1439cf9c6d4001755fc87816e67b0840dba15e711de01e818dd200714316b0"
    assert locked_wheel("mxnet==1.5.0", "riscv64") is None
    assert locked_wheel("mxnet==9.9.9", "x86_64") is None


@pytest.mark.parametrize(
    "text", ["mxnet_MKL==1.5.1", "mxnet-mkl", "mxnet.mkl >=1", "mxnet-mkl[x]", "mxnet-mkl@ file:x"]
)
def test_names_of_distributions_are_normalised(text: str) -> None:
    assert distribution(text) == "mxnet-mkl"


def test_every_known_defect_is_described() -> None:
    known = tomllib.loads(DEFECTS.read_text())
    described = (ROOT / "docs" / "known-defects.md").read_text()
    assert [name for name in known if not re.search(rf"^##+ `{name}`: ", described, re.MULTILINE)] == []
    assert [name for name in known if f"| `{name}` | " not in described] == []
