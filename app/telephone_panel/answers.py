"""What test telephones answer to a run: by a personal link, by SMS, or by a gateway app on the telephone.

A telephone takes part in a run if it was in the panel before the run started, and is in the run's list or,
where the carrier sends to its own base, among that carrier's telephones in the ordered areas. The first
"received" is final: a text that has come cannot un-come. "Not received" counts from a day after the end.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, exists, func, insert, select, text, update

from app.core import areas, clock
from app.core.clock import DAY_MS
from app.core.errors import Conflict, Invalid, NotFound, no_such
from app.core.ids import Number
from app.core.phone import mask
from app.core.states import SENT, DeliveryState, RunState
from app.database.connection import keys_of, shared_ms
from app.database.models import (
    audiences,
    campaigns,
    deliveries,
    panel_answers,
    panel_telephones,
    run_batches,
    runs,
    statements,
    subscribers,
)
from app.operations import Transaction, operation
from app.security import audit, kept_rows, row_stamps
from app.security.roles import AUTHORS, OFFICE
from app.telephone_panel import register
from app.telephone_panel.judgement import AnswerCounts
from app.text_verification.compare import Known, Texts, TextUse, TextVerdict
from app.text_verification.tokens import words

TAG = register.TAG
PATIENCE_MS = DAY_MS  # texts still come for so long after the end
_REPLY_MS = 14 * DAY_MS  # after the start an SMS of the telephone is taken as an answer for so long
CLOCK_MS = 600_000  # a telephone's clock may be so wrong
_FORGOTTEN = "forgotten"  # in place of the way, once nobody knows which telephones took part
_T, _A, _D = panel_telephones.c, panel_answers.c, deliveries.c
# Refused at once, the carrier's word that the number is not its own: such a telephone cannot do as well as
# its base.
_OUT = (DeliveryState.REJECTED, DeliveryState.NOT_SENT, DeliveryState.EXCLUDED)


class Answer(StrEnum):
    """What a telephone says. Values are stored."""

    RECEIVED = "received"
    NOT_RECEIVED = "not_received"
    OFF = "off"  # off, out of coverage, or with another carrier by now: says nothing of this one


class AnswerWay(StrEnum):
    """How it came. Values are stored."""

    LINK = "link"
    SMS = "sms"
    GATEWAY = "gateway"


# What an SMS may consist of, without diacritics, blanks and punctuation. "KHONG NHAN" is none: it means that
# its sender wants no more messages.
REPLIES = {"danhan": Answer.RECEIVED, "chuanhan": Answer.NOT_RECEIVED, "tatmay": Answer.OFF}
_LONGEST_REPLY = 40  # characters of one
_KEEP = text(
    """
    INSERT INTO panel_answers (run_id, telephone_id, answer, way, at)
    VALUES (:run_id, :telephone_id, :answer, :way, :at)
    ON CONFLICT (run_id, telephone_id) DO UPDATE
    SET answer = excluded.answer, way = excluded.way, at = excluded.at
    WHERE panel_answers.answer IS NULL OR panel_answers.answer <> 'received'
    """
)


@dataclass(frozen=True, slots=True)
class PanelMember:
    """A telephone that takes part in a run, and what it has answered.

    link: the path of its personal page, which its holder is given; null without a secret_key, and for those
    who only read: whoever has it can answer.
    """

    telephone_id: int
    phone: str
    carrier: str
    area: str
    answer: Answer | None
    way: AnswerWay | None
    at: datetime | None
    asked_at: datetime | None
    link: str | None


@dataclass(frozen=True, slots=True)
class PanelAsked:
    """How many silent telephones are asked now, and how many were asked before."""

    asked: int
    before: int


class PanelRow(NamedTuple):
    """A run as answers need it. ended_at: null while it is still sent."""

    id: int
    campaign_id: int
    carrier: str
    state: str
    started_at: int | None
    ended_at: int | None
    areas: Sequence[str] | None  # null: of a list; else of the carrier's own base

    def started(self, now_ms: int) -> bool:
        return self.started_at is not None and self.started_at <= now_ms

    def over(self, now_ms: int) -> bool:
        """Whether a telephone without the text will not get it any more."""
        return self.ended_at is not None and self.ended_at + PATIENCE_MS <= now_ms


@operation(
    "GET /v1/runs/{run_id}/panel",
    roles=OFFICE,
    command="panel run",
    columns=("telephone_id", "phone", "carrier", "area", "answer", "way", "at", "asked_at", "link"),
)
def list_run_panel(tx: Transaction, run_id: Number) -> list[PanelMember]:
    """List the test telephones that take part in a run, with their answers.

    Those who may ask the silent ones also get the personal links.
    """
    found = members(tx.connection, run_of(tx.connection, run_id))
    if tx.who.role not in AUTHORS:
        found = [replace(member, link=None) for member in found]
    return found


@operation(
    "POST /v1/runs/{run_id}/panel/ask",
    roles=AUTHORS,
    command="panel ask",
    audit="had the silent test telephones of {subject} asked",
    done="{asked} telephones are to be asked. Print the list, and hand each holder the personal link.",
    page="/runs/{run_id}/panel",
)
def ask_run_panel(tx: Transaction, run_id: Number) -> PanelAsked:
    """Record that holders who are silent a day after the end are being asked, once. Sends nothing."""
    run, now = run_of(tx.connection, run_id), shared_ms(tx.connection)
    if not run.over(now):
        raise Conflict(
            "Texts may still arrive. Ask the silent telephones from one day after the end of run {run}.",
            run=run_id,
        )
    silent = [member for member in members(tx.connection, run) if member.answer is None]
    fresh = [member.telephone_id for member in silent if member.asked_at is None]
    _enlist(tx.connection, run)
    own = (_A.run_id == run_id, _A.telephone_id.in_(fresh))
    tx.connection.execute(update(panel_answers).where(*own).values(asked_at=now))
    tx.note(f"run/{run_id}", asked=len(fresh))
    return PanelAsked(len(fresh), len(silent) - len(fresh))


# ---- Who takes part


def run_of(connection: Connection, run_id: int) -> PanelRow:
    """Return a run. Raises NotFound."""
    row = connection.execute(_runs().where(runs.c.id == run_id)).first()
    if row is None:
        raise no_such("run", run_id)
    return PanelRow(*row)


def answered_runs(connection: Connection, campaign_id: int) -> list[PanelRow]:
    """Return the runs of a campaign to which a telephone has answered."""
    answered = exists().where(_A.run_id == runs.c.id, _A.answer.is_not(None))
    query = _runs().where(runs.c.campaign_id == campaign_id, answered).order_by(runs.c.id)
    return [PanelRow(*row) for row in connection.execute(query)]


def _runs() -> Any:
    r, s = runs.c, statements.c
    stated = select(func.max(s.ended_at)).where(s.run_id == r.id).scalar_subquery()
    ended = func.coalesce(r.ended_at, stated, campaigns.c.window_end)
    return (
        select(r.id, r.campaign_id, r.carrier, r.state, r.started_at, ended, audiences.c.areas)
        .join(campaigns, campaigns.c.id == r.campaign_id)
        .outerjoin(audiences, audiences.c.run_id == r.id)
    )


def members(connection: Connection, run: PanelRow) -> list[PanelMember]:
    """Return the telephones that take part, also before the start; and those that took part and are known."""
    query = select(panel_telephones, _A.answer, _A.way, _A.at, _A.asked_at).outerjoin(
        panel_answers, (_A.telephone_id == _T.id) & (_A.run_id == run.id)
    )
    own = _taking_part(connection, run)
    rows = [row for row in connection.execute(query.order_by(_T.id)) if row.id in own]
    return [
        PanelMember(
            row.id,
            mask(row.phone),
            row.carrier,
            row.area,
            Answer(row.answer) if row.answer else None,
            AnswerWay(row.way) if row.way else None,
            clock.moment(row.at),
            clock.moment(row.asked_at),
            _link(connection, run.id, row),
        )
        for row in rows
    ]


def _taking_part(connection: Connection, run: PanelRow) -> set[int]:
    """Return the IDs of the telephones in the run: who was added after its start could be chosen to suit."""
    if connection.execute(select(_A.id).where(_A.run_id == run.id, _A.way == _FORGOTTEN).limit(1)).first():
        return set()
    before = _T.added_at <= (run.started_at if run.started_at is not None else shared_ms(connection))
    if run.areas is not None:
        elsewhere = exists().where(_D.campaign_id == run.campaign_id, _D.phone == _T.phone)
        query = select(_T.id, _T.area).where(before, _T.carrier == run.carrier, ~elsewhere)
        on = clock.local(clock.from_ms(run.started_at or clock.now_ms())).date()
        return {row.id for row in connection.execute(query) if _within(row.area, run.areas, on)}
    listed = (_D.campaign_id == run.campaign_id) & (_D.phone == _T.phone)
    sent = select(_T.id).join(deliveries, listed).where(_D.run_id == run.id, _D.state.not_in(_OUT), before)
    found = set(connection.execute(sent).scalars())
    if run.state != RunState.PLANNED:
        return found
    own = select(run_batches.c.batch_id).where(run_batches.c.run_id == run.id)
    s = subscribers.c
    return set(
        connection.execute(
            select(_T.id).join(subscribers, s.phone == _T.phone).where(s.batch_id.in_(own), before)
        ).scalars()
    )


def _within(area: str, ordered: Sequence[str], on: date) -> bool:
    """Return whether a commune is in an audience; its codes may be of districts of before 07-2025."""
    return not ordered or any(area == code or area in areas.rows_of(code, on) for code in ordered)


def count(connection: Connection, run: PanelRow, until_ms: int | None = None) -> AnswerCounts:
    """Count the answers given by then; whoever takes part and has not answered is silent."""
    query = select(_A.telephone_id, _A.answer, _A.at).where(_A.run_id == run.id)
    rows = connection.execute(query).all()
    known = {row.telephone_id for row in rows}
    missing = len(_taking_part(connection, run) - known)
    given = [row.answer for row in rows if row.answer and (until_ms is None or row.at <= until_ms)]
    by_answer = Counter(given)
    return AnswerCounts(
        received=by_answer[Answer.RECEIVED],
        not_received=by_answer[Answer.NOT_RECEIVED],
        off=by_answer[Answer.OFF],
        silent=missing + len(rows) - len(given),
    )


# ---- Answers


def record(connection: Connection, run: PanelRow, telephone_id: int, answer: Answer, way: AnswerWay) -> None:
    """Keep an answer; repeating it changes nothing. Raises Conflict while it cannot be true."""
    now = shared_ms(connection)
    if not run.started(now) or not _was_sent(connection, run, telephone_id):
        raise Conflict("The text has not been sent to this telephone yet.")
    if answer is Answer.NOT_RECEIVED and not run.over(now):
        raise Conflict("The text may still arrive. Answer “not received” from one day after the end.")
    _keep(connection, run, telephone_id, answer, way)


def _keep(connection: Connection, run: PanelRow, telephone_id: int, answer: Answer, way: AnswerWay) -> None:
    row = {"run_id": run.id, "telephone_id": telephone_id, "answer": answer.value, "way": way.value}
    if connection.execute(_KEEP, row | {"at": shared_ms(connection)}).rowcount:
        own = _A.run_id == run.id, _A.telephone_id == telephone_id
        kept = kept_rows.kept(connection, panel_answers, *own)
        audit.note(connection, "panel", "panel.answer", f"run/{run.id}", kept=kept)


def _was_sent(connection: Connection, run: PanelRow, telephone_id: int) -> bool:
    if telephone_id not in _taking_part(connection, run):
        return False
    if run.areas is not None:
        return True
    listed = (_D.campaign_id == run.campaign_id) & (_D.phone == _T.phone)
    query = select(_D.state).join(panel_telephones, listed).where(_T.id == telephone_id)
    return connection.execute(query).scalar() in SENT


def _enlist(connection: Connection, run: PanelRow) -> None:
    """Write down as silent who takes part and has no row yet."""
    query = select(_A.telephone_id).where(_A.run_id == run.id)
    fresh = _taking_part(connection, run) - set(connection.execute(query).scalars())
    if fresh:
        rows = [{"run_id": run.id, "telephone_id": number} for number in sorted(fresh)]
        connection.execute(insert(panel_answers), rows)


def forget_old(connection: Connection, days: int) -> None:
    """Forget which telephones took part in runs that ended so many days ago; the counts stay."""
    latest = shared_ms(connection) - days * DAY_MS
    old = [PanelRow(*row) for row in connection.execute(_runs().where(_holds_telephones()))]
    for run in old:
        if run.ended_at is not None and run.ended_at <= latest:
            _enlist(connection, run)
            own = update(panel_answers).where(_A.run_id == run.id)
            connection.execute(own.values(telephone_id=None, way=_FORGOTTEN))


def _holds_telephones() -> Any:
    return exists().where(_A.run_id == runs.c.id, _A.telephone_id.is_not(None))


# ---- By a personal link


def _link(connection: Connection, run_id: int, telephone: Row[Any]) -> str | None:
    stamp = row_stamps.make(connection, _link_content(run_id, telephone))
    return None if stamp is None else f"/panel/{run_id}/{telephone.id}/{stamp}"


def _link_content(run_id: int, telephone: Row[Any]) -> bytes:
    return f"panel link {run_id} {telephone.id} {telephone.added_at}".encode()


def open_link(connection: Connection, run_id: int, telephone_id: int, stamp: str) -> PanelMember:
    """Return the telephone that a personal link is for, in this run. Raises NotFound for any other link."""
    telephone = connection.execute(select(panel_telephones).where(_T.id == telephone_id)).first()
    content = b"" if telephone is None else _link_content(run_id, telephone)
    if not _signed(connection, content, stamp) or telephone is None:
        raise NotFound("This link is no longer valid. Ask the office that gave you the link.")
    own = [
        each for each in members(connection, run_of(connection, run_id)) if each.telephone_id == telephone_id
    ]
    if not own:
        raise NotFound(
            "This telephone does not take part in the campaign. Ask the office that gave you the link."
        )
    return own[0]


def _signed(connection: Connection, content: bytes, stamp: str) -> bool:
    """Return whether the stamp is one of this Loa's; without a key there are none."""
    return bool(keys_of(connection)) and stamp.isascii() and row_stamps.holds(connection, content, stamp)


