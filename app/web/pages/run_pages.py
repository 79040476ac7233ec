"""A run's page: live figures, orders with their consequences, stated figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import Header, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection
from starlette.datastructures import UploadFile

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import queries, runs
from app.core import clock
from app.core.errors import AppError, Invalid, VersionChanged
from app.operations import OPERATIONS
from app.reports.counting import panel_judgements
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import FigureSource, StatedCounts, StatedFigures, Statement
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import statement_rules, statement_service
from app.reports.intake.statement_input import PaperClaim, StatementInput
from app.security.principal import Caller
from app.security.roles import may
from app.signed_orders import orders, results
from app.signed_orders.results import ResultBody
from app.telephone_panel.judgement import Judgement
from app.web.forms import read_fields
from app.web.forms.read_fields import as_read
from app.web.operation_forms import add_forms
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
from app.web.view_models import campaign_stream
from app.web.view_models.campaign_stream import Followed
from app.web.view_models.run_page import read_run
from carriers.contract import ReceiptLevel

router = Routes(include_in_schema=False)
LastId = Annotated[str, Header(alias="Last-Event-ID", max_length=64)]


@router.get("/runs/{run_id}")
async def page_run(run_id: Id, visit: Visit) -> Response:
    return await _page(visit, run_id, FormState())


@router.get("/runs/{run_id}/events")
async def page_run_events(run_id: Id, visit: Visit, last_id: LastId = "") -> Response:
    """Stream the page's figures on change, until the run is over."""
    run = await visit.db.aread(queries.run, run_id, visit.who.carrier)
    of = Followed(run.campaign_id, run_id, visit.who.carrier)
    return await campaign_stream.stream(visit.request, of, last_id)


async def _page(visit: PageRequest, run_id: int, entered: FormState) -> Response:
    page = await visit.db.aread(read_run, run_id, visit.who, visit.settings)
    return render(
        visit,
        "run.html",
        entered.status,
        page=page,
        entered=entered,
        shape=campaign_stream.shape(page.campaign.state, [page.view]),
        priorities=runs.PRIORITIES,
        ranks=may(visit.who.role, "set_priority"),
        slows=may(visit.who.role, "set_rate"),
        states=may(visit.who.role, "state_figures"),
        raises=may(visit.who.role, "ask_budget"),
        signed_orders=await visit.db.aread(orders.issued, run_id),
        signed_results=await visit.db.aread(results.taken, run_id),
        issues=may(visit.who.role, "issue_order"),
        panel=await visit.db.aread(_panel, page.run, visit.who),
    )


def _panel(connection: Connection, run: queries.RunSummary, who: Caller) -> list[Judgement] | None:
    """Return what test telephones say of the run; None for a role that must not know of them."""
    if not may(who.role, "list_panel_judgements"):
        return None
    found = panel_judgements.of_campaign(connection, run.campaign_id)
    return [each for each in found if each.run_id == run.id]


def _as_read(connection: Connection, version: str, run_id: int) -> None:
    as_read(connection, queries.run(connection, run_id).campaign_id, version)


add_forms(router, runs, again=_page, unchanged=_as_read)


