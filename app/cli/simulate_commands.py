"""`loa simulate`: simulated carriers on this machine, well-behaved or faulty."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules

import typer

from carriers import simulators
from carriers.simulators import process
from carriers.simulators.process import Simulator

_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}

app = typer.Typer(no_args_is_help=True, help="Run a simulated carrier for tests.")


@app.callback()
def simulate() -> None:
    """Run a simulated carrier for tests."""


def _register(simulator: type[Simulator]) -> None:
    # The simulator has a parser of its own, so all flags are passed through.
    def command(context: typer.Context) -> None:
        raise typer.Exit(process.run(simulator, context.args))

    doc = f"{simulator.__doc__} `loa simulate {simulator.name} --help` lists its flags."
    app.command(simulator.name, help=doc, add_help_option=False, context_settings=_PASSED_ON)(command)


def known_simulators() -> Iterator[type[Simulator]]:
    """Every simulated carrier: a module of carriers/simulators that has a concrete Simulator."""
    for module in iter_modules(simulators.__path__, f"{simulators.__name__}."):
        for each in vars(import_module(module.name)).values():
            if isinstance(each, type) and issubclass(each, Simulator) and not isabstract(each):
                yield each


for _simulator in known_simulators():
    _register(_simulator)
