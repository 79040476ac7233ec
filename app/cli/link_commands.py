"""`loa link`: links to carriers, and resuming a halted one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import typer
from sqlalchemy import Connection

from app.cli.output import Json, Number, done, listing, whoami
from app.cli.remote import asked
from app.core import clock
from app.database.connection import Database
from app.dispatch import link_health, link_store

app = typer.Typer(no_args_is_help=True, help="Links to carriers: which send, which are halted and why.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the links, their connections, and why one is halted."""
    rows: Sequence[dict[str, Any]] = asked(
        lambda api: [_as_here(asdict(each)) for each in api.list_links()],
        lambda db: db.read(link_health.with_facts),
    )
    columns = ("id", "name", "carrier", "state", "segments_per_second", "code", "reason")
    listing(
        rows if as_json else [SimpleNamespace(**row) for row in rows], (*columns, *link_health.SHOWN), as_json
    )


def _as_here(of: dict[str, Any]) -> dict[str, Any]:
    """Add the columns that the list has of its own to what the API says of a link."""
    refusal = of["probing"] or of["refusal"]
    refused = f"{_said(of['refused_at'])} {refusal}".strip() if refusal else None
    moments = (of[name] for name in ("refusing_since", "waiting_since", "connected_since", "lost_since"))
    since = _said(next((at for at in moments if at), None)) or None
    values = (of["health"], since, _said(of["answered_at"]) or None, refused, of["remark"])
    return of | dict(zip(link_health.SHOWN, values, strict=True))


def _said(at: datetime | None) -> str:
    return "" if at is None else clock.local(at).isoformat(timespec="seconds")


@app.command()
def resume(link_id: Number) -> None:
    """Resume a halted link after the cause is fixed."""

    def here(db: Database) -> None:
        def work(connection: Connection) -> None:
            link_store.resume(connection, link_id, whoami())
            db.wake(connection)

        db.write(work)

    asked(lambda api: api.resume_link(link_id), here, looks=False)
    done(f"Link {link_id} is running.", link=link_id, state="running")
