"""Put a mutant into a process: as the code of functions that are there, or as a module is imported.

Both happen in a fork of its own, so nothing has to be taken out again.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator, Sequence
from functools import _lru_cache_wrapper
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from tests.mutation.mutants import ROOT, Mutant, planted

Key = tuple[str, str, int]


class Functions:
    """The functions of the program, by file, name and line, decorated ones as well."""

    def __init__(self, files: Sequence[str]) -> None:
        gc.unfreeze()  # what is frozen is not listed
        wanted = {str(ROOT / file) for file in files}
        self._found: dict[Key, list[FunctionType]] = {}
        self._caches = []
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename in wanted:
                self._found.setdefault(_key(each.__code__), []).append(each)
            elif isinstance(each, _lru_cache_wrapper):
                self._caches.append(each)
        gc.freeze()

    def plant(self, mutant: Mutant) -> bool:
        """Give the function its changed code, or the name its value; False where it is too late for that."""
        if not mutant.function[0]:
            return assign(mutant)
        file = str(ROOT / mutant.file)
        code = next(
            (each for each in _codes(_compiled(mutant)) if _key(each) == (file, *mutant.function)), None
        )
        functions = self._found.get((file, *mutant.function), [])
        if code is None or not functions:
            return False
        if any(each.__code__.co_freevars != code.co_freevars for each in functions):
            return False
        for each in functions:
            each.__code__ = code
        for cache in self._caches:
            cache.cache_clear()
        return True


def assign(mutant: Mutant) -> bool:
    """Assign in the mutant's module, and wherever the name was imported from it, the changed value."""
    number, statement = assignment(mutant)
    module = sys.modules.get(module_of(mutant.file))
    if module is None or statement is None:
        return False
    changed = planted(mutant).body[number]
    before = {name: vars(module)[name] for name in mutant.names}
    try:
        exec(compile(ast.Module([changed], []), mutant.file, "exec", dont_inherit=True), vars(module))
    except Exception:
        return False  # so would the import fail, which is then tried
    for name, old in before.items():
        for each in list(sys.modules.values()):
            if vars(each).get(name) is old and each is not module:
                setattr(each, name, vars(module)[name])
    return True


def assignment(mutant: Mutant) -> tuple[int, ast.stmt | None]:
    """Which statement of its module it changes, where that assigns one name a value."""
    for number, node in enumerate(ast.parse((ROOT / mutant.file).read_text("utf-8")).body):
        if isinstance(node, ast.Assign) and node.lineno <= mutant.lines[0][0] <= (node.end_lineno or 0):
            return number, node
    return 0, None


def module_of(file: str) -> str:
    parts = Path(file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def plant_at_import(mutant: Mutant) -> None:
    """Have the mutant's module imported with the change in it."""
    sys.meta_path.insert(0, _Planter(mutant))


class _Planter(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._code = _compiled(mutant)
        self._module = module_of(mutant.file)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Changed(fullname, spec.origin, self._code)
        return spec


class _Changed(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


def _compiled(mutant: Mutant) -> CodeType:
    return compile(planted(mutant), str(ROOT / mutant.file), "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _key(code: CodeType) -> Key:
    return (code.co_filename, code.co_qualname, code.co_firstlineno)
