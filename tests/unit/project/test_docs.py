"""The documents: a short README, links that lead somewhere, and a place in the navigation for every page."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from perf.files import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
# A README that fits a screen or two is read.
README_LINES = 120
LINK = re.compile(r"\]\(([^()\s]+)\)")
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
# A file of the project, named in code style; names with capitals such as NETWORK.json stand for many.
NAMED = re.compile(r"`((?:perf|tests|benchmarks|baselines|docs|\.ci|\.github)/[a-z0-9_./-]*)`")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links_of(text: str) -> list[str]:
    """The relative links of a page, images included, that are not part of code."""
    return [link for link in LINK.findall(CODE.sub("", FENCED.sub("", text))) if "://" not in link]


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as far as MkDocs and GitHub give them the same."""
    headings = re.findall(r"^#+ +(.*)$", FENCED.sub("", text), re.MULTILINE)
    return {_on_the_site(heading) for heading in headings} & {_on_github(heading) for heading in headings}


def _on_the_site(heading: str) -> str:
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def _on_github(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def dead_links(page: Path) -> list[str]:
    """The links of a page whose file or anchor does not exist."""
    dead = []
    for link in links_of(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text())):
            dead.append(link)
    return dead


def pages_in(navigation: Any) -> Iterator[str]:
    """The files that an entry of MkDocs' navigation names, in order."""
    if isinstance(navigation, str):
        yield navigation
    else:
        for entry in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from pages_in(entry)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert [name for name in NAMED.findall(page.read_text()) if not (ROOT / name).exists()] == []


def test_the_navigation_holds_every_page_once() -> None:
    settings = YAML(typ="safe").load(ROOT / "mkdocs.yml")
    assert sorted(pages_in(settings["nav"])) == [
        path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))
    ]


def test_the_glossary_names_classes_that_exist() -> None:
    code = "\n".join(path.read_text() for path in ROOT.glob("perf/**/*.py"))
    classes = re.findall(r"`([A-Z][A-Za-z]+)[`.]", (DOCS / "contributing" / "glossary.md").read_text())
    assert classes
    assert [name for name in classes if f"class {name}" not in code] == []


def test_the_page_on_reliability_names_tests_that_exist() -> None:
    """Those without a folder `unit` or `numa` are integration tests, as the page says."""
    text = (DOCS / "explanation" / "reliability.md").read_text()
    named = re.findall(r"`(?:(unit|numa)/)?([\w/]+\.py)::(\w+)`", text)
    assert len(named) > 80
    missing = [
        f"{name}::{test}"
        for room, name, test in named
        if f"def {test}(" not in (ROOT / "tests" / (room or "integration") / name).read_text()
    ]
    assert missing == []


def test_a_dead_link_is_seen_and_code_is_none(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# Two words: `code`\n")
    page.write_text("[a](other.md#two-words-code) [b](other.md#three) [c](gone.md) [d](#own) `[e](code.md)`\n")
    assert dead_links(page) == ["other.md#three", "gone.md", "#own"]
    page.write_text("# Own\n[d](#own) [f](https://example.org)\n```\n[g](code.md)\n```\n")
    assert dead_links(page) == []
