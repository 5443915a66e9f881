"""Whatever a stored run or a wheel claims, nothing runs that was not measured."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from perf.builds import may_be_replayed
from perf.builds.trust import content_of_wheel, content_written, is_release, marks, wheel_with
from tests.support.wheels import wheel

NAME = "mxnet-9.9.9-py3-none-any.whl"


OWN = "mxnet-9.9.9.dist-info"


# As much of MXNet as the probe needs.
HONEST = {
    "mxnet/__init__.py": "__version__ = '9.9.9'\n",
    "mxnet/libinfo.py": "def find_lib_path(): return [__file__.replace('libinfo.py', 'libmxnet.so')]\n",
    "mxnet/libmxnet.so": "machine code",
    "mxnet/runtime.py": "class Features(dict):\n    is_enabled = dict.get\n",
}


@pytest.fixture
def content(tmp_path: Path) -> str:
    """The content of the honest wheel."""
    honest = content_of_wheel(wheel(tmp_path / "honest" / NAME, HONEST))
    assert honest is not None
    return honest


# What else in a wheel may run, although its RECORD shows only the honest content.
HIDDEN: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "a .pth file that RECORD does not list": ({}, {"evil.pth": "evil"}),
    "a module that RECORD does not list": ({}, {"sitecustomize.py": "evil"}),
    "another package's module": ({}, {"numpy/__init__.py": "evil"}),
    "bytecode": ({"sitecustomize.pyc": "evil"}, {}),
    "bytecode in its cache": ({"mxnet/__pycache__/__init__.cpython-311.pyc": "evil"}, {}),
    "a generated program": ({f"{OWN}/entry_points.txt": "[console_scripts]\ncmake = os:abort\n"}, {}),
    "further entry points": (
        {"a-1.dist-info/entry_points.txt": "[distutils.commands]\nbuild = os:abort\n"},
        {},
    ),
    "a script": ({"mxnet-9.9.9.data/scripts/cmake": "#!python\nevil"}, {}),
    "a path that leaves its folder": ({f"{OWN}/../evil.pth": "evil"}, {}),
    "an absolute path": ({"/tmp/evil.pth": "evil"}, {}),  # noqa: S108 - nothing is written there
}


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_wheel_with_something_hidden_has_no_content(tmp_path: Path, hidden: str) -> None:
    listed, unlisted = HIDDEN[hidden]
    assert content_of_wheel(wheel(tmp_path / NAME, {**HONEST, **listed}, unlisted)) is None


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile's warning about such a wheel
def test_a_wheel_that_holds_a_file_twice_has_no_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel(tmp_path / NAME, HONEST), "a") as archive:
        archive.writestr("mxnet/__init__.py", "evil")
    assert content_of_wheel(tmp_path / NAME) is None


@pytest.mark.parametrize("damage", [b"", b"PK", b"no zip" * 1000])
def test_a_file_that_is_not_a_wheel_has_no_content(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / NAME).write_bytes(damage)
    assert content_of_wheel(tmp_path / NAME) is None
    whole = wheel(tmp_path / NAME, HONEST).read_bytes()
    (tmp_path / NAME).write_bytes(whole.replace(b"machine code", b"other code!!"))
    assert content_of_wheel(tmp_path / NAME) is None, "its checksum is wrong"


def test_a_wheel_that_unpacks_to_too_much_has_no_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perf.builds.trust.MOST_BYTES", 300)
    assert content_of_wheel(wheel(tmp_path / NAME, {**HONEST, "mxnet/zeros": "0" * 300})) is None


def installed(folder: Path, listed: Mapping[str, str], unlisted: Mapping[str, str]) -> None:
    """Write files as an installer does."""
    for name, text in {**listed, **unlisted}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    record = "".join(f"{name},,\n" for name in [*listed, f"{OWN}/RECORD"])
    (folder / OWN).mkdir(exist_ok=True)
    (folder / OWN / "RECORD").write_text(record)


def test_an_installed_wheel_has_its_content(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "environment"
    folder.mkdir()
    before = marks(folder)
    installed(folder, {**HONEST, f"{OWN}/INSTALLER": "uv"}, {})
    assert content_written(folder, before) == content


@pytest.mark.parametrize("hidden", [name for name, (listed, _) in HIDDEN.items() if "/tmp/evil.pth" not in listed])  # noqa: S108
def test_files_written_in_addition_change_the_content(tmp_path: Path, content: str, hidden: str) -> None:
    folder = tmp_path / "environment"
    (folder / "numpy").mkdir(parents=True)
    (folder / "numpy" / "__init__.py").write_text("# numpy")
    before = marks(folder)
    installed(folder, {**HONEST, **HIDDEN[hidden][0]}, HIDDEN[hidden][1])
    assert content_written(folder, before) != content


@pytest.mark.parametrize(
    "place",
    ["./{name}", "dist/{name}", "{here}/dist/{name}", "dist/../{name}"],
)
def test_a_wheel_below_the_current_folder_is_used_if_it_has_the_stored_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, place: str
) -> None:
    here = tmp_path / "here"
    one, other = wheel(here / NAME, HONEST), wheel(here / "dist" / NAME, HONEST)
    monkeypatch.chdir(here)
    requirement = place.format(name=NAME, here=here)
    assert wheel_with(content, requirement) in {one, other}
    assert wheel_with("0" * 64, requirement) is None


@pytest.mark.parametrize(
    "place",
    ["../{name}", "{folder}/{name}", "link.whl", "link/{name}", "file://{folder}/{name}", "\0.whl", "{name}" * 50],
)
def test_a_wheel_elsewhere_is_not_used_whatever_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, place: str
) -> None:
    wheel(tmp_path / NAME, HONEST)
    here = tmp_path / "here"
    here.mkdir()
    (here / "link.whl").symlink_to(tmp_path / NAME)
    (here / "link").symlink_to(tmp_path)
    monkeypatch.chdir(here)
    assert wheel_with(content, place.format(name=NAME, folder=tmp_path)) is None


def test_a_wheel_of_another_name_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    wheel(tmp_path / NAME, HONEST).rename(tmp_path / "evil-9.9.9-py3-none-any.whl")
    monkeypatch.chdir(tmp_path)
    assert wheel_with(content, "evil-9.9.9-py3-none-any.whl") is None


def test_only_releases_of_mxnet_are_releases() -> None:
    assert all(map(is_release, ["mxnet==1.5.0", "MXNet_MKL==1.5.0", "mxnet-native==1.8.0.post0"]))
    assert not any(map(is_release, ["numpy==1.0", "mxnet--==1", "-mxnet==1", "mxnet==1.5.0\n", "mxnet ==1"]))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("KMP_AFFINITY", "granularity=fine,noduplicates,compact,1,0", True),
        ("OPENBLAS_CORETYPE", "Haswell", True),
        ("LD_PRELOAD", "evil.so", False),
        ("PYTHONPATH", "evil", False),
        ("PATH", "evil", False),
        ("MXNET_LIBRARY_PATH", "/tmp/evil.so", False),  # noqa: S108 - only a name
        ("OMP_TOOL_LIBRARIES", "./evil.so", False),
    ],
)
def test_a_stored_run_sets_only_variables_that_load_nothing(name: str, value: str, allowed: bool) -> None:
    assert may_be_replayed(name, value) == allowed
