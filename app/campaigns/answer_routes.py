"""API routes of answer texts; their campaigns' routes submit, approve and withdraw them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from pydantic import Field

from app.api.bodies import Line, StrictBody
from app.api.dependencies import Config, Db, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts
from app.campaigns import answer_texts
from app.campaigns.answer_texts import AnswerRequest, AnswerText
from app.campaigns.drafts import TextForm
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import BudgetSegments, Time, Wording
from app.core.answer_kinds import AnswerKind

router = Routes(prefix="/v1/answers", tags=["answers"], route_class=Acts)


class AnswerBody(StrictBody):
    """What citizens get back for one kind of message. Give `text_key`, or your own text as `text`."""

    answers_to: AnswerKind = Field(description="the kind of message, or the verdict on a text that was asked")
    sender: Annotated[str, Field(max_length=100, examples=["CA SON LA"])]
    text: Wording | None = Field(
        None, examples=["So cua Ong/Ba da duoc dua vao danh sach tu choi nhan tin tuyen truyen."]
    )
    text_key: Line | None = Field(None, examples=[None])
    form: TextForm = Field(
        TextForm.UNACCENTED, description="unaccented text costs less than half the SMS parts"
    )
    day_starts: Time | None = Field(
        None, description="hours of the day in Viet Nam; the settings' when left out", examples=["07:00"]
    )
    day_ends: Time | None = Field(None, examples=["21:00"])
    budget_segments: BudgetSegments | None = Field(
        None, description="the most SMS parts of all answers with it", examples=[100_000]
    )

    def request(self) -> AnswerRequest:
        return AnswerRequest(**dict(self))


@router.get("")
def list_answers(db: Db, who: Who, paging: Paging) -> Page[AnswerText]:
    """List answer texts in order of creation, with what became of the messages of their kind."""
    return page_of(db.read(answer_texts.page, paging.after, paging.limit), paging)


@router.post("", status_code=201)
def create_answer(body: AnswerBody, db: Db, settings: Config, who: Who, response: Response) -> AnswerText:
    """Enter an answer text as a draft; submit, approve and withdraw it as campaign `id`."""
    default = DayHours(settings.day_starts, settings.day_ends)
    made = db.write(answer_texts.create, body.request(), default, who.name)
    response.headers["Location"] = f"/v1/campaigns/{made}"
    return db.read(answer_texts.get, made)
