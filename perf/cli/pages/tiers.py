"""The page of the tiers: what each measures and checks, and how hard, from the data of all families."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from perf.cli.pages.markdown import code, heading, meanings, section, table
from perf.cnn import networks
from perf.dist import data as jobs
from perf.files import ROOT, read_toml
from perf.measure.tiers import effort_of
from perf.plugin.options import TIERS
from perf.rnn import shapes

# Read as plain data: the types of its cases need hypothesis, which takes long to import.
OPERATORS = ROOT / "perf" / "cnn" / "operators" / "operators.toml"
# The quick tier with all its checks of answers (`-m accuracy`).
WHOLE = "whole"


def tiers_page() -> Iterator[str]:
    """Yield the lines of the page: a table for each kind of case, of check and of effort."""
    yield from heading("Tiers", "`--perf-tier` chooses what is measured and how hard.")
    yield from table(["Tier", "Purpose"], [[code(name), purpose] for name, purpose in TIERS.items()])
    yield from section("CNN inference", _source("cnn/networks.toml"))
    yield from _by_tier(networks.catalogue().tiers)
    yield from section("Recurrent inference", _source("rnn/shapes.toml"))
    yield from _by_tier(shapes.catalogue().tiers)
    yield from section("Distributed training", _source("dist/jobs.toml"))
    yield from _by_tier(jobs.load().tiers)
    yield from _by_tier(jobs.load().efforts)
    yield from section(
        "Checks of answers", f"`{WHOLE}` is the quick tier with `-m accuracy`, which checks all answers."
    )
    yield from _by_tier(networks.catalogue().answers)
    yield from _by_tier(shapes.catalogue().answers)
    yield from table(["Random operators", *TIERS, WHOLE], _random_operators())
    yield from section("Effort of inference", _source("measure/tiers.toml"))
    yield from _by_tier({name: effort_of(name) for name in TIERS})


def _random_operators() -> Iterator[list[str]]:
    """A row for each kind of operator: how many random cases of it each tier checks."""
    cases = read_toml(OPERATORS, dict[str, Any])["cases"]
    # Only the nightly tier, and the quick one on request, check more than a slice of the operators.
    of_tier = {name: cases[name if name == "nightly" else "slice"] for name in TIERS} | {WHOLE: cases["quick"]}
    for kind in cases["nightly"]:
        yield [code(kind), *(str(of_kind.get(kind, 0)) for of_kind in of_tier.values())]


def _source(file: str) -> str:
    return f"From `perf/{file}`."


def _by_tier(entries: Mapping[str, Any]) -> Iterator[str]:
    """A table with a row for each field of a tier's entries and a column for each tier."""
    tiers = [name for name in (*TIERS, WHOLE) if name in entries]
    described = meanings(type(entries[tiers[0]]))
    values = {name: msgspec.to_builtins(entries[name]) for name in tiers}
    yield from table(
        ["Field", "Meaning", *tiers],
        [[code(field), described[field], *(_shown(values[name].get(field)) for name in tiers)] for field in described],
    )


def _shown(value: Any) -> str:
    """A value of a tier's data as text."""
    if isinstance(value, list):
        return ", ".join(str(one) if isinstance(one, list) else _shown(one) for one in value) or "none"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
