"""Decisions on deliveries whose outcome is unknown or that were rejected; and what one person got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row

from app.api.bodies import AnyLine, AnyProse, NoMobile, NumberBody, Prose
from app.core import clock
from app.core.errors import Invalid
from app.core.ids import Exact, Number, Position
from app.core.phone import mask
from app.dispatch import find_person as person
from app.dispatch import rejected_orders, unknown_decisions
from app.dispatch.find_person import FoundPerson
from app.dispatch.rejected_orders import Rejected, RejectedOrder
from app.operations import Transaction, Work, operation
from app.security.roles import AUTHORS, EVERYBODY, SENDERS
from carriers.contract import Reason

TAG = "dispatch"


@dataclass(frozen=True, slots=True)
class UnknownView:
    """One delivery whose outcome is unknown; the phone is masked."""

    batch: int
    line: int
    phone: str
    since: datetime
    why: str
    written_off_by: str | None


@dataclass(frozen=True, slots=True)
class UnknownPage:
    """One page; `next` is the `after` of the following page, null on the last."""

    items: list[UnknownView]
    next: str | None


@dataclass(frozen=True, slots=True)
class RejectedView:
    """How many messages were refused for which reason and code, and the orders to send them again."""

    rejected: list[Rejected]
    orders: list[RejectedOrder]


class UnknownSelection(BaseModel):
    """The unknown deliveries to decide on: [batch, line] pairs, or `all`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"lines": [[3, 1042]]}]})

    lines: list[tuple[Number, Position]] = Field(default_factory=list, max_length=10_000)
    all: bool = False

    def chosen(self) -> list[tuple[int, int]]:
        """Require exactly one of the two: an empty choice is a mistake, and both could make copies."""
        if self.lines and self.all:
            raise Invalid(
                "Provide either `lines` or `all`, but not both; `all` covers more than these lines.",
                field="all",
            )
        if not self.lines and not self.all:
            raise Invalid(
                "Provide the deliveries as [batch, line] pairs, or set `all` to true.", field="lines"
            )
        return [] if self.all else self.lines


class WriteOffBody(UnknownSelection):
    """The unknown deliveries to write off: [batch, line] pairs, or `all`; and why, for the audit."""

    reason: Annotated[AnyProse, StringConstraints(max_length=500), NoMobile] | None = None


class Decided(BaseModel):
    """How many deliveries the decision changed, without those that were settled meanwhile."""

    deliveries: int


class RejectedBody(BaseModel):
    """Which refused messages to send again: one reason and code of the run's, and what is mended."""

    model_config = ConfigDict(extra="forbid")

    reason: Literal[
        "other",
        "system",
        "expired",
        "handset",
        "barred",
        "other_network",
        "no_such_number",
        "filtered",
        "wrong_request",
    ] = Field(examples=["filtered"])
    code: Annotated[AnyLine, StringConstraints(max_length=80)] | None = Field(
        default=None, description="The carrier's code, if the reason covers several."
    )
    because: Annotated[Prose, StringConstraints(max_length=500), NoMobile] = Field(
        examples=["The sender was not registered; it is since today."]
    )


@operation("POST /v1/deliveries/find", roles=SENDERS, keyed=False, personal=True)
def find_person(tx: Transaction, body: NumberBody) -> FoundPerson:
    """Find every campaign's delivery to one exact number, masked in the answer; the audit keeps it."""
    return person.find_person(tx.connection, body.phone, tx.who)


@operation("GET /v1/runs/{run_id}/unknown", roles=EVERYBODY)
def list_unknown(
    tx: Transaction,
    run_id: Number,
    after: Annotated[
        str, Field(pattern=r"^[0-9]{1,9}-[0-9]{1,9}$", description="the `next` of the page before")
    ] = "0-0",
    limit: Annotated[int, Field(ge=1, le=1000, description="rows on a page"), Exact] = 100,
) -> UnknownPage:
    """List the run's deliveries whose answer was lost and that no receipt has settled yet."""
    batch, line = after.split("-")
    rows = unknown_decisions.listed(tx.connection, run_id, (int(batch), int(line)), limit)
    items = [_unknown(row) for row in rows]
    return UnknownPage(items, f"{items[-1].batch}-{items[-1].line}" if len(items) == limit else None)


