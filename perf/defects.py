"""What is known to be wrong with a wheel, from `defects.toml`."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec

from perf.files import read_toml

DATA = Path(__file__).with_name("defects.toml")
SHOWN = "perf/defects.toml"


class Installation(Protocol):
    """An installed MXNet, as far as it decides which defects it has (perf.builds.BuildFacts)."""

    @property
    def mxnet(self) -> str:
        """Its version, such as "1.5.0"."""

    @property
    def distribution(self) -> str:
        """The wheel's distribution, such as "mxnet-mkl"."""

    @property
    def wheel(self) -> str:
        """Distribution and version, as messages name them."""


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A defect: the check that meets it, what it is, where it was reported, the versions that have it by distribution,
    and the smallest example, in the words of the check. `right` is the first release that has it right, None where none
    is known.
    """

    check: str
    title: str
    upstream: str
    affects: dict[str, list[str]]
    example: dict[str, Any]
    right: str | None = None

    def is_in(self, facts: Installation) -> bool:
        """Whether an installation has it."""
        return facts.mxnet in self.affects.get(facts.distribution, [])

    def contradiction(self, name: str, facts: Installation, problems: Sequence[str]) -> str | None:
        """What is wrong with this declaration, by its name, when its example had these problems in an installation:
        where it is declared the example must fail, everywhere else it must pass. None when it did.
        """
        if self.is_in(facts) and not problems:
            return f"the defect {name} is declared for {facts.wheel}, and its example passes: take it out of {SHOWN}"
        if problems and not self.is_in(facts):
            return f"the defect {name} is not declared for {facts.wheel}, and its example fails: {problems[0]}"
        return None


@cache
def defects_of(check: str) -> Mapping[str, Defect]:
    """Those that a check meets, by name, read once."""
    known = read_toml(DATA, dict[str, Defect])
    return {name: defect for name, defect in known.items() if defect.check == check}
