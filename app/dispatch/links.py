"""Links to carriers: which send, which are halted and why; halted and resumed by a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Row, select, update

from app.api.bodies import KeptLine, StrictBody
from app.core import clock
from app.core.errors import Conflict, no_such
from app.core.ids import Number
from app.core.states import HALTED_BY_HAND, LinkState
from app.database.models import links
from app.dispatch import link_store
from app.dispatch.link_store import RESTORED
from app.observability import link_status
from app.operations import ByName, Transaction, operation
from app.security.roles import EVERYBODY, SENDERS
from carriers.contract import Halted, ReceiptLevel

TAG = "dispatch"


@dataclass(frozen=True, slots=True)
class LinkView:
    """One link: running, or halted with the carrier's code and reason; and its health.

    health: connected, waiting (no answer has come for a while), probing (no answers come, so single messages
    ask), refusing (every answer is "not now"), lost, untried, closed (no process has it open) or left (the
    settings no longer name it); lost_since: also since when no process has it; refusal: why it was last
    refused or lost; remark: what to look at. receipt_level: what its receipts prove; level_source: who said
    so.
    """

    id: int
    name: str
    carrier: str
    state: str
    segments_per_second: float
    code: str | None
    reason: str | None
    changed_at: datetime
    health: str
    connected_since: datetime | None
    lost_since: datetime | None
    answered_at: datetime | None
    refused_at: datetime | None
    refusal: str | None
    probing: str | None
    remark: str | None
    remark_since: datetime | None
    refusing_since: datetime | None
    waiting_since: datetime | None
    processes: int
    receipt_level: str
    level_source: str | None
    level_source_on: str | None


class HaltBody(StrictBody):
    """Why a link is halted."""

    reason: KeptLine = Field(examples=["The carrier is servicing its message centre until noon."])


LinkId = Annotated[Number, ByName("list_links")]


@operation(
    "GET /v1/links",
    roles=EVERYBODY,
    command="link list",
    columns=(
        *("id", "name", "carrier", "state", "segments_per_second", "code", "reason"),
        *("health", "connected_since", "lost_since", "answered_at", "refusal", "remark"),
    ),
)
def list_links(tx: Transaction) -> list[LinkView]:
    """List all links; an operator sees those of its carrier."""
    known = link_status.facts(tx.connection)
    return [_view(row, known[row.id]) for row in link_store.all_links(tx.connection, tx.who.carrier)]


@operation(
    "POST /v1/links/{link_id}/resume",
    roles=SENDERS,
    command="link resume",
    audit="resumed {subject}",
    done="The link was resumed. If the cause has not been fixed, it will halt again.",
    page="/links",
)
def resume_link(tx: Transaction, link_id: LinkId) -> None:
    """Resume a halted link after its cause has been fixed. It reconnects."""
    row = _row(tx, link_id)
    if row.code == RESTORED.code:
        raise Conflict("Link {name} is halted: {why}", name=row.name, why=RESTORED.reason)
    halted = update(links).where(links.c.id == link_id, links.c.state == LinkState.HALTED.value)
    values = {"state": LinkState.RUNNING.value, "code": None, "reason": None, "changed_at": clock.now_ms()}
    if not tx.connection.execute(halted.values(values)).rowcount:
        raise Conflict("Link {name} is not halted, so there is nothing to resume.", name=row.name)
    tx.note(f"link/{row.name}", code=row.code, reason=row.reason)
    tx.wake()


@operation(
    "POST /v1/links/{link_id}/halt",
    roles=SENDERS,
    command="link halt",
    audit="halted {subject}",
    done=(
        "The link was halted. It finishes messages in progress and sends nothing more until it is resumed."
    ),
    page="/links",
)
def halt_link(tx: Transaction, link_id: LinkId, body: HaltBody) -> None:
    """Halt a link: it finishes messages in progress, disconnects, and waits to be resumed.

    Meanwhile its receipts wait at the carrier.
    """
    row = _row(tx, link_id)
    if row.state == LinkState.HALTED:
        raise Conflict("Link {name} is already halted: {reason}", name=row.name, reason=row.reason)
    link_store.halt(tx.connection, link_id, Halted(HALTED_BY_HAND, body.reason))
    tx.note(f"link/{row.name}", reason=body.reason)
    tx.wake()


def _row(tx: Transaction, link_id: int) -> Row[Any]:
    row = tx.connection.execute(select(links).where(links.c.id == link_id)).first()
    if row is None:
        raise no_such("link", link_id)
    return row


def _view(row: Row[Any], status: link_status.LinkStatus) -> LinkView:
    return LinkView(
        row.id,
        row.name,
        row.carrier,
        row.state,
        row.segments_per_second,
        row.code,
        row.reason,
        clock.local(clock.from_ms(row.changed_at)),
        status.state.value,
        _moment(status.connected_since),
        _moment(status.lost_since),
        _moment(status.answered_at),
        _moment(status.refused_at),
        status.refusal,
        status.probing,
        status.remark,
        _moment(status.remark_since),
        _moment(status.refusing_since),
        _moment(status.waiting_since),
        status.processes,
        ReceiptLevel(row.receipt_level).name.lower(),
        row.level_source,
        row.level_source_on,
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))
