import os
import sys
from pathlib import Path

import pytest

from perf.files import ROOT
from perf.wording import counted, uv


@pytest.mark.parametrize(
    ("number", "noun", "plural", "expected"),
    [
        (0, "case", None, "0 cases"),
        (1, "case", None, "1 case"),
        (2, "case", None, "2 cases"),
        (1, "process", "processes", "1 process"),
        (2, "process", "processes", "2 processes"),
    ],
)
def test_a_noun_agrees_with_its_number(number: int, noun: str, plural: str | None, expected: str) -> None:
    assert counted(number, noun, plural) == expected


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH as uv leaves it: the host environment, then a folder of the user's."""
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin{os.pathsep}{tmp_path}")
    return tmp_path


def test_uv_is_called_by_its_name_where_the_user_has_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", str(ROOT / ".uv" / "bin" / "uv"))
    (path / "uv").touch(mode=0o755)
    assert uv() == "uv"


@pytest.mark.parametrize(
    ("started_by", "called"), [(str(ROOT / ".uv/bin/uv"), ".uv/bin/uv"), ("/opt/uv", "/opt/uv"), (None, "uv")]
)
@pytest.mark.usefixtures("path")
def test_uv_is_called_as_it_was_where_path_lacks_it(
    monkeypatch: pytest.MonkeyPatch, started_by: str | None, called: str
) -> None:
    monkeypatch.delenv("UV", raising=False)
    if started_by:
        monkeypatch.setenv("UV", started_by)
    assert uv() == called
