"""The reference pages are those that the code and data give, and leave nothing out."""

import sys
from pathlib import Path

import pytest

from perf.cli import main
from perf.cli.pages.markdown import meanings, with_code
from perf.cli.reference import GROUPS, SUBCOMMANDS, pages
from perf.cnn import networks
from perf.columns import fields_of, structures_of
from perf.dist import data as jobs
from perf.files import ROOT
from perf.measure.tiers import Effort
from perf.plugin.declaration import declared
from perf.plugin.options import TIERS, Options
from perf.plugin.refusals import benchmark_options
from perf.rnn import shapes
from perf.runs.session.run import MeasuredRun
from perf.runs.verdict import GRAVITY
from perf.stack import Stack

COMMAND = "uv run mxperf reference docs/reference"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The text of each page."""
    return pages()


def same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def test_committed_pages_are_current(written: dict[str, str]) -> None:
    folder = ROOT / "docs" / "reference"
    stale = [name for name, text in written.items() if not same(folder / name, text)]
    assert not stale, f"not current: {', '.join(stale)}; write them with: {COMMAND}"


def test_the_command_writes_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: dict[str, str]) -> None:
    monkeypatch.setattr(sys, "argv", ["mxperf", "reference", str(tmp_path / "new" / "folder")])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 0
    folder = tmp_path / "new" / "folder"
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files == written


def test_a_folder_that_cannot_be_written_to_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["mxperf", "reference", str(tmp_path / "file")])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 4
    assert capsys.readouterr().err == (
        f"{tmp_path}/file/options.md: cannot be written: File exists\nnext: name another folder\n"
    )


def test_every_option_has_a_row(written: dict[str, str]) -> None:
    for _, option, _ in declared(Options):
        value = f"={option.value_name}" if option.kind else ""
        row = f"| `{option.flag}{value}` | ".replace("|", r"\|").replace(r"\| ", "| ", 1).replace(r" \| ", " | ")
        assert row in written["options.md"]
    assert all(f"| `{flag}` | " in written["options.md"] for flag in benchmark_options())


def test_every_field_of_a_run_is_described() -> None:
    undescribed = [
        f"{kind.__name__}.{field.name}"
        for kind in structures_of(MeasuredRun)
        for field in fields_of(kind)
        if not field.meaning
    ]
    assert undescribed == []


def test_every_structure_of_a_run_has_a_table_with_its_stored_names(written: dict[str, str]) -> None:
    sections = {section.partition("\n")[0]: section for section in written["fields.md"].split("\n## ")[1:]}
    assert list(sections) == [kind.__name__ for kind in structures_of(MeasuredRun)]
    assert Stack in structures_of(MeasuredRun)
    for kind in structures_of(MeasuredRun):
        assert all(f"| `{name}` |" in sections[kind.__name__] for name in kind.__struct_encode_fields__)
    assert "side_by_side" not in written["fields.md"]


@pytest.mark.parametrize(
    "row",
    [
        "| `latency_s` | number |",
        "| `facts` | [CnnFacts](#cnnfacts) or [RnnFacts](#rnnfacts) or [TrainingFacts](#trainingfacts) |",
        "| `openmp` | string or null |",
        "| `variables` | object of string |",
        "| `floors` | list of list of number |",
    ],
)
def test_types_are_those_of_json(written: dict[str, str], row: str) -> None:
    assert row in written["fields.md"]


@pytest.mark.parametrize(
    "entry",
    [
        networks.catalogue().tiers["smoke"],
        networks.catalogue().answers["smoke"],
        shapes.catalogue().tiers["smoke"],
        shapes.catalogue().answers["smoke"],
        jobs.load().tiers["smoke"],
        jobs.load().efforts["smoke"],
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_every_field_of_a_tier_is_described(entry: object, written: dict[str, str]) -> None:
    assert meanings(type(entry)).keys() == type(entry).__annotations__.keys()
    assert all(f"| `{name}` | {meaning} |" in written["tiers.md"] for name, meaning in meanings(type(entry)).items())


def test_every_tier_and_its_effort_are_described(written: dict[str, str]) -> None:
    assert all(f"| `{name}` | {purpose} |" in written["tiers.md"] for name, purpose in TIERS.items())
    assert meanings(Effort).keys() == Effort.__annotations__.keys()


def test_every_verdict_and_subcommand_is_described(written: dict[str, str]) -> None:
    assert all(f"| `{kind}` | " in written["verdicts.md"] for kind in GRAVITY)
    names = [command.__name__.replace("_", "-") for command in SUBCOMMANDS]
    names += [f"{group} {command.__name__}" for group, members in GROUPS.items() for command in members]
    assert all(f"\n## mxperf {name}\n" in written["mxperf.md"] for name in names)
    assert written["mxperf.md"].count("\nExit code 0: ") == len(names)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("add --perf-tier=quick, or leave it", "add `--perf-tier=quick`, or leave it"),
        ("begin with `uv run --with 'a[b]' pytest`", "begin with `uv run --with 'a[b]' pytest`"),
        ("`--a b` and --a", "`--a b` and `--a`"),
    ],
)
def test_options_are_marked_up_once(text: str, marked: str) -> None:
    assert with_code(text) == marked
