"""Find what a result file does not name: each run's sent messages without a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from app.core.states import SENT, DeliveryState
from app.database.models import deliveries, receipt_lines, runs
from app.receipts.result_files.match_deliveries import HANDED_OVER, RunKey
from app.receipts.result_files.verdicts import ResultVerdict

_CLOCKS_MS = 600_000  # the carrier's clock may be behind ours, and its times lack seconds
_D = deliveries.c


def count(connection: Connection, file: Row[Any]) -> list[dict[str, int]]:
    """Return for each run of the file: sent = rejected + named + missing + later, in messages.

    sent: as in the run's report; rejected: refused at once; named: some line is about it; later: handed over
    after the file's last time, so that it can't have a line; missing: all others.
    """
    return [_count(connection, file, run) for run in _runs(connection, file)]


def page(
    connection: Connection, file: Row[Any], run: Mapping[str, int], after: int, limit: int
) -> tuple[list[Any], int | None]:
    """Return a run's messages missing in the file with numbers above `after`, and the next `after` or None.

    An empty page may have others after it.
    """
    c = _D
    own = (c.campaign_id == run["campaign_id"], c.run_id == run["run_id"], c.state.in_(HANDED_OVER))
    query = select(c.campaign_id, c.batch_id, c.seq, c.phone, c.state, c.submitted_at)
    rows = connection.execute(query.where(*own, c.phone > after, ~_late(file)).order_by(c.phone).limit(limit))
    found = list(rows)
    if not found:
        return [], None
    line = receipt_lines.c
    named = select(line.campaign_id, line.batch_id, line.seq).where(line.file_id == file.id)
    named = named.where(line.phone.between(found[0].phone, found[-1].phone), line.campaign_id.is_not(None))
    keys = {tuple(row) for row in connection.execute(named)}
    return [row for row in found if tuple(row)[:3] not in keys], found[-1].phone


def _runs(connection: Connection, file: Row[Any]) -> list[RunKey]:
    """Return the run of the named campaign, or those that some line is about."""
    r, line = runs.c, receipt_lines.c
    query = select(r.campaign_id, r.id).where(r.carrier == file.carrier).order_by(r.id)
    spoken_of = select(line.campaign_id).where(line.file_id == file.id, line.campaign_id.is_not(None))
    known = [file.campaign_id] if file.campaign_id is not None else spoken_of.distinct()
    return [RunKey(*row) for row in connection.execute(query.where(r.campaign_id.in_(known)))]


def _count(connection: Connection, file: Row[Any], run: RunKey) -> dict[str, int]:
    """Subtract lines from messages: each message has only one line that is not REPEATED."""
    line = receipt_lines.c
    key = (line.campaign_id == _D.campaign_id, line.batch_id == _D.batch_id, line.seq == _D.seq)
    spoken_of = select(*_kinds(file)).join(receipt_lines, and_(*key))
    spoken_of = spoken_of.where(line.file_id == file.id, line.verdict != ResultVerdict.REPEATED.value)
    named = _by_kind(connection, spoken_of, run)
    sent = _by_kind(connection, select(*_kinds(file)), run)
    in_time, late = ((False, False), (False, True))
    return {
        "run_id": run.run_id,
        "campaign_id": run.campaign_id,
        "sent": sum(sent.values()),
        "rejected": sum(n for (rejected, _), n in sent.items() if rejected),
        "named": named[in_time] + named[late],
        "missing": sent[in_time] - named[in_time],
        "later": sent[late] - named[late],
    }


def _kinds(file: Row[Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whether a message was refused at once, and whether it was handed over after the file's times."""
    return (_D.state == DeliveryState.REJECTED).label("rejected"), _late(file).label("late")


def _late(file: Row[Any]) -> ColumnElement[bool]:
    latest = 2**62 if file.last_at is None else file.last_at + _CLOCKS_MS
    return func.coalesce(_D.submitted_at, 0) > latest


def _by_kind(
    connection: Connection, kinds: Select[*tuple[bool, bool]], run: RunKey
) -> Counter[tuple[bool, bool]]:
    own = (_D.campaign_id == run.campaign_id, _D.run_id == run.run_id, _D.state.in_(SENT))
    each = kinds.where(*own).subquery()
    rows = connection.execute(select(*each.c, func.count()).group_by(*each.c))
    return Counter({(bool(row.rejected), bool(row.late)): row[2] for row in rows})
