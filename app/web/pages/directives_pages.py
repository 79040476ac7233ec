"""Directives: list, creation, one directive against its deadline, addressees' reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from sqlalchemy import Connection, Select, func, select

from app.api.dependencies import Id, Routes
from app.campaigns import directives, operations
from app.campaigns.directives import Directive
from app.core import clock
from app.core.errors import AppError, NotFound
from app.core.states import DeliveryState
from app.database.listing import ListPart, ListRequest, counted
from app.database.models import addressees as registered
from app.database.models import campaigns, outreach, tallies
from app.database.models import directives as letters
from app.directives import status
from app.directives.status import RunDeadlineStatus, Status
from app.reports.figures import addressees
from app.reports.figures.addressees import Addressee, AddresseeKind, AddresseeStatus, Outreach
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import addressee_operations, external_activity
from app.security.roles import may
from app.security.tenant_scope import own_campaigns
from app.sender_names.checks import FindingKind
from app.web import stages
from app.web.forms import outreach_fields, purposes, read_fields
from app.web.forms.list_export import Column, ListFile, list_file, stage_name, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    render,
)
from app.web.translations import Said, say
from app.web.view_models import overview_page
from app.web.view_models.deadlines import DirectiveDeadline
from app.web.view_models.letter_panel import LetterPanel

ON_A_PAGE, NEWEST = 30, 5


# What a campaign still needs of a carrier, by what the register says against it.
NEEDS: Mapping[FindingKind, Said] = {
    FindingKind.EMPTY: say("ask the carrier about {sender}, then enter it in the register"),
    FindingKind.NAME: say("register {sender}"),
    FindingKind.PERIOD: say("renew {sender}"),
    FindingKind.TEMPLATE: say("register the text as a template of {sender}"),
    FindingKind.TEMPLATE_CODE: say("get the template's code for {sender}"),
}
CHANGE_TEXT = say("change the text, which the carrier refuses")


@dataclass(frozen=True, slots=True)
class DirectiveRow:
    """A row of the list; left: negative once overdue; reported: addressees that have reported.

    stage: of stages.py, by its campaigns; None without any.
    """

    letter: Directive
    stage: str | None
    left: timedelta | None
    addressees: int
    reported: int


@dataclass(frozen=True, slots=True)
class CampaignRound:
    """One campaign under a directive. reached: subscribers whose telephone has proved its message."""

    id: int
    name: str
    stage: str
    window_start: datetime | None
    window_end: datetime | None
    reached: int


@dataclass(frozen=True, slots=True)
class DirectivePage:
    """One directive. status, statuses: for the office only.

    rounds: its newest campaigns, drafts after the others, in order of time; under: how many there are,
    listing.COUNTED + 1 for more. panel: None while nothing is approved under it.
    """

    directive: Directive
    left: timedelta | None
    status: Status | None
    statuses: Sequence[AddresseeStatus]
    rounds: Sequence[CampaignRound]
    under: int
    deadline: DirectiveDeadline
    panel: LetterPanel | None
    run_stages: Mapping[int, str]  # how the runs of `status` stand, by id

    @property
    def pressing(self) -> Sequence[RunDeadlineStatus]:
        """The runs, late ones first, then those whose end nobody knows yet."""
        runs = self.status.runs if self.status else []
        return sorted(runs, key=lambda item: (item.in_time is not False, item.in_time is not None))

    def received_at(self, status: AddresseeStatus) -> datetime | None:
        return None if status.first_ms is None else clock.from_ms(status.first_ms)


@dataclass(frozen=True, slots=True)
class ReportForm:
    """Whose report is entered, and the version before."""

    directive: Directive
    addressee: Addressee
    last: Outreach | None


def listing(
    connection: Connection, asked_of: ListRequest, limit: int, operator: str | None, stage: str = ""
) -> ListPart[DirectiveRow]:
    """List directives; an operator sees those behind its carrier's runs; stage: only those that stand so."""
    column = stages.columns(connection, operator).directive()
    found = directives.listed(connection, asked_of, limit, operator, column == stage if stage else None)
    ids = [letter.id for letter in found.items]
    stands = select(letters.c.id, column).where(letters.c.id.in_(ids))
    stage_of = {row[0]: row[1] for row in connection.execute(stands)}
    asked = _asked(connection, ids) if operator is None else {}
    reported = _reported(connection, ids) if operator is None else {}
    return found.of(
        lambda letter: DirectiveRow(
            letter,
            stage_of[letter.id],
            _left(letter.report_deadline),
            asked.get(letter.id, 0),
            reported.get(letter.id, 0),
        )
    )


