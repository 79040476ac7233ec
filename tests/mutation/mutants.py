"""Make mutants of a file: small changes of its syntax tree, one at a time, each with an id that stays.

Left as they are: strings (keys, SQL, sentences), annotations, decorators, what is logged.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPPOSITE = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
}
_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_params"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOGGERS = {"log", "logger", "_log", "_logger", "logging"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file. `function`: the outermost function whose body holds it; empty: runs at import.

    lines: where to look for tests that run it, the nearest first.
    """

    id: str
    file: str
    number: int
    function: tuple[str, int]
    lines: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()  # what a statement of the module defines


@dataclass(frozen=True, slots=True)
class _Where:
    """What surrounds a node."""

    scope: tuple[str, ...] = ()
    function: tuple[str, int] = ("", 0)
    statement: ast.AST | None = None
    root: ast.AST | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    """One node in its parent, and what takes its place."""

    parent: ast.AST
    field: str
    position: int | None
    old: ast.AST
    new: ast.AST
    where: _Where

    def make(self) -> None:
        ast.copy_location(self.new, self.old)
        ast.fix_missing_locations(self.new)
        if self.position is None:
            setattr(self.parent, self.field, self.new)
        else:
            getattr(self.parent, self.field)[self.position] = self.new


def mutants(file: str, root: Path = ROOT) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    found, seen = [], Counter[str]()
    for number, change in enumerate(_changes(_parsed(root / file), _Where())):
        name = f"{file}:{_name(change)}"
        seen[name] += 1
        own = f"{name}#{seen[name]}" if seen[name] > 1 else name
        where = change.where
        names = () if where.function[0] else _defined(where.statement)
        found.append(Mutant(own, file, number, where.function, _lines(change), names))
    return found


def planted(mutant: Mutant, root: Path = ROOT) -> ast.Module:
    """The tree of the mutant's file with the change in it."""
    tree = _parsed(root / mutant.file)
    for number, change in enumerate(_changes(tree, _Where())):
        if number == mutant.number:
            change.make()
            return tree
    raise LookupError(mutant.id)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _name(change: _Change) -> str:
    scope = ".".join(change.where.scope) or "module"
    root = ast.unparse(change.where.root or change.old)
    digest = hashlib.sha256(root.encode()).hexdigest()[:6]
    return f"{scope}: {_short(change.old)} => {_short(change.new)} [{digest}]"


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:40]}...{text[-17:]}"


def _lines(change: _Change) -> tuple[tuple[int, ...], ...]:
    found = [_span(change.old)]
    for node in (change.where.root, change.where.statement):
        if node is not None and hasattr(node, "lineno"):
            found += [_span(node)]
    return tuple(dict.fromkeys(found))


def _span(node: ast.AST) -> tuple[int, ...]:
    first = getattr(node, "lineno", 0)
    return tuple(range(first, (getattr(node, "end_lineno", None) or first) + 1))


def _defined(statement: ast.AST | None) -> tuple[str, ...]:
    if isinstance(statement, ast.Assign):
        return tuple(each.id for each in statement.targets if isinstance(each, ast.Name))
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return (statement.target.id,)
    return (statement.name,) if isinstance(statement, _FUNCTIONS) else ()


def _changes(node: ast.AST, where: _Where) -> Iterator[_Change]:
    for field, position, child in _children(node):
        if _is_left(node, field, child):
            continue
        inside = _inside(node, field, child, where)
        for new in _alternatives(node, field, child):
            yield _Change(node, field, position, child, new, inside)
        yield from _changes(child, inside)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            for position, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield field, position, each
        elif isinstance(value, ast.AST):
            yield field, None, value


def _inside(parent: ast.AST, field: str, node: ast.AST, where: _Where) -> _Where:
    """What surrounds the node itself and what is in it."""
    if isinstance(parent, _FUNCTIONS) and field == "body" and not where.function[0]:
        first = min([parent.lineno, *(each.lineno for each in parent.decorator_list)])
        where = replace(where, function=(".".join(where.scope), first))
    if isinstance(node, ast.stmt):
        where = replace(where, statement=node, root=None if hasattr(node, "body") else node)
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            where = replace(where, scope=(*where.scope, node.name))
    elif where.root is None:
        where = replace(where, root=node)
    return where


def _is_left(parent: ast.AST, field: str, node: ast.AST) -> bool:
    if field in _SKIPPED_FIELDS or (isinstance(parent, ast.ClassDef) and field in ("bases", "keywords")):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring, or `...`
    return isinstance(node, ast.Expr) and _is_logged(node.value)


def _is_logged(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Await) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    return ast.unparse(call.func.value).rpartition(".")[2] in _LOGGERS


# ---- what takes a node's place


def _alternatives(parent: ast.AST, field: str, node: ast.AST) -> Iterator[ast.AST]:
    make = _MAKERS.get(type(node))
    if make is not None:
        yield from make(node)
    if isinstance(node, ast.expr) and (field == "test" or field == "ifs") and not _has_opposite(node):
        yield ast.UnaryOp(ast.Not(), node)
    if isinstance(parent, ast.Return) and field == "value" and not _is_empty(node):
        yield ast.Constant(None)


def _has_opposite(test: ast.expr) -> bool:
    """Whether another change of this condition is its negation."""
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not)
    return isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _OPPOSITE)


def _is_empty(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, False)


def _compared(node: ast.Compare) -> Iterator[ast.AST]:
    for at, operator in enumerate(node.ops):
        new = copy(node)
        new.ops = [*node.ops[:at], _COMPARED[type(operator)](), *node.ops[at + 1 :]]
        yield new


def _joined(node: ast.BoolOp) -> Iterator[ast.AST]:
    new = copy(node)
    new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield new


def _computed(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in _COMPUTED and not any(map(_is_text, (node.left, node.right))):
        new = copy(node)
        new.op = _COMPUTED[type(node.op)]()
        yield new


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _added(node: ast.AugAssign) -> Iterator[ast.AST]:
    if not _is_text(node.value):
        new = copy(node)
        new.op = _COMPUTED[type(node.op)]()
        yield new
    yield ast.Pass()


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)


def _signed(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield node.operand


def _called(node: ast.Call) -> Iterator[ast.AST]:
    for at, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            new = copy(node)
            new.keywords = [*node.keywords[:at], *node.keywords[at + 1 :]]
            yield new


def _alone(node: ast.Expr) -> Iterator[ast.AST]:
    if isinstance(node.value, ast.Call | ast.Await):
        yield ast.Pass()


def _assigned(node: ast.Assign) -> Iterator[ast.AST]:
    if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
        yield ast.Pass()


def _left_out(node: ast.AST) -> Iterator[ast.AST]:
    yield ast.Pass()


def _left_loop(node: ast.AST) -> Iterator[ast.AST]:
    yield ast.Continue() if isinstance(node, ast.Break) else ast.Break()


_MAKERS: dict[type[ast.AST], Callable[..., Iterator[ast.AST]]] = {
    ast.Compare: _compared,
    ast.BoolOp: _joined,
    ast.BinOp: _computed,
    ast.AugAssign: _added,
    ast.Constant: _constants,
    ast.UnaryOp: _signed,
    ast.Call: _called,
    ast.Expr: _alone,
    ast.Assign: _assigned,
    ast.Raise: _left_out,
    ast.Delete: _left_out,
    ast.Break: _left_loop,
    ast.Continue: _left_loop,
}
