"""A training job as the program of a variant: what its ranks run, and how a stored stack changes that."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from perf.stack import Stack


@dataclass(frozen=True)
class TrainingProgram:
    """What the ranks of a training job run (the program of a `perf.measure.plan.Variant`).

    `label`: its name, the same in every session. `ranks`: how many run it. `arguments`: of the rank program.
    `variables`: the environment variables that the suite sets for Horovod and the MPI.
    """

    distributed = True
    label: str
    ranks: int
    arguments: Mapping[str, Any]
    variables: Mapping[str, str]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return its arguments as plain JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self.arguments)
        return plain

    def as_in(self, stored: Stack) -> "TrainingProgram":
        """Return this program with the arguments and variables of a stored stack.

        Names that this program does not have are ignored, and so are variables that name a file.
        """
        variables = {k: v for k, v in stored.variables.items() if k in self.variables and "/" not in v}
        arguments = {name: stored.job.get(name, value) for name, value in self.arguments.items()}
        return replace(self, variables=variables, arguments=arguments)
