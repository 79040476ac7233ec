"""The deadlines that a directive had: who put it off, why, and which one held at a past moment.

The audit holds them, sealed, so that a report frozen under an earlier deadline is proved by that one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from app.core import clock
from app.database.models import audit as acts
from app.database.models import directives
from app.security import audit, kept_rows

ACTION = "directive.deadline"


@dataclass(frozen=True, slots=True)
class DeadlineChange:
    """One change of a directive's report deadline; None: there was, or is, no deadline."""

    before: datetime | None
    after: datetime | None
    reason: str
    by: str
    at: datetime


def note(
    connection: Connection, directive_id: int, times: tuple[int | None, int | None], reason: str, who: str
) -> None:
    """Record a change of the deadline from one time to another (ms since 1970)."""
    before, after = times
    about = f"directive/{directive_id}"
    kept = kept_rows.kept(connection, directives, directives.c.id == directive_id)
    audit.note(connection, who, ACTION, about, before=before, after=after, reason=reason, kept=kept)


def changes(connection: Connection, directive_ids: Collection[int]) -> dict[int, list[DeadlineChange]]:
    """Return the changes of each directive that has any, in order."""
    subjects = [f"directive/{each}" for each in directive_ids]
    query = select(acts.c.subject, acts.c.who, acts.c.at, acts.c.detail).where(
        acts.c.subject.in_(subjects), acts.c.action == ACTION
    )
    found: dict[int, list[DeadlineChange]] = {}
    for row in connection.execute(query.order_by(acts.c.id)):
        found.setdefault(int(row.subject.partition("/")[2]), []).append(_change(row))
    return found


def _change(row: Any) -> DeadlineChange:
    before, after = (
        None if row.detail[name] is None else clock.local(clock.from_ms(row.detail[name]))
        for name in ("before", "after")
    )
    return DeadlineChange(before, after, row.detail["reason"], row.who, clock.local(clock.from_ms(row.at)))


def held_at(connection: Connection, directive_id: int, present_ms: int | None, at_ms: int) -> int | None:
    """Return the deadline (ms since 1970) that held at a moment; `present_ms`: the one that holds now."""
    found = changes(connection, [directive_id]).get(directive_id, ())
    first = next((each for each in found if clock.to_ms(each.at) > at_ms), None)
    if first is None:
        return present_ms
    return None if first.before is None else clock.to_ms(first.before)
