"""Answer texts: what citizens get back, each for one kind of message and approved like a campaign.

An answer text is a campaign without runs. Its approval signs the text and what it answers; it never changes
afterwards: it is withdrawn, and another one entered. Its answers are campaigns of their own, one a week
(app/campaigns/weekly_answers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from app.campaigns.drafts import Draft, Purpose, TextForm, pin
from app.campaigns.optimistic_lock import Record
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.answer_kinds import AnswerKind, Unanswered
from app.core.errors import Conflict, Invalid
from app.core.states import CampaignState, DeliveryState, NotSent, RunState, move_run
from app.database.models import answers, campaigns, runs, tallies
from app.ledger import approval_digest
from app.ledger.row_locking import lock_runs
from app.security import audit
from app.security.credential_provenance import behind
from carriers import text as sms

# What people call the answers; names of campaigns are Vietnamese.
NAMES = {
    AnswerKind.OPT_OUT: "xác nhận từ chối nhận tin",
    AnswerKind.REPORT: "đã nhận tin báo",
    AnswerKind.OTHER: "tin nhắn khác",
    AnswerKind.GENUINE: "kiểm tra: tin thật",
    AnswerKind.WITHDRAWN: "kiểm tra: tin đã dừng gửi",
    AnswerKind.INCOMPLETE: "kiểm tra: chỉ một phần",
    AnswerKind.ALTERED: "kiểm tra: tin bị sửa",
    AnswerKind.UNKNOWN: "kiểm tra: không có tin này",
}
_OPEN = (CampaignState.DRAFT, CampaignState.SUBMITTED, CampaignState.REJECTED)


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """An answer text as somebody enters it; `text_key` names a text of messages/, or `text` is the text."""

    answers_to: AnswerKind
    sender: str
    text: str | None = None
    text_key: str | None = None
    form: TextForm = TextForm.UNACCENTED
    day_starts: str | None = None
    day_ends: str | None = None
    budget_segments: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerText:
    """An answer text. id: of the campaign by which it is submitted, approved and withdrawn.

    in_use: messages of its kind are answered with it now; answered: messages that it was sent or queued for,
    without those for which it could not go out; unanswered: of its kind, by why they get no answer,
    whichever text was in use.
    """

    id: int
    answers_to: AnswerKind
    state: CampaignState
    in_use: bool
    sender: str
    text: str
    segments: int
    created_at: datetime
    created_by: str
    answered: int
    unanswered: dict[Unanswered, int]


def create(connection: Connection, wanted: AnswerRequest, default: DayHours, who: str) -> int:
    """Enter an answer text, as a draft; return the ID of its campaign."""
    draft = Draft(
        name=f"Trả lời: {NAMES[wanted.answers_to]}",
        purpose=Purpose.AWARENESS,
        sender=wanted.sender,
        form=wanted.form,
        text_key=wanted.text_key,
        text=wanted.text,
        day_starts=wanted.day_starts,
        day_ends=wanted.day_ends,
        budget_segments=wanted.budget_segments,
    )
    # Whoever has just written is awake: an answer may go out at night.
    row = pin(draft, default, at_night=True) | {
        "answers_to": wanted.answers_to.value,
        "state": CampaignState.DRAFT,
    }
    row |= {"texts": {"": row["texts"][""]}}  # who writes to us has no area, and so no other language
    row |= {"created_at": clock.now_ms(), "created_by": who, "behind": sorted(behind(connection, who))}
    made = connection.execute(insert(campaigns).values(row).returning(campaigns.c.id))
    campaign_id = int(made.scalar_one())
    said = {"name": row["name"], "answers_to": wanted.answers_to.value}
    audit.note(connection, who, "campaign.create", f"campaign/{campaign_id}", **said)
    return campaign_id


def approved_texts(connection: Connection) -> dict[AnswerKind, Record]:
    """Return the answer text in use for each kind: the newest that is approved as it stands."""
    c = campaigns.c
    query = select(campaigns).where(c.answers_to.is_not(None), c.answers_of.is_(None))
    rows = connection.execute(query.where(c.state == CampaignState.APPROVED.value).order_by(c.id)).all()
    found = (row for row in rows if approval_digest.approved(connection, row) is not None)
    return {AnswerKind(row.answers_to): row for row in found}


def page(connection: Connection, after: int = 0, limit: int = 1000) -> list[AnswerText]:
    """Return answer texts in order of creation."""
    c = campaigns.c
    own = select(campaigns).where(c.answers_to.is_not(None), c.answers_of.is_(None), c.id > after)
    rows = connection.execute(own.order_by(c.id).limit(limit)).all()
    return _shown(connection, rows)


def get(connection: Connection, campaign_id: int) -> AnswerText:
    """Return one answer text, which has just been made."""
    c = campaigns.c
    own = (c.id == campaign_id, c.answers_to.is_not(None), c.answers_of.is_(None))
    rows = connection.execute(select(campaigns).where(*own)).all()
    return _shown(connection, rows)[0]


def _shown(connection: Connection, rows: Sequence[Record]) -> list[AnswerText]:
    in_use = {row.id for row in approved_texts(connection).values()}
    a, c = answers.c, campaigns.c
    query = select(c.answers_of, func.count()).join(answers, a.campaign_id == c.id)
    given = {of: int(n) for of, n in connection.execute(query.group_by(c.answers_of))}
    not_given: dict[str, dict[Unanswered, int]] = {}
    whys = select(a.kind, a.why, func.count()).where(a.why.is_not(None)).group_by(a.kind, a.why)
    for kind, why, n in connection.execute(whys.order_by(a.kind, a.why)):
        not_given.setdefault(kind, {})[Unanswered(why)] = int(n)
    for row in connection.execute(_NOT_SENT):
        given[row.answers_of] = given.get(row.answers_of, 0) - row.n
        whys_of, why = not_given.setdefault(row.answers_to, {}), _WHY.get(row.reason, Unanswered.LATE)
        whys_of[why] = whys_of.get(why, 0) + int(row.n)
    return [
        AnswerText(
            id=row.id,
            answers_to=AnswerKind(row.answers_to),
            state=CampaignState(row.state),
            in_use=row.id in in_use,
            sender=row.sender,
            text=row.texts[""],
            segments=sms.segments(row.texts[""]),
            created_at=clock.local(clock.from_ms(row.created_at)),
            created_by=row.created_by,
            answered=given.get(row.id, 0),
            unanswered=not_given.get(row.answers_to, {}),
        )
        for row in rows
    ]


# Answers that were queued and did not go out.
_NOT_SENT = (
    select(campaigns.c.answers_of, campaigns.c.answers_to, tallies.c.reason, func.sum(tallies.c.n).label("n"))
    .join(tallies, tallies.c.campaign_id == campaigns.c.id)
    .where(campaigns.c.answers_of.is_not(None))
    .where(tallies.c.state.in_((DeliveryState.NOT_SENT, DeliveryState.EXCLUDED)))
    .group_by(campaigns.c.answers_of, campaigns.c.answers_to, tallies.c.reason)
    .having(func.sum(tallies.c.n) > 0)
)
_WHY = {NotSent.CANCELLED: Unanswered.STOPPED, NotSent.DO_NOT_SEND: Unanswered.LISTED}


# ---- What the life of a campaign asks


def check_edit(campaign: Record, draft: Draft) -> None:
    """Raise Conflict for an answer text that was approved once, Invalid for what an answer can't have."""
    if campaign.answers_to is None:
        return
    if campaign.state not in _OPEN:
        raise Conflict("An answer text that was approved never changes: withdraw it, and enter another one.")
    given = {
        "directive_id": draft.directive_id,
        "window_start": draft.window_start,
        "window_end": draft.window_end,
        "languages": draft.languages,
        "language_areas": draft.language_areas,
        "budget_dong": draft.budget_dong,
    }
    for field, value in given.items():
        if value:
            raise Invalid(f"An answer text has no {field}; leave it out.", field=field)
    if draft.purpose != Purpose.AWARENESS:
        raise Invalid(f"The purpose of an answer text is {Purpose.AWARENESS}.", field="purpose")


