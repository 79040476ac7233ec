"""All tables, by stage. Stages hand over work through tables and never call each other.

Times are milliseconds since 1970 (UTC) in 8 bytes on both engines; phones are the digits 84xxxxxxxxx as a
number. On PostgreSQL the three large tables are partitioned by campaign, so that retention is a DROP.
"""

from __future__ import annotations

from app.database.models.base import Ms, metadata
from app.database.models.batches import bad_lines, batches, subscribers
from app.database.models.campaigns import approvals, audiences, campaigns, directives, run_batches, runs
from app.database.models.dispatch import (
    chunks,
    deliveries,
    homes,
    link_health,
    links,
    run_counts,
    submissions,
    unknowns,
    webhook_clocks,
)
from app.database.models.faults import faults
from app.database.models.frozen import frozen_reports, report_files
from app.database.models.inbound import inbound_messages
from app.database.models.notices import notices
from app.database.models.people import api_keys, audit, login_attempts, people, recovery_codes, sessions
from app.database.models.privacy import do_not_send, erasures, kept_reports, left_out
from app.database.models.receipts import (
    errands,
    polled_chunks,
    quarantine,
    questions,
    receipt_files,
    receipt_lines,
    receipts,
)
from app.database.models.reports import addressees, attachments, outreach, statements, tallies
from app.database.models.requests import answers
from app.database.models.turns import turns

__all__ = [
    "Ms",
    "addressees",
    "answers",
    "api_keys",
    "approvals",
    "attachments",
    "audiences",
    "audit",
    "bad_lines",
    "batches",
    "campaigns",
    "chunks",
    "deliveries",
    "directives",
    "do_not_send",
    "erasures",
    "errands",
    "faults",
    "frozen_reports",
    "homes",
    "inbound_messages",
    "kept_reports",
    "left_out",
    "link_health",
    "links",
    "login_attempts",
    "metadata",
    "notices",
    "outreach",
    "people",
    "polled_chunks",
    "quarantine",
    "questions",
    "receipt_files",
    "receipt_lines",
    "receipts",
    "recovery_codes",
    "report_files",
    "run_batches",
    "run_counts",
    "runs",
    "sessions",
    "statements",
    "submissions",
    "subscribers",
    "tallies",
    "turns",
    "unknowns",
    "webhook_clocks",
]
