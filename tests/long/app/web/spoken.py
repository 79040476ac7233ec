"""What the program says in its code: every string of words that may reach a page as a value, by its place.

Found by what a string looks like, not by where it goes: a sentence that is handed on through a table, a
generator or a default is found as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.trees import parsed

ROOT = Path(__file__).parents[4]
# What a call with such a name takes is read by programs, or goes through the catalogue.
_APART = {
    "operation",  # the words of its doors are of the pages' catalogue
    "say",
    "cast",
    "NewType",
    "compile",
    "DDL",
    "Routes",
    "note",
    "lock",
    "JobLease",
    "odd",
    "names",
}
# Both languages stand in it.
_APART |= {"Sentence", "operation"}
# What is wrong with settings, and what reading an answer raises within an adapter: both end in the log.
_APART |= {"ValueError", "LinkError", "ReadError", "PduError", "FrameError", "CheckFinding", "TextFinding"}
_LOGS = {"log", "_log", "structlog"}
# So are these arguments: the description of the API, and headers.
_ABOUT = {
    "description",
    "summary",
    "title",
    "examples",
    "openapi_examples",
    "response_description",
    "doc",
    "comment",
}
PLACE = re.compile(r"\{[^{}]*\}")
_WORDS = re.compile(
    r"[a-z'’]{2,}[,.;:)”`]* +[(“`]?([A-Za-z0-9]|\{\})|(^|[ (“])\{\}[,;:)”]* [a-z]{2,}|[A-Z][a-z]+ \{\}"
)
# No sentence has these: markup, patterns, headers, words of SQL.
_SIGNS = re.compile(
    r"""<|^{"|\\|charset|filename|-src |max-age|^\s*\n|\b(FROM|WHERE|VALUES|NULL|INTO|IN|WHEN|SELECT)\b"""
)


class Spoken(NamedTuple):
    """Words of the code with {} for each value, and where they stand: file and line."""

    words: str
    file: str
    line: int


@cache
def spoken() -> tuple[Spoken, ...]:
    """All of app/ and carriers/."""
    files = sorted(file for folder in ("app", "carriers") for file in (ROOT / folder).rglob("*.py"))
    return tuple(
        Spoken(words, file.relative_to(ROOT).as_posix(), line)
        for file in files
        for words, line in said_in(file.read_text("utf-8"))
    )


def said_in(source: str) -> Iterator[tuple[str, int]]:
    """Each string of words of a module that is said to people, and its line."""
    tree = parsed(source)
    apart = {id(each) for node in ast.walk(tree) for each in _passed(node)}
    for node in ast.walk(tree):
        if id(node) not in apart and (words := shape(node)) is not None and _speaks(words):
            yield words, node.lineno  # type: ignore[attr-defined]


def shape(node: ast.AST) -> str | None:
    """A string with {} at each of its places; None for what is none."""
    match node:
        case ast.Constant(value=str(text)):
            return PLACE.sub("{}", text)
        case ast.JoinedStr(values=parts):
            said = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            return PLACE.sub("{}", "".join(said))
    return None


def _passed(node: ast.AST) -> Iterator[ast.AST]:
    """What is not said to people: docstrings, calls apart, what is about the API, pieces of f-strings."""
    match node:
        case ast.Expr(value=ast.Constant() as doc):
            yield doc
        case ast.JoinedStr(values=parts):
            yield from (part for part in parts if isinstance(part, ast.Constant))
        case ast.Assign(targets=[ast.Tuple() as names]) if "title" in ast.unparse(names):
            yield from ast.walk(node)  # the titles of problems: pages have headings of their own
        case ast.Call():
            yield from _of_call(node)
        case ast.keyword() | ast.Dict():
            yield from _about(node)


def _of_call(call: ast.Call) -> Iterator[ast.AST]:
    match call:
        case _ if _is_apart(call):
            yield from ast.walk(call)
        case ast.Call(
            func=ast.Name(id="StatusCode" | "MessageCode" | "ReplyCode" | "StatusRow"),
            args=[code, _, source, *_],
        ):
            yield from (code, source)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as names, attr="split")):
            yield names


def _about(node: ast.keyword | ast.Dict) -> Iterator[ast.AST]:
    """What describes the API."""
    if isinstance(node, ast.keyword):
        found = [node.value] if node.arg in _ABOUT else []
    else:
        pairs = zip(node.keys, node.values, strict=True)
        found = [value for key, value in pairs if key is not None and shape(key) in _ABOUT]
    for each in found:
        yield from ast.walk(each)


def _is_apart(call: ast.Call) -> bool:
    """A call of such a name; or one of a log."""
    match call.func:
        case ast.Name(id=name):
            return name in _APART
        case ast.Attribute(value=ast.Name(id=of) | ast.Attribute(attr=of), attr=name):
            return name in _APART or of in _LOGS
    return False


def _speaks(words: str) -> bool:
    """English words in a row, or a place among words; nothing that only machines read."""
    foreign = any(sign.isalpha() and not sign.isascii() for sign in words)
    return not foreign and _WORDS.search(words) is not None and _SIGNS.search(words) is None
