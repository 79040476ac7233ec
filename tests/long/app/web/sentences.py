"""Which sentences templates and modules put through the catalogue, and which words they show without it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, nodes

from tests.operations import OPERATIONS
from tests.trees import nodes as all_nodes
from tests.trees import parsed

WEB = Path(__file__).parents[4] / "app" / "web"
TEMPLATES = WEB / "templates"
# What stands for itself in every language.
NAMES = {"Loa"}
# Attributes that people hear or read; a submit button's value is one, a hidden field's is not.
READ = ("title", "alt", "aria-label", "placeholder", "data-label", "label")
_JINJA = Environment(autoescape=True)
_MARK = "\x02"


class Sentence(NamedTuple):
    """A sentence, its other form where it has one, and where it stands."""

    one: str
    many: str | None
    place: str


def templates() -> list[Path]:
    return sorted(TEMPLATES.rglob("*.html"))


def modules() -> list[Path]:
    return sorted(WEB.rglob("*.py"))


@cache
def _calls(source: str) -> tuple[nodes.Call, ...]:
    """Each call in a template, which several tests ask for: to parse them all takes half a second."""
    return tuple(_JINJA.parse(source).find_all(nodes.Call))


def of_template(source: str, place: str) -> Iterator[Sentence]:
    """What stands in `_("...")` and `_n("...", "...", n)`; a variable in there is said elsewhere."""
    for call in _calls(source):
        if not isinstance(call.node, nodes.Name) or call.node.name not in ("_", "_n"):
            continue
        said = [each.value for each in call.args[:2] if isinstance(each, nodes.Const)]
        if call.node.name == "_n":
            assert len(said) == 2, f"{place}:{call.lineno} _n wants two sentences"
            yield Sentence(said[0], said[1], f"{place}:{call.lineno}")
        elif said:
            yield Sentence(said[0], None, f"{place}:{call.lineno}")


def of_module(source: str, place: str) -> Iterator[Sentence]:
    """What stands in say("...")."""
    for node in all_nodes(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
            (argument,) = node.args
            assert isinstance(argument, ast.Constant), f"{place}:{node.lineno} say() wants a plain sentence"
            yield Sentence(str(argument.value), None, f"{place}:{node.lineno}")


def used() -> list[Sentence]:
    """Every sentence of every page."""
    found: list[Sentence] = []
    for file in templates():
        found += of_template(file.read_text("utf-8"), file.relative_to(WEB).as_posix())
    for file in modules():
        found += of_module(file.read_text("utf-8"), file.name)
    for each in OPERATIONS.values():
        on_pages = ((each.flash or each.done) if each.page else "", each.audit)
        found += [Sentence(said, None, each.name) for said in on_pages if said]
    return found


# ---- what goes past the catalogue -----------------------------------------------------------------------


def bare_in_template(source: str) -> list[str]:
    """Words that a template shows as they stand in it: text, attributes that are read, constants put out."""
    pieces, inside = [], None
    shown: list[str] = []
    for _, kind, value in _JINJA.lex(source):
        if kind == "variable_begin":
            inside = []
        elif kind == "variable_end" and inside is not None:
            shown.append("".join(inside))
            pieces.append(f"{_MARK}{len(shown) - 1}{_MARK}")
            inside = None
        elif inside is not None:
            inside.append(value)
        elif kind == "data":
            pieces.append(value)
    page = _Read(shown)
    page.feed("".join(pieces))
    page.close()
    return page.bare


class _Read(HTMLParser):
    """What of a page is read by people."""

    def __init__(self, shown: list[str]) -> None:
        super().__init__()
        self.shown = shown
        self.bare: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in ("script", "style")
        values = dict(attrs)
        button = tag == "input" and values.get("type") in ("submit", "button", "reset")
        for name, value in attrs:
            if name in READ or (button and name == "value"):
                self._look(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self._look(data)

    def _look(self, text: str) -> None:
        for n, part in enumerate(text.split(_MARK)):
            words = [part] if n % 2 == 0 else _put_out(self.shown[int(part)])
            self.bare += [
                word.strip() for word in words if has_letters(word) and word.strip(" ·\n") not in NAMES
            ]


def _put_out(expression: str) -> list[str]:
    """The strings that an expression puts out as they are, not those that it hands to a function."""
    (output,) = _JINJA.parse("{{" + expression + "}}").find_all(nodes.Output)
    return [text for node in output.nodes for text in _constants(node)]


def _constants(node: nodes.Node) -> Iterator[str]:
    match node:
        case nodes.Const(value=str(value)) | nodes.TemplateData(data=value):
            yield value
        case nodes.CondExpr():
            yield from _constants(node.expr1)
            if node.expr2 is not None:
                yield from _constants(node.expr2)
        case nodes.Concat() | nodes.Or() | nodes.Add():
            for child in node.iter_child_nodes():
                yield from _constants(child)


def bare_in_module(source: str) -> list[str]:
    """Strings that look like words for people, and are neither in say() nor an error's or a log's."""
    tree, passed = parsed(source), set()
    for node in ast.walk(tree):
        quiet = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        quiet = quiet or isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _speaks(node))
        if quiet:
            passed |= {id(each) for each in ast.walk(node)}
    return [
        f"{node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in passed
        and _like_words(node.value)
    ]


def _speaks(call: ast.Call) -> bool:
    """say("..."), and what goes into the log or names a type for the type checker."""
    name = call.func.id if isinstance(call.func, ast.Name) else ast.unparse(call.func)
    return name in ("say", "cast", "NewType") or name.startswith("log.")


def _like_words(text: str) -> bool:
    """Letters with a blank between them, or letters beyond ASCII; headers and patterns are no words."""
    if any(letter.isalpha() and not letter.isascii() for letter in text):
        return True
    return " " in text.strip() and has_letters(text) and not any(sign in text for sign in ";=%:/{#*")


def has_letters(text: str) -> bool:
    return any(letter.isalpha() for letter in text)
