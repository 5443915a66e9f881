"""A known defect's example, tried: where it is declared it must fail, everywhere else it must pass."""

from collections.abc import Sequence

from perf.builds import Defect, Facts


def contradiction(name: str, defect: Defect, facts: Facts, problems: Sequence[str]) -> str | None:
    """What is wrong with the declaration, when the defect's example has these problems in an installation, if
    anything.
    """
    wheel = f"{facts.distribution} {facts.mxnet}"
    if defect.is_in(facts) and not problems:
        return (
            f"the defect {name} is declared for {wheel}, and its example passes: take it out of "
            "perf/builds/defects.toml"
        )
    if problems and not defect.is_in(facts):
        return f"the defect {name} is not declared for {wheel}, and its example fails: {problems[0]}"
    return None
