"""Orders to send rejected messages again once their cause is mended: one person asks, another approves.

The audit holds the request: append-only, sealed, and numbered. It covers what was rejected before it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, tuple_

from app.core import clock
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import audit as acts
from app.database.models import campaigns, deliveries, tallies
from app.dispatch.unknown_decisions import REST, SLICE, Progress, find_run, set_going
from app.ledger import approval_digest, erasure_state
from app.ledger.contract import DeliveryKey, Ledger
from app.security import Caller, audit
from app.security.credential_provenance import behind, shared
from app.security.principal import base_name
from app.security.roles import may
from carriers.contract import Reason

_ASKED, _APPROVED, _DONE = "rejected.ask", "rejected.approve", "rejected.resend"


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many messages of a run the carrier refused for one reason (the group of form 4)."""

    reason: str
    messages: int


@dataclass(frozen=True, slots=True)
class RejectedOrder:
    """A request. number: its act in the audit; messages: when it was made; sent_again: once carried out."""

    number: int
    run_id: int
    reason: str
    because: str
    messages: int
    asked_by: str
    asked_at: datetime
    approved_by: str | None
    sent_again: int | None


def rejected(connection: Connection, run_id: int) -> list[Rejected]:
    t = tallies.c
    query = (
        select(t.reason, func.sum(t.n))
        .where(t.run_id == run_id, t.state == DeliveryState.REJECTED)
        .group_by(t.reason)
        .order_by(t.reason)
    )
    return [Rejected(Reason(reason).name.lower(), int(n)) for reason, n in connection.execute(query) if n]


def orders(connection: Connection, run_id: int) -> list[RejectedOrder]:
    """Return the requests about a run, in order."""
    a = acts.c
    query = select(a.id, a.who, a.action, a.at, a.detail).where(
        a.subject == f"run/{run_id}", a.action.in_((_ASKED, _APPROVED, _DONE))
    )
    found: dict[int, dict[str, Any]] = {}
    for row in connection.execute(query.order_by(a.id)):
        if row.action == _ASKED:
            asked = {"asked_by": row.who, "asked_at": clock.local(clock.from_ms(row.at))}
            rest = {"number": row.id, "run_id": run_id, "approved_by": None, "sent_again": None}
            found[row.id] = row.detail | asked | rest
        elif (order := found.get(row.detail["order"])) is not None:
            order["approved_by"] = row.who
            order["sent_again"] = row.detail.get("n", order["sent_again"])
    return [RejectedOrder(**each) for each in found.values()]


def ask(connection: Connection, run_id: int, reason: Reason, because: str, who: str) -> int:
    """Ask to send again what was rejected for this reason; return the order's number.

    because: what was wrong and is mended, for who approves. Raises Conflict if nothing was rejected so.
    """
    run = find_run(connection, run_id)
    _require_going(connection, run)
    if not because.strip():
        raise Invalid("Say what was wrong and that it is mended; who approves reads it.", field="because")
    name = reason.name.lower()
    messages = next((each.messages for each in rejected(connection, run_id) if each.reason == name), 0)
    if not messages:
        known = ", ".join(f"{each.reason} ({each.messages})" for each in rejected(connection, run_id))
        raise Conflict(
            f"Nothing of run {run_id} is rejected for the reason {name}; its reasons: {known or 'none'}."
        )
    said = {"reason": name, "because": because.strip(), "messages": messages}
    audit.note(connection, who, _ASKED, f"run/{run_id}", **said)
    return orders(connection, run_id)[-1].number


def _require_going(connection: Connection, run: Row[Any]) -> None:
    """Raise Conflict unless the campaign is still what was approved, and its window is not over."""
    erasure_state.require_rows(connection, run.campaign_id)
    campaign = connection.execute(select(campaigns).where(campaigns.c.id == run.campaign_id)).one()
    if approval_digest.approved(connection, campaign) is None:
        raise Conflict("The campaign is not approved as it stands, so nothing of it is sent again.")
    if campaign.window_end is not None and campaign.window_end <= clock.now_ms():
        raise Conflict("The sending window is over, so nothing of the campaign is sent again.")


def approve(
    db: Database, ledger: Ledger, run_id: int, number: int, caller: Caller, say: Progress = lambda *_: None
) -> int:
    """Carry out another person's request; return how many messages are queued again.

    In slices, as with unknown messages. What was interrupted goes on when the order is repeated.
    """

    def step(connection: Connection, keys: Sequence[DeliveryKey]) -> int:
        moved = ledger.resend_rejected(connection, keys, Reason[order.reason.upper()])
        set_going(connection, run_id, moved)
        db.wake(connection)
        return moved

    order = db.write(_begin, run_id, number, caller)
    done, after = 0, (0, 0)
    while keys := db.read(_next, order, after):
        began = clock.monotonic()
        done, after = done + db.write(step, keys), keys[-1][1:]
        say(done, order.messages)
        if len(keys) == SLICE:
            time.sleep(REST * (clock.monotonic() - began))
    db.write(_end, order, caller.name, done)
    return done


def _begin(connection: Connection, run_id: int, number: int, caller: Caller) -> RejectedOrder:
    run = find_run(connection, run_id)
    order = next((each for each in orders(connection, run_id) if each.number == number), None)
    if order is None:
        raise Invalid(
            f"Run {run_id} has no order {number} about rejected messages; its list shows them.",
            field="order_id",
        )
    if not may(caller.role, "approve_campaign"):
        raise Forbidden(f"Such orders are approved like campaigns; your role is {caller.role}.")
    own, theirs = {base_name(caller.name)}, {base_name(order.asked_by)}
    if shared(own | behind(connection, caller.name), theirs | behind(connection, order.asked_by)):
        raise Forbidden("You have asked for this, or stand behind who did; somebody else must approve it.")
    if order.sent_again is not None:
        raise Conflict(f"Order {number} was carried out: {order.sent_again} messages were queued again.")
    _require_going(connection, run)
    audit.note(connection, caller.name, _APPROVED, f"run/{run_id}", order=number)
    return order


def _next(connection: Connection, order: RejectedOrder, after: Sequence[int]) -> list[DeliveryKey]:
    """Return the next rejected deliveries of the order: those refused again since are not among them."""
    d, run = deliveries.c, find_run(connection, order.run_id)
    key = (d.campaign_id, d.batch_id, d.seq)
    before = or_(d.submitted_at.is_(None), d.submitted_at <= clock.to_ms(order.asked_at))
    refused = (d.state == DeliveryState.REJECTED, d.reason == Reason[order.reason.upper()], before)
    where = (d.campaign_id == run.campaign_id, d.run_id == run.id, tuple_(d.batch_id, d.seq) > tuple_(*after))
    rows = connection.execute(select(*key).where(*where, *refused).order_by(*key).limit(SLICE))
    return [DeliveryKey(*row) for row in rows]


def _end(connection: Connection, order: RejectedOrder, who: str, done: int) -> None:
    audit.note(connection, who, _DONE, f"run/{order.run_id}", order=order.number, n=done)
