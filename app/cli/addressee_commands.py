"""`loa addressee`: the addressees of a directive and their reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from app.api.bodies import filled
from app.cli import common
from app.cli.common import open_db
from app.cli.files import readable, replace_whole
from app.cli.output import Json, Number, counted, done, instant, listing, say, whoami
from app.cli.remote import asked, at_server
from app.cli.statement_commands import attach
from app.core import clock
from app.database.connection import Database
from app.reports.figures import addressees
from app.reports.figures.addressees import Addressee, AddresseeKind, OutreachChannel
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity
from app.reports.intake.schemas import AddresseeBody, OutreachBody

if TYPE_CHECKING:
    from loa_client import LoaClient

app = typer.Typer(no_args_is_help=True, help="Addressees of a directive and their reports.")

Out = Annotated[Path, typer.Option(help="The workbook to write.")]


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
    rows = asked(
        lambda api: [_row(each, each.first_at) for each in api.list_addressees(directive_id).addressees],
        lambda db: [
            _row(each, clock.moment(each.first_ms))
            for each in db.read(addressees.addressee_statuses, directive_id, clock.now_ms())
        ],
    )
    listing(rows, ("name", "kind", "reported", "late", "items", "email"), as_json)


def _row(entry: Any, first: datetime | None) -> _Row:
    items = len(entry.report.items) if entry.report else 0
    late = "late" if entry.late else ""
    return _Row(entry.addressee.name, entry.addressee.kind, first, late, items, entry.addressee.email)


@app.command()
def channels(directive_id: Number, as_json: Json = False) -> None:
    """Show the totals of all addressees by channel."""
    found = asked(
        lambda api: api.list_addressees(directive_id).channels,
        lambda db: addressees.totals(db.read(addressees.addressee_statuses, directive_id, clock.now_ms())),
    )
    listing(found, ("channel", "units", "pieces", "reach", "minutes"), as_json)


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
    body = filled(AddresseeBody, {"name": name, "kind": kind, "carrier": carrier, "email": email})
    of = Addressee(None, directive_id, body.name, kind, body.carrier, body.email)
    kept = asked(
        lambda api: api.set_addressee(
            directive_id, name=of.name, kind=cast("Any", kind), carrier=carrier, email=email, if_match="*"
        ),
        lambda db: db.write(external_activity.register, of, whoami()),
        looks=False,
    )
    say(kept, as_json)


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
    said = {"addressee": name, "items": [item], "number": number, "received_at": at, "reason": reason}
    claim = filled(OutreachBody, said).claim(EntrySource.COMMAND)
    if common.server is not None:
        kept = at_server(lambda api: _reported(api, directive_id, claim, at, scan))
    else:
        with open_db() as (db, settings):
            if scan is not None:
                attached = attach(db, scan, settings.attachment_limit_mb)
                claim = replace(claim, paper=replace(claim.paper, attachment=attached))
            kept = db.write(external_activity.report, directive_id, claim, whoami())
    version = kept.paper.version
    done(f"{kept.addressee}: version {version} is kept.", addressee=kept.addressee, version=version)


def _reported(
    api: LoaClient,
    directive_id: int,
    claim: external_activity.OutreachClaim,
    at: datetime | None,
    scan: Path | None,
) -> Any:
    return api.report_outreach(
        directive_id,
        addressee=claim.addressee,
        items=cast("Any", claim.items),
        number=claim.paper.number,
        received_at=at,
        reason=claim.paper.reason,
        attachment=api.keep_attachment(file=scan).sha256 if scan else None,
    )


@app.command("form")
def form_(directive_id: Number, out: Out) -> None:
    """Write the workbook for the addressees' reports."""

    def here(db: Database) -> bytes:
        from app.reports.intake import external_activity_workbook  # slow to import

        of = db.read(addressees.of_directive, directive_id)
        return external_activity_workbook.build(directive_id, of)

    content = asked(lambda api: api.get_report_form(directive_id), here)
    replace_whole(out, content)
    done(f"Wrote {out} ({len(content)} bytes).", file=out, bytes=len(content))


@app.command("import")
def import_(
    directive_id: Number,
    file: Annotated[Path, typer.Argument(callback=readable, help="The completed workbook, .xlsx or .ods.")],
) -> None:
    """Import the completed workbook, all or nothing. Existing reports are skipped."""

    def here(db: Database) -> int:
        from app.reports.intake import external_activity_workbook

        of = db.read(external_activity_workbook.asked_of, directive_id)
        claims = external_activity_workbook.read(file.read_bytes(), of)
        return len(db.write(external_activity.report_all, directive_id, claims, whoami()))

    kept = asked(lambda api: len(api.return_report_form(directive_id, file=file)), here, looks=False)
    done(f"{counted(kept, 'report is', 'reports are')} kept.", reports=kept)