@router.post("/runs/{run_id}/statements")
async def page_do_state_figures(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Store the statement of a carrier that sends itself."""
    try:
        await visit.db.awrite(keep, run_id, claim(fields), visit.who, fields)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    return redirect_with_flash(visit, f"/runs/{run_id}", say("The figures were saved."))


@router.post("/runs/{run_id}/results")
async def page_do_take_result(run_id: Id, visit: Visit) -> Response:
    """Take the signed file of a carrier as POST /v1/runs/{id}/results does."""
    db, settings = visit.db, visit.settings
    file = (await visit.request.form()).get("file")
    try:
        content = await file.read() if isinstance(file, UploadFile) else b""
        body = filled(ResultBody, results.read_file(content))
        take = OPERATIONS["take_result"].run
        taken = await run_in_threadpool(take, db, settings, visit.who, run_id=run_id, body=body)
    except AppError as error:
        return await _page(visit, run_id, refused(error, FormData()))
    said = say("The signed result was accepted as version {n} of the figures.")
    return redirect_with_flash(visit, f"/runs/{run_id}", said, n=taken.statement)


_MINUTE_MS = 60_000


def claim(fields: FormData) -> StatementInput:
    """Build the statement; raises Invalid at the unreadable field."""
    cutoff = read_fields.moment(fields, "cutoff")
    if cutoff is None:
        raise Invalid("Enter the time to which the figures refer.", field="cutoff")
    return StatementInput(
        kind=FigureSource.STATED,
        level=_level(fields),
        figures=StatedFigures(_counts(fields), segments=read_fields.number(fields, "segments")),
        cutoff_ms=clock.to_ms(cutoff),
        paper=PaperClaim(
            EntrySource.API,
            number=fields.get("number") or None,
            note=fields.get("note") or None,
            reason=fields.get("reason") or None,
        ),
        began_ms=_ms(read_fields.moment(fields, "began")),
        ended_ms=_ms(read_fields.moment(fields, "ended")),
    )


def _level(fields: FormData) -> ReceiptLevel:
    said = fields.get("level")
    if said not in ("none", "operator", "handset"):
        raise Invalid("The level must be none, operator or handset.", field="level")
    return ReceiptLevel[said.upper()]


def _counts(fields: FormData) -> StatedCounts:
    eligible, sent = read_fields.needed(fields, "eligible"), read_fields.needed(fields, "sent")
    received, failed = read_fields.number(fields, "received"), read_fields.number(fields, "failed")
    rest = sent - received - failed if received is not None and failed is not None else None
    return StatedCounts(eligible, eligible - sent, sent, received, failed, rest)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else clock.to_ms(at)


def keep(connection: Connection, run_id: int, statement: StatementInput, who: Caller, form: FormData) -> None:
    """Store the statement as the run's next version; raises Invalid with a sentence per fault.

    What the form has no fields for stays as in the version before (by area, day and cause), unless the field
    `details` of the form says "out". Raises VersionChanged where the form began with another version.
    """
    statement_service.open_run(connection, run_id, who.carrier)
    last = carrier_statement.latest(connection, run_id)
    now, began_with = str(last.paper.version) if last else "0", form.get("version")
    if began_with not in ("", now):
        raise VersionChanged(
            "The figures are now at version {now}, not {version}. Reload and try again.",
            now=now,
            version=began_with,
        )
    statement_service.require_source(statement.kind, run_id, last, who.carrier)
    statement = statement if last is None else _with_seconds(statement, last)
    whole = statement if form.get("details") == "out" else _with_details(statement, last)
    around = statement_service.circumstances(connection, run_id)
    if whole != statement and statement_rules.faults(whole, around):
        if not statement_rules.faults(statement, around):
            raise Invalid(
                "The previous version has figures by area, day or cause, which do not match these "
                "figures. Leave them out, or correct everything in the workbook or through the API.",
                field="details",
            )
        whole = statement  # whose faults the form can show
    statement_service.state(connection, run_id, whole, who.name, who.carrier)


def _with_seconds(statement: StatementInput, last: Statement) -> StatementInput:
    """Return it with the very times of the version before, where the form has the minutes of them."""
    began, ended = (
        before if before is not None and now == before - before % _MINUTE_MS else now
        for now, before in ((statement.began_ms, last.began_ms), (statement.ended_ms, last.ended_ms))
    )
    return replace(statement, began_ms=began, ended_ms=ended)


def _with_details(statement: StatementInput, last: Statement | None) -> StatementInput:
    if last is None or not last.figures.has_details:
        return statement
    own, given = last.figures, statement.figures
    return replace(statement, figures=replace(own, general=given.general, segments=given.segments))
