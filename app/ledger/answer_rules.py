"""Answers to messages from citizens: under which text, until when, and to whom on the do-not-send list.

Answers of a week are a campaign whose `answers_of` names the answer text; who approved that text has approved
them. The one message that may go to a number on the list is the confirmation of the opt-out that put
it there. Both are looked at when answers are queued, and again at each claim.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, select

from app.core.answer_kinds import AnswerKind
from app.database.models import answers, campaigns, deliveries, do_not_send, inbound_messages

Record = Row[Any]
# An answer text never changes after its approval, and its answers say the same in the same hours.
_SAME = (
    *("answers_to", "texts", "wording", "text_areas", "sender", "purpose"),
    *("day_starts", "day_ends", "directive_id"),
)
BY_REPLY = "reply"  # do_not_send.added_by of who has opted out by a message

# Rows `s` of subscribers whose number is on the list; with UNCONFIRMED: but for whom this answer confirms it.
LISTED = "EXISTS (SELECT 1 FROM do_not_send n WHERE n.carrier = :carrier AND n.phone = s.phone)"
UNCONFIRMED = """ AND NOT EXISTS (
          SELECT 1 FROM answers a JOIN inbound_messages m ON m.id = a.inbound_id
            JOIN do_not_send n ON n.carrier = :carrier AND n.phone = m.phone AND n.added_at = m.received_at
           WHERE a.campaign_id = :campaign AND a.batch_id = :batch AND a.seq = s.seq AND a.kind = 'opt_out'
             AND m.phone = s.phone AND m.kind = 'opt_out' AND m.repeat_of IS NULL AND n.added_by = 'reply')"""


def source(connection: Connection, campaign: Record) -> Record | None:
    """Return the answer text that a week's answers say; None if they differ from it, or it is not one."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign.answers_of)).first()
    if row is None or row.answers_of is not None or row.answers_to is None:
        return None
    return row if all(getattr(row, name) == getattr(campaign, name) for name in _SAME) else None


def listed_sql(connection: Connection, campaign_id: int) -> str:
    """Return the condition on a subscriber `s` who is left out because of the do-not-send list."""
    return f"({LISTED}{UNCONFIRMED})" if confirms(connection, campaign_id) else LISTED


def confirms(connection: Connection, campaign_id: int) -> bool:
    """Return whether a campaign's messages confirm opt-outs."""
    c = campaigns.c
    own = (c.id == campaign_id, c.answers_of.is_not(None), c.answers_to == AnswerKind.OPT_OUT.value)
    return connection.execute(select(c.id).where(*own)).first() is not None


def listed(connection: Connection, campaign_id: int, carrier: str) -> ColumnElement[bool]:
    """Select deliveries of a campaign to numbers on the carrier's list, but for whom they confirm that."""
    n, d = do_not_send.c, deliveries.c
    found = exists().where(n.carrier == carrier, n.phone == d.phone)
    if not confirms(connection, campaign_id):
        return found
    a, m, w = answers.c, inbound_messages.c, do_not_send.alias("w")
    ours = and_(a.campaign_id == d.campaign_id, a.batch_id == d.batch_id, a.seq == d.seq)
    asked = and_(m.id == a.inbound_id, m.phone == d.phone, m.kind == "opt_out", m.repeat_of.is_(None))
    by_it = and_(w.c.carrier == carrier, w.c.phone == m.phone, w.c.added_at == m.received_at)
    confirmed = exists().where(ours, asked, by_it, w.c.added_by == BY_REPLY, a.kind == AnswerKind.OPT_OUT)
    return and_(found, ~confirmed)


def too_late(connection: Connection, campaign_id: int, now_ms: int) -> ColumnElement[bool] | None:
    """Select answers whose question is too old by now; None if the campaign is no answers.

    What answers no message that is still kept is not sent either.
    """
    c, d, a = campaigns.c, deliveries.c, answers.c
    if connection.execute(select(c.answers_of).where(c.id == campaign_id)).scalar() is None:
        return None
    ours = and_(a.campaign_id == d.campaign_id, a.batch_id == d.batch_id, a.seq == d.seq)
    m = inbound_messages.c
    return ~exists().where(ours, a.expires_at > now_ms, m.id == a.inbound_id, m.phone == d.phone)


def answered_since(connection: Connection, phones: set[int], since_ms: int) -> dict[int, int]:
    """Return how many answers each of these numbers has been given since then."""
    a, m = answers.c, inbound_messages.c
    query = select(m.phone, func.count()).join(answers, a.inbound_id == m.id).group_by(m.phone)
    found = connection.execute(query.where(m.phone.in_(phones), a.at >= since_ms, a.why.is_(None)))
    return {int(phone): int(n) for phone, n in found}


def is_first_opt_out(connection: Connection, inbound: Record, carrier: str) -> bool:
    """Return whether this message has put its sender's number on the carrier's list, and no other one.

    Two of one moment, in different words, are one opt-out: the earlier one is confirmed.
    """
    n, m = do_not_send.c, inbound_messages.c
    by_it = (n.carrier == carrier, n.phone == inbound.phone, n.added_at == inbound.received_at)
    if connection.execute(select(n.id).where(*by_it, n.added_by == BY_REPLY)).first() is None:
        return False
    same = (m.phone == inbound.phone, m.received_at == inbound.received_at, m.kind == "opt_out")
    first = connection.execute(select(func.min(m.id)).where(*same)).scalar()
    return bool(first == inbound.id)


def is_listed(connection: Connection, phone: int, carrier: str) -> bool:
    n = do_not_send.c
    return connection.execute(select(n.id).where(n.carrier == carrier, n.phone == phone)).first() is not None
