"""Retention of what holds no number, in months: totals of campaigns, notices, the audit's oldest acts.

Frozen reports, incoming documents and certificates belong to the agency's files: the program erases none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import BigInteger, Connection, Delete, Row, cast, delete, exists, func, select, text, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import SENT
from app.database.models import (
    approval_requests,
    audit,
    campaigns,
    erasures,
    kept_reach,
    notices,
    run_batches,
    runs,
    signing_keys,
    snapshots,
    tallies,
)
from app.privacy import erasable
from app.privacy.erasable import Erasable, ErasureKind, erased, in_pieces
from carriers.phrases import Phrase

_ROWS = 2000
_MAY_DELETE = text("SELECT has_table_privilege('audit', 'DELETE')")
_BY_OWNER = text("SELECT loa_erase_acts(:upto)")  # made by app/database/schema.py
_SHORTEST_MONTH_MS = 28 * DAY_MS
_PAUSE_MS = 30 * DAY_MS  # each cut of the audit is itself an act, so one a month at most


def subjects(connection: Connection, months: int, by_ms: int | None = None) -> Iterator[Erasable]:
    """Yield totals whose campaigns' numbers are erased (not if none is due by_ms), notices, the audit."""
    if by_ms is None or _old(connection, months, by_ms):
        yield from _all_totals(connection, months)
    yield from _notices(connection, months)
    yield from _acts(connection, months)


def _old(connection: Connection, months: int, by_ms: int) -> bool:
    """Return whether there are totals that can be due by then, counting the shortest months."""
    e = erasures.c
    over = e.due_at - cast(e.days, BigInteger) * DAY_MS <= by_ms - months * _SHORTEST_MONTH_MS
    gone = select(e.subject_id).where(e.kind == ErasureKind.TOTALS.value, e.ended_at.is_not(None))
    own = (e.kind == ErasureKind.CAMPAIGN.value, e.ended_at.is_not(None), over, e.subject_id.not_in(gone))
    return connection.execute(select(e.id).where(*own).limit(1)).first() is not None


def _all_totals(connection: Connection, months: int) -> Iterator[Erasable]:
    e = erasures.c
    numbers = select(erasures).where(e.kind == ErasureKind.CAMPAIGN.value, e.ended_at.is_not(None))
    rows = connection.execute(numbers.order_by(e.subject_id)).all()
    gone = erased(connection, ErasureKind.TOTALS, [row.subject_id for row in rows])
    since = {row.subject_id: row.due_at - row.days * DAY_MS for row in rows}
    for some in in_pieces([row for row in rows if row.subject_id not in gone]):
        together = _together(connection, [row.subject_id for row in some])
        yield from (_totals(row, together.get(row.subject_id, set()), since, months) for row in some)


def _together(connection: Connection, ids: Sequence[int]) -> dict[int, set[int]]:
    """Return which campaigns with numbers are under the directive of each of these."""
    c, under = campaigns.c, dict[int, set[int]]()
    own = select(c.id, c.directive_id).where(c.id.in_(ids), c.directive_id.is_not(None))
    letters = {row.id: row.directive_id for row in connection.execute(own)}
    same = select(c.id, c.directive_id).where(c.directive_id.in_(set(letters.values())))
    for row in connection.execute(same.where(c.id.in_(select(run_batches.c.campaign_id)))):
        under.setdefault(row.directive_id, set()).add(row.id)
    return {each: under.get(letter, set()) for each, letter in letters.items()}


def _totals(numbers: Row[Any], under: set[int], since: dict[int, int], months: int) -> Erasable:
    """Make totals due with those of the same directive, since one consolidated report covers them all.

    since: campaign -> the start of its numbers' term.
    """
    together = {numbers.subject_id, *under}
    found = Erasable(
        ErasureKind.TOTALS,
        numbers.subject_id,
        numbers.name,
        "",
        None,
        None,
        numbers.first_at,
        numbers.last_at,
        months,
    )
    if open_ := sorted(together - since.keys()):
        return _with(
            found,
            held=Phrase(
                "The numbers of campaign {campaign} under the same directive have not been erased.",
                campaign=open_[0],
            ),
        )
    rule = Phrase(erasable.TOTALS.en, months=months)
    return _with(found, rule=rule, due_at=clock.plus_months(max(since[each] for each in together), months))


def _with(subject: Erasable, **values: Any) -> Erasable:
    known = {name: getattr(subject, name) for name in Erasable.__slots__}
    return Erasable(**known | values)


def _notices(connection: Connection, months: int) -> Iterator[Erasable]:
    n = notices.c
    oldest: int | None = connection.execute(select(n.created_at).order_by(n.id).limit(1)).scalar()
    if oldest is not None:
        found = Erasable(ErasureKind.NOTICES, None, erasable.NOTICES.en, "", first_at=oldest, months=months)
        yield _monthly(connection, found, oldest)


def _monthly(connection: Connection, entry: Erasable, oldest: int) -> Erasable:
    """Make it due with the oldest row, but not within a month of the last time."""
    ended = select(func.max(erasures.c.ended_at)).where(erasures.c.kind == entry.kind.value)
    again = (connection.execute(ended).scalar() or 0) + _PAUSE_MS
    rule = Phrase(erasable.WRITTEN.en, months=entry.months)
    return _with(entry, rule=rule, due_at=max(clock.plus_months(oldest, entry.months or 0), again))


