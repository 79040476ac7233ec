"""A run's page: live figures, orders with their consequences, stated figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response
from sqlalchemy import Connection

from app.api.dependencies import Id, Routes
from app.campaigns import queries, runs
from app.campaigns.runs import Verb
from app.core.errors import AppError
from app.security import tenant_scope
from app.security.roles import may
from app.web.forms import read_fields, stating
from app.web.forms.read_fields import Version, as_read
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
from app.web.translations import Said, say
from app.web.view_models import campaign_stream
from app.web.view_models.campaign_stream import Followed
from app.web.view_models.run_page import read_run

router = Routes(include_in_schema=False)
LastId = Annotated[str, Header(alias="Last-Event-ID", max_length=64)]

DONE: dict[Verb, Said] = {
    Verb.START: say("The run has begun."),
    Verb.PAUSE: say("The run is paused. What is in flight still arrives."),
    Verb.RESUME: say("The run goes on at the next message."),
    Verb.END: say("The end is written down. State the figures as soon as they are there."),
    Verb.CANCEL: say("The run is being cancelled. Nothing more is sent of it."),
}


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
    )


# Orders


@router.post("/runs/{run_id}/start")
async def page_do_start_run(run_id: Id, visit: Visit, fields: Fields, version: Version = "") -> Response:
    """Start sending if what was approved is what the page showed."""
    return await _order(visit, run_id, Verb.START, fields, version)


@router.post("/runs/{run_id}/pause")
async def page_do_pause_run(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Stop sending, after what is in flight."""
    return await _order(visit, run_id, Verb.PAUSE, fields)


@router.post("/runs/{run_id}/resume")
async def page_do_resume_run(run_id: Id, visit: Visit, fields: Fields, version: Version = "") -> Response:
    return await _order(visit, run_id, Verb.RESUME, fields, version)


@router.post("/runs/{run_id}/end")
async def page_do_end_run(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Record that a carrier that sends itself has finished."""
    return await _order(visit, run_id, Verb.END, fields)


@router.post("/runs/{run_id}/cancel")
async def page_do_cancel_run(run_id: Id, visit: Visit, fields: Fields) -> Response:
    return await _order(visit, run_id, Verb.CANCEL, fields)


async def _order(
    visit: PageRequest, run_id: int, verb: Verb, fields: FormData, version: str = ""
) -> Response:
    def work(connection: Connection) -> None:
        as_read(connection, queries.run(connection, run_id, visit.who.carrier).campaign_id, version)
        runs.act(connection, verb, run_id, visit.who.name, read_fields.moment(fields, "at"))
        visit.db.wake(connection)

    try:
        await visit.db.awrite(work)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    return redirect_with_flash(visit, f"/runs/{run_id}", DONE[verb])


@router.post("/runs/{run_id}/priority")
async def page_do_set_priority(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Set the run's priority among the runs of its carrier."""
    await visit.db.aread(tenant_scope.require, visit.who, run_id=run_id)

    def work(connection: Connection) -> None:
        runs.set_priority(connection, run_id, read_fields.needed(fields, "priority"), visit.who.name)

    try:
        await visit.db.awrite(work)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    return redirect_with_flash(visit, f"/runs/{run_id}", say("The turn is changed."))


@router.post("/runs/{run_id}/rate")
async def page_do_set_rate(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Set the run's own rate below that of the links; an empty field removes it."""
    await visit.db.aread(tenant_scope.require, visit.who, run_id=run_id)

    def work(connection: Connection) -> None:
        rate = read_fields.number(fields, "segments_per_second")
        runs.set_rate(connection, run_id, rate, visit.who.name)

    try:
        await visit.db.awrite(work)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    return redirect_with_flash(
        visit, f"/runs/{run_id}", say("The rate is changed. It holds from the next thousand messages on.")
    )


@router.post("/runs/{run_id}/statements")
async def page_do_state_figures(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Store the statement of a carrier that sends itself."""
    await visit.db.aread(tenant_scope.require, visit.who, run_id=run_id)
    try:
        await visit.db.awrite(stating.keep, run_id, stating.claim(fields), visit.who, fields)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    return redirect_with_flash(visit, f"/runs/{run_id}", say("The figures are kept."))
