"""Find what one person got, or why not: every campaign's delivery to an exact number, by an index, audited.

Asked by the page /find (app/web/pages/find_person_pages.py), POST /v1/deliveries/find (routes.py) and
`loa delivery find` (app/cli/delivery_commands.py). One delivery, step by step:
app/receipts/delivery_history.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, and_, exists, func, select

from app.core import clock
from app.core.errors import TooOften
from app.core.phone import mask, one_mobile
from app.core.states import REASON_NAMES, DeliveryState
from app.database.models import audit as acts
from app.database.models import (
    campaigns,
    deliveries,
    do_not_send,
    erasures,
    left_out,
    links,
    run_batches,
    runs,
    subscribers,
)
from app.ledger.unreached import covered
from app.security import Caller, audit, row_stamps
from app.security.tenant_scope import own_campaigns

ACTION, READ = "person.find", "person.data"  # READ: app/privacy/person_data.py
_AT_ONCE = 500  # campaigns asked in one statement
A_MINUTE, A_DAY = 30, 500  # questions of one person or key: who needs more is guessing numbers
_NEWEST = 20_000  # acts of the audit that are searched for them, by their ids


@dataclass(frozen=True, slots=True)
class FoundDelivery:
    """One campaign's delivery to the person.

    Also a line that was left out when the campaign was queued: excluded, with the reason of that time.
    state: a DeliveryState in lower case. reason: why it was not sent or did not arrive, a NotSent or Reason
    in lower case; None if nothing went wrong. text: what was, or is to be, sent; link: through which it went,
    None if it has not gone out.
    """

    campaign_id: int
    campaign: str
    run_id: int
    carrier: str
    batch_id: int
    line: int
    state: str
    reason: str | None
    sender: str
    text: str
    link: str | None
    submitted_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A do-not-send list that has the number."""

    carrier: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """All that is known of a number, masked; newest campaign first. campaigns: how many were asked."""

    phone: str
    deliveries: Sequence[FoundDelivery]
    do_not_send: Sequence[Listed]
    campaigns: int


def find_person(connection: Connection, number: str, who: Caller) -> FoundPerson:
    """Look the number up in every campaign that the caller may see, and note that in the audit.

    Not in campaigns whose erasure has begun. Raises Invalid unless it is one exact mobile number, TooOften
    for a caller who asks too often.
    """
    phone = one_mobile(number)
    require_few(connection, who.name)
    e = erasures.c
    erased = exists().where(e.kind == "campaign", e.subject_id == campaigns.c.id)
    query = select(campaigns.c.id).where(~erased).order_by(campaigns.c.id.desc())
    query = query if who.carrier is None else query.where(own_campaigns(who.carrier))
    ids = list(connection.execute(query).scalars())
    found = [
        each
        for begin in range(0, len(ids), _AT_ONCE)
        for each in _deliveries(connection, phone, ids[begin : begin + _AT_ONCE], who.carrier)
    ]
    tag = number_tag(connection, phone)
    details = {"tag": tag} if tag else {}
    audit.note(connection, who.name, ACTION, f"phone/{mask(phone)}", found=len(found), **details)
    return FoundPerson(mask(phone), found, _listed(connection, phone, who.carrier), len(ids))


def number_tag(connection: Connection, phone: int) -> str | None:
    """Return the keyed hash of a number in the audit: only who has number and secret_key can look for it."""
    return row_stamps.make(connection, f"{ACTION} {phone}".encode())


def require_few(connection: Connection, who: str) -> None:
    """Raise TooOften if the last question that may still count is too recent; the audit has them all."""
    a, now = acts.c, clock.now_ms()
    newest = connection.scalar(select(func.max(a.id))) or 0
    asked = select(a.at).where(a.id > newest - _NEWEST, a.who == who, a.action.in_((ACTION, READ)))
    for most, span_ms in ((A_MINUTE, 60_000), (A_DAY, 86_400_000)):
        last = asked.where(a.at > now - span_ms).order_by(a.id.desc()).offset(most - 1).limit(1)
        at = connection.scalar(last)
        if at is not None:
            seconds = math.ceil((at + span_ms - now) / 1000)
            raise TooOften(
                "You can look up {a_minute} people per minute and {a_day} per day. Try again in "
                "{seconds} seconds.",
                a_minute=A_MINUTE,
                a_day=A_DAY,
                seconds=seconds,
                retry_after_s=seconds,
            )


