"""Plots as SVG: inside a page, where they take on its colours and font, or as files of their own."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"  # of lines and text: what the page's text is written in, wherever it is shown
_INK_ON_PAPER = "#1b1f24"
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_FONT = re.compile(r"font-family: [^;]*")


def svg_of(figure: Figure) -> str:
    """Text stays text, in the font of whoever shows it. No date, no name of a program, nothing to be fetched."""
    target = io.StringIO()
    figure.savefig(target, format="svg", transparent=True, metadata=_NO_METADATA)
    return target.getvalue()


def inline(svg: str, name: str) -> str:
    """For a place inside a page: no id is left but those referred to, and these begin with `name`."""
    root = ET.fromstring(svg)
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg))
    referred = {one or other for one, other in used}
    for element in list(root.iter()):
        _drop_style(element)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id" and value not in referred:
                continue
            element.set("href" if key == _LINK else key, _adapted(key, value, name))
        element.tag = element.tag.removeprefix(_SVG)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return ET.tostring(root, encoding="unicode")


def standalone(svg: str) -> str:
    """For a file: dark on white paper, whatever lies behind it."""
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    first_group = svg.index("<g ")
    return f"{svg[:first_group]}{paper}\n {svg[first_group:]}".replace(INK, _INK_ON_PAPER)


def _drop_style(element: ET.Element) -> None:
    """A rule in a page's SVG holds for the whole page."""
    for below in list(element):
        if below.tag == f"{_SVG}style":
            element.remove(below)


def _adapted(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == _LINK:
        return f"#{name}-{value[1:]}"
    if key in ("style", "clip-path"):
        value = value.replace("url(#", f"url(#{name}-").replace(INK, "currentColor")
        return _FONT.sub("font-family: inherit", value)
    return value
