"""The way around: what stands in the head of every page, for whom it is."""

from __future__ import annotations

from dataclasses import dataclass

from app.auth.caller import Caller
from app.auth.roles import may
from app.web.words import Said, say


@dataclass(frozen=True, slots=True)
class Entry:
    """A page that others lead to: shown to the roles that may do the operation."""

    operation: str
    path: str
    name: Said


ENTRIES = (
    Entry("page_overview", "/", say("Overview")),
    Entry("page_campaigns", "/campaigns", say("Campaigns")),
    Entry("page_compose", "/compose", say("New campaign")),
    Entry("page_approvals", "/approvals", say("Approvals")),
    Entry("page_batches", "/batches", say("Batches")),
    Entry("page_directives", "/directives", say("Directives")),
    Entry("page_texts", "/texts", say("Texts")),
    Entry("page_lanes", "/lanes", say("Lanes")),
    Entry("page_receipts", "/receipts", say("Receipts")),
    Entry("page_inbound", "/inbound", say("Inbound messages")),
    Entry("page_reports", "/reports", say("Reports")),
    Entry("page_erasures", "/erasures", say("Erasures")),
    Entry("page_audit", "/audit", say("Audit")),
    Entry("page_people", "/people", say("People")),
)


def entries(who: Caller | None) -> list[Entry]:
    """What this caller may go to; nothing for somebody who has not signed in."""
    return [] if who is None else [entry for entry in ENTRIES if may(who.role, entry.operation)]
