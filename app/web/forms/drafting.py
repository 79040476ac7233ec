"""The campaign form: fields to draft and estimate, and campaign back to fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from app.api.bodies import filled
from app.campaigns import queries, texts
from app.campaigns.drafts import Draft, TextForm, own_languages
from app.campaigns.schemas import CampaignBody
from app.core import clock, sending_window
from app.core.config import Settings
from app.core.errors import AppError
from app.core.states import BatchState
from app.database.models import batches, directives
from app.web import query_params
from app.web.forms import read_fields
from app.web.rendering import FormData
from app.web.translations import Said
from app.web.view_models import estimate, traffic_light
from app.web.view_models.estimate import Estimate, Sizes
from carriers import text as sms

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


def draft(fields: FormData, kept: queries.Campaign | None = None) -> Draft:
    """Build the draft; raises Invalid per unreadable field. kept: whose texts in other languages stay."""
    said: dict[str, Any] = {name: fields.get(name) for name in ("name", "purpose", "sender")}
    said |= {name: fields.get(name) or None for name in ("text_key", "day_starts", "day_ends")}
    said["text"] = fields.raw("text").strip().replace("\r\n", "\n") or None
    said["form"] = fields.get("form") or TextForm.UNACCENTED
    said["directive_id"] = fields.raw("directive_id") or None
    said |= {name: read_fields.moment(fields, name) for name in ("window_start", "window_end")}
    said |= {name: read_fields.number(fields, name) for name in ("budget_segments", "budget_dong")}
    found = filled(CampaignBody, said).draft()
    if kept is None or not kept.text_areas:
        return found
    own = own_languages(kept.text_key, kept.texts)
    return replace(found, languages=own, language_areas=kept.text_areas)


def values(of: queries.Campaign) -> dict[str, str]:
    plain = sms.unaccent(of.texts[""]) == of.texts[""]
    own = {} if of.wording is None or of.text_key else {"text": of.wording}
    return own | {
        "name": of.name,
        "purpose": of.purpose,
        "sender": of.sender,
        "text_key": of.text_key or "",
        "form": TextForm.UNACCENTED if plain else TextForm.ACCENTED,
        "directive_id": str(of.directive_id or ""),
        "window_start": f"{of.window_start:%Y-%m-%dT%H:%M}" if of.window_start else "",
        "window_end": f"{of.window_end:%Y-%m-%dT%H:%M}" if of.window_end else "",
        "day_starts": of.day_starts,
        "day_ends": of.day_ends,
        "budget_segments": str(of.budget_segments or ""),
        "budget_dong": str(of.budget_dong or ""),
        "version": str(of.version),
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


def _forms(fields: FormData) -> tuple[str, str] | None:
    own = fields.raw("text").strip().replace("\r\n", "\n")
    if own:
        return estimate.both(own[:2000])
    found = {text.key: text for text in texts.all_texts()}.get(fields.get("text_key"))
    return (found.accented, found.unaccented) if found else None


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
