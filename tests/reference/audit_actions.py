"""The page of the audit's actions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from app.campaigns.runs import Verb
from tests.operations import OPERATIONS
from tests.reference.tables import table

_ROOT = Path(__file__).parents[2]
_HEAD = """# Audit actions

Each act of a person, and what Loa does by itself with the same weight, is a row of the audit: who, when,
from where, what, about what. `loa audit export` prints them; `GET /v1/audit` and the page of the audit list
them. How the chain of rows is kept: [the audit's head](../operations.vi.md#mã-đầu-của-nhật-ký).
`…` stands for a number or a name.

"""
_ACTION = re.compile(r"[a-z-]+(\.[a-z_]+)+")
# Actions whose last word is a variable: what it may be.
_VARIABLE: dict[str, Sequence[str]] = {
    "run.…": list(Verb),
    "campaign.…": ("approved", "rejected", "returned", "voided"),
}


def page() -> str:
    """the calls of `audit.note` in app."""
    about, told = defaultdict(set), defaultdict(set)
    for file in (_ROOT / "app").rglob("*.py"):
        for action, subject, details in _noted(file):
            about[action].add(subject)
            told[action] |= set(details)
    rows = [(f"`{each}`", _code(about[each]), _code(told[each])) for each in sorted(about)]
    return _HEAD + table(("Action", "About", "With"), rows).rstrip() + "\n"


def _code(words: set[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))


def _noted(file: Path) -> Iterator[tuple[str, str, list[str]]]:
    source = file.read_text("utf-8")
    if "audit.note(" not in source and "tx.note(" not in source and file.name != "audit.py":
        return
    tree = ast.parse(source)
    module = import_module(".".join(file.relative_to(_ROOT).with_suffix("").parts))
    for function in (each for each in tree.body if isinstance(each, ast.FunctionDef)):
        for node in (each for each in ast.walk(function) if isinstance(each, ast.Call)):
            if ast.unparse(node.func) == "tx.note":
                details = [each.arg for each in node.keywords if each.arg]
                for action in _declared(function.name, tree):
                    yield action, _word(node.args[0], tree, module), details
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("audit.note", "note"):
            action, subject = (_word(each, tree, module) for each in node.args[2:4])
            details = [each.arg for each in node.keywords if each.arg]
            for one in _actions(action, tree):
                yield one, subject, details


def _declared(function: str, tree: ast.Module) -> set[str]:
    """The actions of the operation of this name, or of those that call the function."""
    if function in OPERATIONS:
        return {OPERATIONS[function].action}
    callers = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name in OPERATIONS]
    calls = [
        each.name
        for each in callers
        if any(isinstance(node, ast.Name) and node.id == function for node in ast.walk(each))
    ]
    return {OPERATIONS[each].action for each in calls}


def _actions(action: str, tree: ast.Module) -> Sequence[str]:
    """What an action may be: itself, or where a function is given it, every action that its module names."""
    if action in _VARIABLE:
        return [action.replace("…", word) for word in _VARIABLE[action]]
    if action != "…":
        return [action]
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ACTION.fullmatch(node.value)
    ]


def _word(node: ast.expr, tree: ast.Module, module: ModuleType) -> str:
    """The word that an expression stands for, with … for what only a call knows."""
    match node:
        case ast.Constant(value=str(word)):
            return word
        case ast.JoinedStr(values=parts):
            return "".join(_word(each, tree, module) for each in parts)
        case ast.Name(id=name) if not hasattr(module, name):
            given = [each.value for each in ast.walk(tree) if _assigns(each, name)]
            return _word(given[0], tree, module) if given else "…"
        case ast.Name() | ast.Attribute():
            known = module
            for step in ast.unparse(node).split("."):
                known = getattr(known, step, None)
            return known if isinstance(known, str) else "…"
        case _:
            return "…"


def _assigns(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == [name]
