"""Create and edit a campaign: the texts to choose from, content with estimate, runs, submission."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from sqlalchemy import Connection, select

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.api.idempotency_store import IdempotencyClaim, KeyReused, StoredAnswer, once
from app.campaigns import lifecycle, operations, queries, text_cost, texts
from app.campaigns.drafts import Draft, TextForm
from app.campaigns.queries import Dossier
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import CampaignBody, HeldRunBody, RunBody
from app.core import clock, sending_window
from app.core.carrier_check import check_carrier
from app.core.config import Settings
from app.core.errors import AppError, Conflict, Invalid, VersionChanged
from app.core.states import BatchState, RunState
from app.database.models import batches, directives
from app.security.roles import may
from app.sender_names import checks
from app.sender_names.checks import Finding
from app.web import query_params
from app.web.forms import area_choice, purposes, read_fields
from app.web.forms.read_fields import Version, as_read
from app.web.operation_forms import add_forms
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
from app.web.view_models import estimate, traffic_light
from app.web.view_models.estimate import Estimate, Sizes
from carriers import text as sms

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
    return redirect_with_flash(visit, place, say("The draft was saved. Check its runs, then submit it."))


def _create_once(connection: Connection, fields: FormData, visit: PageRequest) -> str:
    """Create the campaign once per form and return its edit URL."""

    def act(connection: Connection) -> StoredAnswer:
        drafted, chosen = draft(fields), chosen_batches(fields)
        campaign_id = lifecycle.create(connection, drafted, _hours(visit.settings), visit.who.name)
        _add_runs(connection, campaign_id, chosen, known_batches(fields), visit.who.name)
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
            "This form was already submitted with different values. Open a new form to create "
            "another campaign."
        ) from None
    return answer.headers["location"]


def _add_runs(
    connection: Connection, campaign_id: int, chosen: list[int], confirmed: list[int], who: str
) -> None:
    query = batches.select().where(batches.c.id.in_(chosen)).order_by(batches.c.id)
    members: dict[str, list[int]] = {}
    for row in connection.execute(query):
        members.setdefault(row.carrier, []).append(row.id)
    for carrier, ids in members.items():
        lifecycle.add_run(connection, campaign_id, carrier, ids, who, confirmed)


async def _new(visit: PageRequest, fields: FormData, entered: FormState) -> Response:
    options = await visit.db.aread(choices)
    found = await visit.db.aread(preview, fields, visit.settings)
    register = await visit.db.aread(findings, fields, visit.settings)
    ticked = set(chosen_batches(fields))
    return _render(
        visit,
        entered,
        choices=options,
        estimate=found,
        register=register,
        ticked=ticked,
        dossier=None,
        kept={},
        blank=FormState(),
    )


# Existing campaign


@router.get("/campaigns/{campaign_id}/edit")
async def page_edit(campaign_id: Id, visit: Visit) -> Response:
    return await _edit(visit, campaign_id)


@router.post("/campaigns/{campaign_id}/edit")
async def page_do_edit_campaign(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    """Replace the content, or show the estimate."""
    if fields.get("do") == "preview":
        return await _edit(visit, campaign_id, _as_entered(fields), fields)
    try:
        who, default = visit.who.name, _hours(visit.settings)
        await visit.db.awrite(_replace, campaign_id, fields, who, default)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, refused(error, fields), fields)
    return _done(visit, campaign_id, say("The content was saved."))


def _replace(connection: Connection, campaign_id: int, fields: FormData, who: str, default: DayHours) -> None:
    drafted, version = draft(fields), read_fields.exact(fields, "version")
    lifecycle.edit(connection, campaign_id, version, drafted, default, who)


@router.post("/campaigns/{campaign_id}/runs")
async def page_do_add_run(campaign_id: Id, visit: Visit, fields: Fields, version: Version = "") -> Response:
    """Add a run over the ticked batches of one carrier."""

    def work(connection: Connection) -> None:
        body = filled(RunBody, said)
        as_read(connection, campaign_id, version)
        known = known_batches(fields)
        lifecycle.add_run(connection, campaign_id, body.carrier, body.batch_ids, visit.who.name, known)

    said = {"carrier": fields.get("carrier"), "batch_ids": fields.all("batch")}
    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, above(error))
    return _done(visit, campaign_id, say("The run was added."))


@router.post("/campaigns/{campaign_id}/held-runs")
async def page_do_add_held_run(
    campaign_id: Id, visit: Visit, fields: Fields, version: Version = ""
) -> Response:
    """Add a run at a carrier that sends to its own subscribers."""

    def work(connection: Connection) -> None:
        said: dict[str, Any] = {name: fields.get(name) for name in ("carrier", "area_basis")}
        said["areas"] = area_choice.chosen(fields)
        said["estimated"] = read_fields.needed(fields, "estimated")
        body = filled(HeldRunBody, said)
        check_carrier(visit.settings, body.carrier)
        as_read(connection, campaign_id, version)
        lifecycle.add_held_run(connection, campaign_id, body.carrier, body.audience(), visit.who.name)

    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        ticked = fields.all("area")
        return await _edit(visit, campaign_id, above(error), held=refused(error, fields), areas=ticked)
    return _done(visit, campaign_id, say("The run was added."))


@router.post("/runs/{run_id}/remove")
async def page_do_remove_run(run_id: Id, visit: Visit, version: Version = "") -> Response:
    campaign_id = (await visit.db.aread(queries.run, run_id)).campaign_id

    def work(connection: Connection) -> None:
        as_read(connection, campaign_id, version)
        lifecycle.remove_run(connection, run_id, visit.who.name)

    try:
        await visit.db.awrite(work)
    except _REFUSALS as error:
        return await _edit(visit, campaign_id, above(error))
    return _done(visit, campaign_id, say("The run was removed."))


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
    shown = values(dossier.campaign)
    # An error in another form of the page leaves the stored content shown.
    entered = FormState(shown) if entered is None else entered if entered.values else _with(entered, shown)
    fields = fields or FormData({name: [value] for name, value in shown.items()})
    options = await visit.db.aread(choices)
    found = await visit.db.aread(preview, fields, visit.settings, _sizes(dossier))
    at = [run.carrier for run in dossier.runs]
    register = await visit.db.aread(findings, fields, visit.settings, at)
    shown_too: dict[str, Any] = {
        "choices": options,
        "estimate": found,
        "register": register,
        "ticked": set[int](),
        "dossier": dossier,
    }
    shown_too |= {"groups": area_choice.offered(), "picked": set(areas)}
    return _render(visit, entered, blank=held or FormState(), **shown_too)


def _sizes(dossier: Dossier) -> Sizes:
    held = {run.carrier: run.audience.estimated for run in dossier.runs if run.audience}
    return Sizes({run.carrier: run.subscribers for run in dossier.runs if not run.audience}, held)


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


def _offered(visit: PageRequest, choices: Choices) -> dict[str, dict[str, str]]:
    tell = visit.speaker.say
    return {
        "letters": {"": tell(say("without a directive"))}
        | {str(key): each for key, each in choices.letters.items()},
        "texts": {"": tell(say("own text"))} | dict(choices.texts),
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


MANY = 200  # newest batches and directives offered


@dataclass(frozen=True, slots=True)
class Offered:
    id: int
    carrier: str
    name: str
    subscribers: int
    wrong: Said | None


@dataclass(frozen=True, slots=True)
class Choices:
    """Options of the form: batches by carrier, directives, texts by key."""

    batches: Mapping[str, list[Offered]]
    letters: Mapping[int, str]
    texts: Mapping[str, str]


def choices(connection: Connection) -> Choices:
    c = batches.c
    counts = (c.lines, c.accepted, c.rejected, c.other_range)
    query = select(c.id, c.carrier, c.name, *counts).where(c.state == BatchState.READY, c.accepted > 0)
    offered: dict[str, list[Offered]] = {}
    for row in connection.execute(query.order_by(c.id.desc()).limit(MANY)):
        offered.setdefault(row.carrier, []).append(
            Offered(row.id, row.carrier, row.name, row.accepted, traffic_light.of_file(*row[3:]))
        )
    known = {text.key: text.title for text in texts.all_texts()}
    return Choices(dict(sorted(offered.items())), letters(connection), known)


def letters(connection: Connection) -> dict[int, str]:
    """Return the newest directives, the newest first: ID -> number."""
    newest = select(directives.c.id, directives.c.number).order_by(directives.c.id.desc()).limit(MANY)
    return {row.id: row.number for row in connection.execute(newest)}


def draft(fields: FormData) -> Draft:
    """Build the draft; raises Invalid per unreadable field."""
    said: dict[str, Any] = {name: fields.get(name) for name in ("name", "purpose", "sender")}
    said |= {name: fields.get(name) or None for name in ("text_key", "day_starts", "day_ends")}
    said["text"] = fields.raw("text").strip().replace("\r\n", "\n") or None
    said["form"] = fields.get("form") or TextForm.UNACCENTED
    said["directive_id"] = fields.raw("directive_id") or None
    said |= {name: read_fields.moment(fields, name) for name in ("window_start", "window_end")}
    said["budget_segments"] = read_fields.number(fields, "budget_segments")
    return filled(CampaignBody, said).draft()


def values(campaign: queries.Campaign) -> dict[str, str]:
    plain = sms.unaccent(campaign.texts[""]) == campaign.texts[""]
    own = {} if campaign.wording is None or campaign.text_key else {"text": campaign.wording}
    return own | {
        "name": campaign.name,
        "purpose": campaign.purpose,
        "sender": campaign.sender,
        "text_key": campaign.text_key or "",
        "form": TextForm.UNACCENTED if plain else TextForm.ACCENTED,
        "directive_id": str(campaign.directive_id or ""),
        "window_start": f"{campaign.window_start:%Y-%m-%dT%H:%M}" if campaign.window_start else "",
        "window_end": f"{campaign.window_end:%Y-%m-%dT%H:%M}" if campaign.window_end else "",
        "day_starts": campaign.day_starts,
        "day_ends": campaign.day_ends,
        "budget_segments": "" if campaign.budget_segments is None else str(campaign.budget_segments),
        "version": str(campaign.version),
    }


def chosen_batches(fields: FormData) -> list[int]:
    return [n for each in fields.all("batch") if (n := query_params.number(each))]


def known_batches(fields: FormData) -> list[int]:
    """Return the batches whose warning is ticked as known."""
    return [n for each in fields.all("known") if (n := query_params.number(each))]


def preview(
    connection: Connection, fields: FormData, settings: Settings, sizes: Sizes | None = None
) -> Estimate | None:
    """Estimate both forms of the text at the carriers of the chosen batches; None without a text.

    sizes: of a campaign that has runs already.
    """
    forms = _forms(fields)
    if forms is None:
        return None
    sizes = sizes or Sizes(estimate.chosen(connection, chosen_batches(fields)), {})
    letter = query_params.number(fields.get("directive_id")) or None
    due = estimate.deadlines(connection, _window(fields, settings), letter)
    return estimate.estimate(connection, forms, sizes, due)


def findings(
    connection: Connection, fields: FormData, settings: Settings, carriers: Sequence[str] = ()
) -> list[Finding]:
    """Check what is written so far against the register, at these carriers or those of the chosen batches."""
    forms, sender = _forms(fields), fields.get("sender")
    if forms is None or not sender:
        return []
    text = forms[0 if fields.get("form") == TextForm.ACCENTED else 1]
    window = _window(fields, settings)
    ends = [None if at is None else clock.to_ms(at) for at in (window.start, window.end)]
    content = checks.content(sender[:11], fields.get("purpose"), (text,), *ends)
    at = carriers or sorted(estimate.chosen(connection, chosen_batches(fields)))
    return checks.look(connection, content, at)


def _forms(fields: FormData) -> tuple[str, str] | None:
    own = fields.raw("text").strip().replace("\r\n", "\n")
    found = {text.key: text for text in texts.all_texts()}.get(fields.get("text_key"))
    if not own and found is None:
        return None
    forms = estimate.both(own[:2000]) if own or found is None else (found.accented, found.unaccented)
    accented, plain = (texts.with_sender(each, fields.get("sender") or texts.SENDER) for each in forms)
    return accented, plain


def _window(fields: FormData, settings: Settings) -> sending_window.Window:
    """Read the window as far as it is filled in."""
    starts, ends = fields.get("day_starts"), fields.get("day_ends")
    if not (clock.is_time(starts) and clock.is_time(ends) and starts < ends):
        starts, ends = settings.day_starts, settings.day_ends
    start, end = (_moment(fields, name) for name in ("window_start", "window_end"))
    return sending_window.Window.of(
        start, end if start is None or end is None or start < end else None, starts, ends
    )


def _moment(fields: FormData, name: str) -> int | None:
    try:
        at = read_fields.moment(fields, name)
    except AppError:
        return None
    return None if at is None else clock.to_ms(at)


@router.get("/texts")
def page_texts(visit: Visit) -> Response:
    shown = [
        (
            text,
            {"accented": text_cost.preview(text.accented), "unaccented": text_cost.preview(text.unaccented)},
        )
        for text in texts.all_texts()
    ]
    writes = may(visit.who.role, "create_campaign")
    return render(visit, "texts.html", texts=shown, purposes=purposes, writes=writes)


def _as_read(connection: Connection, version: str, campaign_id: int) -> None:
    as_read(connection, campaign_id, version)


add_forms(router, operations, only={"submit_campaign": _edit}, unchanged=_as_read)
