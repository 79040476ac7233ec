"""One delivery with its submissions, receipts and decisions, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from app.core import clock
from app.core.errors import NotFound
from app.core.phone import mask
from app.core.states import DeliveryState
from app.database.models import (
    deliveries,
    links,
    receipts,
    runs,
    state_events,
    submissions,
    unknowns,
)
from app.ledger import erasure
from app.ledger.contract import ResultKind, StateEvent
from carriers.contract import ReceiptLevel

_MOST = 500  # events of one delivery, however often a carrier repeats itself


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """One event of a delivery."""

    at: datetime
    kind: str  # submission, receipt or state_change
    what: str  # the word of that kind
    part: int | None = None  # of the message, from 0
    link: str | None = None
    code: str | None = None  # the carrier's own
    reference: str | None = None
    level: str | None = None  # what a receipt proves
    reason: int = 0
    done_at: datetime | None = None  # when it happened, by the carrier
    changed: bool = True  # False: it reported nothing new


@dataclass(frozen=True, slots=True)
class DeliveryHistory:
    """A delivery, its number masked, with its events. cut: there are more; why: it is unknown."""

    campaign_id: int
    batch_id: int
    line: int
    run_id: int
    carrier: str
    phone: str
    state: DeliveryState
    reason: int
    segments: int
    area: str | None
    attempts: int
    resends: int
    submitted_at: datetime | None
    done_at: datetime | None
    why: str | None
    written_off_by: str | None
    events: list[DeliveryEvent]
    cut: bool


def read_history(connection: Connection, campaign_id: int, batch_id: int, line: int) -> DeliveryHistory:
    """Return the delivery of that line of the batch in the campaign. Raises NotFound."""
    key = (campaign_id, batch_id, line)
    row = connection.execute(_own(deliveries, key)).first()
    if row is None or erasure.of_campaign(connection, campaign_id) is not None:
        raise NotFound(
            "Campaign {campaign} has no delivery for line {line} of batch {batch}. It is not "
            "queued yet, was excluded (duplicate, or on the do-not-send list), or its rows were "
            "erased. GET /v1/batches/{batch} shows the batch's line counts.",
            campaign=campaign_id,
            line=line,
            batch=batch_id,
            field="line",
        )
    carrier = connection.execute(select(runs.c.carrier).where(runs.c.id == row.run_id)).scalar_one()
    lost = connection.execute(_own(unknowns, key)).first()
    events = sorted(_events(connection, key), key=lambda item: item.at)
    return DeliveryHistory(
        campaign_id=campaign_id,
        batch_id=batch_id,
        line=line,
        run_id=row.run_id,
        carrier=carrier,
        phone=mask(row.phone),
        state=DeliveryState(row.state),
        reason=row.reason,
        segments=row.segments,
        area=row.area,
        attempts=row.attempts,
        resends=row.resends,
        submitted_at=_time_or_none(row.submitted_at),
        done_at=_time_or_none(row.done_at),
        why=lost.why if lost else None,
        written_off_by=lost.written_off_by if lost else None,
        events=events[:_MOST],
        cut=len(events) > _MOST,
    )


def _own(table: Table, key: tuple[int, int, int]) -> Any:
    c = table.c
    return select(table).where(c.campaign_id == key[0], c.batch_id == key[1], c.seq == key[2])


def _events(connection: Connection, key: tuple[int, int, int]) -> Iterator[DeliveryEvent]:
    names = {row.id: row.name for row in connection.execute(select(links.c.id, links.c.name))}
    for table, event_of in ((submissions, _submission), (receipts, _receipt), (state_events, _state_change)):
        for row in connection.execute(_own(table, key).limit(_MOST + 1)):
            yield event_of(row, names)


def _submission(row: Row[Any], links_by_id: dict[int, str]) -> DeliveryEvent:
    return DeliveryEvent(
        at=_time(row.at),
        kind="submission",
        what=ResultKind(row.result).name.lower(),
        part=row.part,
        link=links_by_id.get(row.link_id),
        code=row.code,
        reference=row.reference,
    )


def _receipt(row: Row[Any], links_by_id: dict[int, str]) -> DeliveryEvent:
    return DeliveryEvent(
        at=_time(row.received_at),
        kind="receipt",
        what=row.status,
        part=row.part,
        link=links_by_id.get(row.link_id),
        code=row.code,
        reference=row.reference,
        level=ReceiptLevel(row.level).name.lower(),
        reason=row.reason,
        done_at=_time_or_none(row.done_at),
        changed=row.changed,
    )


def _state_change(row: Row[Any], _links: dict[int, str]) -> DeliveryEvent:
    return DeliveryEvent(
        at=_time(row.at), kind="state_change", what=StateEvent(row.kind).name.lower(), reason=row.reason
    )


def _time(ms: int) -> datetime:
    return clock.local(clock.from_ms(ms))


def _time_or_none(ms: int | None) -> datetime | None:
    return None if ms is None else _time(ms)
