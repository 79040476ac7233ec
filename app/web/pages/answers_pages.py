"""What citizens get back when they write to us: the answer texts, and the form of a new one."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from sqlalchemy import Connection

from app.api.bodies import filled
from app.api.dependencies import Routes
from app.campaigns import answer_texts, lifecycle
from app.campaigns.answer_routes import AnswerBody
from app.campaigns.answer_texts import AnswerRequest
from app.campaigns.drafts import TextForm
from app.campaigns.quiet_hours import DayHours
from app.core.errors import Conflict, Invalid
from app.security.roles import may
from app.web.forms import read_fields
from app.web.forms.purposes import ANSWERS, FORMS, UNANSWERED
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

router = Routes(include_in_schema=False)


@router.get("/answers")
async def page_answers(visit: Visit) -> Response:
    """List the answer texts, with the form of a new one."""
    return await _page(visit, FormState())


@router.post("/answers")
async def page_do_create_answer(visit: Visit, fields: Fields) -> Response:
    """Enter an answer text, and submit it: it waits for another person's approval."""
    default = DayHours(visit.settings.day_starts, visit.settings.day_ends)
    try:
        wanted = filled(AnswerBody, _said(fields)).request()
        await visit.db.awrite(_enter, wanted, default, visit.who.name)
    except (Conflict, Invalid) as error:
        return await _page(visit, refused(error, fields))
    return redirect_with_flash(visit, "/answers", say("The answer text waits for approval."))


def _enter(connection: Connection, wanted: AnswerRequest, default: DayHours, who: str) -> None:
    lifecycle.submit(connection, answer_texts.create(connection, wanted, default, who), who)


def _said(fields: FormData) -> dict[str, Any]:
    said: dict[str, Any] = {name: fields.get(name) for name in ("answers_to", "sender")}
    said |= {name: fields.get(name) or None for name in ("day_starts", "day_ends")}
    said["text"] = fields.raw("text").strip().replace("\r\n", "\n") or None
    said["form"] = fields.get("form") or TextForm.UNACCENTED
    said["budget_segments"] = read_fields.number(fields, "budget_segments")
    return said


async def _page(visit: PageRequest, entered: FormState) -> Response:
    found = await visit.db.aread(answer_texts.page)
    values = {"texts": found, "kinds": ANSWERS, "whys": UNANSWERED, "forms": FORMS, "entered": entered}
    own = visit.settings.replies
    say_of, shown = visit.speaker.say, {"kinds_said": ANSWERS, "forms_said": FORMS}
    values |= {name: {key: say_of(words) for key, words in of.items()} for name, of in shown.items()}
    values |= {"day_starts": visit.settings.day_starts, "day_ends": visit.settings.day_ends}
    values |= {"most": own.answers_per_day, "hours": own.answer_within_hours, "words": own.check}
    writes = may(visit.who.role, "create_answer")
    return render(visit, "answers.html", entered.status, writes=writes, **values)
