"""`loa key`: the API keys."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import Connection

from app import audit, auth
from app.cli.common import open_db
from app.cli.talk import Json, listing, whoami

app = typer.Typer(no_args_is_help=True, help="API keys: shown once, kept as hashes.")

Name = Annotated[str, typer.Argument(help="Who holds the key.")]


@app.command()
def add(name: Name) -> None:
    """Make a key and print it, this once."""
    with open_db() as (db, _):
        typer.echo(db.write(_add, name))


def _add(connection: Connection, name: str) -> str:
    key = auth.create_key(connection, name)
    audit.note(connection, whoami(), "key.add", f"key/{name}")
    return key


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the keys, without their secrets."""
    with open_db() as (db, _):
        found = db.read(auth.list_keys)
    listing(found, ("name", "prefix", "role", "created_at", "revoked_at"), as_json)


@app.command()
def revoke(name: Name) -> None:
    """End a key at once."""
    with open_db() as (db, _):
        db.write(_revoke, name)
    typer.echo(f"The key of {name} is revoked.")


def _revoke(connection: Connection, name: str) -> None:
    auth.revoke_key(connection, name)
    audit.note(connection, whoami(), "key.revoke", f"key/{name}")
