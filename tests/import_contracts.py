"""A contract for import-linter: layers, one of which holds whatever the others do not name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from importlinter import ContractCheck
from importlinter.contracts.layers import LayersContract, ModuleTail

REST = "*"


class LayersAndRest(LayersContract):
    """`*` stands for every child of the container that is in no layer: a new one needs no line."""

    def check(self, graph: Any, verbose: bool) -> ContractCheck:
        settings: Any = self
        (container,) = settings.containers
        named = {tail.name for layer in settings.layers for tail in layer.module_tails}
        children = {child.rpartition(".")[2] for child in graph.find_children(str(container))}
        rest = {ModuleTail(name) for name in children - named}
        settings.layers = [
            replace(layer, module_tails=rest) if ModuleTail(REST) in layer.module_tails else layer
            for layer in settings.layers
        ]
        return super().check(graph, verbose)