def answer_link(connection: Connection, run_id: int, telephone_id: int, stamp: str, pressed: str) -> None:
    """Keep what the holder has pressed. Raises Invalid for what is no answer."""
    try:
        answer = Answer(pressed)
    except ValueError:
        raise Invalid("Choose one of the answers.", field="answer") from None
    member = open_link(connection, run_id, telephone_id, stamp)
    record(connection, run_of(connection, run_id), member.telephone_id, answer, AnswerWay.LINK)


# ---- By SMS, and by a gateway app


def replied(connection: Connection, messages: Iterable[tuple[int, str]]) -> None:
    """Take SMS of panel numbers as answers to the only run that each can mean; leave all others alone."""
    answers = [
        (phone, answer)
        for phone, message in messages
        if len(message) <= _LONGEST_REPLY and (answer := REPLIES.get(areas.fold(message)))
    ]
    if not answers:
        return
    query = select(_T.phone, _T.id).where(_T.phone.in_({phone for phone, _ in answers}))
    telephones = dict(connection.execute(query).all())
    for phone, answer in answers:
        if phone in telephones:
            number = telephones[phone]
            sent = [run for run in _recent_runs(connection, number) if _was_sent(connection, run, number)]
            early = answer is Answer.NOT_RECEIVED and not all(run.over(shared_ms(connection)) for run in sent)
            if len(sent) == 1 and not early:
                record(connection, sent[0], number, answer, AnswerWay.SMS)