def refuse(campaign: Record, field: str = "campaign_id") -> None:
    """Raise Conflict if the campaign is an answer text, or a week's answers: nobody is chosen to get them."""
    if campaign.answers_to is not None:
        raise Conflict(
            f"Campaign {campaign.id} answers messages of citizens: nobody else gets it, so it has no lists, "
            "no round and no follow-up.",
            field=field,
        )


def lock_live_runs(connection: Connection, campaign_id: int) -> None:
    """Lock the runs of an answer text that can still be stopped, before anything is noted about it."""
    lock_runs(connection, [run.id for run in _live_runs(connection, campaign_id)])


def _live_runs(connection: Connection, campaign_id: int) -> Sequence[Record]:
    r, own = runs.c, select(campaigns.c.id).where(campaigns.c.answers_of == campaign_id)
    query = select(runs).where(r.campaign_id.in_(own), r.state.in_((RunState.RUNNING, RunState.PAUSED)))
    return connection.execute(query.order_by(r.id)).all()


def stop(connection: Connection, campaign_id: int, who: str) -> None:
    """Cancel what is still queued of an answer text that is withdrawn."""
    for run in _live_runs(connection, campaign_id):
        values: dict[str, Any] = {"state": move_run(run.state, RunState.CANCELLING)}
        values |= {"closing": NotSent.CANCELLED}
        connection.execute(update(runs).where(runs.c.id == run.id).values(values))
        said = {"campaign": run.campaign_id, "carrier": run.carrier}
        audit.note(connection, who, "run.cancel", f"run/{run.id}", **said)
