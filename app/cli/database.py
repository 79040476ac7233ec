"""`loa database`: move a SQLite ledger to PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.common import open_db
from app.config import normal_url
from app.db import Database
from app.ledger.transfer import copy_ledger

app = typer.Typer(no_args_is_help=True, help="The database itself.")


@app.callback()
def database() -> None:
    """The database itself."""


@app.command()
def copy(
    to: Annotated[
        str, typer.Option(envvar="LOA_COPY_TO", help="postgresql://user@host/name, migrated and empty")
    ],
) -> None:
    """Copy everything from the SQLite file to an empty PostgreSQL database, and verify the copy.

    The SQLite file is left as it is. A URL with a password is better given in LOA_COPY_TO than on the
    command line, where other users of the host can read it.
    """
    with open_db() as (source, _):
        target = Database(normal_url(to))
        try:
            rows = copy_ledger(source, target, _say)
        finally:
            target.close()
    typer.echo(f"Copied and verified {sum(rows.values()):,} rows of {len(rows)} tables.")
    typer.echo("Set LOA_DATABASE_URL to that server from now on; the SQLite file is as it was.")


def _say(table: str, rows: int) -> None:
    typer.echo(f"{table}: {rows:,} rows", err=True)
