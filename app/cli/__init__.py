"""The command line: `loa NOUN VERB`; each file here is one noun, and decides nothing."""

from __future__ import annotations

import typer

from app.cli import (
    batch,
    campaign,
    database,
    demo,
    directive,
    key,
    lane,
    report,
    run,
    serve,
    simulate,
    unknown,
    verify,
)
from app.errors import AppError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (serve.up, serve.serve, serve.worker, serve.migrate, verify.verify, demo.demo):
    app.command()(command)
for noun in (batch, campaign, database, directive, key, lane, report, run, simulate, unknown):
    app.add_typer(noun.app, name=noun.__name__.rpartition(".")[2])


def main() -> None:
    """Run a command; an error is one sentence on stderr and exit status 1."""
    try:
        app()
    except AppError as error:
        typer.echo(f"loa: {error.detail}", err=True)
        raise SystemExit(1) from None
