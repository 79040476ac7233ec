"""How the program's folders stand to each other: `python -m tests.structure` prints rooms, arrows and sizes.

A *room* is a folder right below app/, or a module there; an *arrow* says that some module of one room imports
some module of another. Imports inside functions and for types alone count as well.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

from tests.trees import nodes

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "carriers", "loa_client")
Graph = Mapping[str, set[str]]


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name; a folder's __init__ has the folder's."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(package: str) -> dict[str, set[str]]:
    """Which modules of the package each of its modules imports."""
    known = modules(package)
    return {name: {each for each in _imported(path, known) if each != name} for name, path in known.items()}


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in nodes(path.read_text("utf-8")):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                yield from [inner] if inner in known else [node.module] if node.module in known else []


def arrows(package: str) -> dict[str, set[str]]:
    """Which rooms of the package each room imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, others in imports(package).items():
        room = _room(name)
        for other in map(_room, others):
            if room and other and room != other:
                found[room].add(other)
        if room:
            found[room] |= set()
    return found


def _room(module: str) -> str:
    return ".".join(module.split(".")[1:2])


def cycle(graph: Graph) -> list[str]:
    """The nodes of a cycle; none where there is no cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def lines(paths: Iterable[Path]) -> list[int]:
    """How many lines each file has."""
    return [len(path.read_text("utf-8").splitlines()) for path in paths]


def main() -> None:
    """Print the figures."""
    graph = arrows("app")
    print(f"rooms {len(graph)}, arrows {sum(map(len, graph.values()))}, cycle {cycle(graph) or 'none'}")
    for room, others in sorted(graph.items()):
        print(f"  {room:20} -> {', '.join(sorted(others))}")
    product = lines(path for package in PACKAGES for path in modules(package).values())
    tests = lines((ROOT / "tests").rglob("*.py"))
    print(f"app and carriers: {len(product)} files, {sum(product)} lines, median {median(product):.0f}")
    print(f"tests: {len(tests)} files, {sum(tests)} lines")


if __name__ == "__main__":
    main()