def _recent_runs(connection: Connection, telephone_id: int) -> Iterator[PanelRow]:
    """Yield the runs of the last days in which this telephone takes part, the latest first."""
    now = shared_ms(connection)
    recent = _runs().where(runs.c.started_at.between(now - _REPLY_MS, now))
    for row in connection.execute(recent.order_by(runs.c.started_at.desc(), runs.c.id.desc())).all():
        run = PanelRow(*row)
        if telephone_id in _taking_part(connection, run):
            yield run


def gateway_signed(connection: Connection, telephone_id: int, signed: bytes, signature: str) -> bool:
    """Return whether the telephone's gateway app has signed these bytes with the key it was given."""
    telephone = connection.execute(select(panel_telephones).where(_T.id == telephone_id)).first()
    if telephone is None:
        return False
    keys = row_stamps.derived(connection, register.gateway_content(telephone))
    made = (hmac.digest(key.encode(), signed, "sha256").hex().encode() for key in keys)
    return any(hmac.compare_digest(each, signature.encode()) for each in made)


def received_sms(connection: Connection, telephone_id: int, message: str, at_ms: int) -> bool:
    """Record "received" if this is the text of a run that was sent to the telephone; keep nothing else.

    at_ms: when it came, by the telephone's clock: an earlier campaign may have had the same text.
    """
    for run in _recent_runs(connection, telephone_id):
        if at_ms >= (run.started_at or 0) - CLOCK_MS and _is_text(connection, run, message):
            # It may be there seconds before the ledger has the carrier's answer.
            _keep(connection, run, telephone_id, Answer.RECEIVED, AnswerWay.GATEWAY)
            return True
    return False


def _is_text(connection: Connection, run: PanelRow, message: str) -> bool:
    """Return whether a message is the run's text, or a part of it: some apps report each SMS part alone."""
    query = select(campaigns.c.texts, campaigns.c.wording, campaigns.c.sender)
    row = connection.execute(query.where(campaigns.c.id == run.campaign_id)).one()
    use = TextUse(date.min, row.sender, None)
    texts = {*row.texts.values(), row.wording or ""} - {""}
    found = Texts(Known(tuple(words(each)), (use,)) for each in texts).look(message)
    return found.verdict in (TextVerdict.GENUINE, TextVerdict.INCOMPLETE)