def directive_page(
    connection: Connection, directive_id: int, office: bool, operator: str | None
) -> DirectivePage:
    found, now = directives.get(connection, directive_id), clock.now()
    deadline, panel = overview_page.read_letter(connection, directive_id, operator)
    live = stages.liveness().label("live")
    query = select(campaigns, live).order_by(live.desc(), campaigns.c.id.desc())
    query = query.where(campaigns.c.directive_id == directive_id)
    query = query if operator is None else query.where(own_campaigns(operator))
    standing = status.status(connection, directive_id, now) if office else None
    return DirectivePage(
        directive=found,
        left=_left(found.report_deadline),
        status=standing,
        statuses=addressees.addressee_statuses(connection, directive_id, clock.to_ms(now)) if office else (),
        rounds=_rounds(connection, query, operator),
        under=counted(connection, query),
        deadline=deadline,
        panel=panel,
        run_stages=stages.of_runs_by_id(connection, [run.run_id for run in standing.runs])
        if standing
        else {},
    )


def _rounds(connection: Connection, query: Select[Any], operator: str | None) -> list[CampaignRound]:
    """Return the newest campaigns, the one that sends first at the top; one without a window is last."""
    t, rows = tallies.c, connection.execute(query.limit(NEWEST)).all()
    stage_of = stages.of_campaigns(connection, [row.id for row in rows], operator)
    own = (t.campaign_id.in_([row.id for row in rows]), t.state == DeliveryState.DELIVERED)
    counts = connection.execute(select(t.campaign_id, func.sum(t.n)).where(*own).group_by(t.campaign_id))
    reached = {campaign_id: int(n) for campaign_id, n in counts}
    return [
        CampaignRound(
            row.id,
            row.name,
            stage_of[row.id],
            None if row.window_start is None else clock.from_ms(row.window_start),
            None if row.window_end is None else clock.from_ms(row.window_end),
            reached.get(row.id, 0),
        )
        for row in sorted(
            rows, key=lambda row: (not row.live, row.window_start is None, row.window_start, row.id)
        )
    ]


def report_form(connection: Connection, directive_id: int, name: str) -> ReportForm:
    """Return the addressee of that name and its last report; raises NotFound."""
    found = directives.get(connection, directive_id)
    asked = addressees.of_directive(connection, directive_id)
    of = next((each for each in asked if each.name == name), None)
    if of is None or of.kind is AddresseeKind.CARRIER:
        raise NotFound(
            "No such addressee of this directive reports here. Carriers report through their runs."
        )
    versions = addressees.reports(connection, directive_id).get(of.id or 0, [])
    return ReportForm(found, of, versions[-1] if versions else None)


