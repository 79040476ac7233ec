"""A host's clock is apart from the database's: reports go by the latter, whatever was done since."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from app.core.clock import DAY_MS
from app.database.connection import Database, shared_ms
from app.ledger import directive_deadline
from app.ledger.ledger import ledger_for
from app.reports.figures.addressees import OutreachChannel, OutreachItem
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity
from app.reports.intake.external_activity import OutreachClaim
from app.reports.intake.statement_input import PaperClaim
from app.reports.release import freeze, verify_archive
from app.reports.release.freeze import Freezer
from tests.app.campaigns.rows import DRAFT, new_campaign
from tests.app.directives.scene import letter
from tests.app.server_clock import apart as apart
from tests.app.world import approve
from tests.long.app.reports.test_clock_ahead import DIRECTIVE
from tests.long.app.reports.test_freeze import HEADS


def acts(c: Connection) -> None:
    """What changes a directive's report: a report, a deadline, and a campaign that is approved."""
    item = OutreachItem(OutreachChannel.RADIO, 3, minutes=10)
    paper = PaperClaim(EntrySource.API, "9/BC", "2024-02-21")
    external_activity.report(c, 1, OutreachClaim("Sở Tư pháp", (item,), paper), "officer")
    directive_deadline.note(c, 1, (None, shared_ms(c) + DAY_MS), "flood", "officer")
    approve(c, new_campaign(c, replace(DRAFT, directive_id=1)))


def test_a_report_stays_provable_and_nothing_is_refused(apart: tuple[Database, int]) -> None:
    db, _ = apart
    letter(db)
    own = "SELECT setval(pg_get_serial_sequence('campaigns', 'id'), 100)"
    db.write(lambda c: c.exec_driver_sql(own))
    freezer = Freezer(db, ledger_for(db), HEADS, "tester")
    report, _ = freezer.freeze(DIRECTIVE)
    db.write(acts)
    assert verify_archive.prove(db, report).sentences == ()
    db.read(freeze.require_past, DIRECTIVE)
    assert freezer.freeze(DIRECTIVE)[0].version == 2
