"""`loa addressee`: the addressees of a directive and their reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import open_db
from app.cli.output import Json, Number, done, instant, listing, say, whoami
from app.cli.statement_commands import attach
from app.core import clock
from app.reports import addressees
from app.reports.addressees import Addressee, AddresseeKind, AddresseeStatus, OutreachChannel, OutreachItem
from app.reports.document_meta import EntrySource
from app.reports.intake import external_activity, views
from app.reports.intake.statement_input import PaperClaim

app = typer.Typer(no_args_is_help=True, help="Whom a directive addresses, and what they report.")

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
    with open_db(looks=True) as (db, _):
        found = db.read(addressees.addressee_statuses, directive_id, clock.now_ms())
    rows = [_row(each) for each in found]
    listing(rows, ("name", "kind", "reported", "late", "items", "email"), as_json)


def _row(of: AddresseeStatus) -> _Row:
    items = len(of.report.items) if of.report else 0
    late = "late" if of.late else ""
    return _Row(
        of.addressee.name, of.addressee.kind, views.instant(of.first_ms), late, items, of.addressee.email
    )


@app.command()
def channels(directive_id: Number, as_json: Json = False) -> None:
    """Show what all addressees did together, by channel."""
    with open_db() as (db, _):
        found = addressees.totals(db.read(addressees.addressee_statuses, directive_id, clock.now_ms()))
    listing(found, ("channel", "units", "pieces", "reach", "minutes"), as_json)


@app.command("set")
def set_(
    directive_id: Number,
    name: Annotated[str, typer.Argument(help="As in the letter; a new name is added.")],
    kind: Annotated[AddresseeKind, typer.Option(help="Its group in the report.")],
    carrier: Annotated[str | None, typer.Option(help="For a carrier: viettel, vnpt, mobifone ...")] = None,
    email: Annotated[str | None, typer.Option(help="Where it is reminded.")] = None,
    as_json: Json = False,
) -> None:
    """Set an addressee's kind, carrier and e-mail, or add an addressee."""
    with open_db() as (db, _):
        of = Addressee(None, directive_id, name.strip(), kind, carrier, email)
        kept = db.write(external_activity.register, of, whoami())
    say(kept, as_json)


@app.command()
def report(  # noqa: PLR0913 - every option of the command line is a parameter
    directive_id: Number,
    name: Annotated[str, typer.Argument(help="As in the letter.")],
    channel: Annotated[OutreachChannel, typer.Option(help="How people were reached.")],
    pieces: Annotated[int, typer.Option(help="Items, broadcasts, meetings.")],
    reach: Annotated[int | None, typer.Option(help="People or views.")] = None,
    minutes: Annotated[int | None, typer.Option(help="Of broadcasts.")] = None,
    url: Annotated[str, typer.Option(help="A web address.")] = "",
    number: Annotated[str | None, typer.Option(help="Of its report.")] = None,
    received: Annotated[str | None, typer.Option(help="When it came, with a zone; now.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it corrects the version before.")] = None,
    scan: Annotated[Path | None, typer.Option(help="The paper: PDF, PNG or JPEG.")] = None,
) -> None:
    """Store what an addressee did through one channel; for several at once use the workbook or the API."""
    at = instant("received", received)
    paper = PaperClaim(EntrySource.COMMAND, number, None, clock.to_ms(at) if at else None, None, reason)
    item = OutreachItem(channel, pieces, reach, minutes, url=url)
    with open_db() as (db, settings):
        if scan is not None:
            paper = replace(paper, attachment=attach(db, scan, settings.attachment_limit_mb))
        claim = external_activity.OutreachClaim(name.strip(), (item,), paper)
        kept = db.write(external_activity.report, directive_id, claim, whoami())
    version = kept.paper.version
    done(f"{kept.addressee}: version {version} is kept.", addressee=kept.addressee, version=version)


@app.command("form")
def form_(directive_id: Number, out: Out) -> None:
    """Write the workbook for the addressees' reports."""
    with open_db() as (db, _):
        from app.reports.intake import external_activity_workbook  # slow to import

        content = external_activity_workbook.build(
            directive_id, db.read(addressees.of_directive, directive_id)
        )
    out.write_bytes(content)
    done(f"Wrote {out} ({len(content)} bytes).", file=out, bytes=len(content))


@app.command("import")
def import_(
    directive_id: Number, file: Annotated[Path, typer.Argument(help="The filled workbook, .xlsx.")]
) -> None:
    """Import the filled workbook, all or nothing; reports that are known already are skipped."""
    with open_db() as (db, _):
        from app.reports.intake import external_activity_workbook

        claims = external_activity_workbook.read(
            file.read_bytes(), db.read(external_activity_workbook.asked_of, directive_id)
        )
        kept = db.write(external_activity.report_all, directive_id, claims, whoami())
    done(f"{len(kept)} reports are kept.", reports=len(kept))
