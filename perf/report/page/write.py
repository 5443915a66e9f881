"""Write the page: one file with its style, its script and its data, which needs no network."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from perf.errors import PerfError
from perf.files import read_text, write_whole
from perf.report.page.data import CaseRow, Interval, Page
from perf.report.page.nights import nights_svg
from perf.report.page.operators import operators_svg
from perf.report.page.roofline import roofline_svg
from perf.report.page.svg import figure_svg, interval_text, samples_svg

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = (FOLDER / f"page.{ending}" for ending in ("html.jinja", "css", "js"))
# What changes the direction of writing, for all that follows in an element: a name from a file must not (Unicode
# Standard Annex #9, 2.1 to 2.5).
DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# What the filters choose by; fields of a row.
FILTERS = ("family", "network", "size", "variant", "verdict")


def write_page(page: Page, path: Path) -> None:
    """Write the page, whole or not at all. Raises PerfError when the file cannot be written."""
    try:
        write_whole(path, rendered(page).encode())
    except OSError as error:
        what, step = f"the page could not be written: {error.strerror}", "name another file"
        raise PerfError(what, subject=str(path), next_step=step) from error


def rendered(page: Page) -> str:
    """Return the page as HTML. What changes the direction of writing is a space."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"ratio": ratio_text, "change": change_text, "percent": percent_text, "kept": kept}
    template = environment.from_string(read_text(TEMPLATE))
    text = template.render(
        page=page,
        style=Markup(read_text(STYLE)),  # noqa: S704 - a file of this package
        script=Markup(read_text(SCRIPT)),  # noqa: S704 - a file of this package
        data=embedded(msgspec.json.encode(page)),
        schema=embedded(msgspec.json.encode(msgspec.json.schema(Page))),
        figure_svg=figure_svg,
        roofline_svg=roofline_svg,
        samples_svg=samples_svg,
        nights_svg=nights_svg,
        operators_svg=operators_svg,
        filters={name: _choices(page.cases, name) for name in FILTERS},
    )
    return text.translate(dict.fromkeys(map(ord, DIRECTIONS), " "))


def embedded(json: bytes) -> Markup:
    """Return JSON for a script element: no text in it can end the element, begin a comment, or change the direction of
    writing.
    """
    text = json.decode()
    for sign in f"<>&{DIRECTIONS}":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - no sign of markup is left


def ratio_text(ratio: Interval | float | None, percent: bool) -> str:
    """Return a speedup, or an efficiency in percent, with its interval if it has one; "-" for None."""
    if ratio is None:
        return "-"
    interval = Interval(ratio) if isinstance(ratio, int | float) else ratio
    return f"{interval_text(interval.scaled(100))} %" if percent else interval_text(interval)


def change_text(change: Interval | None) -> str:
    """Return a change with its interval, such as "-6.4% [-7.8%, -5.0%]"; "-" for None."""
    return interval_text(change, percent=True) if change else "-"


def percent_text(fraction: float | None) -> str:
    """Return a fraction in percent, such as "5.4 %"; "-" for None."""
    return "-" if fraction is None else f"{100 * fraction:.3g} %"


def kept(text: str) -> str:
    """Return a figure whose interval no line break divides."""
    return text.replace(", ", ",\u00a0")


def _choices(rows: Sequence[CaseRow], name: str) -> list[str]:
    """Return the values of a field, numbers in their order."""
    values = {getattr(row, name) for row in rows} - {""}
    return sorted(values, key=lambda value: (not value.isdigit(), int(value) if value.isdigit() else 0, value))
