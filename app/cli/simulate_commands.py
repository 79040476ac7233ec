"""`loa simulate`: simulated carriers on this machine, well-behaved or faulty."""

from __future__ import annotations

import typer

from carriers.simulators.mobifone import Mobifone
from carriers.simulators.smsc import command as smsc_command
from carriers.simulators.viettel import Viettel
from carriers.simulators.vnpt import Vnpt
from carriers.simulators.web import WebSimulator
from carriers.simulators.web import command as web_command

# Carriers over HTTP.
WEB: tuple[type[WebSimulator], ...] = (Mobifone, Viettel, Vnpt)
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


for _simulator in WEB:
    _register(_simulator)
