"""`loa link`: links to carriers, and resuming a halted one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import Connection

from app.cli.output import Json, done, listing, whoami, whole
from app.cli.remote import asked
from app.core import clock
from app.core.errors import no_such
from app.database.connection import Database
from app.dispatch import link_store

if TYPE_CHECKING:
    from loa_client import LoaClient

app = typer.Typer(no_args_is_help=True, help="Links to carriers: which send, which are halted and why.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the links, their connections, and why one is halted."""
    rows: Sequence[dict[str, Any]] = asked(
        lambda api: [_as_here(asdict(each)) for each in api.list_links()],
        lambda db: db.read(link_store.with_facts),
    )
    columns = ("id", "name", "carrier", "state", "segments_per_second", "code", "reason")
    listing(
        rows if as_json else [SimpleNamespace(**row) for row in rows], (*columns, *link_store.SHOWN), as_json
    )


def _as_here(of: dict[str, Any]) -> dict[str, Any]:
    """Add the columns that the list has of its own to what the API says of a link."""
    refusal = of["probing"] or of["refusal"]
    refused = f"{_said(of['refused_at'])} {refusal}".strip() if refusal else None
    moments = (of[name] for name in ("refusing_since", "waiting_since", "connected_since", "lost_since"))
    since = _said(next((at for at in moments if at), None)) or None
    values = (of["health"], since, _said(of["answered_at"]) or None, refused, of["remark"])
    return of | dict(zip(link_store.SHOWN, values, strict=True))


def _said(at: datetime | None) -> str:
    return "" if at is None else clock.local(at).isoformat(timespec="seconds")


def _named(said: str) -> str | int:
    return said if re.fullmatch("[a-z0-9][a-z0-9_-]{0,39}", said) and not said.isdecimal() else whole(said)


@app.command()
def resume(
    link: Annotated[Any, typer.Argument(parser=_named, metavar="LINK", help="Its name, or its number.")],
) -> None:
    """Resume a halted link after the cause is fixed."""

    def here(db: Database) -> int:
        def work(connection: Connection) -> int:
            number = _number(link, link_store.all_links(connection))
            link_store.resume(connection, number, whoami())
            db.wake(connection)
            return number

        return db.write(work)

    def there(api: LoaClient) -> int:
        number = _number(link, api.list_links())
        api.resume_link(number)
        return number

    number = asked(there, here, looks=False)
    done(f"Link {link} is running.", link=number, state="running")


def _number(link: str | int, known: Iterable[Any]) -> int:
    numbers = [link] if isinstance(link, int) else [each.id for each in known if each.name == link]
    if not numbers:
        raise no_such("link", link)
    return numbers[0]