def _unknown(row: Row[Any]) -> UnknownView:
    since = clock.moment(row.since)
    return UnknownView(row.batch_id, row.seq, mask(row.phone), since, row.why, row.written_off_by)


@operation(
    "POST /v1/runs/{run_id}/unknown/resend",
    roles=SENDERS,
    action="unknown.resend",
    audit="resent messages of unknown outcome of {subject}",
    flash="Queued again: {deliveries} messages.",
    page="/runs/{run_id}",
)
def resend_unknown(work: Work, run_id: Number, body: UnknownSelection) -> Decided:
    """Send these again, accepting that some may arrive twice. Recorded under the caller's name.

    Many are done in slices. After an interruption, what is done stays done: repeat the request with the same
    key for the rest. `deliveries` counts all that were decided under the key.
    """
    order = unknown_decisions.UnknownOrder(run_id, work.who.name, body.chosen(), kept=work.position)
    return Decided(deliveries=unknown_decisions.resend(work.db, work.ledger, order, work.progress))


@operation(
    "POST /v1/runs/{run_id}/unknown/write-off",
    roles=SENDERS,
    action="unknown.write_off",
    audit="wrote off messages of unknown outcome of {subject}",
    flash="Written off: {deliveries} messages.",
    page="/runs/{run_id}",
)
def write_off_unknown(work: Work, run_id: Number, body: WriteOffBody) -> Decided:
    """Leave these unknown for good, counted under their own heading. Recorded under the caller's name."""
    chosen, who = body.chosen(), work.who.name
    order = unknown_decisions.UnknownOrder(run_id, who, chosen, body.reason or None, work.position)
    return Decided(deliveries=unknown_decisions.write_off(work.db, work.ledger, order, work.progress))


@operation("GET /v1/runs/{run_id}/rejected", roles=EVERYBODY)
def list_rejected(tx: Transaction, run_id: Number) -> RejectedView:
    """Count what the carrier refused, by reason and code, and list the orders to send it again.

    `sendable` of them an order would send again: none that may have been taken before (duplicates), that a
    result file of the carrier claims, or that was refused before the database was put back.
    """
    found = rejected_orders.rejected(tx.connection, run_id)
    return RejectedView(found, rejected_orders.orders(tx.connection, run_id))


def _asked(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"run": result["run_id"], "order": result["number"], "messages": result["messages"]}


@operation(
    "POST /v1/runs/{run_id}/rejected",
    roles=SENDERS,
    command="rejected ask",
    status=201,
    audit="ordered rejected messages of {subject} to be resent",
    done="Order {number} ({messages} messages) is waiting for approval: "
    "loa rejected approve {run_id} {number}",
    facts=_asked,
    flash="The order was created. Another person must approve it.",
    page="/runs/{run_id}/rejected",
)
def ask_rejected(work: Work, run_id: Number, body: RejectedBody) -> RejectedOrder:
    """Ask to resend the messages refused for one reason and code; another person approves it."""
    # It counts a whole run, for which no writer waits; of two orders about the same one sends.
    reason = Reason[body.reason.upper()]
    return rejected_orders.ask(work.db, run_id, reason, body.because, work.who.name, body.code)


def _approved(result: Mapping[str, Any]) -> Mapping[str, Any]:
    found = {"run": result["run_id"], "order": result["order_id"]}
    return found | {"messages": result["sent_again"], "left_out": result["left_out"]}


@operation(
    "POST /v1/runs/{run_id}/rejected/{order_id}/approve",
    roles=AUTHORS,
    command="rejected approve",
    personal=True,
    audit="approved an order to resend rejected messages of {subject}",
    done="Messages of run {run_id} queued again: {sent_again}. Left out, because a result file says that the "
    "carrier has them: {left_out}.",
    facts=_approved,
    flash="Queued again: {sent_again} rejected messages.",
    page="/runs/{run_id}/rejected",
)
def approve_rejected(work: Work, run_id: Number, order_id: Number) -> RejectedOrder:
    """Approve another person's order: its messages are queued again, in slices. If interrupted, repeat."""
    return rejected_orders.approve(work.db, work.ledger, run_id, order_id, work.who, work.progress)
