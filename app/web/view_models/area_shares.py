"""Where the subscribers of a campaign are, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from app.campaigns.queries import Dossier
from app.core import areas, clock
from app.database.models import subscribers

MOST_UNASKED = 300_000  # counting a million subscribers takes half a second


@dataclass(frozen=True, slots=True)
class AreaShare:
    """Subscribers of one commune; name: None where no area is known."""

    name: str | None
    people: int
    share: float


def shares(connection: Connection, of: Dossier, *, counts: bool) -> list[AreaShare] | None:
    """Return the areas, those with most subscribers first; None if they are too many to count unasked."""
    own = [run for run in of.runs if not run.audience]
    if sum(run.subscribers for run in own) > MOST_UNASKED and not counts:
        return None
    found = _counted(connection, [each for run in own for each in run.batch_ids])
    total = found.total()
    ordered = sorted(found.items(), key=lambda each: (each[0] is None, -each[1], each[0] or ""))
    return [AreaShare(name, n, n / total) for name, n in ordered]


def _counted(connection: Connection, batch_ids: Sequence[int]) -> Counter[str | None]:
    s, today = subscribers.c, clock.local(clock.now()).date()
    found: Counter[str | None] = Counter()
    query = select(s.area, func.count()).where(s.batch_id.in_(batch_ids)).group_by(s.area)
    for code, n in connection.execute(query):
        placed = areas.place(code, today) if code else None
        found[areas.name(placed or code, today) if code else None] += n
    return found
