"""SMS parts are charged on the day of Viet Nam on which they were handed over."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import update

from app.core import clock
from app.database.connection import Database
from app.database.models import deliveries
from app.ledger.money import segments_by_day
from carriers.contract import Accepted
from tests.app.ledger.test_receipt_matching import sent


def test_what_goes_out_about_midnight_is_of_two_days(db: Database) -> None:
    world = sent(db, Accepted(("m",)), count=3)
    for seq, (hour, minute) in enumerate([(16, 59), (17, 0), (17, 1)], 2):
        at = clock.to_ms(datetime(2026, 3, 5, hour, minute, tzinfo=UTC))
        own = update(deliveries).where(deliveries.c.seq == seq)
        db.write(lambda c, own=own, at=at: c.execute(own.values(submitted_at=at)))
    found = db.read(segments_by_day, deliveries.c.campaign_id == world.campaign)
    assert found == {date(2026, 3, 5).toordinal(): 1, date(2026, 3, 6).toordinal(): 2}
