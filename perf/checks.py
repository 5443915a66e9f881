"""The result of one check of answers, as the summary shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """The result of one check, as texts: each kind of check has figures of its own.

    check: the kind of check, such as "INT8 drift".
    subject: what was checked, such as a network.
    observed: the figures that were measured.
    allowed: what the figures are compared with; "" where there is nothing to compare them with.
    problem: what is wrong; None when nothing is.
    """

    check: str
    subject: str
    observed: str
    allowed: str
    problem: str | None = None

    @property
    def verdict(self) -> str:
        """Return "wrong", "right", or "not judged" when there was nothing to compare with."""
        if self.problem:
            return "wrong"
        return "right" if self.allowed else "not judged"
