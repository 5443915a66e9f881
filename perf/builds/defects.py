"""What is known to be wrong with a wheel, from `defects.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from perf.builds.facts import Facts

DATA = Path(__file__).with_name("defects.toml")


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A defect: the check that meets it, what it is, where it was reported, the versions that have it by distribution,
    and the smallest example, in the words of the check.
    """

    check: str
    title: str
    upstream: str
    affects: dict[str, list[str]]
    example: dict[str, Any]

    def is_in(self, facts: Facts) -> bool:
        """Whether an installation has it."""
        return facts.mxnet in self.affects.get(facts.distribution, [])


@cache
def known_defects() -> Mapping[str, Defect]:
    """All of them, by name, read once."""
    return msgspec.convert(tomllib.loads(DATA.read_text()), dict[str, Defect])
