"""Overviews with any names, and what a reader of their Markdown sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from perf.judge.judgement import VerdictKind
from perf.report.overview import Finding, Overview

HOSTILE = (
    "<script>alert(1)</script>",
    "a|b||c",
    "`x` ``y``` ~~z~~ *b* _i_ $m$",
    "@someone and #12",
    "line\n## heading\r\n- item\u2028\x1b[31m",
    "-->\n</details></code></td></table>",
    "[a](javascript:alert(1)) ![i](http://e/i.png) <http://e>",
    "&lt;b&gt; &#64;someone \\",
    "::error::x\n::set-output name=a::b",
)
# GitHub's Markdown as far as it matters here: tables, strikethrough and HTML.
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def finding(case: str = "resnet50_v1-b1-mkl-fp32", kind: VerdictKind = "regressed", **fields: Any) -> Finding:
    """Return a finding of a loss of 10 %."""
    item = f"perf/cnn/test_inference.py::test_inference[{case}]"
    known: dict[str, Any] = {
        "case": case,
        "family": "cnn",
        "kind": kind,
        "reason": "99.9 % confidence",
        "compared": "side by side",
        "change": 0.9,
        "low": 0.88,
        "high": 0.92,
        "significance": 10.0,
        "tolerance": 0.02,
        "smallest_loss": 0.03,
        "cause": "build",
        "changes": (),
        "item": item,
        "command": f"uv run pytest '{item}'",
    }
    return Finding(**{**known, **fields})


def overview(*findings: Finding, **fields: Any) -> Overview:
    """Return an overview of findings of one kind, or of a run that is ok."""
    known: dict[str, Any] = {
        "result": findings[0].kind if findings else "ok",
        "counts": {findings[0].kind: len(findings)} if findings else {"ok": 3},
        "findings": findings,
        "not_run": {},
        "vanished": (),
        "judged": max(1, len(findings)),
        "baseline": "0001_a.json",
    }
    return Overview(**{**known, **fields})


@dataclass
class Page(HTMLParser):
    """A rendered page: its `tags`, the text of each element of code (`names`), and the rest of its text (`prose`)."""

    tags: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    prose: str = ""
    inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inside.append(tag)
        if tag == "code":
            self.names.append("")
        assert not attrs or tag in {"code", "th", "td"}, (tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" in self.inside:
            self.names[-1] += data
        else:
            self.prose += data


def rendered(lines: Sequence[str]) -> Page:
    """Return the page that GitHub would make of these lines."""
    page = Page()
    page.feed(MARKDOWN.render("\n".join(lines)))
    page.close()
    assert not page.inside, "an element is open at the end"
    return page
