"""`loa inbound`: messages from subscribers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli import common
from app.cli.common import open_db
from app.cli.files import replace_lines
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import After, Json, Most, listing, whoami
from app.cli.remote import at_server
from app.inbound import operations, scam_reports
from app.inbound.queries import InboundMessageView
from app.inbound.reply_kinds import ReplyKind
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

app = typer.Typer(no_args_is_help=True, help="Incoming messages from subscribers.")


@dataclass(frozen=True, slots=True)
class _Line:
    id: int
    received_at: datetime
    carrier: str
    link: str
    kind: str | None
    phone: str
    destination: str
    part: str | None
    repeat_of: int | None
    text: str


@app.callback()
def inbound() -> None:
    """Incoming messages from subscribers."""


@app.command("list")
def list_(
    carrier: Annotated[str | None, typer.Option(help="Only messages from this carrier.")] = None,
    after: After = 0,
    limit: Most = 1000,
    kind: Annotated[ReplyKind | None, typer.Option(help="Only messages of this kind.")] = None,
    as_json: Json = False,
) -> None:
    """Show messages in order of arrival, with masked numbers."""
    filters = {"carrier": carrier, "kind": kind, "after": after, "limit": limit}
    found = carried_out(operations.list_inbound_messages, {}, **filters)
    columns = tuple(_Line.__dataclass_fields__)
    listing(found if as_json else [_line(each) for each in found], columns, as_json)


def _line(message: InboundMessageView) -> _Line:
    part = f"{message.part.number}/{message.part.total}" if message.part else None
    text = " ".join(message.text.split())
    head = (
        message.id,
        message.received_at,
        message.carrier,
        message.link,
        message.kind,
        message.phone,
        message.destination,
    )
    return _Line(*head, part, message.repeat_of, text)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file to write, as CSV for Excel.")],
    whole_numbers: Annotated[
        bool, typer.Option(help="Do not mask numbers; the audit log records it.")
    ] = False,
) -> None:
    """Write the scams reported by citizens to a file. Over --server, administrators get whole numbers."""
    if common.server is not None:
        replace_lines(out, [at_server(lambda api: api.download_scam_reports())])
        return
    with open_db(looks=not whole_numbers) as (db, _):
        if whole_numbers:
            place, n = DisclosurePlace.SCAM_REPORTS_COMMAND, db.read(scam_reports.count)
            db.write(phone_disclosure.note, whoami(), place, "inbound", n)
        replace_lines(out, scam_reports.export(db, whole=whole_numbers))


add_operations(app, "inbound", operations)
