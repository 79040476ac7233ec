"""Orders to send rejected messages again once their cause is mended: one person asks, another approves.

The request (app/security/approval_requests.py) is sealed. It covers what was rejected for one reason and
code before it, by the clock that all processes share; and never what the carrier may have after all: what it
calls a duplicate, what its result file claims, what was rejected before the database was put back. Nor does
anybody get it to whom another round of follow-ups has written since, or is about to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, or_, select, tuple_

from app.core import clock
from app.core.errors import AppError, Conflict, Forbidden, Invalid
from app.core.states import DeliveryState
from app.database.connection import Database, shared_ms
from app.database.models import (
    campaigns,
    deliveries,
    receipt_files,
    receipt_lines,
    run_batches,
    submissions,
    tallies,
)
from app.dispatch import link_store, restore_recovery
from app.dispatch.link_store import RESTORED
from app.dispatch.unknown_decisions import (
    REST,
    SLICE,
    Progress,
    broken_off,
    find_run,
    require_live,
    set_going,
)
from app.ledger import approval_digest, erasure, unreached
from app.ledger.contract import DeliveryKey
from app.ledger.ledger import Ledger
from app.security import Caller, approval_requests, audit
from app.security.approval_requests import ApprovalRequest, RequestKind, RequestState
from app.security.roles import AUTHORS
from carriers.contract import Reason, ReceiptStatus
from carriers.phrases import Phrase

_ASKED, _APPROVED, _QUEUED, _ENDED = "rejected.ask", "rejected.approve", "rejected.resend", "rejected.end"
# Words of a carrier that refuses what it has already taken.
_DUPLICATE = re.compile(r"duplicat|already|trùng|trung lap|trung tin|đã gửi|da gui", re.IGNORECASE)
_NAMED = 12  # causes in a sentence; words of a carrier's own may make many
# With these a result file does not claim that the message was taken.
_FAILED = (ReceiptStatus.UNDELIVERED.value, ReceiptStatus.EXPIRED.value)
_UNSENT = receipt_files.c.unsent.name  # a line's verdict is stored under the name of its counter


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many messages of a run the carrier refused for one reason (of form 4) and by one code.

    sendable: how many of them an order would send again.
    """

    reason: str
    code: str
    messages: int
    sendable: int


@dataclass(frozen=True, slots=True)
class RejectedOrder:
    """A request. number: its act in the audit; messages: when it was made; sent_again: so far.

    left_out: what a result file of the carrier claims, counted when the order was carried out.
    """

    number: int
    run_id: int
    reason: str
    code: str
    because: str
    messages: int
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    sent_again: int = 0
    left_out: int = 0
    carried_out: bool = False


# ---- What was rejected


def says_duplicate(code: str) -> bool:
    """Return whether a refusal by this code may mean that the carrier has taken the message before."""
    return _DUPLICATE.search(code) is not None


def rejected(connection: Connection, run_id: int) -> list[Rejected]:
    run, t = find_run(connection, run_id), tallies.c
    refused = select(func.sum(t.n)).where(t.run_id == run_id, t.state == DeliveryState.REJECTED)
    if not connection.execute(refused).scalar():
        return []
    after = restore_recovery.restored_at(connection)
    fits = and_(deliveries.c.submitted_at > after, ~_kept_back(connection, run))
    columns = (deliveries.c.reason, _last_code(run).label("code"), case((fits, 1), else_=0).label("fits"))
    each = select(*columns).where(*_refused(run)).subquery().c
    query = select(each.reason, each.code, func.count(), func.sum(each.fits))
    rows = connection.execute(query.group_by(each.reason, each.code).order_by(each.reason, each.code))
    return [
        Rejected(Reason(reason).name.lower(), code, n, 0 if says_duplicate(code) else int(sendable))
        for reason, code, n, sendable in rows
    ]


def _refused(run: Row[Any]) -> tuple[ColumnElement[bool], ...]:
    d = deliveries.c
    return d.campaign_id == run.campaign_id, d.run_id == run.id, d.state == DeliveryState.REJECTED


