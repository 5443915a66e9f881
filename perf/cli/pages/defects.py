"""The page of the known defects by release: what each wheel answered to the example of each."""

from collections.abc import Iterator

from perf.builds.releases import ladder
from perf.cli.pages.markdown import code, heading, section, table
from perf.defects import all_defects
from perf.known_defects.answers import read_answers


def defects_page() -> Iterator[str]:
    """Yield the lines of the page: a table for each kind of build, and why some could not be asked."""
    yield from heading(
        "Known defects by release",
        "Every example of `perf/defects.toml`, run on every release of `perf/builds/releases.toml`; the answers are in "
        "`perf/known_defects/answers.toml`, with what was wrong. [Known defects](../known-defects.md) describes them.",
        "`-`: the example cannot be run there; the reasons are below.",
    )
    answers = read_answers()
    reasons: dict[str, set[str]] = {}
    for title, mkldnn in (("Wheels with MKL-DNN", True), ("Wheels without MKL-DNN", False)):
        wheels = [
            f"{wheels[0].partition('==')[0]} {release.version}"
            for release in ladder()
            if (wheels := release.wheels(mkldnn=mkldnn))
        ]
        rows = []
        for name in all_defects():
            row = [code(name)]
            for wheel in wheels:
                answer = answers.get(name, {}).get(wheel)
                if answer and answer.result == "cannot be asked":
                    reasons.setdefault(answer.detail, set()).add(wheel)
                row.append(answer.result if answer and answer.result != "cannot be asked" else "-")
            rows.append(row)
        yield from section(title)
        yield from table(["Defect", *wheels], rows)
    yield from section("What cannot be run")
    yield from table(["Reason", "Wheels"], [[reason, ", ".join(sorted(wheels))] for reason, wheels in reasons.items()])
