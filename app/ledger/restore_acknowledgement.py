"""After a restore nothing new is sent until a person says that what persons had asked for is there again.

A backup knows neither the do-not-send entries nor the answered requests of after it: who was erased or has
objected since would be written to.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from app.core.errors import Conflict
from app.database.models import audit as acts
from app.security import audit

RESTORED, ENTERED = "database.restored", "database.entered-again"
LISTS = "lists"  # in the detail of RESTORED: whether lists and requests are to be entered again
AWAITED = (
    "The database was restored to an earlier state. Enter again what has been added since to "
    "do-not-send lists and personal data requests, then run `loa database entered-again`. Until "
    "then no run can start or resume, and no unknown message can be followed up."
)


def restored_at(connection: Connection) -> int:
    """Return when the database was last put back, losing what came after; 0 for never. Ms since 1970.

    What a round sent meanwhile to people whose message was rejected, this database does not know.
    """
    a = acts.c
    query = select(a.detail, a.at).where(a.subject == "database", a.action == RESTORED)
    act = connection.execute(query.order_by(a.id.desc()).limit(1)).first()
    return int(act.detail.get("at", act.at)) if act else 0  # older acts have the host's clock alone


def is_awaited(connection: Connection) -> bool:
    """Return whether nobody has said since the last restore that lists and requests were entered again."""
    a = acts.c
    query = select(a.action, a.detail).where(a.subject == "database", a.action.in_((RESTORED, ENTERED)))
    last = connection.execute(query.order_by(a.id.desc()).limit(1)).first()
    # A restore by an older Loa asked for nothing.
    return last is not None and last.action == RESTORED and bool(last.detail.get(LISTS))


def require_entered(connection: Connection) -> None:
    """Raise Conflict while it is awaited."""
    if is_awaited(connection):
        raise Conflict(AWAITED)


def enter(connection: Connection, who: str) -> bool:
    """Record a person's word; return whether it was awaited. Saying it again changes nothing."""
    awaited = is_awaited(connection)
    if awaited:
        audit.note(connection, who, ENTERED, "database")
    return awaited
