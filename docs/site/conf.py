"""How Sphinx builds the pages: from copies of the repository's own files, so that links between them hold."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

project = "Loa"
project_copyright = "the authors of Loa"
extensions = ["myst_parser"]
root_doc = "docs/README"
html_theme = "furo"
html_title = "Loa"
html_copy_source = False
myst_heading_anchors = 4  # anchors as other readers of Markdown make them

_GROUP = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_UNKNOWN = re.compile(r"^( *```)(?:csv|mermaid)$", re.MULTILINE)  # languages that Pygments does not colour
_PAGE = re.compile(r"\[[^\]]+\]\(([^)#:]+)\.md\)")
_BESIDE = ("README", "README.vi")  # the repository's own front pages, which are in no navigation
_TREE = "\n```{{toctree}}\n:hidden:\n{options}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", _with_trees)
    app.connect("html-page-context", _in_its_language)


def _in_its_language(
    _app: Sphinx, page: str, _template: str, context: dict[str, object], _tree: object
) -> None:
    """Name the language of a Vietnamese page, for browsers and screen readers."""
    if page.endswith(".vi"):
        context["language"] = "vi"


def _with_trees(_app: Sphinx, page: str, source: list[str]) -> None:
    """Make the navigation of the links that a reader sees, so that nothing is listed twice."""
    text = _UNKNOWN.sub(r"\1text", source[0])
    if page == root_doc:
        for title, links in _GROUP.findall(source[0]):
            text += _TREE.format(options=f":caption: {title}", pages="\n".join(_PAGE.findall(links)))
    if page in _BESIDE:
        text = "---\norphan: true\n---\n" + text
    source[0] = text
