"""Reading Python's own source in tests."""

from __future__ import annotations

import ast
import gc
from functools import cache


@cache
def parsed(source: str) -> ast.Module:
    """The syntax tree of a module's text, read once and without the garbage collector.

    Python 3.11 counts the depth of a tree being built in one place for all of them. A collection in the
    middle may run a finalizer whose warning has its traceback printed, which reads a tree too (for the
    carets); the first reading then ends with "AST constructor recursion depth mismatch" (cpython, 106905).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_on:
            gc.enable()


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """Every node of a module's text, as ast.walk gives them."""
    return tuple(ast.walk(parsed(source)))
