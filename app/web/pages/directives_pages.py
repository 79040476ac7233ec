"""Directives: list, creation, one directive against its deadline, addressees' reports."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import directives
from app.campaigns.schemas import DeadlineBody, DirectiveBody
from app.core import clock
from app.core.carrier_check import check_own
from app.core.errors import AppError, Conflict, Invalid
from app.reports.figures.addressees import Addressee
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity
from app.reports.intake.schemas import AddresseeBody
from app.security import tenant_scope
from app.security.roles import may
from app.web.forms import outreach_fields, purposes, read_fields
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import say
from app.web.view_models import directive_view

router = Routes(include_in_schema=False)

_LETTER = {
    say("Number"): "number",
    say("Issued by"): "issuer",
    say("Subject"): "subject",
    say("Report due"): "deadline",
}
_OFFICE = {say("Addressees"): "addressees", say("Addressees that have reported"): "reported"}
_PLAIN = ("number", "issued_on", "issuer", "subject", "legal_basis", "contact")


@router.get("/directives")
async def page_directives(visit: Visit, query: Annotated[ListQuery, Depends()]) -> Response:
    """List directives, newest first, with the addressees' progress."""
    asked = query.request(directives.COLUMNS.orders)
    if wants_file(query):
        file = ListFile("directives", _LETTER if visit.who.carrier else _LETTER | _OFFICE)
        return list_file(visit, file, asked, partial(directive_view.listing, operator=visit.who.carrier))
    found = await visit.db.aread(directive_view.listing, asked, directive_view.ON_A_PAGE, visit.who.carrier)
    writes = may(visit.who.role, "create_directive")
    return render(visit, "directives.html", list=list_view(visit, query, found), writes=writes)


@router.get("/directives/new")
def page_new_directive(visit: Visit) -> Response:
    return _new(visit, FormState())


@router.post("/directives/new")
async def page_do_create_directive(visit: Visit, fields: Fields) -> Response:
    try:
        letter = filled(DirectiveBody, _letter(fields)).letter()
        directive_id = await visit.db.awrite(directives.create, letter, visit.who.name)
    except (Conflict, Invalid) as error:
        return _new(visit, refused(error, fields))
    return redirect_with_flash(visit, f"/directives/{directive_id}", say("The directive is kept."))


@router.get("/directives/{directive_id}")
async def page_directive(directive_id: Id, visit: Visit) -> Response:
    """Show the directive, its deadline and campaigns; for the office also who has reported."""
    await visit.db.aread(tenant_scope.require, visit.who, directive_id=directive_id)
    return await _one(visit, directive_id, FormState())


@router.post("/directives/{directive_id}/deadline")
async def page_do_put_off_deadline(directive_id: Id, visit: Visit, fields: Fields) -> Response:
    """Set another report deadline, or none; the history keeps the one before."""
    await visit.db.aread(tenant_scope.require, visit.who, directive_id=directive_id)
    try:
        due = read_fields.moment(fields, "report_deadline")
        body = filled(DeadlineBody, {"report_deadline": due, "reason": fields.get("reason")})
        changed = (directive_id, body.report_deadline, body.reason, visit.who.name)
        await visit.db.awrite(directives.put_off, *changed)
    except (Conflict, Invalid) as error:
        return await _one(visit, directive_id, refused(error, fields))
    return redirect_with_flash(visit, f"/directives/{directive_id}", say("The deadline is changed."))


@router.post("/directives/{directive_id}/addressees")
async def page_do_set_addressee(directive_id: Id, visit: Visit, fields: Fields) -> Response:
    """Set an addressee's kind and reminder address, or add one."""
    await visit.db.aread(tenant_scope.require, visit.who, directive_id=directive_id)
    try:
        said: dict[str, Any] = {name: fields.get(name) or None for name in ("carrier", "email")}
        said |= {name: fields.get(name) for name in ("name", "kind")}
        body = filled(AddresseeBody, said)
        check_own(visit.settings, body.carrier)
        of = Addressee(None, directive_id, body.name, body.kind, body.carrier, body.email)
        await visit.db.awrite(external_activity.register, of, visit.who.name)
    except (Conflict, Invalid) as error:
        return await _one(visit, directive_id, refused(error, fields))
    return redirect_with_flash(visit, f"/directives/{directive_id}", say("The addressee is kept."))


@router.get("/directives/{directive_id}/report")
async def page_outreach(directive_id: Id, visit: Visit, addressee: str = "") -> Response:
    """Show the report form, filled with the addressee's last version."""
    await visit.db.aread(tenant_scope.require, visit.who, directive_id=directive_id)
    if not addressee:
        return redirect_with_flash(visit, f"/directives/{directive_id}")
    form = await visit.db.aread(directive_view.report_form, directive_id, addressee[:200])
    begun = outreach_fields.begun(form.last) if form.last else {}
    return _report(visit, form, FormState(begun | {"addressee": addressee}))


@router.post("/directives/{directive_id}/report")
async def page_do_report_outreach(directive_id: Id, visit: Visit, fields: Fields) -> Response:
    """Store the report as the addressee's next version."""
    await visit.db.aread(tenant_scope.require, visit.who, directive_id=directive_id)
    try:
        claim = outreach_fields.body(fields).claim(EntrySource.API)
        await visit.db.awrite(external_activity.report, directive_id, claim, visit.who.name)
    except AppError as error:
        if not fields.get("addressee"):
            raise
        form = await visit.db.aread(directive_view.report_form, directive_id, fields.get("addressee"))
        return _report(visit, form, outreach_fields.refused(error, fields))
    return redirect_with_flash(visit, f"/directives/{directive_id}", say("The report is kept."))


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
    found = await visit.db.aread(directive_view.directive_page, directive_id, office, visit.who.carrier)
    kinds = {key: visit.speaker.say(each) for key, each in purposes.KINDS.items()}
    values = {"found": found, "writes": writes, "kinds": kinds, "channels": purposes.CHANNELS}
    return render(visit, "directive.html", entered.status, entered=entered, **values)


def _report(visit: PageRequest, form: directive_view.ReportForm, entered: FormState) -> Response:
    rows = outreach_fields.rows(entered)
    channels = {key: visit.speaker.say(each) for key, each in purposes.CHANNELS.items()}
    values = {"form_of": form, "rows": rows, "channels": channels}
    return render(visit, "outreach.html", entered.status, entered=entered, **values)
