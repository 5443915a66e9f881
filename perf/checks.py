"""What checks of answers found, as it is told and stored."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """One check: its kind, what was checked, the figures found, what is allowed, and what is wrong, if anything.

    Texts, as they are shown: each kind of check has other figures. `allowed` is "" where there is nothing to judge by.
    """

    check: str
    subject: str
    found: str
    allowed: str
    problem: str | None = None

    @property
    def verdict(self) -> str:
        """What is said of it: right, wrong, or not judged."""
        if self.problem:
            return "wrong"
        return "right" if self.allowed else "not judged"
