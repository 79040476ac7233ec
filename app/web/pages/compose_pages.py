"""Create and edit a campaign: content with estimate, runs, submission."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import Response
from sqlalchemy import Connection

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.api.idempotency_store import IdempotencyClaim, KeyReused, StoredAnswer, once
from app.campaigns import lifecycle, queries
from app.campaigns.queries import Dossier
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import HeldRunBody, RunBody
from app.core.config import Settings
from app.core.errors import Conflict, Invalid, VersionChanged
from app.core.states import RunState
from app.database.models import batches
from app.security import tenant_scope
from app.web import query_params
from app.web.forms import area_choice, drafting, purposes, read_fields
from app.web.forms.drafting import Choices
from app.web.forms.read_fields import Version, as_read
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    above,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import Said, say
from app.web.view_models.estimate import Sizes

router = Routes(include_in_schema=False)
_REFUSALS = (Invalid, Conflict, VersionChanged)
_ONCE = "once"  # hidden field that serves as Idempotency-Key of the form

# New campaign


@router.get("/compose")
async def page_compose(visit: Visit, text: str = "", directive: str = "") -> Response:
    begun = {"text_key": text[:200], "directive_id": str(query_params.number(directive) or "")}
    begun |= {"day_starts": visit.settings.day_starts, "day_ends": visit.settings.day_ends}
    return await _new(visit, FormData({name: [value] for name, value in begun.items()}), FormState(begun))


@router.post("/compose")
async def page_do_create_campaign(visit: Visit, fields: Fields) -> Response:
    """Store the draft with a run per carrier of the chosen batches, or show the estimate."""
    if fields.get("do") == "preview":
        return await _new(visit, fields, _as_entered(fields))
    try:
        place = await visit.db.awrite(_create_once, fields, visit)
    except _REFUSALS as error:
        return await _new(visit, fields, refused(error, fields))
    return redirect_with_flash(visit, place, say("The draft is kept. Look at its runs, then submit it."))


def _create_once(connection: Connection, fields: FormData, visit: PageRequest) -> str:
    """Create the campaign once per form and return its edit URL."""

    def act(connection: Connection) -> StoredAnswer:
        draft, chosen = drafting.draft(fields), drafting.chosen_batches(fields)
        campaign_id = lifecycle.create(connection, draft, _hours(visit.settings), visit.who.name)
        _add_runs(connection, campaign_id, chosen, drafting.known_batches(fields), visit.who.name)
        return StoredAnswer(303, {"location": f"/campaigns/{campaign_id}/edit"}, b"")

    if not fields.get(_ONCE):
        return act(connection).headers["location"]
    said = repr(sorted(fields.lists.items())).encode("utf-8", "surrogatepass")
    claim = IdempotencyClaim(
        visit.who.name, f"page {fields.get(_ONCE)[:80]}", hashlib.sha256(said).hexdigest()
    )
    try:
        answer, _ = once(connection, claim, visit.settings.idempotency_ms, act)
    except KeyReused:
        raise Conflict(
            "This form was sent before with other fields; open the page anew for another campaign."
        ) from None
    return answer.headers["location"]


def _add_runs(
    connection: Connection, campaign_id: int, chosen: list[int], known: list[int], who: str
) -> None:
    query = batches.select().where(batches.c.id.in_(chosen)).order_by(batches.c.id)
    members: dict[str, list[int]] = {}
    for row in connection.execute(query):
        members.setdefault(row.carrier, []).append(row.id)
    for carrier, ids in members.items():
        lifecycle.add_run(connection, campaign_id, carrier, ids, who, known)


async def _new(visit: PageRequest, fields: FormData, entered: FormState) -> Response:
    choices = await visit.db.aread(drafting.choices)
    found = await visit.db.aread(drafting.preview, fields, visit.settings)
    ticked = set(drafting.chosen_batches(fields))
    return _render(
        visit,
        entered,
        choices=choices,
        estimate=found,
        ticked=ticked,
        dossier=None,
        kept={},
        blank=FormState(),
    )


# Existing campaign


@router.get("/campaigns/{campaign_id}/edit")
async def page_edit(campaign_id: Id, visit: Visit) -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    return await _edit(visit, campaign_id)


@router.post("/campaigns/{campaign_id}/edit")
async def page_do_edit_campaign(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    """Replace the content, or show the estimate."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    if fields.get("do") == "preview":
        return await _edit(visit, campaign_id, _as_entered(fields), fields)
    try:
        who, default = visit.who.name, _hours(visit.settings)
        await visit.db.awrite(_replace, campaign_id, fields, who, default)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, refused(error, fields), fields)
    return _done(visit, campaign_id, say("The content is kept."))


def _replace(connection: Connection, campaign_id: int, fields: FormData, who: str, default: DayHours) -> None:
    of = queries.campaign(connection, campaign_id)
    draft, version = drafting.draft(fields, of), read_fields.exact(fields, "version")
    lifecycle.edit(connection, campaign_id, version, draft, default, who)


