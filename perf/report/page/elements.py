"""Elements of SVG, from which charts are made: every text in them is escaped when they become markup."""

from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup


def picture(width: int, height: int, title: str) -> Element:
    """Return an empty picture of this size in pixels, which shrinks with its column; `title` is read aloud."""
    svg = Element("svg", {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": title})
    svg.set("style", f"max-width:{width}px")
    return svg


def line(parent: Element, style: str, *ends: float) -> Element:
    """Add a line from x1, y1 to x2, y2, in pixels, of a class of the style sheet, and return it."""
    places = dict(zip(("x1", "y1", "x2", "y2"), map(str, ends), strict=True))
    return SubElement(parent, "line", {"class": style, **places})


def text(parent: Element, content: str, x: float, y: float, anchor: str) -> Element:
    """Add a text that starts, ends or has its middle (`anchor`) at a point, in pixels, and return it."""
    element = SubElement(parent, "text", {"x": str(x), "y": str(y), "text-anchor": anchor})
    element.text = content
    return element


def markup(svg: Element) -> Markup:
    """Return a picture as it stands in a page."""
    return Markup(tostring(svg, encoding="unicode"))  # noqa: S704 - ElementTree has escaped every text
