"""What was kept is looked at again: statements still add up, and attachments are the bytes that came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection, select

from app.core import clock
from app.database.models import attachments, runs
from app.reports import carrier_statement
from app.reports.carrier_statement import Statement
from app.reports.intake import rules
from app.reports.intake.statement_input import Circumstances, PaperClaim, StatementInput


def statements_add_up(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Every version of every statement of a campaign, against the rules by which it was taken."""
    own = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    for run_id in connection.execute(own).scalars().all():
        for each in carrier_statement.versions(connection, run_id):
            around = Circumstances(clock.now_ms(), correcting=each.paper.version > 1)
            for fault in rules.faults(_claim(each), around):
                place = ".".join(str(step) for step in fault.place)
                yield f"Run {run_id}, statement {each.paper.version}: {place}: {fault.sentence.en}"


def _claim(of: Statement) -> StatementInput:
    paper = of.paper
    said = PaperClaim(
        source=paper.source,
        number=paper.number,
        dated_on=paper.dated_on,
        received_ms=paper.received_ms,
        note=paper.note,
        reason=paper.reason,
        attachment=paper.attachment.sha256 if paper.attachment else None,
    )
    return StatementInput(of.kind, of.level, of.figures, of.cutoff_ms, said, of.began_ms, of.ended_ms)


def attachments_kept(connection: Connection) -> list[str]:
    """Attachments whose bytes are no longer those that came; one is held in memory at a time."""
    a = attachments.c
    found = []
    for number, sha256 in connection.execute(select(a.id, a.sha256).order_by(a.id)).all():
        content = connection.execute(select(a.content).where(a.id == number)).scalar_one()
        if hashlib.sha256(content).hexdigest() != sha256:
            found.append(f"Attachment {number} ({sha256[:16]}…) is no longer the file that came.")
    return found
