"""Read inbound messages in order, of one carrier or all, numbers masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.masking import mask_written
from app.core.phone import mask
from app.database.listing import ListColumns, ListPart, ListRequest, part
from app.database.models import inbound_messages, links
from app.database.records import from_row
from app.inbound.reply_kinds import ReplyKind
from app.observability.logs import masked

_M = inbound_messages.c


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One part's place in a long message: parts with one sender and reference belong together."""

    reference: int
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class InboundMessageView:
    """One message to us, or one part of a long one; every number masked, in the text too.

    phone: the sender, or its address if it is no number; destination: the number that it was sent to; exact:
    the text is all that was sent; repeat_of: an earlier one with the same words of the same sender, which the
    carrier has perhaps repeated; kind: what it asks for, null for messages of an older Loa.
    """

    id: int
    received_at: datetime
    link: str
    carrier: str
    phone: str
    destination: str
    text: str
    data_coding: int
    exact: bool
    part: MessagePart | None
    repeat_of: int | None
    kind: ReplyKind | None = None


def listed(
    connection: Connection,
    request: ListRequest | int,
    limit: int,
    carrier: str | None = None,
    kind: ReplyKind | None = None,
) -> ListPart[InboundMessageView]:
    """Return a part of the list. Ask for words without digits, since numbers are masked, of few days.

    IDs are in commit order: whoever continues after the last one it read misses none.
    """
    query = select(inbound_messages, links.c.name.label("link"), links.c.carrier).join(
        links, links.c.id == _M.link_id
    )
    query = query if kind is None else query.where(_M.kind == kind.value)
    query = query if carrier is None else query.where(links.c.carrier == carrier)
    columns = ListColumns(_M.id, _M.received_at, (_M.text,), {"came": _M.id})
    return part(connection, query, columns, request, limit).of(_shown)


def _shown(row: Row[Any]) -> InboundMessageView:
    whole = row.part_total is None
    return from_row(
        InboundMessageView,
        row,
        phone=mask(row.phone if row.phone is not None else row.source),
        destination=mask(row.destination),
        text=mask_written(masked(row.text, row.phone)),
        data_coding=row.coding,
        exact=row.octets is None,
        part=None if whole else MessagePart(row.part_reference, row.part_number, row.part_total),
    )


def carriers_of(connection: Connection) -> Sequence[str]:
    return connection.execute(select(links.c.carrier).distinct().order_by(links.c.carrier)).scalars().all()