@router.post("/campaigns/{campaign_id}/runs")
async def page_do_add_run(campaign_id: Id, visit: Visit, fields: Fields, version: Version = "") -> Response:
    """Add a run over the ticked batches of one carrier."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        body = filled(RunBody, said)
        as_read(connection, campaign_id, version)
        known = drafting.known_batches(fields)
        lifecycle.add_run(connection, campaign_id, body.carrier, body.batch_ids, visit.who.name, known)

    said = {"carrier": fields.get("carrier"), "batch_ids": fields.all("batch")}
    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, above(error))
    return _done(visit, campaign_id, say("The run is added."))


@router.post("/campaigns/{campaign_id}/held-runs")
async def page_do_add_held_run(
    campaign_id: Id, visit: Visit, fields: Fields, version: Version = ""
) -> Response:
    """Add a run at a carrier that sends to its own subscribers."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        said: dict[str, Any] = {name: fields.get(name) for name in ("carrier", "area_basis")}
        said["areas"] = area_choice.chosen(fields)
        said["estimated"] = read_fields.needed(fields, "estimated")
        body = filled(HeldRunBody, said)
        as_read(connection, campaign_id, version)
        lifecycle.add_held_run(connection, campaign_id, body.carrier, body.audience(), visit.who.name)

    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        ticked = fields.all("area")
        return await _edit(visit, campaign_id, above(error), held=refused(error, fields), areas=ticked)
    return _done(visit, campaign_id, say("The run is added."))


@router.post("/runs/{run_id}/remove")
async def page_do_remove_run(run_id: Id, visit: Visit, version: Version = "") -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, run_id=run_id)
    campaign_id = (await visit.db.aread(queries.run, run_id)).campaign_id

    def work(connection: Connection) -> None:
        as_read(connection, campaign_id, version)
        lifecycle.remove_run(connection, run_id, visit.who.name)

    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, above(error))
    return _done(visit, campaign_id, say("The run is removed."))


@router.post("/campaigns/{campaign_id}/submit")
async def page_do_submit_campaign(campaign_id: Id, visit: Visit, version: Version = "") -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        as_read(connection, campaign_id, version)
        lifecycle.submit(connection, campaign_id, visit.who.name)

    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, above(error))
    return redirect_with_flash(
        visit, f"/campaigns/{campaign_id}", say("The campaign is submitted; another person decides now.")
    )


async def _edit(
    visit: PageRequest,
    campaign_id: int,
    entered: FormState | None = None,
    fields: FormData | None = None,
    held: FormState | None = None,
    areas: Sequence[str] = (),
) -> Response:
    """Show the form again. held, areas: the form of a run at a carrier that sends itself, as refused."""
    dossier = await visit.db.aread(queries.dossier, campaign_id)
    shown = drafting.values(dossier.campaign)
    # An error in another form of the page leaves the stored content shown.
    entered = FormState(shown) if entered is None else entered if entered.values else _with(entered, shown)
    fields = fields or FormData({name: [value] for name, value in shown.items()})
    choices = await visit.db.aread(drafting.choices)
    found = await visit.db.aread(drafting.preview, fields, visit.settings, _sizes(dossier))
    kept = list(dossier.campaign.text_areas)
    shown_too: dict[str, Any] = {
        "choices": choices,
        "estimate": found,
        "ticked": set[int](),
        "dossier": dossier,
    }
    shown_too |= {"groups": area_choice.offered(), "picked": set(areas)}
    return _render(visit, entered, kept=kept, blank=held or FormState(), **shown_too)


def _sizes(of: Dossier) -> Sizes:
    held = {run.carrier: run.audience.estimated for run in of.runs if run.audience}
    return Sizes({run.carrier: run.subscribers for run in of.runs if not run.audience}, held)


# Shared


def _render(visit: PageRequest, entered: FormState, **values: Any) -> Response:
    carriers, dossier = query_params.carriers(visit.settings), values["dossier"]
    runs = dossier.runs if dossier else []
    taken = {run.carrier for run in runs}
    of = {
        "entered": entered,
        "once": entered.values.get(_ONCE) or secrets.token_urlsafe(16),
        "purposes": purposes,
        "offered": _offered(visit, values["choices"]),
        "free": {key: name for key, name in carriers.items() if key not in taken},
        "begun": any(run.state != RunState.PLANNED for run in runs),
        "people": sum(run.audience.estimated if run.audience else run.subscribers for run in runs),
    }
    return render(visit, "compose.html", entered.status, **of, **values)


def _offered(visit: PageRequest, of: Choices) -> dict[str, dict[str, str]]:
    tell = visit.speaker.say
    return {
        "letters": {"": tell(say("without a directive"))}
        | {str(key): each for key, each in of.letters.items()},
        "texts": {"": tell(say("a wording of your own"))} | dict(of.texts),
        "forms": {key: tell(each) for key, each in purposes.FORMS.items()},
        "purposes": {key: tell(each) for key, each in purposes.PURPOSES.items()},
        "bases": {key: tell(each) for key, each in purposes.BASES.items()},
    }


def _as_entered(fields: FormData) -> FormState:
    return FormState({name: fields.raw(name) for name in fields.lists})


def _with(entered: FormState, shown: dict[str, str]) -> FormState:
    return FormState(shown, {}, entered.sentences, entered.slug, entered.status)


def _hours(settings: Settings) -> DayHours:
    return DayHours(settings.day_starts, settings.day_ends)


def _done(visit: PageRequest, campaign_id: int, sentence: Said) -> Response:
    return redirect_with_flash(visit, f"/campaigns/{campaign_id}/edit", sentence)
