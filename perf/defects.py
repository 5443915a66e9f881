"""Known defects of wheels, from `defects.toml`."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec

from perf.files import read_toml

DATA = Path(__file__).with_name("defects.toml")
# How messages name the file.
SHOWN = "perf/defects.toml"


class Installation(Protocol):
    """The properties of an installed MXNet that determine its defects (perf.builds.BuildFacts)."""

    @property
    def mxnet(self) -> str:
        """Return its version, such as "1.5.0"."""

    @property
    def distribution(self) -> str:
        """Return the wheel's distribution, such as "mxnet-mkl"."""

    @property
    def wheel(self) -> str:
        """Return distribution and version, such as "mxnet-mkl 1.5.0"."""

    def cpu_has(self, isa: str) -> bool:
        """Return whether the CPU that runs it has an instruction set of perf/machine/isa.toml, or a better one."""


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known defect.

    check: the check that its example is for.
    title: what it is.
    upstream: where it was reported.
    affects: the versions that have it, by distribution.
    example: the smallest example that shows it, with the fields that the check expects.
    right: the first release without it; None when no such release is known.
    with_isa: the instruction set of perf/machine/isa.toml that the CPU must have for it; None when any CPU will do.
    without_isa: the instruction set that the CPU must not have for it; None when any CPU will do.
    """

    check: str
    title: str
    upstream: str
    affects: dict[str, list[str]]
    example: dict[str, Any]
    right: str | None = None
    with_isa: str | None = None
    without_isa: str | None = None

    def is_in(self, facts: Installation) -> bool:
        """Return whether an installation has it on this CPU."""
        return facts.mxnet in self.affects.get(facts.distribution, []) and self.why_not_on_cpu(facts) is None

    def why_not_on_cpu(self, facts: Installation) -> str | None:
        """Return why an installation's CPU does not run the code that has it; None when it does."""
        if self.with_isa and not facts.cpu_has(self.with_isa):
            return f"it takes a CPU with {self.with_isa}"
        if self.without_isa and facts.cpu_has(self.without_isa):
            return f"it takes a CPU without {self.without_isa}"
        return None

    def contradiction(self, name: str, facts: Installation, problems: Sequence[str]) -> str | None:
        """Return what is wrong with this declaration, called `name`, after its example ran with these problems; None
        when nothing is. The example must fail on every installation for which the defect is declared, and pass
        everywhere else.
        """
        if self.is_in(facts) and not problems:
            return f"the defect {name} is declared for {facts.wheel}, but its example passes: remove it from {SHOWN}"
        if problems and not self.is_in(facts):
            return f"the defect {name} is not declared for {facts.wheel}, but its example fails: {problems[0]}"
        return None


@cache
def all_defects() -> Mapping[str, Defect]:
    """Return all known defects, by name. Raises PerfError when the file is missing or damaged."""
    return read_toml(DATA, dict[str, Defect])


def defects_of(check: str) -> Mapping[str, Defect]:
    """Return the defects whose example is for this check, by name."""
    return {name: defect for name, defect in all_defects().items() if defect.check == check}
