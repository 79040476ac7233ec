"""`loa simulate`: simulated carriers on this machine, well-behaved or faulty."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import typer

from carriers import simulators
from carriers.simulators.smsc import command as smsc_command
from carriers.simulators.web import WebSimulator
from carriers.simulators.web import command as web_command

_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}

app = typer.Typer(no_args_is_help=True, help="Run a simulated carrier to try things against.")


@app.callback()
def simulate() -> None:
    """Run a simulated carrier to try things against."""


# The simulator has a parser of its own, so all flags are passed through.
@app.command(add_help_option=False, context_settings=_PASSED_ON)
def smsc(context: typer.Context) -> None:
    """Run an SMPP message centre; `loa simulate smsc --help` lists its flags."""
    raise typer.Exit(smsc_command.main(context.args))


def _register(simulator: type[WebSimulator]) -> None:
    def command(context: typer.Context) -> None:
        raise typer.Exit(web_command.run(simulator, context.args))

    doc = f"{simulator.__doc__} `loa simulate {simulator.name} --help` lists its flags."
    app.command(simulator.name, help=doc, add_help_option=False, context_settings=_PASSED_ON)(command)


def web_simulators() -> Iterator[type[WebSimulator]]:
    """Every simulated carrier over HTTP: a folder of carriers/simulators that exports a WebSimulator."""
    for module in iter_modules(simulators.__path__, f"{simulators.__name__}."):
        for each in vars(import_module(module.name)).values() if module.ispkg else ():
            if isinstance(each, type) and issubclass(each, WebSimulator) and each is not WebSimulator:
                yield each


for _simulator in web_simulators():
    _register(_simulator)
