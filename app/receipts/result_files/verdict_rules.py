"""Decide what a line makes of its delivery, by the rules of app/core/states.py."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.states import RECEIVED, DeliveryState, DeliveryStatus, apply_receipt
from app.receipts.result_files.match_deliveries import Candidate, ResultLine
from app.receipts.result_files.verdicts import ResultVerdict
from carriers.contract import ReceiptLevel, ReceiptStatus

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
