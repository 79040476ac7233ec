"""What persons ask about their own data: recorded with the day it came and the day by which to answer."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from app.core import clock
from app.core.errors import Conflict, Invalid, no_such
from app.core.masking import mask_written
from app.core.phone import mask, one_mobile
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time
from app.database.listing import ListColumns, ListPart, ListRequest, part
from app.database.models import person_requests
from app.database.records import from_row
from app.security import audit, audit_chain, row_stamps

ANSWER_DAYS = 2  # working days for an answer (Nghị định 356/2025/NĐ-CP)
OLDEST = timedelta(days=366)  # a request that came earlier is mistyped
SUBJECT = "person-request"  # in the audit, and in seals
ANSWERED = "person-request.answer"
_R = person_requests.c


class RequestKind(StrEnum):
    """What a person asks for. Values are stored."""

    SEE = "see"  # what is held on their number
    ERASE = "erase"
    RESTRICT = "restrict"  # that nothing more is done with it
    OBJECT = "object"  # to being written to


class RequestOutcome(StrEnum):
    """How a request was answered. Values are stored."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class NewPersonRequest:
    """A request to record. phone: in any usual spelling; reference: how it came, as a letter's number."""

    phone: str
    kind: RequestKind
    came_on: date
    reference: str


@dataclass(frozen=True, slots=True)
class PersonRequest:
    """A request, its number masked. overdue: open, and due_on is over; outcome: null while it is open.

    paper: for who asked, in Vietnamese, "" while it is open and in lists; sha256, seal: over it; intact:
    whether they still fit.
    """

    id: int
    kind: RequestKind
    phone: str
    came_on: date
    due_on: date
    overdue: bool
    reference: str
    recorded_at: datetime
    recorded_by: str
    outcome: RequestOutcome | None
    answered_at: datetime | None
    answered_by: str | None
    answer: str | None
    sha256: str | None
    seal: str | None
    intact: bool
    paper: str = ""


def record(
    connection: Connection, request: NewPersonRequest, who: str, holidays: Collection[date] = ()
) -> PersonRequest:
    """Record a request. The same again, while it is open, is the one that is there."""
    phone = one_mobile(request.phone)
    today = clock.local(clock.now()).date()
    if request.came_on > today:
        raise Invalid("The request cannot have arrived after today. Check the date.", field="came_on")
    if request.came_on < today - OLDEST:
        raise Invalid("The request arrived more than a year ago. Check the date.", field="came_on")
    one_at_a_time(connection, AdvisoryLock.PERSON_REQUEST)
    same = (_R.phone == phone, _R.kind == request.kind.value, _R.outcome.is_(None))
    known = connection.execute(select(person_requests).where(*same)).first()
    reference = mask_written(request.reference)[:200]
    if known is not None and (known.came_on, known.reference) == (request.came_on.toordinal(), reference):
        return _shown(connection, known)
    if known is not None:
        raise Conflict(
            "Request {known} of the same kind for this number is still open (“{reference}”). "
            "Answer that one, and mention the later letter in the answer.",
            known=known.id,
            reference=known.reference,
        )
    due = working_days_after(request.came_on, ANSWER_DAYS, holidays)
    row = {"kind": request.kind.value, "phone": phone, "masked": mask(phone), "recorded_by": who[:80]}
    row |= {"came_on": request.came_on.toordinal(), "due_on": due.toordinal()}
    row |= {"reference": reference, "recorded_at": clock.now_ms()}
    made = int(connection.execute(insert(person_requests).values(row).returning(_R.id)).scalar_one())
    details = {"kind": request.kind.value, "came_on": request.came_on.isoformat(), "due_on": due.isoformat()}
    audit.note(connection, who, "person-request.record", f"{SUBJECT}/{made}", **details)
    return get(connection, made)


def held(connection: Connection, number: int) -> Row[Any]:
    """Return the row to answer, which nobody else answers meanwhile."""
    one_at_a_time(connection, AdvisoryLock.PERSON_REQUEST)
    return row_of(connection, number)


def row_of(connection: Connection, number: int) -> Row[Any]:
    row = connection.execute(select(person_requests).where(_R.id == number)).first()
    if row is None:
        raise no_such("request", number)
    return row


def get(connection: Connection, number: int) -> PersonRequest:
    """Return a request with its paper. Raises NotFound."""
    return _shown(connection, row_of(connection, number), paper=True)


ORDERS = {"came": _R.came_on, "due": _R.due_on}


def listed(
    connection: Connection, request: ListRequest | int, limit: int, *, open_only: bool = False
) -> ListPart[PersonRequest]:
    columns = ListColumns(_R.id, _R.recorded_at, names=[_R.reference], orders=ORDERS)
    found = part(connection, _query(open_only), columns, request, limit)
    return found.of(lambda row: _shown(connection, row))


def open_ones(connection: Connection, limit: int) -> Sequence[PersonRequest]:
    """Return those that are open, the first to be answered first."""
    query = _query(open_only=True).order_by(_R.due_on, _R.id).limit(limit)
    return [_shown(connection, row) for row in connection.execute(query)]


def stamp(connection: Connection, number: int, paper: str) -> tuple[str, str | None]:
    """Return the paper's SHA-256, and its seal by the key, None without one."""
    seal = row_stamps.make(connection, _sealed(number, paper))
    return hashlib.sha256(paper.encode()).hexdigest(), seal


def _sealed(number: int, paper: str) -> bytes:
    return f"{SUBJECT} {number} {paper}".encode()


def _query(open_only: bool) -> Select[Any]:
    query = select(person_requests)
    return query.where(_R.outcome.is_(None)) if open_only else query


def _shown(connection: Connection, row: Row[Any], *, paper: bool = False) -> PersonRequest:
    due = date.fromordinal(row.due_on)
    return from_row(
        PersonRequest,
        row,
        phone=row.masked,
        came_on=date.fromordinal(row.came_on),
        due_on=due,
        overdue=row.outcome is None and due < clock.local(clock.now()).date(),
        intact=row.paper is None or _is_intact(connection, row),
        paper=(row.paper or "") if paper else "",
    )


def _is_intact(connection: Connection, row: Row[Any]) -> bool:
    """Return whether the paper is as it was written: its digest stands in the sealed act of the audit.

    Not by the paper's own seal: that is printed, and of a key that may have been changed twice since.
    """
    if hashlib.sha256(row.paper.encode()).hexdigest() != row.sha256:
        return False
    place = (f"{SUBJECT}/{row.id}", ANSWERED)
    return audit_chain.is_on_record(connection, place, {"sha256": row.sha256}, row.answered_at)


# Holidays that have the same day each year (Bộ luật Lao động 2019, Điều 112). Tet, the Hung Kings' day, the
# second day of the National Day and days off in lieu are announced each year: the setting `holidays`.
_EACH_YEAR = frozenset({(1, 1), (4, 30), (5, 1), (9, 2)})
_SATURDAY = 5


def is_working_day(day: date, holidays: Collection[date] = ()) -> bool:
    return day.weekday() < _SATURDAY and (day.month, day.day) not in _EACH_YEAR and day not in holidays


def working_days_after(day: date, count: int, holidays: Collection[date] = ()) -> date:
    """Return the last of `count` working days after this day, which itself does not count."""
    while count:
        day += timedelta(days=1)
        count -= is_working_day(day, holidays)
    return day