def _deliveries(
    connection: Connection, phone: int, ids: Sequence[int], carrier: str | None
) -> list[FoundDelivery]:
    """Ask by (campaign, phone), which is unique: an index of each campaign, whatever its size.

    Without joins, which PostgreSQL would plan for each partition.
    """
    d = deliveries.c
    columns = (d.campaign_id, d.run_id, d.batch_id, d.seq, d.state, d.reason, d.area, d.link_id)
    query = select(*columns, d.submitted_at, d.done_at).where(d.campaign_id.in_(ids), d.phone == phone)
    rows: list[Any] = [*connection.execute(query).all()]
    without = set(ids) - {row.campaign_id for row in rows}
    rows = sorted([*rows, *_left_out(connection, phone, without)], key=lambda row: -row.campaign_id)
    names = {row.id: row.name for row in connection.execute(select(links.c.id, links.c.name))}
    r = runs.c
    about = select(
        r.id, r.carrier, campaigns.c.name, campaigns.c.sender, campaigns.c.texts, campaigns.c.text_areas
    )
    about = about.join(campaigns, campaigns.c.id == r.campaign_id).where(
        r.id.in_({row.run_id for row in rows})
    )
    of: dict[int, Any] = {row.id: row for row in connection.execute(about)}
    return [
        _found(row, of[row.run_id], names.get(row.link_id))
        for row in rows
        if carrier in (None, of[row.run_id].carrier)
    ]


def _left_out(connection: Connection, phone: int, ids: Collection[int]) -> Iterator[Any]:
    """Yield the number's line in each campaign that left it out when it was queued, as a delivery's row.

    By the lines that were left out, which are few, since subscribers have no index by number. The reason is
    that of the queueing: the do-not-send list may have changed since.
    """
    o, s, b = left_out.c, subscribers.c, run_batches.c
    query = select(o.campaign_id, b.run_id, o.batch_id, o.seq, o.reason, s.area)
    query = query.join(subscribers, and_(s.batch_id == o.batch_id, s.seq == o.seq))
    query = query.join(run_batches, and_(b.campaign_id == o.campaign_id, b.batch_id == o.batch_id))
    query = query.where(o.campaign_id.in_(ids), s.phone == phone).order_by(o.batch_id)
    seen: set[int] = set()
    for row in connection.execute(query):
        if row.campaign_id not in seen:
            seen.add(row.campaign_id)
            nothing = {"link_id": None, "submitted_at": None, "done_at": None}
            yield SimpleNamespace(**row._mapping, state=int(DeliveryState.EXCLUDED), **nothing)


def _found(row: Any, run: Any, link: str | None) -> FoundDelivery:
    return FoundDelivery(
        campaign_id=row.campaign_id,
        campaign=run.name,
        run_id=row.run_id,
        carrier=run.carrier,
        batch_id=row.batch_id,
        line=row.seq,
        state=DeliveryState(row.state).name.lower(),
        reason=REASON_NAMES.get(row.reason),
        sender=run.sender,
        text=_text(row.area, run.texts, run.text_areas),
        link=link,
        submitted_at=_moment(row.submitted_at),
        done_at=_moment(row.done_at),
    )


def _text(area: str | None, texts: dict[str, str], areas: dict[str, list[str]]) -> str:
    """Return what the message said; before 0066 areas could have a text in another language."""
    own = (texts[language] for language, codes in areas.items() if area in covered(codes))
    return next(own, texts[""])


def _listed(connection: Connection, phone: int, carrier: str | None) -> list[Listed]:
    n = do_not_send.c
    query = select(n.carrier, n.added_at).where(n.phone == phone).order_by(n.carrier)
    if carrier is None:  # (carrier, phone) is the index
        known = connection.execute(select(n.carrier).distinct()).scalars().all()
        query = query.where(n.carrier.in_(known))
    else:
        query = query.where(n.carrier == carrier)
    return [
        Listed(row.carrier, clock.local(clock.from_ms(row.added_at))) for row in connection.execute(query)
    ]


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))