# ---- The audit: from its beginning, but never the last act, to which the next one is chained


def _acts(connection: Connection, months: int) -> Iterator[Erasable]:
    oldest = connection.execute(_oldest().limit(1)).first()
    if oldest is None:
        return
    found = Erasable(ErasureKind.AUDIT, None, erasable.ACTS.en, "", first_at=oldest.at, months=months)
    begun = _open_since(connection)
    if begun is not None and oldest.at >= begun:
        yield _with(
            found, held=("They are needed for the reports of a campaign whose numbers have not been erased.")
        )
        return
    yield _monthly(connection, found, oldest.at)


def _oldest() -> Any:
    last = select(func.max(audit.c.id)).scalar_subquery()
    return select(audit.c.id, audit.c.at, audit.c.hash).where(audit.c.id < last).order_by(audit.c.id)


def _open_since(connection: Connection) -> int | None:
    """Return the first start of a run that still has rows: the audit has its pauses and resends."""
    e = erasures.c
    gone = select(e.subject_id).where(e.kind == ErasureKind.CAMPAIGN.value, e.ended_at.is_not(None))
    query = select(func.min(runs.c.started_at)).where(runs.c.campaign_id.not_in(gone))
    at: int | None = connection.execute(query).scalar()
    return at


# ---- Erasing


def erase_totals(connection: Connection, campaign_id: int) -> dict[str, int]:
    """Erase the tallies of one batch, then the kept reports; return rows by table, {} once all are gone."""
    t = tallies.c
    _note_sent(connection, campaign_id)
    run_ids = select(runs.c.id).where(runs.c.campaign_id == campaign_id)
    first = select(t.run_id, t.batch_id).where(t.run_id.in_(run_ids)).limit(1)
    if row := connection.execute(first).first():
        some = delete(tallies).where(t.run_id == row.run_id, t.batch_id == row.batch_id)
        return {"tallies": connection.execute(some).rowcount}
    kept = delete(snapshots).where(snapshots.c.kind == "run", snapshots.c.subject_id.in_(run_ids))
    if n := connection.execute(kept).rowcount + connection.execute(_of_letter(campaign_id)).rowcount:
        return {"snapshots": n}
    n = connection.execute(delete(kept_reach).where(kept_reach.c.campaign_id == campaign_id)).rowcount
    return {"kept_reach": n} if n else {}


def _of_letter(campaign_id: int) -> Delete:
    """Delete the snapshots of the campaign's directive once no campaign under it has totals."""
    c = campaigns.c
    letter = select(c.directive_id).where(c.id == campaign_id).scalar_subquery()
    under = select(runs.c.id).join(campaigns, c.id == runs.c.campaign_id).where(c.directive_id == letter)
    left = exists().where(tallies.c.run_id.in_(under))
    return delete(snapshots).where(snapshots.c.kind == "directive", snapshots.c.subject_id == letter, ~left)


def _note_sent(connection: Connection, campaign_id: int) -> None:
    """Note once, before the first tally goes, which runs sent anything: /verify is told by it."""
    r, t = runs.c, tallies.c
    sent = exists().where(t.run_id == r.id, t.state.in_(SENT), t.n > 0)
    mine = update(runs).where(r.campaign_id == campaign_id, r.any_sent.is_(None))
    connection.execute(mine.values(any_sent=sent))


def erase_notices(connection: Connection, erasure: Row[Any]) -> dict[str, int]:
    """Erase the next notices whose months were over when the erasure `erasure` began."""
    n = notices.c
    oldest = connection.execute(select(n.id, n.created_at).order_by(n.id).limit(_ROWS))
    over = list(
        takewhile(lambda row: clock.plus_months(row.created_at, erasure.months) <= erasure.started_at, oldest)
    )
    if not over:
        return {}
    connection.execute(delete(notices).where(n.id <= over[-1].id))
    return {"notices": len(over)}


def _delete_acts(connection: Connection, last: int) -> None:
    """Delete acts, by the owner's function if our account may not: that deletes only old ones."""
    if connection.dialect.name == "postgresql" and not connection.execute(_MAY_DELETE).scalar():
        connection.execute(_BY_OWNER, {"upto": last})
    else:
        connection.execute(delete(audit).where(audit.c.id <= last))
    kept = select(signing_keys.c.request_id)  # a key in force counts by its request
    old = approval_requests.c.id <= last, approval_requests.c.id.not_in(kept)
    connection.execute(delete(approval_requests).where(*old))


def erase_acts(connection: Connection, erasure: Row[Any]) -> dict[str, int]:
    """Erase the next acts whose months were over when the erasure `erasure` began, and move its anchor."""
    begun = _open_since(connection)

    def over(act: Row[Any]) -> bool:
        still_reported = begun is not None and act.at >= begun
        return clock.plus_months(act.at, erasure.months) <= erasure.started_at and not still_reported

    acts = list(takewhile(over, connection.execute(_oldest().limit(_ROWS))))
    if not acts:
        return {}
    last = acts[-1]
    _delete_acts(connection, last.id)
    moved = {"anchor": f"{last.id}:{last.hash}", "last_at": last.at}
    connection.execute(update(erasures).where(erasures.c.id == erasure.id).values(moved))
    return {"audit": len(acts)}
