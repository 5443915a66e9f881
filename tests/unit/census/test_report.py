"""The tables of a census: every network is in them, with its result or as not examined."""

from markdown_it import MarkdownIt

from perf.census.report import census_of, counts_text, markdown_of, store_command
from perf.census.result import Layer
from tests.unit.census.made_census import HEADER, result

LOW = result(
    "resnet18_v1",
    "defect",
    defects=("int8-average-full",),
    reason="mkl-int8: a|b <c>",
    shape=(3, 224, 224),
    fp32_difference=1.5e-6,
    sqnr_db=11.24,
    top1_agreement=0.5,
    speedups={"mkl-fp32": 6.04},
    disturbed=True,
    layers=(Layer("pool0", 9.0, 30.5), Layer("fc", 12.0, None)),
)
RESULTS = [LOW, result("alexnet"), result("mynet", content="0a 1x8x8")]
PAGE = "\n".join(markdown_of(census_of(HEADER, RESULTS)))


def cells(page: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    return [token.content for token in tokens if token.type == "inline"]


def test_every_network_is_in_the_table_or_not_examined_yet() -> None:
    assert "3 of 4 networks examined: 2 agrees, 1 defect." in PAGE
    row = cells(PAGE)[cells(PAGE).index("<code>resnet18_v1</code>") :][:8]
    assert row[1:] == ["3x224x224", "defect int8-average-full", "1.5e-06", "11.2 dB", "50%", r"6.0\*", "-"]
    assert "## Not examined yet\n\n<code>vgg11</code>" in PAGE
    assert "- detection: <code>ssd_300</code>, <code>yolo3</code>" in PAGE


def test_each_machine_class_has_a_table_of_its_own() -> None:
    results = [LOW, result("alexnet", machine_class="other-4c", code="ff")]
    page = "\n".join(markdown_of(census_of(HEADER, results)))
    first, other = page.split("## On made-2c-1n-avx2\n")[1].split("## On other-4c\n")
    assert "1 network, code 0123456789ab." in first
    assert "resnet18_v1" in first
    assert "alexnet" not in first
    assert "1 network, code ff." in other


def test_reasons_name_the_weakest_layers() -> None:
    reason = next(line for line in PAGE.splitlines() if line.startswith("- <code>resnet18_v1</code>"))
    assert reason.endswith("<code>pool0</code> 9.0 dB (expected 30.5 dB), <code>fc</code> 12.0 dB")
    assert "a|b" not in reason


def test_a_census_without_results_says_so() -> None:
    page = "\n".join(markdown_of(census_of(HEADER, [])))
    assert "0 of 3 networks examined: none." in page
    assert counts_text([]) == "none"


def test_answers_of_networks_that_agree_are_stored_by_a_command() -> None:
    command = store_command(RESULTS)
    assert command is not None
    assert command.endswith("--perf-store-answers --perf-model=alexnet"), "neither what is wrong, nor the user's own"
    assert store_command([LOW]) is None
