"""A week's answers: a campaign under an approved answer text, at each carrier a run and a list that grows.

A campaign sends a number one message. Whoever writes again in the same week, and gets an answer again, is
answered by a further campaign of that week.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from app.campaigns import lifecycle, optimistic_lock
from app.campaigns.answer_texts import NAMES
from app.campaigns.optimistic_lock import Record
from app.core import clock
from app.core.answer_kinds import AnswerKind
from app.core.states import BatchState, CampaignState, RunState, move_run
from app.database.models import answers, batches, campaigns, inbound_messages, run_batches, runs, subscribers
from app.ledger import money
from app.ledger.contract import Ledger
from app.security import audit
from carriers import text as sms

WHO = "loa"
PRIORITY = 10  # of a run of answers: few messages, which somebody waits for, go before a large run's
# After the week's end its last answers have so long: the longest `answer_within_hours`.
_GRACE_MS = 3 * clock.DAY_MS
_OVER = (RunState.CANCELLING, RunState.CANCELLED, RunState.FINISHED)


class Question(NamedTuple):
    """A message to us that gets an answer, and from when it is too late for one."""

    inbound_id: int
    phone: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class AnswerTerms:
    """How answers go out. now_ms: by the database's clock; after_ms: runs of before are not used any more."""

    now_ms: int
    segments_per_second: int
    after_ms: int = 0


class _Place(NamedTuple):
    campaign_id: int
    run: Record
    batch: Record


def add(
    connection: Connection,
    ledger: Ledger,
    text: Record,
    carrier: str,
    questions: Sequence[Question],
    terms: AnswerTerms,
) -> None:
    """Queue the answers and note them, in the caller's transaction."""
    left = list(questions)
    places = _places(connection, text, carrier, terms)
    while left:
        place = next(places)
        had = _had(connection, place.campaign_id, {each.phone for each in left})
        now: dict[int, Question] = {}
        for each in left:
            if each.phone not in had:
                now.setdefault(each.phone, each)
        if now:
            _extend(connection, ledger, text, place, list(now.values()), terms)
        done = {each.inbound_id for each in now.values()}
        left = [each for each in left if each.inbound_id not in done]


def is_stopped(connection: Connection, text: Record, carrier: str, terms: AnswerTerms) -> bool:
    """Return whether a person has cancelled this week's answers with the text at the carrier."""
    r, c = runs.c, campaigns.c
    query = select(r.id).join(campaigns, c.id == r.campaign_id)
    query = query.where(c.answers_of == text.id, c.window_end == _end(terms.now_ms), r.carrier == carrier)
    ended = [RunState.CANCELLING.value, RunState.CANCELLED.value]
    return connection.execute(query.where(r.state.in_(ended))).first() is not None


def _places(connection: Connection, text: Record, carrier: str, terms: AnswerTerms) -> Iterator[_Place]:
    """Yield the week's campaigns with their run at the carrier, and then ever new ones."""
    c, end, nth = campaigns.c, _end(terms.now_ms), 0
    own = (c.answers_of == text.id, c.window_end == end)
    for campaign in connection.execute(select(campaigns).where(*own).order_by(c.id)).all():
        nth += 1
        if campaign.created_at > terms.after_ms and campaign.state == CampaignState.APPROVED:
            place = _run(connection, campaign.id, carrier, terms)
            if place.run.state not in _OVER:
                yield place
    while True:
        nth += 1
        yield _run(connection, _campaign(connection, text, end, nth, terms), carrier, terms)


def _end(now_ms: int) -> int:
    """Return the end of a week's campaign, by which its week is known."""
    return clock.to_ms(clock.midnight(_monday(now_ms) + timedelta(days=7))) + _GRACE_MS


def _monday(now_ms: int) -> date:
    today = clock.local(clock.from_ms(now_ms)).date()
    return today - timedelta(days=today.weekday())


