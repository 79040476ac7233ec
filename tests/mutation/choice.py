"""Choose the tests that may find a mutant, in the order in which they are to try."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, zip_longest
from pathlib import PurePath

from tests.mutation.mutants import ROOT, Mutant
from tests.mutation.planting import assignment
from tests.mutation.reach import Reach


def choose_tests(mutant: Mutant, reach: Reach, longest_s: float, *, own: bool = False) -> list[str]:
    """Tests of the lines of a mutant, the likeliest first: as many as take `longest_s` without it.

    own: of its file's own module of tests alone, if it has one that runs it.
    """
    groups = _that_run(mutant, reach)
    if own:
        groups = [{test for test in tests if _is_own(mutant.file, test)} for tests in groups]
    chosen, left = [], longest_s
    for test in _in_order(mutant.file, groups, reach):
        left -= reach.seconds[test]
        if left < 0 and chosen:
            break
        chosen.append(test)
    modules = list(dict.fromkeys(test.partition("::")[0] for test in chosen))
    return sorted(chosen, key=lambda test: modules.index(test.partition("::")[0]))  # one set-up for each


def runs_at_import(mutant: Mutant, reach: Reach) -> bool:
    """Whether the mutant's line runs as its module is imported, so that later it is too late for it."""
    if not mutant.function[0]:
        return assignment(mutant)[1] is None
    return not {*mutant.lines[0]}.isdisjoint(reach.at_import.get(mutant.file, ()))


def _that_run(mutant: Mutant, reach: Reach) -> list[set[str]]:
    """The tests in two groups at most; those of the first come first."""
    if not mutant.function[0]:
        users = reach.tests_of(mutant.file, _used(mutant.file, mutant.names)) if mutant.names else set()
        # A table or the values of an enumeration are looked at without a line being run.
        users |= {test for test in reach.seconds if _is_own(mutant.file, test)}.difference(reach.failed)
        return [users, reach.all_of(mutant.file) - users]
    for lines in mutant.lines:
        if found := reach.tests_of(mutant.file, lines):
            return [found]
    return []


def _used(file: str, names: Sequence[str]) -> list[int]:
    return [node.lineno for node in _names(file) if node.id in names and isinstance(node.ctx, ast.Load)]


@cache
def _names(file: str) -> list[ast.Name]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _in_order(file: str, groups: Iterable[set[str]], reach: Reach) -> Iterable[str]:
    return chain.from_iterable(_group(file, tests, reach) for tests in groups)


def _group(file: str, tests: set[str], reach: Reach) -> Iterable[str]:
    """Own module, own folder, others; in each of these a test of every module in turn, quickest first."""
    near: tuple[dict[str, list[str]], ...] = ({}, {}, {})
    for test in sorted(tests, key=lambda each: (reach.seconds[each], each)):
        module = test.partition("::")[0]
        near[_distance(file, module)].setdefault(module, []).append(test)
    for modules in near:
        for turn in zip_longest(*modules.values()):
            yield from (test for test in turn if test is not None)


def _is_own(file: str, test: str) -> bool:
    return _distance(file, test.partition("::")[0]) == 0


def _distance(file: str, module: str) -> int:
    own, tested = PurePath(file), PurePath(module.removeprefix("tests/").removeprefix("long/"))
    if own.parent != tested.parent:
        return 2
    return int(tested.stem != f"test_{own.stem}")
