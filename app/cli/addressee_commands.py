"""`loa addressee`: the addressees of a directive and their reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import common
from app.cli.common import open_db
from app.cli.files import readable
from app.cli.operation_commands import add_operations, carried_out
from app.cli.output import Json, Number, counted, done, instant, listing, say, whoami
from app.cli.remote import at_server
from app.cli.statement_commands import attached
from app.reports.figures.addressees import AddresseeKind, OutreachChannel
from app.reports.intake import addressee_operations, external_activity

app = typer.Typer(no_args_is_help=True, help="Addressees of a directive and their reports.")


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: str
    reported: datetime | None
    late: str
    items: int
    email: str | None


@app.command("list")
def list_(directive_id: Number, as_json: Json = False) -> None:
    """Show who has reported and who is late."""
    found = carried_out(addressee_operations.list_addressees, {"directive_id": directive_id})
    rows = [_row(each) for each in found.addressees]
    listing(rows, ("name", "kind", "reported", "late", "items", "email"), as_json)


def _row(status: Any) -> _Row:
    addressee, items = status.addressee, len(status.report.items) if status.report else 0
    late = "late" if status.late else ""
    return _Row(addressee.name, addressee.kind, status.first_at, late, items, addressee.email)


@app.command()
def channels(directive_id: Number, as_json: Json = False) -> None:
    """Show the totals of all addressees by channel."""
    found = carried_out(addressee_operations.list_addressees, {"directive_id": directive_id})
    listing(found.channels, ("channel", "units", "pieces", "reach", "minutes"), as_json)


@app.command("set")
def set_(
    directive_id: Number,
    name: Annotated[str, typer.Argument(help="As in the directive; a new name is added.")],
    kind: Annotated[AddresseeKind, typer.Option(help="The addressee's group in the report.")],
    carrier: Annotated[str | None, typer.Option(help="For a carrier: viettel, vnpt, mobifone ...")] = None,
    email: Annotated[str | None, typer.Option(help="Address for reminders.")] = None,
    as_json: Json = False,
) -> None:
    """Set an addressee's kind, carrier and e-mail, or add an addressee."""
    body = {"name": name, "kind": kind, "carrier": carrier, "email": email}
    say(carried_out(addressee_operations.set_addressee, {"directive_id": directive_id}, **body), as_json)


@app.command()
def report(
    directive_id: Number,
    name: Annotated[str, typer.Argument(help="As in the directive.")],
    channel: Annotated[OutreachChannel, typer.Option(help="How people were reached.")],
    pieces: Annotated[int, typer.Option(help="Items, broadcasts, meetings.")],
    reach: Annotated[int | None, typer.Option(help="People or views.")] = None,
    minutes: Annotated[int | None, typer.Option(help="Minutes of broadcasts.")] = None,
    url: Annotated[str, typer.Option(help="A web address.")] = "",
    number: Annotated[str | None, typer.Option(help="Number of its report.")] = None,
    received: Annotated[
        str | None, typer.Option(help="When it arrived, with a time zone; default: now.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Reason for correcting the previous version.")] = None,
    scan: Annotated[
        Path | None, typer.Option(callback=readable, help="A scan of the document: PDF, PNG or JPEG.")
    ] = None,
) -> None:
    """Record what an addressee did through one channel. For several channels, use the workbook or the
    API."""
    at = instant("received", received)
    item = {"channel": channel, "pieces": pieces, "reach": reach, "minutes": minutes, "url": url}
    item = {field: value for field, value in item.items() if value is not None}
    body = {"addressee": name, "items": [item], "number": number, "received_at": at, "reason": reason}
    body |= {"attachment": attached(scan)} if scan else {}
    kept = carried_out(addressee_operations.report_outreach, {"directive_id": directive_id}, **body)
    version = kept.paper.version
    done(f"{kept.addressee}: version {version} is kept.", addressee=kept.addressee, version=version)


@app.command("import")
def import_(
    directive_id: Number,
    file: Annotated[Path, typer.Argument(callback=readable, help="The completed workbook, .xlsx or .ods.")],
) -> None:
    """Import the completed workbook, all or nothing. Existing reports are skipped."""

    kept = len(_returned(directive_id, file))
    done(f"{counted(kept, 'report is', 'reports are')} kept.", reports=kept)


def _returned(directive_id: int, file: Path) -> Any:
    if common.server is not None:
        return at_server(lambda api: api.return_report_form(directive_id, file=file))
    from app.reports.intake import external_activity_workbook

    with open_db() as (db, _):
        names = db.read(external_activity_workbook.asked_of, directive_id)
        claims = external_activity_workbook.read(file.read_bytes(), names)
        return db.write(external_activity.report_all, directive_id, claims, whoami())


add_operations(app, "addressee", addressee_operations)
