"""What carriers refused all the same for the sender's name or the text, beside the register's entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from app.core import clock
from app.core.states import DeliveryState, LinkState
from app.database.models import campaigns, links, runs, tallies
from app.operations import Transaction, operation
from app.security.roles import EVERYBODY
from app.sender_names import register
from carriers.contract import Reason

TAG = register.TAG

_RECENT = timedelta(days=90)
# Codes by which links halt over a name, a label, a template or its field.
_CODES = ("7", "9", "14", "29", "32", "0x0A", "0x45", "0xC3")


@dataclass(frozen=True, slots=True)
class RegisterRefusal:
    """A refusal of the last 90 days: of messages of a run, or of a link, which it has halted.

    name: the sender name; of a halted link None, for it may be any of its carrier's. messages: refused by the
    carrier's filter of names and texts, or as a wrong request.
    """

    carrier: str
    name: str | None
    run_id: int | None
    link: str | None
    messages: int
    code: str | None
    reason: str | None
    at: datetime

    @property
    def page(self) -> str:
        """Where it is looked at and mended."""
        return "/links" if self.run_id is None else f"/runs/{self.run_id}/rejected"


@operation(
    "GET /v1/sender-names/refusals",
    roles=EVERYBODY,
    command="sender-name refusals",
    columns=("carrier", "name", "run_id", "link", "messages", "code", "reason", "at"),
)
def list_register_refusals(tx: Transaction) -> list[RegisterRefusal]:
    """List what carriers refused in the last 90 days for the sender's name or the text, newest first."""
    return refusals(tx.connection, tx.who.carrier)


def refusals(connection: Connection, carrier: str | None = None) -> list[RegisterRefusal]:
    """Return the refusals at one carrier, or at all, newest first."""
    since, t, c = clock.to_ms(clock.now() - _RECENT), tallies.c, links.c
    refused = (
        select(runs.c.carrier, campaigns.c.sender, runs.c.id, runs.c.started_at, func.sum(t.n).label("n"))
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .join(tallies, t.run_id == runs.c.id)
        .where(runs.c.started_at >= since, t.state == DeliveryState.REJECTED)
        .where(t.reason.in_((Reason.FILTERED, Reason.WRONG_REQUEST)))
        .group_by(runs.c.carrier, campaigns.c.sender, runs.c.id, runs.c.started_at)
    )
    halted = select(links).where(c.state == LinkState.HALTED.value, c.code.in_(_CODES))
    if carrier is not None:
        refused, halted = refused.where(runs.c.carrier == carrier), halted.where(c.carrier == carrier)
    found = [
        RegisterRefusal(
            row.carrier, row.sender, row.id, None, int(row.n), None, None, clock.moment(row.started_at)
        )
        for row in connection.execute(refused)
        if row.n
    ]
    found += [
        RegisterRefusal(
            row.carrier, None, None, row.name, 0, row.code, row.reason, clock.moment(row.changed_at)
        )
        for row in connection.execute(halted)
    ]
    return sorted(found, key=lambda item: item.at, reverse=True)
