"""`loa simulate`: carriers on this machine that behave and misbehave as they are told."""

from __future__ import annotations

import typer

from carriers.simulators.smsc import command as smsc_command

app = typer.Typer(no_args_is_help=True, help="Run a simulated carrier to try things against.")


@app.callback()
def simulate() -> None:
    """Run a simulated carrier to try things against."""


# Every manner of the simulator is a flag of its own parser: all that follows goes through to it.
@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def smsc(context: typer.Context) -> None:
    """Run an SMPP message centre; `loa simulate smsc --help` lists its flags."""
    raise typer.Exit(smsc_command.main(context.args))
