"""`loa inbound`: messages from subscribers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated

import typer

from app.cli.output import After, Json, Most, listing
from app.cli.remote import asked
from app.inbound import queries
from app.inbound.queries import InboundMessageView

app = typer.Typer(no_args_is_help=True, help="Messages to us: what subscribers have sent over the links.")


@dataclass(frozen=True, slots=True)
class _Line:
    id: int
    received_at: datetime
    carrier: str
    link: str
    phone: str
    destination: str
    part: str | None
    repeat_of: int | None
    text: str


@app.callback()
def inbound() -> None:
    """Messages to us: what subscribers have sent over the links."""


@app.command("list")
def list_(
    carrier: Annotated[str | None, typer.Option(help="Only of this carrier.")] = None,
    after: After = 0,
    limit: Most = 1000,
    as_json: Json = False,
) -> None:
    """Show messages in the order of arrival, numbers masked."""
    found = asked(
        lambda api: list(islice(api.list_inbound_messages(carrier=carrier, after=after), limit)),
        lambda db: db.read(queries.page, after, limit, carrier),
        listed=None if after else carrier,
    )
    columns = tuple(_Line.__dataclass_fields__)
    listing(found if as_json else [_line(each) for each in found], columns, as_json)


def _line(of: InboundMessageView) -> _Line:
    part = f"{of.part.number}/{of.part.total}" if of.part else None
    text = " ".join(of.text.split())
    return _Line(
        of.id, of.received_at, of.carrier, of.link, of.phone, of.destination, part, of.repeat_of, text
    )
