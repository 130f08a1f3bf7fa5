"""A report's pages, written from templates in which nothing of a result is taken for more than text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bshm_watchd.bench.told import figure, per_cent
from bshm_watchd.logs import shown

if TYPE_CHECKING:
    from jinja2 import Environment

# What means something in Markdown; any of it may stand behind a backslash.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~!$@])")
_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|MiB|h)(?![a-z]))")  # what shall not part from its number
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def html(content: Mapping[str, Any]) -> str:
    """One page that asks nobody for anything."""
    return _environment(html_text).get_template("report.html.j2").render(content)


def markdown(content: Mapping[str, Any]) -> str:
    return _environment(markdown_text).get_template("report.md.j2").render(content)


def html_text(text: str) -> str:
    return _UNIT.sub("&nbsp;", shown(text).translate(_HTML).replace("'", "&#39;"))


def markdown_text(text: str) -> str:
    """So that it is read as it stands, in a table's cell too."""
    return _MARKDOWN.sub(r"\\\1", shown(text)).translate(_HTML).replace("://", "&#58;//")  # else it becomes a link


def _environment(escaped: Callable[[str], str]) -> Environment:
    """All text that a template is given goes through `escaped`, but for what the filter `ours` lets by."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return Markup(escaped(value)) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("bshm_watchd.bench", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "per_cent": per_cent, "ours": Markup}
    return environment
