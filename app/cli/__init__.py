"""The command line: `loa NOUN VERB`, one file per noun."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from app.cli.lazy import Commands
from app.core import gc_tuning
from app.core.clock import Unreal
from app.core.errors import AppError

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def loa(
    server: Annotated[
        str | None,
        typer.Option(
            envvar="LOA_SERVER",
            metavar="URL",
            help="Ask the Loa there instead of the database here; its key in LOA_KEY or LOA_KEY_FILE.",
        ),
    ] = None,
) -> None:
    """Bulk SMS awareness broadcast: one approved text, every subscriber once, a report that adds up."""
    if server is not None:
        from app.cli import remote  # slow to import, and not needed for local commands

        remote.choose(server)


def main() -> None:
    """Run a command; an error prints one sentence on stderr and gives exit status 1."""
    os.umask(0o077)  # written files hold phone numbers, so keep other accounts of the host out
    gc_tuning.load()
    try:
        app()
    except AppError as error:
        from app.core.masking import escaped
        from app.observability.logs import mask_text  # only needed on failure

        lines = mask_text(error.said_here).split("\n")
        typer.echo("\n".join(map(escaped, [f"loa: {lines[0]}", *lines[1:]])), err=True)
        raise SystemExit(1) from None
    except Unreal as error:
        typer.echo(f"loa: {error}", err=True)
        raise SystemExit(1) from None
