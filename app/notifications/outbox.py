"""Transactional outbox: enqueued in the caller's transaction, sent once by who holds the job of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select, update

from app.core import clock
from app.database.connection import keys_of
from app.database.engines import insert_new
from app.database.models import notices
from app.observability import faults
from app.security import row_stamps
from carriers.phrases import Phrase

# Pauses after each failure in seconds, about four days in total; then a person must look.
WAITS = (30.0, 120.0, 600.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0, 48 * 3600.0)
JOB = "notices"  # the kind of the one job of those who send
_AT_ONCE = 10
_ERROR_LENGTH = 500
_NOT_OURS = (
    "This notice was created or changed outside Loa, so it is not sent. Check who has write access "
    "to the database."
)
_NO_CHANNEL = "This version of Loa has no notification channel “{channel}”, so this notice is not sent."


class NotificationChannel(StrEnum):
    """How a notice is sent."""

    EMAIL = "email"  # target: an address; payload: subject, text and files (their text by name)
    WEBHOOK = "webhook"  # target: the endpoint's name in the settings; payload: type, timestamp and data


class NoticeState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # refused for good, or tried too often


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. key: content and recipient in 200 characters; duplicates of a key are dropped."""

    key: str
    kind: str
    channel: NotificationChannel
    target: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A notice to be sent now; tries: previous failures."""

    id: int
    due_at: int
    notice: Notice
    tries: int


@dataclass(frozen=True, slots=True)
class Sent:
    """Accepted by the other side."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not accepted now; `after_s`: earliest retry, if the other side states one."""

    reason: str
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Never:
    """Refused for good."""

    reason: str


Outcome = Sent | Later | Never


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as listed, without its content."""

    id: int
    kind: str
    channel: str
    target: str
    state: NoticeState
    tries: int
    error: str | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None


def put(connection: Connection, new: Iterable[Notice]) -> int:
    """Enqueue notices, dropping those with a known key; return how many are new."""
    now = clock.now_ms()
    rows = [
        {
            "key": each.key,
            "kind": each.kind,
            "channel": str(each.channel),
            "target": each.target,
            "payload": each.payload,
            "state": str(NoticeState.WAITING),
            "due_at": now,
            "created_at": now,
            "stamp": row_stamps.make(connection, _content(each)),
        }
        for each in new
    ]
    statement = insert_new(connection, notices).returning(notices.c.id)
    return sum(connection.execute(statement.values(row)).first() is not None for row in rows)


def unknown(connection: Connection, new: Sequence[Notice]) -> bool:
    """Return whether any of these is not in the outbox yet, without writing."""
    keys = {each.key for each in new}
    known = select(func.count()).where(notices.c.key.in_(keys))
    return bool(keys) and connection.execute(known).scalar_one() < len(keys)


def next_due(connection: Connection) -> DueNotice | None:
    """Return the notice that is to be sent next; None if none is due.

    What Loa has not written is not sent, and is shown as a fault.
    """
    n = notices.c
    query = select(notices).where(n.state == NoticeState.WAITING.value, n.due_at <= clock.now_ms())
    for row in connection.execute(query.order_by(n.due_at).limit(_AT_ONCE)).all():
        if row.channel not in list(NotificationChannel):
            _refuse(connection, row.id, Phrase(_NO_CHANNEL, channel=row.channel))
        elif row_stamps.holds(connection, _content(_notice(row)), row.stamp):
            return DueNotice(row.id, row.due_at, _notice(row), row.tries)
        else:
            _refuse(connection, row.id, _NOT_OURS)
    return None


def _refuse(connection: Connection, notice_id: int, reason: str) -> None:
    failed = {"state": str(NoticeState.FAILED), "error": reason}
    connection.execute(update(notices).where(notices.c.id == notice_id).values(failed))
    faults.record(connection, "notices", f"notice {notice_id}", reason)


def adopt(connection: Connection) -> None:
    """Stamp the notices that wait, in the migration that introduces stamps."""
    n = notices.c
    waiting = (
        n.stamp.is_(None),
        n.state == NoticeState.WAITING.value,
        n.channel.in_([str(each) for each in NotificationChannel]),
    )
    for row in connection.execute(select(notices).where(*waiting)).all() if keys_of(connection) else ():
        stamp = row_stamps.make(connection, _content(_notice(row)))
        connection.execute(update(notices).where(notices.c.id == row.id).values(stamp=stamp))


def _content(notice: Notice) -> bytes:
    return b"notice " + row_stamps.canonical(asdict(notice))


def _notice(row: Any) -> Notice:
    return Notice(row.key, row.kind, NotificationChannel(row.channel), row.target, row.payload)


def record_outcome(
    connection: Connection, notice: DueNotice, outcome: Outcome, waits: Sequence[float] = WAITS
) -> None:
    """Record the outcome, unless another process has sent the notice, or it was replayed meanwhile."""
    now, n = clock.now_ms(), notices.c
    own = (
        n.id == notice.id,
        n.state == NoticeState.WAITING.value,
        n.due_at == notice.due_at,
        n.tries == notice.tries,
    )
    match outcome:
        case Sent():
            values: dict[str, Any] = {"state": str(NoticeState.SENT), "sent_at": now, "error": None}
        case Later(reason, after_s) if notice.tries < len(waits):
            wait = max(waits[notice.tries], after_s)
            values = {
                "due_at": now + round(wait * 1000),
                "tries": notice.tries + 1,
                "error": reason[:_ERROR_LENGTH],
            }
        case Later(reason) | Never(reason):
            values = {
                "state": str(NoticeState.FAILED),
                "tries": notice.tries + 1,
                "error": reason[:_ERROR_LENGTH],
            }
    connection.execute(update(notices).where(*own).values(values))
