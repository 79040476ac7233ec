"""`loa link`: links to carriers, and resuming a halted one."""

from __future__ import annotations

from types import SimpleNamespace

import typer
from sqlalchemy import Connection

from app.cli.common import open_db
from app.cli.output import Json, Number, done, listing, whoami
from app.dispatch import link_health, link_store

app = typer.Typer(no_args_is_help=True, help="Links to carriers: which send, which are halted and why.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the links, their connections, and why one is halted."""
    with open_db(looks=True) as (db, _):
        rows = db.read(link_health.with_facts)
    columns = ("id", "name", "carrier", "state", "segments_per_second", "code", "reason")
    listing(
        rows if as_json else [SimpleNamespace(**row) for row in rows], (*columns, *link_health.SHOWN), as_json
    )


@app.command()
def resume(link_id: Number) -> None:
    """Resume a halted link after the cause is fixed."""

    def work(connection: Connection) -> None:
        link_store.resume(connection, link_id, whoami())
        db.wake(connection)

    with open_db() as (db, _):
        db.write(work)
    done(f"Link {link_id} is running.", link=link_id, state="running")