def _campaign(connection: Connection, text: Record, end: int, nth: int, terms: AnswerTerms) -> int:
    """Make a campaign that says what the approved text says, byte by byte."""
    copied = ("purpose", "sender", "text_key", "wording", "texts", "text_areas", "day_starts", "day_ends")
    row: dict[str, Any] = {name: getattr(text, name) for name in (*copied, "answers_to")}
    more = "" if nth == 1 else f", lượt {nth}"
    name = f"Trả lời: {NAMES[AnswerKind(text.answers_to)]}, tuần từ {_monday(terms.now_ms):%d/%m/%Y}{more}"
    row |= {"name": name, "answers_of": text.id, "window_end": end, "state": CampaignState.APPROVED}
    row |= {"created_at": terms.now_ms, "created_by": WHO, "budget_of": money.account_of(text)}
    made = connection.execute(insert(campaigns).values(row).returning(campaigns.c.id))
    campaign_id = int(made.scalar_one())
    said = {"name": name, "answers_of": text.id}
    audit.note(connection, WHO, "campaign.answers", f"campaign/{campaign_id}", **said)
    return campaign_id


def _run(connection: Connection, campaign_id: int, carrier: str, terms: AnswerTerms) -> _Place:
    """Return the campaign's run at the carrier with its list, which are made if there are none."""
    own = (runs.c.campaign_id == campaign_id, runs.c.carrier == carrier)
    run = connection.execute(select(runs).where(*own)).first()
    if run is None:
        run = _start(connection, campaign_id, carrier, terms)
    of_run = select(batches).join(run_batches, run_batches.c.batch_id == batches.c.id)
    batch = connection.execute(of_run.where(run_batches.c.run_id == run.id)).one()
    return _Place(campaign_id, run, batch)


def _start(connection: Connection, campaign_id: int, carrier: str, terms: AnswerTerms) -> Record:
    made = repr(("answers", campaign_id, carrier)).encode()
    row = {
        "carrier": carrier,
        "name": f"Người nhận trả lời, chiến dịch {campaign_id}",
        "sha256": hashlib.sha256(made).hexdigest(),
        "state": BatchState.READY,
        "created_at": terms.now_ms,
        "created_by": WHO,
    }
    batch_id = int(connection.execute(insert(batches).values(row).returning(batches.c.id)).scalar_one())
    run_id = lifecycle.insert_run(connection, campaign_id, carrier, [batch_id], WHO)
    going = update(runs).where(runs.c.id == run_id).values(state=RunState.RUNNING, started_at=terms.now_ms)
    pace = {"priority": PRIORITY, "segments_per_second": terms.segments_per_second}
    connection.execute(going.values(pace))
    said = {"campaign": campaign_id, "carrier": carrier}
    audit.note(connection, WHO, "run.start", f"run/{run_id}", **said)
    return optimistic_lock.run(connection, run_id)


def _had(connection: Connection, campaign_id: int, phones: set[int]) -> set[int]:
    """Return which of these numbers the campaign has answered already, at whichever carrier."""
    a, m = answers.c, inbound_messages.c
    query = select(m.phone).join(answers, a.inbound_id == m.id)
    query = query.where(m.phone.in_(phones), a.campaign_id == campaign_id)
    return set(connection.execute(query).scalars())


def _extend(
    connection: Connection,
    ledger: Ledger,
    text: Record,
    place: _Place,
    some: Sequence[Question],
    terms: AnswerTerms,
) -> None:
    """Add a line to the list for each, note whom it answers, and queue the lines."""
    batch_id, first = place.batch.id, place.batch.lines + 1
    lines = list(enumerate(some, first))
    rows = [{"batch_id": batch_id, "seq": seq, "phone": each.phone} for seq, each in lines]
    connection.execute(insert(subscribers), rows)
    own = {"campaign_id": place.campaign_id, "batch_id": batch_id}
    noted = [
        {"inbound_id": each.inbound_id, "at": terms.now_ms, "kind": text.answers_to}
        | {"expires_at": each.expires_at, "seq": seq, "why": None}
        | own
        for seq, each in lines
    ]
    connection.execute(insert(answers), noted)
    upto = place.batch.lines + len(lines)
    connection.execute(update(batches).where(batches.c.id == batch_id).values(lines=upto, accepted=upto))
    b = run_batches.c
    more = (b.campaign_id == place.campaign_id, b.batch_id == batch_id)
    connection.execute(update(run_batches).where(*more).values(fanned_all=False))
    ledger.open_campaign(connection, place.campaign_id)
    # One more than there are, so that the list counts as queued to its end.
    parts = {"": sms.segments(text.texts[""])}
    ledger.fan_out(connection, place.run.id, batch_id, parts, len(lines) + 1)
    if place.run.state == RunState.SENT:
        again = {"state": move_run(place.run.state, RunState.RUNNING), "ended_at": None}
        optimistic_lock.change_run(connection, place.run, **again)
