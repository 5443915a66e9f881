"""Tables on a console show what their cells hold, and nothing else."""

import pytest

from perf.report.console import PlainConsole
from perf.report.tables import TextTable, rendered


@pytest.mark.parametrize("name", ["conv[/red]", "[bold]conv", "[link=file:///]conv[/]", "conv:warning:", "conv[0]"])
@pytest.mark.parametrize("figures", [True, False])
def test_a_name_that_looks_like_markup_is_shown_as_it_is(name: str, figures: bool) -> None:
    console = PlainConsole(width=80)
    with console.capture() as shown:
        console.print(rendered(TextTable(name, ["Layer", name], [[name, "1"]], figures=figures)))
    assert shown.get().count(name) == 3
