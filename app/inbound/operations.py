"""Operations on inbound messages, and on the scams that are reported by them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.database.listing import ListPart
from app.inbound import queries, scam_reports
from app.inbound.queries import InboundMessageView
from app.inbound.reply_kinds import ReplyKind
from app.inbound.scam_reports import ScamReportCount
from app.operations import OfCarrier, Paging, Transaction, operation
from app.security.roles import SENDERS

TAG = "inbound messages"
Kind = Annotated[ReplyKind | None, Field(description="only of this kind")]


@operation("GET /v1/inbound-messages", roles=SENDERS)
def list_inbound_messages(
    tx: Transaction, paging: Paging, carrier: OfCarrier = None, kind: Kind = None
) -> ListPart[InboundMessageView]:
    """List what was sent to us over the links, numbers masked; an operator sees its own carrier's.

    Continue after the last `id`: none is ever inserted before one that was listed.
    """
    return queries.listed(tx.connection, paging.request, paging.limit, carrier, kind)


@operation(
    "GET /v1/inbound-messages/scam-reports",
    roles=SENDERS,
    command="inbound reports",
    columns=("day", "area", "area_name", "form", "reports"),
)
def count_scam_reports(tx: Transaction) -> list[ScamReportCount]:
    """Count the scams that citizens have reported (LD, S or V with number and content), by day and area."""
    return scam_reports.counts(tx.connection, tx.who.carrier)
