"""The letter of 2024 with a measured run, a held run, and addressees of whom one has reported."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from app.core.clock import VIETNAM, to_ms
from app.database.connection import Database
from app.database.models import directives, runs
from app.reports.figures.addressees import Addressee, AddresseeKind, OutreachChannel, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.statement_input import PaperClaim
from tests.long.app.reports.intake.scene import held
from tests.long.app.reports.scene import DAY, T0

DEADLINE = datetime(2024, 2, 24, 17, tzinfo=VIETNAM)
NAMES = ["VNPT", "Viettel", "MobiFone", "Sở Tư pháp", "Đài PT-TH tỉnh"]


def letter(db: Database, state: str = "sent", deadline: datetime = DEADLINE) -> None:
    """Directive 1 with campaign 1: run 1 at vnpt is finished, run 2 at viettel is held and in `state`."""
    held(db, state)
    db.write(_address, deadline)


def _address(c: Connection, deadline: datetime) -> None:
    c.execute(update(runs).where(runs.c.id == 1).values(ended_at=T0 + DAY))
    c.execute(update(directives).values(addressees=NAMES, report_deadline=to_ms(deadline)))
    for name, kind, carrier in (
        ("Viettel", AddresseeKind.CARRIER, "viettel"),
        ("Sở Tư pháp", AddresseeKind.DEPARTMENT, None),
        ("Đài PT-TH tỉnh", AddresseeKind.PRESS, None),
    ):
        email = f"{kind}@x.example"
        external_activity.register(c, Addressee(None, 1, name, kind, carrier, email), "officer")
    paper = PaperClaim(EntrySource.API, "12/BC", "2024-02-20", to_ms(deadline - timedelta(days=4)))
    item = OutreachItem(OutreachChannel.RADIO, 8, minutes=40)
    external_activity.report(c, 1, OutreachClaim("Đài PT-TH tỉnh", (item,), paper), "officer")