def _last_code(run: Row[Any]) -> ColumnElement[str]:
    """Select the code of a delivery's last submission, "" for none."""
    d, s = deliveries.c, submissions.c
    own = (s.campaign_id == run.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    last = select(s.code).where(*own).order_by(s.attempt.desc(), s.part).limit(1)
    return func.coalesce(last.correlate(deliveries).scalar_subquery(), "")


def _claimed(run: Row[Any]) -> ColumnElement[bool]:
    """Select deliveries of which a result file of the carrier says that it has them, or is being read."""
    d, f, line = deliveries.c, receipt_files.c, receipt_lines.c
    first = d.submitted_at - clock.DAY_MS  # clocks differ, and files may give the day alone
    of_file = (f.carrier == run.carrier, or_(f.campaign_id.is_(None), f.campaign_id == run.campaign_id))
    says = (
        line.phone == d.phone,
        line.status.not_in(_FAILED),
        or_(line.verdict.is_(None), line.verdict == _UNSENT),
    )
    when = (f.created_at > first, or_(line.done_at.is_(None), line.done_at > first))
    return exists().where(line.file_id == f.id, *of_file, *says, *when).correlate(deliveries)


def _kept_back(connection: Connection, run: Row[Any]) -> ColumnElement[bool]:
    """Select deliveries that no order sends again: a result file claims them, or another round came first."""
    b = run_batches.c
    batch_id = connection.execute(select(func.min(b.batch_id)).where(b.run_id == run.id)).scalar_one()
    # A follow-up's run has one batch; what bars the others does not depend on theirs.
    reached = unreached.reached_since(connection, run.campaign_id, batch_id)
    return _claimed(run) if reached is None else or_(_claimed(run), reached)


# ---- Orders


def orders(connection: Connection, run_id: int) -> list[RejectedOrder]:
    """Return the requests about a run, in order."""
    found = approval_requests.of(connection, RequestKind.REJECTED, f"run/{run_id}")
    return [_of(run_id, each) for each in found]


def _of(run_id: int, request: ApprovalRequest) -> RejectedOrder:
    said = request.wanted
    return RejectedOrder(
        number=request.id,
        run_id=run_id,
        reason=said["reason"],
        code=said["code"],
        because=request.reason,
        messages=said["messages"],
        asked_by=request.asked_by,
        asked_at=clock.local(clock.from_ms(said["at"])),
        approved_by=request.approved_by,
        sent_again=request.result.get("sent_again", 0),
        left_out=request.result.get("left_out", 0),
        carried_out=request.state == RequestState.DONE,
    )


def _order(connection: Connection, run_id: int, number: int) -> RejectedOrder:
    order = next((each for each in orders(connection, run_id) if each.number == number), None)
    if order is None:
        raise Invalid(
            "Run {run} has no order {number} for rejected messages. See the run's list of rejected messages.",
            run=run_id,
            number=number,
            field="order_id",
        )
    return order


def ask(
    db: Database, run_id: int, reason: Reason, because: str, who: str, code: str | None = None
) -> RejectedOrder:
    """Ask to send again what was rejected for this reason and code; return the order.

    because: what was wrong and is mended, for who approves; code: None for the only one. Raises Conflict if
    nothing of it can be sent again.
    """
    if not because.strip():
        raise Invalid(
            "Describe what was wrong and how it was fixed. The approver will see it.", field="because"
        )
    name = reason.name.lower()
    every = db.read(rejected, run_id)  # long for a run of millions: no writer waits
    same = [each for each in every if each.reason == name and code in (None, each.code)]
    if not same:
        known = ", ".join(f"{each.reason} {each.code} ({each.messages})" for each in every[:_NAMED])
        known = known or Phrase("none")
        wanted = name if code is None else f"{name} {code}"
        raise Conflict(
            "Run {run} has no messages rejected for the reason {reason}. Its reasons: {known}.",
            run=run_id,
            reason=wanted,
            known=known,
        )
    found = _only(same)
    said = {"reason": name, "code": found.code, "because": because.strip(), "messages": found.sendable}
    return db.write(_note, run_id, who, said | {"at": db.read(_latest, run_id)})


def _note(connection: Connection, run_id: int, who: str, detail: dict[str, Any]) -> RejectedOrder:
    _require_going(connection, find_run(connection, run_id))
    subject, reason = f"run/{run_id}", detail["because"]
    audit.note(connection, who, _ASKED, subject, **detail)
    wanted = {name: detail[name] for name in ("reason", "code", "messages", "at")}
    return _of(run_id, approval_requests.ask(connection, RequestKind.REJECTED, subject, who, reason, wanted))


def _latest(connection: Connection, run_id: int) -> int:
    """Return now, or when the last refused one was sent, where a clock was ahead: it is meant as well."""
    run = find_run(connection, run_id)
    last = connection.execute(select(func.max(deliveries.c.submitted_at)).where(*_refused(run))).scalar()
    return max(shared_ms(connection), last or 0)


def _only(same: Sequence[Rejected]) -> Rejected:
    """Return the one cause of which something can be sent again."""
    can = [each for each in same if each.sendable]
    if len(can) == 1:
        return can[0]
    if can:
        codes = ", ".join(f"{each.code} ({each.sendable})" for each in can[:_NAMED])
        raise Invalid(
            "The carrier gave several codes. Choose the one whose cause has been fixed: {codes}.",
            codes=codes,
            field="code",
        )
    if all(says_duplicate(each.code) for each in same):
        raise Conflict(
            "{code} may mean that the carrier already accepted the message, so it is not sent again.",
            code=same[0].code,
        )
    raise Conflict(
        "None of these messages can be sent again. A result file says that the carrier has them, "
        "another campaign in this follow-up chain has sent or is about to send to the numbers, or "
        "they were rejected before the database was restored and may have been sent since."
    )


def _require_going(connection: Connection, run: Row[Any]) -> None:
    """Raise Conflict unless the run lives, its campaign is what was approved, and its window is not over."""
    erasure.require_rows(connection, run.campaign_id)
    unreached.require_rounds(connection, [run.campaign_id])
    campaign = connection.execute(select(campaigns).where(campaigns.c.id == run.campaign_id)).one()
    if approval_digest.approved(connection, campaign) is None:
        raise Conflict("The campaign's current version is not approved, so no messages can be sent again.")
    if campaign.window_end is not None and campaign.window_end <= shared_ms(connection):
        raise Conflict("The sending window has ended, so no messages can be sent again.")
    require_live(run.state)


# ---- Carrying out


def approve(
    db: Database, ledger: Ledger, run_id: int, number: int, caller: Caller, say: Progress = lambda *_: None
) -> RejectedOrder:
    """Carry out another person's request; return it with what is queued again.

    In slices, as with unknown messages; each looks again whether it may. What was interrupted goes on when
    the order is repeated.
    """

    def step(connection: Connection, keys: Sequence[DeliveryKey]) -> int:
        still = _still_covered(connection, ledger, order, keys)
        by = clock.to_ms(order.asked_at)
        unclaimed = ~_claimed(find_run(connection, run_id))
        moved = ledger.resend_rejected(connection, still, Reason[order.reason.upper()], by, unclaimed)
        set_going(connection, run_id, moved)
        if moved:
            audit.note(connection, caller.name, _QUEUED, f"run/{run_id}", order=number, n=moved)
            request = approval_requests.sealed(connection, number)
            result = {"sent_again": request.result.get("sent_again", 0) + moved}
            approval_requests.change(connection, replace(request, result=result))
        db.wake(connection)
        return moved

    order = db.write(_begin, ledger, run_id, number, caller)
    done, after = order.sent_again, (0, 0)
    try:
        while keys := db.read(_next, ledger, order, after):
            began = clock.monotonic()
            done, after = done + db.write(step, keys), keys[-1][1:]
            say(done, max(done, order.messages))
            if len(keys) < SLICE:
                break
            time.sleep(REST * (clock.monotonic() - began))
    except AppError as error:
        if not done:
            raise
        raise broken_off(error, done) from error
    return db.write(_end, order, caller.name, db.read(_left_out, order))


def _begin(connection: Connection, ledger: Ledger, run_id: int, number: int, caller: Caller) -> RejectedOrder:
    order = _order(connection, run_id, number)
    if caller.role not in AUTHORS:
        raise Forbidden("Only approvers can approve these orders. Your role is {role}.", role=caller.role)
    request = approval_requests.sealed(connection, number)
    if approval_requests.is_own(connection, caller, request):
        raise Forbidden("You requested this or supplied the account that did. Someone else must approve it.")
    if order.carried_out:
        raise Conflict(
            "Order {number} has already been carried out: {n} messages were queued again.",
            number=number,
            n=order.sent_again,
        )
    if not _next(connection, ledger, order, (0, 0)) and not order.sent_again:
        raise Conflict(
            "No messages of order {number} can be sent again. They were sent again by another "
            "order, a result file says that the carrier has them, another campaign in this "
            "follow-up chain has sent or is about to send to the numbers, or they were rejected "
            "before the database was restored.",
            number=number,
        )
    if request.approved_by is None:
        approval_requests.approve(connection, request, caller.name)
        audit.note(connection, caller.name, _APPROVED, f"run/{run_id}", order=number)
    return order


def _next(
    connection: Connection, ledger: Ledger, order: RejectedOrder, after: Sequence[int]
) -> list[DeliveryKey]:
    """Return the next deliveries of the order: those refused again since are not among them."""
    d = deliveries.c
    query = _covered(connection, ledger, order).where(tuple_(d.batch_id, d.seq) > tuple_(*after))
    rows = connection.execute(query.order_by(d.campaign_id, d.batch_id, d.seq).limit(SLICE))
    return [DeliveryKey(*row) for row in rows]


def _still_covered(
    connection: Connection, ledger: Ledger, order: RejectedOrder, keys: Sequence[DeliveryKey]
) -> list[DeliveryKey]:
    """Return those of the keys that the order still covers, as seen by the transaction that moves them."""
    d, lines = deliveries.c, [key[1:] for key in keys]
    query = _covered(connection, ledger, order).where(tuple_(d.batch_id, d.seq).in_(lines))
    return [DeliveryKey(*row) for row in connection.execute(query)]


def _covered(connection: Connection, ledger: Ledger, order: RejectedOrder) -> Select[Any]:
    """Select the keys of what the order may send again now. Raises Conflict if nothing may be."""
    run = find_run(connection, order.run_id)
    _require_going(connection, run)
    if link_store.moved(connection, ledger):
        raise Conflict(RESTORED.reason)
    d = deliveries.c
    return select(d.campaign_id, d.batch_id, d.seq).where(
        *_ordered(connection, run, order), ~_kept_back(connection, run)
    )


def _ordered(connection: Connection, run: Row[Any], order: RejectedOrder) -> list[ColumnElement[bool]]:
    d = deliveries.c
    after, by = restore_recovery.restored_at(connection), clock.to_ms(order.asked_at)
    same = (d.reason == Reason[order.reason.upper()], _last_code(run) == order.code)
    return [*_refused(run), *same, d.submitted_at > after, d.submitted_at <= by]


def _left_out(connection: Connection, order: RejectedOrder) -> int:
    run = find_run(connection, order.run_id)
    claimed = select(func.count()).where(*_ordered(connection, run, order), _claimed(run))
    return connection.execute(claimed).scalar_one()


def _end(connection: Connection, open_order: RejectedOrder, who: str, left_out: int) -> RejectedOrder:
    """Close the order, unless it has moved nothing or somebody has closed it meanwhile."""
    request = approval_requests.sealed(connection, open_order.number)
    order = _of(open_order.run_id, request)
    if not order.sent_again or order.carried_out:
        return order
    result = request.result | {"left_out": left_out}
    approval_requests.change(connection, replace(request, result=result, state=RequestState.DONE.value))
    said = {"order": order.number, "n": order.sent_again, "left_out": left_out}
    audit.note(connection, who, _ENDED, f"run/{order.run_id}", **said)
    return _order(connection, order.run_id, order.number)