def _asked(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Count those who are to report here; carriers report by their runs."""
    c = registered.c
    query = select(c.directive_id, func.count()).where(c.directive_id.in_(ids))
    query = query.where(c.kind != AddresseeKind.CARRIER)
    return {row[0]: row[1] for row in connection.execute(query.group_by(c.directive_id))}


def _reported(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    c = registered.c
    query = (
        select(c.directive_id, func.count(c.id.distinct()))
        .join(outreach, outreach.c.addressee_id == c.id)
        .where(c.directive_id.in_(ids))
        .group_by(c.directive_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _left(deadline: datetime | None) -> timedelta | None:
    return None if deadline is None else deadline - clock.now()


router = Routes(include_in_schema=False)

_LETTER: dict[Said, Column] = {
    say("Number"): "letter.number",
    say("Issued by"): "letter.issuer",
    say("Subject"): "letter.subject",
    say("Report due"): "letter.report_deadline",
    say("State"): stage_name,
}
_OFFICE: dict[Said, Column] = {
    say("Addressees"): "addressees",
    say("Addressees that have reported"): "reported",
}
_PLAIN = ("number", "issued_on", "issuer", "subject", "legal_basis", "contact")


@router.get("/directives")
async def page_directives(visit: Visit, query: Annotated[ListQuery, Depends()], state: str = "") -> Response:
    """List directives, newest first, with the addressees' progress."""
    asked, stage = query.request(directives.COLUMNS.orders), state if state in stages.FILTERS else ""
    if wants_file(query):
        file = ListFile("directives", _LETTER if visit.who.carrier else _LETTER | _OFFICE)
        return list_file(visit, file, asked, partial(listing, operator=visit.who.carrier, stage=stage))
    found = await visit.db.aread(listing, asked, ON_A_PAGE, visit.who.carrier, stage)
    values: dict[str, Any] = {"writes": may(visit.who.role, "create_directive"), "states": stages.FILTERS}
    return render(visit, "directives.html", list=list_view(visit, query, found, {"state": stage}), **values)


@router.get("/directives/new")
def page_new_directive(visit: Visit) -> Response:
    return _new(visit, FormState())


@router.get("/directives/{directive_id}")
async def page_directive(directive_id: Id, visit: Visit) -> Response:
    """Show the directive, its deadline and campaigns; for the office also who has reported."""
    return await _one(visit, directive_id, FormState())


@router.get("/directives/{directive_id}/report")
async def page_outreach(directive_id: Id, visit: Visit, addressee: str = "") -> Response:
    """Show the report form, filled with the addressee's last version."""
    if not addressee:
        return redirect_with_flash(visit, f"/directives/{directive_id}")
    form = await visit.db.aread(report_form, directive_id, addressee[:200])
    begun = outreach_fields.begun(form.last) if form.last else {}
    return _report(visit, form, FormState(begun | {"addressee": addressee}))


@router.post("/directives/{directive_id}/report")
async def page_do_report_outreach(directive_id: Id, visit: Visit, fields: Fields) -> Response:
    """Store the report as the addressee's next version."""
    try:
        claim = outreach_fields.body(fields).claim(EntrySource.API)
        await visit.db.awrite(external_activity.report, directive_id, claim, visit.who.name)
    except AppError as error:
        if not fields.get("addressee"):
            raise
        form = await visit.db.aread(report_form, directive_id, fields.get("addressee"))
        return _report(visit, form, outreach_fields.refused(error, fields))
    return redirect_with_flash(visit, f"/directives/{directive_id}", say("The report was saved."))


def _letter(fields: FormData) -> dict[str, Any]:
    lines = (line.strip() for line in fields.raw("addressees").splitlines())
    said: dict[str, Any] = {name: fields.get(name) for name in _PLAIN}
    said["issued_on"] = read_fields.iso_day(said["issued_on"])
    due = read_fields.moment(fields, "report_deadline")
    return said | {"report_deadline": due, "addressees": [line for line in lines if line]}


def _new(visit: PageRequest, entered: FormState) -> Response:
    today = f"{clock.local(clock.now()).date():%Y-%m-%d}"
    return render(visit, "new_directive.html", entered.status, entered=entered, today=today)


async def _one(visit: PageRequest, directive_id: int, entered: FormState) -> Response:
    office, writes = may(visit.who.role, "get_status"), may(visit.who.role, "set_addressee")
    found = await visit.db.aread(directive_page, directive_id, office, visit.who.carrier)
    kinds = {key: visit.speaker.say(each) for key, each in purposes.KINDS.items()}
    values = {"found": found, "writes": writes, "kinds": kinds, "channels": purposes.CHANNELS}
    values |= {"needs": NEEDS, "change_text": CHANGE_TEXT}
    return render(visit, "directive.html", entered.status, entered=entered, **values)


def _report(visit: PageRequest, form: ReportForm, entered: FormState) -> Response:
    rows = outreach_fields.rows(entered)
    channels = {key: visit.speaker.say(each) for key, each in purposes.CHANNELS.items()}
    values = {"form_of": form, "rows": rows, "channels": channels}
    return render(visit, "outreach.html", entered.status, entered=entered, **values)


add_forms(
    router,
    operations,
    only={"create_directive": _new, "put_off_deadline": _one},
    reads={"create_directive": _letter},
)
add_forms(router, addressee_operations, only={"set_addressee": _one})
