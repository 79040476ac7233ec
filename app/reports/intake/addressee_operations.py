"""Operations on the other addressees of a directive: register, report, status, workbook."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.api.if_match import addressees_version
from app.core import clock
from app.core.carrier_check import check_own
from app.core.errors import VersionWanted
from app.core.ids import Number
from app.operations import Download, Transaction, Work, operation
from app.reports.figures import addressees
from app.reports.figures.addressees import Addressee, AddresseeStatus, ChannelTotal, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity, views
from app.reports.intake.schemas import AddresseeBody, OutreachBody
from app.reports.intake.statement_operations import XLSX
from app.security.roles import AUTHORS, OFFICE

TAG = "addressees"


@dataclass(frozen=True, slots=True)
class OutreachView:
    """One version of an addressee's report."""

    addressee: str
    items: tuple[OutreachItem, ...]
    paper: views.PaperView


@dataclass(frozen=True, slots=True)
class StandingView:
    """An addressee, its latest report, when its first arrived, and whether that was late."""

    addressee: Addressee
    report: OutreachView | None
    first_at: datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class AddresseeStatuses:
    """All addressees but the carriers, and their totals by channel."""

    addressees: list[StandingView]
    channels: list[ChannelTotal]


@operation("GET /v1/directives/{directive_id}/addressees", roles=OFFICE)
def list_addressees(tx: Transaction, directive_id: Number) -> AddresseeStatuses:
    """Who has reported, who is late, and the totals by channel."""
    tx.headers["ETag"] = f'"{addressees_version(tx.connection, directive_id)}"'
    found = addressees.addressee_statuses(tx.connection, directive_id, clock.now_ms())
    return AddresseeStatuses([_status_view(each) for each in found], addressees.totals(found))


@operation(
    "PUT /v1/directives/{directive_id}/addressees",
    roles=AUTHORS,
    action="addressee.set",
    audit="added or changed an addressee of {subject}",
    flash="The addressee was saved.",
    page="/directives/{directive_id}",
    versioned=True,
)
def set_addressee(tx: Transaction, directive_id: Number, body: AddresseeBody) -> Addressee:
    """Set an addressee's kind and where to remind it; or add an addressee missing from the directive.

    Replacing an earlier registration needs If-Match with the list's ETag.
    """
    check_own(tx.settings, body.carrier)
    addressee = Addressee(None, directive_id, body.name, body.kind, body.carrier, body.email)
    if tx.if_match is None and external_activity.would_replace(tx.connection, addressee):
        raise VersionWanted(
            "Someone else has changed this addressee's report. Read GET .../addressees, and send "
            "its ETag as If-Match.",
            field="If-Match",
        )
    return external_activity.register(tx.connection, addressee, tx.who.name)


@operation(
    "POST /v1/directives/{directive_id}/reports",
    roles=AUTHORS,
    status=201,
    action="outreach.reported",
    audit="entered a report of an addressee of {subject}",
)
def report_outreach(tx: Transaction, directive_id: Number, body: OutreachBody) -> OutreachView:
    """Store an addressee's report; a second one needs a `reason` and becomes the next version."""
    claim = body.claim(EntrySource.COMMAND if tx.at_host else EntrySource.API)
    return view(external_activity.report(tx.connection, directive_id, claim, tx.who.name))


@operation("GET /v1/directives/{directive_id}/reports", roles=OFFICE)
def list_outreach(tx: Transaction, directive_id: Number) -> list[OutreachView]:
    """Every version of every addressee's report."""
    found = addressees.reports(tx.connection, directive_id)
    return [view(each) for versions in found.values() for each in versions]


@operation(
    "GET /v1/directives/{directive_id}/report-form",
    roles=OFFICE,
    command="addressee form",
    files={"content": {XLSX: {}}},
)
def get_report_form(work: Work, directive_id: Number) -> Download:
    """The workbook for addressees' reports: one row per item."""
    from app.reports.intake import external_activity_workbook  # slow to import

    content = external_activity_workbook.build(
        directive_id, work.db.read(addressees.of_directive, directive_id)
    )
    return Download(content, f"loa-directive-{directive_id}-form.xlsx", XLSX)


def _status_view(status: AddresseeStatus) -> StandingView:
    report = None if status.report is None else view(status.report)
    return StandingView(status.addressee, report, clock.moment(status.first_ms), status.late)


def view(outreach: addressees.Outreach) -> OutreachView:
    return OutreachView(outreach.addressee, outreach.items, views.paper(outreach.paper))
