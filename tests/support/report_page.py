"""A report as its reader gets it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from bshm_watchd.bench.report import write_report
from bshm_watchd.bench.results import SceneQuality, SpeedOfSet
from tests.support.results import a_speed_result, quality_of, stored


class Page(HTMLParser):
    """What a reader of a page gets: its text and its elements. Raises where an element is closed that is not open."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "img", "link", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: (value or "").replace("\xa0", " ") for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def _add_text(self, text: str) -> None:
        self.texts.append(text)

    handle_data = _add_text

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def reported(directory: Path, *results: Path) -> tuple[Page, str]:
    html, markdown, *_ = write_report(results, directory)
    return Page(html.read_text(encoding="utf-8")), markdown.read_text(encoding="utf-8")


def speed_file(directory: Path, *sets: SpeedOfSet) -> Path:
    return stored(directory / "speed.json", a_speed_result(*sets))


def quality_file(directory: Path, *scenes: SceneQuality) -> Path:
    return stored(directory / "quality.json", quality_of(*scenes))
