"""The page of the verdicts and of the exit codes that follow from them."""

from collections.abc import Iterator

from perf.cli.pages.markdown import code, heading, section, table
from perf.judge.judgement import VerdictKind
from perf.runs.verdict import GRAVITY, MEANINGS, fails

# A case whose answers are wrong fails before it is judged.
EXCEPTIONS: dict[tuple[VerdictKind, bool], str] = {("invalid", False): "no, except for wrong answers"}
SESSION_CODES = {
    0: "No case failed.",
    1: "A case failed: its verdict fails it, its answers are wrong, or it could not be measured.",
    2: "The session was interrupted.",
    4: "Nothing was measured because an option, a name, the baseline or the machine cannot be used; or the run was "
    "measured and could not be stored.",
    5: "No case and no check was selected.",
}  # fmt: skip


def verdicts_page() -> Iterator[str]:
    """Yield the lines of the page."""
    yield from heading(
        "Verdicts",
        "With `--benchmark-compare` each case gets a verdict. A case has the gravest verdict of its ratios; the table "
        "is in the order of gravity. `--perf-advisory` reports verdicts and lets no case fail because of one.",
    )
    yield from table(
        ["Verdict", "Meaning", "Fails", "Fails with `--perf-strict`"],
        [[code(kind), MEANINGS[kind], *(_fails(kind, strict=strict) for strict in (False, True))] for kind in GRAVITY],
    )
    yield from section("Exit codes of a session", "Those of `mxperf judge` are in [mxperf](mxperf.md).")
    yield from table(["Exit code", "Meaning"], [[str(code), text] for code, text in SESSION_CODES.items()])


def _fails(kind: VerdictKind, *, strict: bool) -> str:
    return EXCEPTIONS.get((kind, strict), "yes" if fails(kind, strict=strict) else "no")
