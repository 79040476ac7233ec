"""A person's word that the clock is right after a leap, so that what cannot be undone goes on."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from app.core import clock
from app.core.errors import Conflict
from app.database import clock_leaps
from app.operations import Transaction, operation
from app.security.roles import ADMINS

TAG = "privacy"


class ConfirmedClock(BaseModel):
    """The last time before the leap that was trusted, and the one that is confirmed."""

    before: datetime
    after: datetime


@operation(
    "POST /v1/clock/confirm",
    roles=ADMINS,
    command="clock confirm",
    audit="confirmed the time after the clock had leapt",
    done="The time is confirmed. Erasure and snapshots continue.",
)
def confirm_clock(tx: Transaction) -> ConfirmedClock:
    """Confirm the present time after the clock leapt ahead.

    Erasure and snapshots then continue. Data that is due by this time is erased permanently.
    """
    leap = clock_leaps.confirm(tx.connection)
    if leap is None:
        raise Conflict("The clock has not leapt, so there is nothing to confirm.")
    confirmed = ConfirmedClock(before=clock.moment(leap.trusted_ms), after=clock.local(clock.now()))
    tx.note("clock", before=confirmed.before.isoformat(), after=confirmed.after.isoformat())
    tx.wake()
    return confirmed
