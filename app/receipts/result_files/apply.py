"""Apply the lines of some numbers through the ledger, with a verdict for each line by app/core/states.py."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, select

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import RECEIVED, DeliveryState, DeliveryStatus, apply_receipt
from app.database.models import links
from app.ledger.contract import Applied, Arrival, DeliveryKey, Link
from app.ledger.ledger import Ledger
from app.receipts.result_files.match_deliveries import Candidate, ResultLine, RunKey, candidates, choose
from app.receipts.result_files.verdicts import ResultVerdict
from carriers.contract import Reason, Receipt, ReceiptLevel, ReceiptStatus


class Moved(DatabaseUnavailable):
    """Another receipt moved a delivery between our reading and its lock: read again."""

    def __init__(self) -> None:
        super().__init__(
            "Receipts for numbers of the file came at the same moment; nothing was changed, try again."
        )


class LineVerdict(NamedTuple):
    """The verdict on one line, and the delivery that it is about."""

    line: int
    verdict: ResultVerdict
    key: DeliveryKey | None


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file: what it may be about, and what it proves."""

    file_id: int
    runs: Sequence[RunKey]
    named: bool  # its campaign was named
    level: ReceiptLevel | None  # as claimed; None: that of each link's own receipts
    links: Mapping[int, tuple[Link, ReceiptLevel]]  # the carrier's links by ID, their receipts' level


@dataclass(slots=True)
class _Work:
    """What is to be applied for some numbers, and the states it should lead to."""

    verdicts: list[LineVerdict] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    expected: dict[DeliveryKey, DeliveryStatus] = field(default_factory=dict)
    changes: int = 0


def links_of(connection: Connection, carrier: str) -> dict[int, tuple[Link, ReceiptLevel]]:
    """Return the carrier's links, each with the level its receipts prove, or operator level if none."""
    c = links.c
    query = select(c.id, c.name, c.carrier, c.group_id, c.one_receipt, c.receipt_level)
    rows = connection.execute(query.where(c.carrier == carrier).order_by(c.id))
    return {
        row.id: (Link(*row[:5]), ReceiptLevel(row.receipt_level or ReceiptLevel.OPERATOR)) for row in rows
    }


def apply_lines(
    connection: Connection, ledger: Ledger, source: ResultFile, lines: Sequence[ResultLine]
) -> tuple[list[LineVerdict], Applied]:
    """Judge and apply all lines of some numbers. Raises Moved, to run again, if a delivery has moved."""
    work = _judge_all(connection, source, lines)
    applied = ledger.apply(connection, work.arrivals) if work.arrivals else Applied()
    # Read again: the rows are locked now.
    now = {one.key: one.standing for same in _candidates(connection, source, lines).values() for one in same}
    if (
        applied.quarantined
        or applied.changed != work.changes
        or any(now[key] != then for key, then in work.expected.items())
    ):
        raise Moved
    return work.verdicts, applied


def counted(verdicts: Iterable[LineVerdict]) -> Counter[str]:
    return Counter(each.verdict.value for each in verdicts)


def _candidates(
    connection: Connection, source: ResultFile, lines: Sequence[ResultLine]
) -> dict[int, set[Candidate]]:
    phones = [line.phone for line in lines]
    return candidates(connection, source.runs, source.file_id, (min(phones), max(phones)))


def _judge_all(connection: Connection, source: ResultFile, lines: Sequence[ResultLine]) -> _Work:
    found = _candidates(connection, source, lines)
    meant: defaultdict[Candidate, list[ResultLine]] = defaultdict(list)
    work = _Work()
    for line in lines:
        one = choose(connection, line, found.get(line.phone, ()), named=source.named)
        if isinstance(one, Candidate):
            meant[one].append(line)
        else:
            work.verdicts.append(LineVerdict(line.line, one, None))
    for one, same in meant.items():
        _judge(work, source, one, same)
    return work


def _judge(work: _Work, source: ResultFile, one: Candidate, lines: Sequence[ResultLine]) -> None:
    line = last(lines, one)
    link, own_level = source.links.get(one.link_id or 0) or next(iter(source.links.values()))
    level = source.level or own_level
    then = after(line, one.standing, level)
    work.verdicts += [
        LineVerdict(each.line, ResultVerdict.REPEATED, one.key) for each in lines if each is not line
    ]
    work.verdicts.append(LineVerdict(line.line, verdict(line, one, then), one.key))
    if of_earlier_sending(line, one):
        return
    work.arrivals.append(Arrival(link, _receipt(source.file_id, line, level), one.key))
    work.expected[one.key] = then
    work.changes += then != one.standing


def _receipt(file_id: int, line: ResultLine, level: ReceiptLevel) -> Receipt:
    return Receipt(
        reference=None,
        phone=str(line.phone),
        status=ReceiptStatus(line.status),
        level=level,
        reason=Reason(line.reason),
        code=line.code or "",
        done_at=None if line.done_at is None else clock.from_ms(line.done_at),
        raw=f"file {file_id}, line {line.line}: {line.said}",
    )


_NOTHING_FINAL = (ReceiptStatus.IN_TRANSIT, ReceiptStatus.UNKNOWN)


def last(lines: Sequence[ResultLine], one: Candidate) -> ResultLine:
    """Return the line of a message that counts: the latest by its time, then by its place in the file.

    Those of an earlier sending count only if there is no other.
    """
    among = [line for line in lines if not of_earlier_sending(line, one)] or lines
    return max(among, key=lambda line: (line.done_at if line.done_at is not None else -1, line.line))


def of_earlier_sending(line: ResultLine, one: Candidate) -> bool:
    """Return whether the message was sent again after the line's time. Delivered counts anyway."""
    dated_before = line.done_at is not None and line.done_at < one.requeued_at
    return dated_before and ReceiptStatus(line.status) is not ReceiptStatus.DELIVERED


def after(line: ResultLine, before: DeliveryStatus, level: ReceiptLevel) -> DeliveryStatus:
    """Return the status, as stored in the row, after applying the line to every part of the message."""
    standing, status = before, ReceiptStatus(line.status)
    for part in range(before.parts):
        standing = apply_receipt(standing, part, status, level, line.reason)
    return standing._replace(on_way=0)  # not stored in the row


def verdict(line: ResultLine, one: Candidate, then: DeliveryStatus) -> ResultVerdict:
    """Judge the line that counts for delivery `one`, whose status becomes `then`.

    the line reports   the delivery
    any, not delivered was sent again later  OPEN
    nothing final      is moved by it        SETTLED: it was unknown whether the carrier has it
                       is in transit too     AGREED, otherwise OPEN
    delivered          failed by a receipt   SAYS_DELIVERED
    not delivered      is received           SAYS_UNDELIVERED
    a final status     is moved by it        SETTLED, otherwise AGREED
    """
    status, moved = ReceiptStatus(line.status), then.state != one.state
    if of_earlier_sending(line, one):
        return ResultVerdict.OPEN
    if status in _NOTHING_FINAL:
        same = one.state == DeliveryState.SUBMITTED and status is ReceiptStatus.IN_TRANSIT
        nothing = ResultVerdict.AGREED if same else ResultVerdict.OPEN
        return ResultVerdict.SETTLED if moved else nothing
    if status is ReceiptStatus.DELIVERED and one.failed and one.state not in RECEIVED:
        return ResultVerdict.SAYS_DELIVERED
    if status is not ReceiptStatus.DELIVERED and one.state in RECEIVED:
        return ResultVerdict.SAYS_UNDELIVERED
    return ResultVerdict.SETTLED if moved else ResultVerdict.AGREED
