"""API routes for links and unknown deliveries: what has stopped, and a person's decisions about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from app.api.dependencies import Db, Id, LedgerDep, Limit, Routes, Who
from app.api.idempotent_route import Acts, Kept, in_slices, unkeyed
from app.core import clock
from app.core.errors import Invalid
from app.core.phone import mask
from app.dispatch import find_person as person
from app.dispatch import rejected_orders, unknown_decisions, unknown_export
from app.dispatch.find_person import FoundPerson
from app.dispatch.schemas import Decided, NumberBody, RejectedBody, UnknownSelection
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace
from carriers.contract import Reason

router = Routes(tags=["dispatch"], route_class=Acts)
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


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


@router.post("/v1/deliveries/find")
@unkeyed
def find_person(body: NumberBody, db: Db, who: Who) -> FoundPerson:
    """Find every campaign's delivery to one exact number, masked in the answer; the audit keeps it."""
    return db.write(person.find_person, body.phone, who)


@router.get("/v1/runs/{run_id}/unknown")
def list_unknown(
    run_id: Id,
    db: Db,
    who: Who,
    after: Annotated[
        str, Query(pattern=r"^[0-9]{1,9}-[0-9]{1,9}$", description="the `next` of the page before")
    ] = "0-0",
    limit: Limit = 100,
) -> UnknownPage:
    """List the run's deliveries whose answer was lost and that no receipt has settled yet."""
    batch, line = after.split("-")
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    rows = db.read(unknown_decisions.listed, run_id, (int(batch), int(line)), limit)
    items = [_unknown(row) for row in rows]
    return UnknownPage(items, f"{items[-1].batch}-{items[-1].line}" if len(items) == limit else None)


@router.get("/v1/runs/{run_id}/unknown.csv", response_class=StreamingResponse, responses=_CSV)
def download_unknown(run_id: Id, db: Db, who: Who) -> StreamingResponse:
    """Download what is still unknown as CSV, to ask the carrier; full numbers for the carrier's operator."""
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    whole = who.carrier is not None  # the numbers are that carrier's own subscribers
    if whole:
        n = db.read(unknown_export.count, run_id)
        db.write(phone_disclosure.note, who.name, DisclosurePlace.UNKNOWN_LIST, f"run/{run_id}", n)
    headers = {"Content-Disposition": f'attachment; filename="run-{run_id}-unknown.csv"'}
    pieces = unknown_export.carrier_list(db, run_id, whole=whole)
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/v1/runs/{run_id}/unknown/resend")
@in_slices
def resend_unknown(
    run_id: Id, body: UnknownSelection, db: Db, ledger: LedgerDep, who: Who, kept: Kept
) -> Decided:
    """Send these again, accepting that some may arrive twice. Recorded under the caller's name.

    Many are done in slices. After an interruption, what is done stays done: repeat the request with the same
    key for the rest. `deliveries` counts all that were decided under the key.
    """
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    order = unknown_decisions.UnknownOrder(run_id, who.name, _chosen(body), kept=kept)
    return Decided(deliveries=unknown_decisions.resend(db, ledger, order))


@router.post("/v1/runs/{run_id}/unknown/write-off")
@in_slices
def write_off_unknown(
    run_id: Id, body: UnknownSelection, db: Db, ledger: LedgerDep, who: Who, kept: Kept
) -> Decided:
    """Leave these unknown for good, counted under their own heading. Recorded under the caller's name."""
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    order = unknown_decisions.UnknownOrder(run_id, who.name, _chosen(body), kept=kept)
    return Decided(deliveries=unknown_decisions.write_off(db, ledger, order))


@dataclass(frozen=True, slots=True)
class RejectedView:
    """How many messages were refused for which reason and code, and the orders to send them again."""

    rejected: list[rejected_orders.Rejected]
    orders: list[rejected_orders.RejectedOrder]


@router.get("/v1/runs/{run_id}/rejected")
def list_rejected(run_id: Id, db: Db, who: Who) -> RejectedView:
    """Count what the carrier refused, by reason and code, and list the orders to send it again.

    `sendable` of them an order would send again: none that may have been taken before (duplicates), that a
    result file of the carrier claims, or that was refused before the database was put back.
    """
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    return RejectedView(db.read(rejected_orders.rejected, run_id), db.read(rejected_orders.orders, run_id))


@router.post("/v1/runs/{run_id}/rejected", status_code=201)
@in_slices  # it counts a whole run, for which no writer waits; of two orders about the same one sends
def ask_rejected(run_id: Id, body: RejectedBody, db: Db, who: Who) -> rejected_orders.RejectedOrder:
    """Ask to send again what was refused for one reason and code; another approves it."""
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    reason = Reason[body.reason.upper()]
    return rejected_orders.ask(db, run_id, reason, body.because, who.name, body.code)


@router.post("/v1/runs/{run_id}/rejected/{order_id}/approve")
@in_slices
def approve_rejected(
    run_id: Id, order_id: Id, db: Db, ledger: LedgerDep, who: Who
) -> rejected_orders.RejectedOrder:
    """Approve somebody else's order: its messages are queued again. In slices; repeat it if interrupted."""
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    return rejected_orders.approve(db, ledger, run_id, order_id, who)


def _chosen(body: UnknownSelection) -> list[tuple[int, int]]:
    """Require exactly one of the two: an empty choice is a mistake, and both could make copies."""
    if body.lines and body.all:
        raise Invalid(
            "Provide either `lines` or `all`, but not both; `all` covers more than these lines.", field="all"
        )
    if not body.lines and not body.all:
        raise Invalid("Provide the deliveries as [batch, line] pairs, or set `all` to true.", field="lines")
    return [] if body.all else body.lines


def _unknown(row: Row[Any]) -> UnknownView:
    since = clock.local(clock.from_ms(row.since))
    return UnknownView(row.batch_id, row.seq, mask(row.phone), since, row.why, row.written_off_by)
