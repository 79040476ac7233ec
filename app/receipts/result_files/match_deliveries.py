"""Match the lines of a result file to deliveries by number, carrier, campaign and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, case, or_, select

from app.core.clock import DAY_MS
from app.core.states import SENT, DeliveryState, DeliveryStatus, RunState
from app.database.models import deliveries, receipt_lines, runs, submissions
from app.ledger.contract import DeliveryKey
from app.ledger.receipt_matching import bears_one_of, sent_after
from app.receipts.result_files.verdicts import ResultVerdict

# States of what the carrier has or may have, so that its file can be about it.
HANDED_OVER = tuple(state for state in SENT if state is not DeliveryState.REJECTED)
# A carrier tries for two or three days, and may give the day without the hour.
_LONGEST_MS = 5 * DAY_MS
_LONGEST_ID = 128
_EARLY_MS = DAY_MS


class ResultLine(NamedTuple):
    """One line that could be read; see receipt_lines."""

    line: int
    phone: int
    done_at: int | None
    status: str
    reason: int
    said: str
    code: str | None
    reference: str | None


class Candidate(NamedTuple):
    """A delivery to a line's number by a run of the file's carrier, in its present state."""

    campaign_id: int
    batch_id: int
    seq: int
    phone: int
    link_id: int | None
    submitted_at: int | None
    state: int
    reason: int
    parts: int
    delivered: int
    relayed: int
    failed: int
    sent_after: int = 0  # only for an unknown one: it was not sent before this time (ms)

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(self.campaign_id, self.batch_id, self.seq)

    @property
    def standing(self) -> DeliveryStatus:
        return DeliveryStatus(self.state, self.reason, self.parts, self.delivered, self.relayed, self.failed)


class RunKey(NamedTuple):
    """A run that the file may be about."""

    campaign_id: int
    run_id: int


def runs_of(connection: Connection, file: Row[Any]) -> list[RunKey]:
    """Return the carrier's runs that the file may be about: its campaign's, or those around its times."""
    r = runs.c
    query = select(r.campaign_id, r.id).where(r.carrier == file.carrier).order_by(r.campaign_id)
    if file.campaign_id is not None:
        query = query.where(r.campaign_id == file.campaign_id)
    else:
        query = query.where(r.state != RunState.PLANNED.value)
        if file.first_at is not None:
            query = query.where(or_(r.ended_at.is_(None), r.ended_at >= file.first_at - _LONGEST_MS))
            query = query.where(or_(r.started_at.is_(None), r.started_at <= file.last_at + _EARLY_MS))
    return [RunKey(*row) for row in connection.execute(query)]


def candidates(
    connection: Connection, among: Sequence[RunKey], file_id: int, span: tuple[int, int]
) -> dict[int, set[Candidate]]:
    """Return by number the runs' deliveries to the file's numbers from `span[0]` to `span[1]`.

    The outer join goes from lines to deliveries: the other way round SQLite, which has no statistics, would
    read a whole campaign for a few numbers.
    """
    d, line = deliveries.c, receipt_lines.c
    own_columns = (d[name] for name in Candidate._fields[:-1])
    unknown = d.state == DeliveryState.UNKNOWN
    since = case((unknown, sent_after(d)), else_=0)
    query = select(*own_columns, since)
    query = query.where(line.file_id == file_id, line.phone.between(*span))
    found: defaultdict[int, set[Candidate]] = defaultdict(set)
    for run in among:
        own = and_(d.campaign_id == run.campaign_id, d.phone == line.phone, d.run_id == run.run_id)
        for row in connection.execute(query.select_from(receipt_lines.outerjoin(deliveries, own))):
            if row.phone is not None:
                found[row.phone].add(Candidate._make(row))
    return found


def choose(
    connection: Connection, line: ResultLine, among: Collection[Candidate], *, named: bool
) -> Candidate | ResultVerdict:
    """Return the one delivery that the line can mean, or why there is none; `named`: its campaign was named.

    UNSENT has no delivery: nothing is ever applied to what was not handed over.
    """
    near = [each for each in among if _fits(line, each, named=named)]
    handed = [each for each in near if each.state in HANDED_OVER]
    if len(handed) > 1 and line.reference:
        handed = _by_reference(connection, line.reference, handed) or handed
    if len(handed) == 1:
        return handed[0]
    if handed:
        return ResultVerdict.AMBIGUOUS
    return ResultVerdict.UNSENT if near else ResultVerdict.UNKNOWN


def _fits(line: ResultLine, candidate: Candidate, *, named: bool) -> bool:
    """Return whether the line's time, if it has one, lies around that of the message."""
    at, sent = line.done_at, candidate.submitted_at
    if at is None or sent is None:
        return True
    # An unknown message became so after it was sent, but it was not sent before its chunk was claimed.
    first = candidate.sent_after if candidate.state == DeliveryState.UNKNOWN else sent
    return first <= at + _EARLY_MS and (named or at <= sent + _LONGEST_MS)


def _by_reference(connection: Connection, reference: str, among: Sequence[Candidate]) -> list[Candidate]:
    """Return those whose reference, or our own message key, is the line's."""
    s = submissions.c
    own = [each for each in among if f"-{each.batch_id}-{each.seq}-" in reference]
    if own:
        return own
    campaigns = sorted({each.campaign_id for each in among})
    query = select(s.campaign_id, s.batch_id, s.seq)
    query = query.where(bears_one_of(connection, _spellings(reference)), s.campaign_id.in_(campaigns))
    keys = {tuple(row) for row in connection.execute(query)}
    return [each for each in among if each.key in keys]


def _spellings(reference: str) -> set[str]:
    """Return the ID as the file writes it and as SMPP links store it, decimal or hexadecimal."""
    text = reference.strip()
    found = {reference, text, text.lower().lstrip("0") or "0"}
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID:
        found.add(format(int(text), "x"))
    return found
