"""No text of the project says what docs/contributing/style.md rules out."""

import pytest

from perf.files import ROOT
from tests.support.language import rules, slips_in, texts_of_the_project


@pytest.mark.parametrize("name", texts_of_the_project())
def test_texts_keep_to_the_style(name: str) -> None:
    slips = slips_in(name, (ROOT / name).read_text())
    assert not slips, "\n".join(map(str, slips))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.md", "Fine.\nA verdict is told.\n", 2),
        ("a.py", "x = 1\n# It goes on with it.\n", 2),
        ("a.py", '"""Says\nso many things."""\n', 2),
        ("a.py", 'print(f"{x} others")\n', 1),
        ("a.py", "found = 1\n", 1),
        ("a.py", "def f(share: float) -> None: ...\n", 1),
        ("a.py", "def test_it_is_told() -> None: ...\n", 1),
        ("a.toml", "# made anew\n", 1),
    ],
)
def test_a_slip_is_seen_wherever_it_stands(name: str, content: str, line: int) -> None:
    assert [slip.line for slip in slips_in(name, content)] == [line]


@pytest.mark.parametrize("content", ["x.found = 1\n", "print(f'{found}')\n", "re.compile('foundation')\n"])
def test_what_the_module_does_not_name_is_not_a_slip(content: str) -> None:
    assert slips_in("a.py", content) == []


def test_every_rule_says_what_to_write_instead() -> None:
    assert all([*rules().texts.values(), *rules().names.values()])
